//! Credits, with which an account pays for messages beyond its limits (R-CRD-1).

use super::{Channel, Count, Id, Note};
use serde::{Deserialize, Serialize};
use tenantry_macros::answer;

/// What credits paid for.
#[answer]
#[derive(Copy, Eq)]
pub struct PaidWithCredits {
    /// For how many of the messages credits paid.
    pub amount: u64,
    /// The number of the ledger entry. Pass it to `sending.refund` to give back messages that
    /// failed.
    pub entry: u64,
}

/// What an entry in a ledger of credits says.
#[answer]
pub enum CreditKind {
    /// The platform added credits.
    Granted,
    /// Credits paid for messages.
    Spent,
    /// Credits came back because the messages for which they had paid did not go out.
    Refunded,
    /// A grant expired, and what was left of it is gone.
    Expired,
    /// Free credits were moved into the reserve of a group; the balance is the same.
    Reserved,
    /// Credits were moved out of the reserve of a group; the balance is the same.
    Unreserved,
    /// Credits were given to an account directly below.
    Allocated,
    /// Credits came from the account above.
    Received,
    /// Credits that had come from the account above went back to it.
    Returned,
    /// Credits that had been given to an account below came back.
    TakenBack,
    /// The platform took back credits that it had added.
    Withdrawn,
}

impl CreditKind {
    /// Whether the entry adds to the balance or takes from it; none when it does neither.
    pub const fn adds(self) -> Option<bool> {
        match self {
            CreditKind::Granted
            | CreditKind::Refunded
            | CreditKind::Received
            | CreditKind::TakenBack => Some(true),
            CreditKind::Spent
            | CreditKind::Expired
            | CreditKind::Allocated
            | CreditKind::Returned
            | CreditKind::Withdrawn => Some(false),
            CreditKind::Reserved | CreditKind::Unreserved => None,
        }
    }
}

/// Sums of credits, by what happened to them in some time.
#[answer]
#[derive(Copy, Default, Eq)]
pub struct CreditTotals {
    /// How many credits the platform added.
    pub granted: u64,
    /// How many credits came from the account above.
    pub received: u64,
    /// How many credits went back to the account above.
    pub returned: u64,
    /// How many credits paid for messages, including credits that came back later.
    pub spent: u64,
    /// How many credits came back that had paid for messages, in this time or before it.
    pub refunded: u64,
    /// How many credits were left of grants that expired.
    pub expired: u64,
    /// How many of its credits the platform took back.
    #[serde(default)]
    pub withdrawn: u64,
}

impl CreditTotals {
    /// The sums with one entry more; none when a sum would be too large.
    #[must_use]
    pub fn and(mut self, kind: CreditKind, amount: u64) -> Option<CreditTotals> {
        let total = match kind {
            CreditKind::Granted => &mut self.granted,
            CreditKind::Received => &mut self.received,
            CreditKind::Returned => &mut self.returned,
            CreditKind::Spent => &mut self.spent,
            CreditKind::Refunded => &mut self.refunded,
            CreditKind::Expired => &mut self.expired,
            CreditKind::Withdrawn => &mut self.withdrawn,
            CreditKind::Reserved
            | CreditKind::Unreserved
            | CreditKind::Allocated
            | CreditKind::TakenBack => return Some(self),
        };
        *total = total.checked_add(amount)?;
        // Whatever else there is, each credit of it was brought in or spent once.
        let largest = self.granted.saturating_add(self.received).max(self.spent);
        (largest <= Count::MAX).then_some(self)
    }

    /// What was added since the sums were these.
    #[must_use]
    pub fn since(self, before: CreditTotals) -> CreditTotals {
        CreditTotals {
            granted: self.granted.saturating_sub(before.granted),
            received: self.received.saturating_sub(before.received),
            returned: self.returned.saturating_sub(before.returned),
            spent: self.spent.saturating_sub(before.spent),
            refunded: self.refunded.saturating_sub(before.refunded),
            expired: self.expired.saturating_sub(before.expired),
            withdrawn: self.withdrawn.saturating_sub(before.withdrawn),
        }
    }
}

