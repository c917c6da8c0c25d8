//! The effective status of an account, which follows from its life cycle and its holds, and from
//! those of the accounts above it (R-ACC-2, R-ACC-3).

use crate::error::{Code, Error};
use crate::model::{Account, Actor, HoldLevel, Id, Lifecycle};
use tenantry_macros::answer;

/// The effective status of an account: the worst status among it and its ancestors, in this order.
#[answer]
#[derive(PartialOrd, Ord)]
pub enum Status {
    /// The account is in use.
    Active,
    /// The account waits for its owner.
    Pending,
    /// The account is on hold: nobody can enter it, and it sends nothing.
    Suspended,
    /// The account is closed; it can be reopened within the grace period.
    Closed,
}

impl Status {
    /// The code with which work in an account of this status is refused.
    pub fn refusal(self) -> Option<Code> {
        match self {
            Status::Active => None,
            Status::Pending => Some(Code::AccountPending),
            Status::Suspended => Some(Code::AccountSuspended),
            Status::Closed => Some(Code::AccountClosed),
        }
    }
}

/// The status of one account by itself.
pub fn own_status(account: &Account) -> Status {
    match account.lifecycle {
        // Those below it are about to be deleted as well.
        _ if account.leaving => Status::Closed,
        Lifecycle::Closed { .. } => Status::Closed,
        _ if !account.holds.is_empty() => Status::Suspended,
        Lifecycle::Pending => Status::Pending,
        Lifecycle::Active => Status::Active,
    }
}

/// The worst status from the account up to the top of its tree.
pub fn effective_status<'a>(line: impl IntoIterator<Item = &'a Account>) -> Status {
    line.into_iter()
        .map(own_status)
        .max()
        .unwrap_or(Status::Closed)
}

/// Refuses what only an account in use does, such as claiming: the line runs from the account up to
/// the top (R-ACC-2).
pub(crate) fn refuse_unless_active(line: &[Account]) -> Result<(), Error> {
    let (Some(code), Some(account)) = (effective_status(line).refusal(), line.first()) else {
        return Ok(());
    };
    Err(Error::new(
        code,
        format!("`{}` is not active. {}", account.id, code.sentence()),
    )
    .at("/account")
    .with("account", account.id.as_str()))
}

/// The level at which an actor places and clears holds of `account`.
pub fn hold_level(actor: &Actor, account: &Id) -> HoldLevel {
    match actor {
        Actor::System | Actor::Operator { .. } => HoldLevel::Platform,
        Actor::User { account: home, .. } if home == account => HoldLevel::Account,
        Actor::User { .. } => HoldLevel::Ancestor,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_status_wins() {
        let order = [
            Status::Active,
            Status::Pending,
            Status::Suspended,
            Status::Closed,
        ];
        assert!(order.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
