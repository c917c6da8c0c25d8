//! Which value of a limit applies, and where it comes from (R-PKG-2, R-PKG-3).

use crate::model::Edition;
use crate::model::{Account, Id, Limit, LimitKind, LimitName, LimitTerms, Limits, Package};
use tenantry_macros::answer;

/// Where the value of a limit comes from.
#[answer]
#[derive(Hash)]
pub enum Source {
    /// It is set on the account itself.
    Override,
    /// It comes from the account's package.
    Package,
    /// It comes from the account above, because this account has no package.
    Inherited,
    /// It is the platform's default.
    PlatformDefault,
    /// It is set on the group (R-GRP-5).
    Group,
    /// It is a cap (R-QTA-14).
    Cap,
}

impl Source {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Source::Override => "override",
            Source::Package => "package",
            Source::Inherited => "inherited",
            Source::PlatformDefault => "platform_default",
            Source::Group => "group",
            Source::Cap => "cap",
        }
    }
}

/// What a limit is set on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitLevel {
    /// An account, as a limit of its own.
    Account,
    /// A package, or the platform's defaults.
    Package,
}

/// Whether setting this limit there belongs to the commercial edition (R-PLT-1).
pub fn needs_licence(name: LimitName, level: LimitLevel) -> bool {
    match name {
        LimitName::SuppressedDomains => true,
        LimitName::Contacts => level == LimitLevel::Account,
        _ => false,
    }
}

/// Who counts the things that a limit is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountedBy {
    /// The host, which claims and releases them (R-QTA-10).
    Host,
    /// Tenantry, which has the records of them.
    Tenantry,
    /// Nobody, because the limit does not count existing things.
    Nobody,
}

/// Who counts the existing things of this limit.
pub fn counted_by(name: LimitName) -> CountedBy {
    match (name, name.kind()) {
        (
            LimitName::Seats
            | LimitName::ChildAccounts
            | LimitName::SuppressedDomains
            | LimitName::Threads,
            _,
        ) => CountedBy::Tenantry,
        (_, LimitKind::Gauge) => CountedBy::Host,
        (_, LimitKind::Window(_) | LimitKind::Each) => CountedBy::Nobody,
    }
}

/// A value that could apply; the first one of a list does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Where it comes from.
    pub source: Source,
    /// The account or package that sets it; none for the platform's default.
    pub set_by: Option<Id>,
    /// The value.
    pub limit: Limit,
    /// Whether the edition includes it; otherwise it is kept and shown, but does not apply
    /// (R-PLT-1).
    pub enforced: bool,
}

/// The values of one limit for the account at the start of `line`: first those that can apply, the
/// most specific first, and then those that the edition does not include.
///
/// `line` runs from the account up to the top of its tree, each with its package. An account
/// without a package takes the values of the account above it; an account with a package does not.
pub fn candidates(
    name: LimitName,
    line: &[(&Account, Option<&Package>)],
    defaults: &Limits,
    edition: Edition,
) -> Vec<Candidate> {
    let included = |level| edition == Edition::Commercial || !needs_licence(name, level);
    let mut found = Vec::new();
    for (depth, (account, package)) in line.iter().enumerate() {
        let source = |own| if depth == 0 { own } else { Source::Inherited };
        if let Some(limit) = account.overrides.get(name) {
            let (set_by, enforced) = (Some(account.id.clone()), included(LimitLevel::Account));
            found.push(Candidate {
                source: source(Source::Override),
                set_by,
                limit,
                enforced,
            });
        }
        if let Some(package) = package {
            if let Some(limit) = package.limits.get(name) {
                let (set_by, enforced) = (Some(package.id.clone()), included(LimitLevel::Package));
                found.push(Candidate {
                    source: source(Source::Package),
                    set_by,
                    limit,
                    enforced,
                });
            }
            break;
        }
    }
    let default = defaults.get(name).unwrap_or(Limit::Unlimited);
    let enforced = default == Limit::Unlimited || included(LimitLevel::Package);
    found.push(Candidate {
        source: Source::PlatformDefault,
        set_by: None,
        limit: default,
        enforced,
    });
    if !enforced {
        found.push(Candidate {
            source: Source::PlatformDefault,
            set_by: None,
            limit: Limit::Unlimited,
            enforced: true,
        });
    }
    // Stable: within both parts the most specific stays first.
    found.sort_by_key(|candidate| !candidate.enforced);
    found
}

