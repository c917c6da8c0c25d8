//! Which value of a limit counts, and where it comes from (R-PKG-2, R-PKG-3).

use crate::model::{Account, Id, Limit, LimitName, Limits, Package};
use crate::options::Edition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the value of a limit comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Set on the account itself.
    Override,
    /// From the account's package.
    Package,
    /// From the account above, since this one has no package.
    Inherited,
    /// From the platform.
    PlatformDefault,
    /// Set on the group (R-GRP-5).
    Group,
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
        }
    }
}

/// What carries a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// An account, as its own.
    Account,
    /// A package, or the platform's defaults.
    Package,
}

/// Whether setting this limit there belongs to the commercial edition (R-PLT-1).
pub fn needs_licence(name: LimitName, carrier: Carrier) -> bool {
    match name {
        LimitName::SuppressedDomains => true,
        LimitName::Contacts => carrier == Carrier::Account,
        _ => false,
    }
}

/// A value that could count: the first of a line does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Where it comes from.
    pub source: Source,
    /// The account or package that carries it; none for the platform's default.
    pub carrier: Option<Id>,
    /// The value.
    pub limit: Limit,
}

/// The values of one limit for the account at the start of `line`, the most specific first.
///
/// `line` runs from the account up to the top of its tree, each with its package. An account without a package takes
/// the parent's values; one with a package does not look further up.
/// What the edition does not include is kept and does not count (R-PLT-1).
pub fn candidates(name: LimitName, line: &[(&Account, Option<&Package>)], defaults: &Limits, edition: Edition) -> Vec<Candidate> {
    let mut found = Vec::new();
    let override_counts = edition == Edition::Commercial || !needs_licence(name, Carrier::Account);
    let package_counts = edition == Edition::Commercial || !needs_licence(name, Carrier::Package);
    for (depth, (account, package)) in line.iter().enumerate() {
        let source = |own| if depth == 0 { own } else { Source::Inherited };
        if let Some(limit) = account.overrides.get(name).filter(|_| override_counts) {
            found.push(Candidate { source: source(Source::Override), carrier: Some(account.id.clone()), limit });
        }
        if let Some(package) = package {
            if let Some(limit) = package.limits.get(name).filter(|_| package_counts) {
                found.push(Candidate { source: source(Source::Package), carrier: Some(package.id.clone()), limit });
            }
            break;
        }
    }
    let limit = defaults.get(name).unwrap_or(Limit::Unlimited);
    found.push(Candidate { source: Source::PlatformDefault, carrier: None, limit });
    found
}
