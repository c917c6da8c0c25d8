//! Credits: what an account pays with beyond its caps (R-CRD-1).

use super::{Channel, Count, Id, Note};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What credits paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PaidWithCredits {
    /// How many of the messages.
    pub amount: u64,
    /// The entry of the ledger: what fails is given back with `sending.refund`.
    pub entry: u64,
}

/// What an entry in a ledger of credits tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CreditKind {
    /// The platform added credits.
    Granted,
    /// Messages were paid.
    Spent,
    /// What was paid for messages that did not go out came back.
    Refunded,
    /// A grant ended: what was left of it is gone.
    Expired,
    /// Free credits went into the reserve of a group; the balance is the same.
    Reserved,
    /// Credits of a group's reserve are free again; the balance is the same.
    Unreserved,
    /// Credits went to an account directly below.
    Allocated,
    /// Credits came from the account above.
    Received,
    /// Credits that had come from the account above went back to it.
    Returned,
    /// Credits that had gone to an account below came back.
    TakenBack,
    /// The platform took credits back that it had added.
    Withdrawn,
}

impl CreditKind {
    /// Whether it adds to the balance, or takes from it; none where it does neither.
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

/// Credits by what became of them, over some time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CreditTotals {
    /// How many the platform added.
    pub granted: u64,
    /// How many came from the account above.
    pub received: u64,
    /// How many went back to the account above.
    pub returned: u64,
    /// How many paid for messages, also where some came back later.
    pub spent: u64,
    /// How many came back of what was spent, then or earlier.
    pub refunded: u64,
    /// How many were left of grants when these ended.
    pub expired: u64,
    /// How many the platform took back of those that it had added.
    #[serde(default)]
    pub withdrawn: u64,
}

impl CreditTotals {
    /// With one entry more; none where that cannot be told.
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
        let told = self.granted.saturating_add(self.received).max(self.spent);
        (told <= Count::MAX).then_some(self)
    }

    /// What came since these were the totals.
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
/// (R-CRD-1), but that `clock.undo` dates it now where it was made in a future that was none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CreditEntry {
    /// The account.
    pub account: Id,
    /// What the credits pay.
    pub channel: Channel,
    /// The number of the entry in its ledger, from 1 on. That of what brought credits in is also
    /// the number of the grant.
    pub entry: u64,
    /// What it tells.
    pub kind: CreditKind,
    /// How many credits.
    pub amount: u64,
    /// How many the account has after it, reserves of groups included.
    pub balance: u64,
    /// What the ledger sums up to with it.
    pub totals: CreditTotals,
    /// The grants that paid, got something back, or changed their place; none where the entry is a
    /// grant itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<CreditPart>,
    /// The group that spent, or whose reserve it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Id>,
    /// The account above or below that credits came from or went to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other: Option<Id>,
    /// The entry that is refunded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spend: Option<u64>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Note>,
    /// What was paid, in the host's words: a campaign, a reservation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Id>,
    /// Of a grant: those with a lower number pay first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u64>,
    /// Of a grant: when what is left of it is gone, in unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at_ms: Option<u64>,
    /// Of a grant: how old it is, in unix milliseconds; what comes from the account above is as old
    /// as it was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granted_at_ms: Option<u64>,
    /// Of a grant that came from the account above: which grant of that account it is a part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_grant: Option<u64>,
    /// The key that it was asked for with; the same request is not carried out twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Id>,
    /// Who brought it about: `system` or a user's id.
    pub by: String,
    /// When, in unix milliseconds; where the clock stepped back, when the entry before was made
    /// (R-QTA-13).
    pub at_ms: u64,
}

/// A part of an entry: so much of one grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CreditPart {
    /// The number of the grant in the ledger.
    pub grant: u64,
    /// How many credits.
    pub amount: u64,
    /// The group out of whose reserve, or into which; absent for the free balance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Id>,
}

/// Where a ledger stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreditHead {
    /// How many entries it has; also the number of the last.
    pub entries: u64,
    /// What they sum up to.
    pub balance: u64,
    /// By what became of them.
    pub totals: CreditTotals,
    /// When the last was made.
    pub at_ms: u64,
}

/// What can be paid from together: the free balance of an account, or the reserve of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreditPocket {
    /// How many credits are in it.
    pub left: u64,
    /// How many the group has spent, from wherever; in the free balance, those who are in no group.
    pub spent: u64,
}

/// What was asked for with a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreditKey {
    /// The digest of the request.
    pub fingerprint: String,
    /// The ledger of the entry that it made.
    pub channel: Channel,
    /// The number of the entry.
    pub entry: u64,
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
