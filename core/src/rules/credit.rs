//! Which grants of credits pay, in which order, and which get something back (R-CRD-2).

use crate::model::CreditEntry;

/// Where a grant ranks among those that pay: by priority, then by expiry, then by age. The smallest
/// pays first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    priority: u64,
    /// The largest number stands for never.
    expires_at_ms: u64,
    granted_at_ms: u64,
    grant: u64,
}

impl Rank {
    /// The rank of the grant that an entry of a ledger made; none for an entry that made none.
    pub fn of(entry: &CreditEntry) -> Option<Rank> {
        Some(Rank {
            priority: entry.priority?,
            expires_at_ms: entry.expires_at_ms.unwrap_or(u64::MAX),
            granted_at_ms: entry.granted_at_ms?,
            grant: entry.entry,
        })
    }

    /// The numbers that it is ordered by, the first first.
    pub const fn numbers(&self) -> [u64; 4] {
        [
            self.priority,
            self.expires_at_ms,
            self.granted_at_ms,
            self.grant,
        ]
    }

    /// The rank that has these numbers.
    pub const fn from_numbers([priority, expires_at_ms, granted_at_ms, grant]: [u64; 4]) -> Rank {
        Rank {
            priority,
            expires_at_ms,
            granted_at_ms,
            grant,
        }
    }

    /// The number of the grant in its ledger.
    pub const fn grant(&self) -> u64 {
        self.grant
    }

    /// The grants with a lower one pay first.
    pub const fn priority(&self) -> u64 {
        self.priority
    }

    /// How old it is.
    pub const fn granted_at_ms(&self) -> u64 {
        self.granted_at_ms
    }

    /// When what is left of it is gone.
    pub const fn expires_at_ms(&self) -> Option<u64> {
        if self.expires_at_ms == u64::MAX {
            None
        } else {
            Some(self.expires_at_ms)
        }
    }

    /// The same terms in another ledger, where the grant has another number.
    #[must_use]
    pub const fn as_grant(self, grant: u64) -> Rank {
        Rank { grant, ..self }
    }
}

/// What each grant pays of an amount, given what is left of them in the order of their ranks; less
/// where that is all there is.
pub fn pay(left: &[(Rank, u64)], amount: u64) -> Vec<(Rank, u64)> {
    let mut open = amount;
    let mut paid = Vec::new();
    for (rank, left) in left.iter().filter(|(_, left)| *left > 0) {
        if open == 0 {
            break;
        }
        let part = open.min(*left);
        open -= part;
        paid.push((*rank, part));
    }
    paid
}

/// What comes back to each part of a spend, of which some came back before: what paid last gets
/// something back first.
///
/// What is asked for beyond what is left comes back to nobody.
pub fn give_back(paid: &[u64], before: u64, amount: u64) -> Vec<u64> {
    let (mut skipped, mut open) = (before, amount);
    let mut back: Vec<u64> = paid
        .iter()
        .rev()
        .map(|paid| {
            let gone = skipped.min(*paid);
            skipped -= gone;
            let part = open.min(*paid - gone);
            open -= part;
            part
        })
        .collect();
    back.reverse();
    back
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rank(priority: u64, expires_at_ms: u64, granted_at_ms: u64, grant: u64) -> Rank {
        Rank::from_numbers([priority, expires_at_ms, granted_at_ms, grant])
    }

    #[test]
    fn priority_goes_before_expiry_and_expiry_before_age() {
        let mut ranks = [
            rank(1, 5, 5, 1),
            rank(0, u64::MAX, 9, 2),
            rank(1, u64::MAX, 1, 3),
            rank(1, 5, 4, 4),
            rank(0, 7, 9, 5),
            rank(1, 5, 4, 6),
        ];
        ranks.sort();
        assert_eq!(
            ranks.iter().map(Rank::grant).collect::<Vec<_>>(),
            [5, 2, 4, 6, 1, 3]
        );
        assert_eq!(
            (ranks[0].expires_at_ms(), ranks[1].expires_at_ms()),
            (Some(7), None)
        );
        assert_eq!(
            (
                ranks[0].priority(),
                ranks[0].granted_at_ms(),
                ranks[0].as_grant(8).numbers()
            ),
            (0, 9, [0, 7, 9, 8])
        );
    }

    #[test]
    fn the_first_pays_until_it_is_empty() {
        let (one, two, three) = (rank(0, 1, 1, 1), rank(0, 2, 1, 2), rank(0, 3, 1, 3));
        let left = [(one, 10), (two, 0), (three, 5)];
        assert_eq!(pay(&left, 0), []);
        assert_eq!(pay(&left, 10), [(one, 10)]);
        assert_eq!(pay(&left, 11), [(one, 10), (three, 1)]);
        assert_eq!(pay(&left, 99), [(one, 10), (three, 5)]);
    }

    /// Whatever is refunded in whatever steps, each part gets back what it paid and no more.
    #[test]
    fn what_paid_last_gets_something_back_first() {
        assert_eq!(give_back(&[10, 5], 0, 3), [0, 3]);
        assert_eq!(give_back(&[10, 5], 3, 3), [1, 2]);
        assert_eq!(give_back(&[10, 5], 15, 1), [0, 0]);
        let paid = [4, 1, 7, 2];
        for step in 1..=14 {
            let mut back = [0; 4];
            let mut before = 0;
            while before < 14 {
                let amount = step.min(14 - before);
                let parts = give_back(&paid, before, amount);
                assert_eq!(parts.iter().sum::<u64>(), amount);
                back.iter_mut()
                    .zip(&parts)
                    .for_each(|(back, part)| *back += part);
                before += amount;
            }
            assert_eq!(back, paid);
        }
    }
}