/// The first of the [`candidates`], which counts.
pub fn value(
    name: LimitName,
    line: &[(&Account, Option<&Package>)],
    defaults: &Limits,
    edition: Edition,
) -> Limit {
    let included = |limit: Option<Limit>, level| {
        limit.filter(|_| edition == Edition::Commercial || !needs_licence(name, level))
    };
    for (account, package) in line {
        if let Some(limit) = included(account.overrides.get(name), LimitLevel::Account) {
            return limit;
        }
        if let Some(package) = package {
            if let Some(limit) = included(package.limits.get(name), LimitLevel::Package) {
                return limit;
            }
            break;
        }
    }
    included(defaults.get(name), LimitLevel::Package).unwrap_or(Limit::Unlimited)
}

/// What a limit of the account at the start of `line` counts, and what happens beyond it: for each
/// of these, the most specific setting applies, along the same line as for the value.
pub fn terms(
    name: LimitName,
    line: &[(&Account, Option<&Package>)],
    defaults: &Limits,
) -> LimitTerms {
    let mut found = LimitTerms::none(name);
    for (account, package) in line {
        found = found.or(account.overrides.terms_of(name));
        if let Some(package) = package {
            found = found.or(package.limits.terms_of(name));
            break;
        }
    }
    found.or(defaults.terms_of(name))
}

/// Whether the guaranteed parts of the accounts below still fit into the limit of which they are
/// parts (R-TEA-9).
pub fn guarantees_hold(sum: u64, value: Limit) -> bool {
    sum <= value.ceiling()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Count, Lifecycle, Name};

    fn account(overrides: Limits) -> Account {
        let id = Id::new("acme").unwrap();
        Account {
            id: id.clone(),
            name: Name::new("Acme").unwrap(),
            parent: None,
            owner: None,
            package: None,
            next_package: None,
            overrides,
            allocated: Vec::new(),
            guaranteed: Vec::new(),
            assets: Default::default(),
            default_role: None,
            default_group: id,
            pooled: false,
            shares_since_ms: None,
            time_zone: "UTC".to_owned(),
            lifecycle: Lifecycle::Active,
            leaving: false,
            holds: Vec::new(),
            next_hold: 1,
            children: 0,
            rev: 1,
            created_at_ms: 0,
            updated_at_ms: 0,
        }
    }

    /// R-PLT-1: what the edition does not include stays visible and does not count, wherever it is
    /// set.
    #[test]
    fn what_is_not_licensed_comes_last_and_does_not_count() {
        let five = Limit::At(Count::new(5).unwrap());
        let contacts = account(Limits {
            contacts: Some(five),
            ..Limits::default()
        });
        let first = |name, account: &Account, defaults: &Limits, edition| {
            let found = candidates(name, &[(account, None)], defaults, edition);
            let counts = value(name, &[(account, None)], defaults, edition);
            assert_eq!(counts, found[0].limit);
            (found[0].limit, found[0].enforced, found.len())
        };
        let none = Limits::default();
        assert_eq!(
            first(LimitName::Contacts, &contacts, &none, Edition::Commercial),
            (five, true, 2)
        );
        assert_eq!(
            first(LimitName::Contacts, &contacts, &none, Edition::Standard),
            (Limit::Unlimited, true, 2)
        );
        let suppressed = Limits {
            suppressed_domains: Some(five),
            ..Limits::default()
        };
        assert_eq!(
            first(
                LimitName::SuppressedDomains,
                &account(none.clone()),
                &suppressed,
                Edition::Commercial
            ),
            (five, true, 1)
        );
        assert_eq!(
            first(
                LimitName::SuppressedDomains,
                &account(none),
                &suppressed,
                Edition::Standard
            ),
            (Limit::Unlimited, true, 2)
        );
    }
}
