//! What an account may share, and with whom (R-TEA-6, R-TEA-7).

use crate::model::{Id, Share};

/// The one kind of resource that accounts share.
pub const TEMPLATE: &str = "template";

/// Where an account stands, seen from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Below it: there templates can be shared.
    Below,
    /// The account itself, one above it, or one beside it in the same team.
    AncestorOrSibling,
    /// In another team, which is nobody's business.
    Elsewhere,
}

/// Where the account at the beginning of `target` stands, seen from the one at the beginning of
/// `own`. Both are lines of ids from an account up to the top of its team.
pub fn direction(own: &[Id], target: &[Id]) -> Direction {
    let Some(account) = own.first() else {
        return Direction::Elsewhere;
    };
    if target.iter().skip(1).any(|ancestor| ancestor == account) {
        Direction::Below
    } else if own.last() == target.last() {
        Direction::AncestorOrSibling
    } else {
        Direction::Elsewhere
    }
}

/// Whether an account below sees what is shared.
pub fn includes(share: &Share, descendant: &Id) -> bool {
    share.all || share.accounts.contains(descendant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_go_down_and_nowhere_else() {
        let line = |text: &str| {
            text.split(' ')
                .map(|id| Id::new(id).unwrap())
                .collect::<Vec<_>>()
        };
        let parent = line("parent top");
        assert_eq!(
            direction(&parent, &line("child parent top")),
            Direction::Below
        );
        assert_eq!(
            direction(&parent, &line("grandchild child parent top")),
            Direction::Below
        );
        for other in ["parent top", "top", "sister top", "niece sister top"] {
            assert_eq!(
                direction(&parent, &line(other)),
                Direction::AncestorOrSibling,
                "{other}"
            );
        }
        assert_eq!(
            direction(&parent, &line("child other")),
            Direction::Elsewhere
        );
    }
}
