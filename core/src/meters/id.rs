//! What one counter counts, and whose it is.

use crate::kernel::keys;
use crate::model::{Cap, CapScope, Id};

/// Whose the caps are that count what all accounts send.
pub(crate) const PLATFORM: &str = "platform";
/// The scope of what a limit does not count.
pub(crate) const UNCOUNTED: &str = "uncounted";

/// What one counter counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MeterId {
    /// None for a cap of the platform.
    pub(crate) account: Option<Id>,
    pub(crate) scope: MeterScope,
    /// Such as `email_per_day`; of a cap, `cap`.
    pub(crate) limit: &'static str,
}

/// Whose counter it is, within its account.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum MeterScope {
    /// The account's own.
    Account,
    /// Messages of a class that a limit of the account does not count: nothing bounds them, and the
    /// invoice tells of them.
    Uncounted,
    /// A group's (R-GRP-5).
    Group(Id),
    /// A cap's, of one member, campaign or domain (R-QTA-14).
    Cap(Id, CapScope, String),
}

impl MeterId {
    /// The counter that a cap has for a member, a campaign or a domain.
    pub(crate) fn of_cap(cap: &Cap, subject: &str) -> MeterId {
        MeterId {
            account: cap.account.clone(),
            scope: MeterScope::Cap(cap.id.clone(), cap.scope, subject.to_owned()),
            limit: "cap",
        }
    }

    /// Whether it is of a limit of the account itself.
    pub(crate) fn is_own_of(&self, account: &Id) -> bool {
        self.account.as_ref() == Some(account) && self.scope == MeterScope::Account
    }

    /// The name of the limit, or the id of the cap.
    pub(crate) fn name(&self) -> &str {
        match &self.scope {
            MeterScope::Cap(cap, ..) => cap.as_str(),
            MeterScope::Account | MeterScope::Uncounted | MeterScope::Group(_) => self.limit,
        }
    }

    /// Whose it is, seen from the account that sends.
    pub(crate) fn scope_name(&self, sender: &Id) -> &'static str {
        match self.scope {
            MeterScope::Group(_) => "group",
            MeterScope::Uncounted => UNCOUNTED,
            MeterScope::Account | MeterScope::Cap(_, CapScope::Account, _)
                if self.account.is_none() =>
            {
                PLATFORM
            }
            MeterScope::Account | MeterScope::Cap(_, CapScope::Account, _)
                if self.account.as_ref() == Some(sender) =>
            {
                "account"
            }
            MeterScope::Account | MeterScope::Cap(_, CapScope::Account, _) => "ancestor",
            MeterScope::Cap(_, scope, _) => scope.name(),
        }
    }

    /// Whose it is, seen from the account that carries it.
    pub(super) fn own_scope_name(&self) -> &'static str {
        match (&self.account, &self.scope) {
            (Some(account), _) => self.scope_name(account),
            (None, MeterScope::Cap(_, scope, _)) if *scope != CapScope::Account => scope.name(),
            (None, _) => PLATFORM,
        }
    }

    /// The account, group, member, campaign or domain.
    pub(crate) fn subject(&self) -> &str {
        match &self.scope {
            MeterScope::Account | MeterScope::Uncounted => {
                self.account.as_ref().map_or(PLATFORM, Id::as_str)
            }
            MeterScope::Group(group) => group.as_str(),
            MeterScope::Cap(_, _, subject) => subject,
        }
    }

    /// The scope and the subject in the keys of its records.
    fn parts(&self) -> (String, &str) {
        match &self.scope {
            MeterScope::Account => (String::new(), ""),
            MeterScope::Uncounted => (UNCOUNTED.to_owned(), ""),
            MeterScope::Group(group) => ("group".to_owned(), group.as_str()),
            MeterScope::Cap(cap, _, subject) => (keys::of_cap(cap), subject),
        }
    }

    /// Whether what another counter counts may have been counted here before: limits change their
    /// class, groups their period.
    pub(crate) fn takes_place_of(&self, other: &MeterId) -> bool {
        use MeterScope::{Account, Group, Uncounted};
        let scopes = match (&self.scope, &other.scope) {
            (Account, Uncounted) | (Uncounted, Account) => self.limit == other.limit,
            (Group(_), Group(_)) => true,
            _ => false,
        };
        scopes && self.account == other.account
    }

    /// One text for all of it.
    pub(crate) fn text(&self) -> String {
        let (scope, subject) = self.parts();
        [
            keys::account_or_platform(self.account.as_ref()),
            self.limit,
            &scope,
            subject,
        ]
        .join("/")
    }

    pub(crate) fn key(&self) -> Vec<u8> {
        let (scope, subject) = self.parts();
        keys::meter(self.account.as_ref(), self.limit, &scope, subject)
    }

    /// Where it is kept how far a pace is.
    pub(super) fn pace_key(&self) -> Vec<u8> {
        let (scope, subject) = self.parts();
        keys::meters::pace(self.account.as_ref(), self.limit, &scope, subject)
    }

    /// Where a window that is over is kept.
    pub(super) fn history_key(&self, starts_at_ms: u64) -> Vec<u8> {
        let (scope, subject) = self.parts();
        keys::meter_history(
            self.account.as_ref(),
            self.limit,
            &scope,
            subject,
            starts_at_ms,
        )
    }
}