/// An entry in the ledger of an account's credits, as it is stored and shown. It is never changed
/// (R-CRD-1), with one exception: `clock.undo` gives the present time to an entry that a wrong
/// clock dated in the future.
#[answer]
pub struct CreditEntry {
    /// The account.
    pub account: Id,
    /// What the credits pay for.
    pub channel: Channel,
    /// The number of the entry in its ledger; the first entry has number 1. The number of an entry
    /// that brought credits in is also the number of the grant.
    pub entry: u64,
    /// What the entry says.
    pub kind: CreditKind,
    /// How many credits.
    pub amount: u64,
    /// The balance of the account after the entry, including the reserves of groups.
    pub balance: u64,
    /// The sums of the ledger up to this entry.
    pub totals: CreditTotals,
    /// The grants that paid, got credits back, or were moved; empty when the entry is a grant
    /// itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<CreditPart>,
    /// The group that spent the credits, or whose reserve changed.
    pub group: Option<Id>,
    /// The account above or below from which the credits came, or to which they went.
    pub other: Option<Id>,
    /// The entry that is refunded.
    pub spend: Option<u64>,
    /// The reason.
    pub reason: Option<Note>,
    /// What the credits paid for, as the host names it: for example a campaign or a reservation.
    pub reference: Option<Id>,
    /// For a grant, its priority; grants with a lower number pay first.
    pub priority: Option<u64>,
    /// For a grant, when the credits that are left expire, in unix milliseconds.
    pub expires_at_ms: Option<u64>,
    /// For a grant, when the credits were first granted, in unix milliseconds; credits from the
    /// account above keep the time of their first grant.
    pub granted_at_ms: Option<u64>,
    /// For a grant that came from the account above, the number of that account's grant from which
    /// it came.
    pub from_grant: Option<u64>,
    /// The idempotency key of the request; the same request is not carried out twice.
    pub key: Option<Id>,
    /// Who made the entry: `system` or the id of a user.
    pub by: String,
    /// When the entry was made, in unix milliseconds; if the clock had stepped back, the time of
    /// the entry before it (R-QTA-13).
    pub at_ms: u64,
}

/// A part of an entry that belongs to one grant.
#[answer]
#[derive(Eq)]
pub struct CreditPart {
    /// The number of the grant in the ledger.
    pub grant: u64,
    /// How many credits.
    pub amount: u64,
    /// The group whose reserve the part came from or went to; absent for the free balance.
    pub group: Option<Id>,
}

/// The state of a ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreditHead {
    /// How many entries the ledger has, which is also the number of the last entry.
    pub entries: u64,
    /// The balance after the last entry.
    pub balance: u64,
    /// The sums of all entries, by what happened to the credits.
    pub totals: CreditTotals,
    /// When the last entry was made.
    pub at_ms: u64,
}

/// Credits that can be paid from together: the free balance of an account, or the reserve of a
/// group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreditBucket {
    /// How many credits are left.
    pub left: u64,
    /// How many credits the group has spent, from its reserve and from the free balance; for the
    /// free balance, how many credits were spent for no group.
    pub spent: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R-CRD-1: each number of a ledger is one that every language can tell, however often the same
    /// credits come and go.
    #[test]
    fn no_more_is_brought_in_or_spent_than_can_be_told() {
        let all = CreditTotals::default()
            .and(CreditKind::Granted, Count::MAX - 1)
            .unwrap()
            .and(CreditKind::Spent, Count::MAX)
            .unwrap();
        let and = |kind, amount| all.and(kind, amount).is_some();
        assert!(
            and(CreditKind::Received, 1)
                && and(CreditKind::Granted, 1)
                && !and(CreditKind::Received, 2)
                && !and(CreditKind::Granted, 2)
        );
        assert!(!and(CreditKind::Spent, 1) && !and(CreditKind::Granted, u64::MAX));
        assert!(
            and(CreditKind::Refunded, 1)
                && and(CreditKind::Expired, 1)
                && and(CreditKind::Reserved, u64::MAX)
        );
    }
}
