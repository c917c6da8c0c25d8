//! Packages: service tiers with limits (R-PKG-1, R-PKG-4): requests and answers.

use crate::model::{
    Assets, AssetsEdit, BounceRate, Count, Id, Limit, LimitName, Limits, Name, Package, Price,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Makes a package.
///
/// Credits, overuse, the bounce rate and the limit on suppressed domains belong to the commercial
/// edition (R-PLT-1).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// The host's own id; made when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Id>,
    /// The name that people see.
    pub name: Name,
    /// Its limits; an absent one falls to the platform's default.
    #[serde(default)]
    pub limits: Limits,
    /// The role that no member of its accounts can exceed (R-ROL-5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Id>,
    /// The assets that its accounts can use, at most 200 of a kind (R-PKG-5).
    #[serde(default)]
    pub assets: Assets,
    /// Whether its accounts pay with credits for what exceeds their caps.
    #[serde(default)]
    pub credits: bool,
    /// Whether its accounts may send beyond their caps.
    #[serde(default)]
    pub overuse: bool,
    /// The rate of bounces at which a campaign is stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bounce_rate: Option<BounceRate>,
    /// What a further account of the team costs each month (R-TEA-4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child_price: Option<Price>,
}

/// Changes a package; acts at once on every account that inherits from it (R-PKG-4). What is absent
/// stays.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// The package.
    pub package: Id,
    /// The name that people see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// Its limits; one that is absent stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// The limits that are taken away, so that they fall to the platform's default; not together
    /// with a value in `limits`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without_limits: Vec<LimitName>,
    /// The role that no member of its accounts can exceed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Id>,
    /// Takes the ceiling away; not together with `role`.
    #[serde(default)]
    pub without_role: bool,
    /// The assets that its accounts can use; a list that is absent stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assets: Option<AssetsEdit>,
    /// Whether its accounts pay with credits for what exceeds their caps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credits: Option<bool>,
    /// Whether its accounts may send beyond their caps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overuse: Option<bool>,
    /// The rate of bounces at which a campaign is stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bounce_rate: Option<BounceRate>,
    /// Campaigns are no longer stopped for bounces; not together with `bounce_rate`.
    #[serde(default)]
    pub without_bounce_rate: bool,
    /// What a further account of the team costs each month.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child_price: Option<Price>,
    /// No price is shown any more; not together with `child_price`.
    #[serde(default)]
    pub without_child_price: bool,
    /// The revision that the change was made from; a stale one is `rev_conflict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_rev: Option<Count>,
}

/// Reads a package.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Get {
    /// The package.
    pub package: Id,
}

/// Lists packages by id, a page at a time.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// Go on after this id: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Id>,
    /// At most this many (1 to 500, 50 when absent).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Count>,
}

/// Retires a package: its accounts keep it, new ones cannot have it (R-PKG-4).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retire {
    /// The package.
    pub package: Id,
    /// The revision that the change was made from; a stale one is `rev_conflict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_rev: Option<Count>,
}

/// Deletes a package; one in use only when its accounts move to another (R-PKG-4).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Delete {
    /// The package.
    pub package: Id,
    /// The package that its accounts get, and those that were to get this one later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub move_to: Option<Id>,
    /// The revision that the change was made from; a stale one is `rev_conflict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_rev: Option<Count>,
}

/// What an account would be over if it had another package: every limit that the usage of today
/// exceeds (R-PKG-6).
///
/// Nothing of it stands in the way of the change: nothing is deleted, and what is over the limit
/// can shrink but not grow.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Preflight {
    /// The account.
    pub account: Id,
    /// The package that it would get.
    pub package: Id,
}

/// A page of packages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PackageList {
    /// The packages.
    pub packages: Vec<Package>,
    /// Where to go on; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Id>,
}

/// A package that was deleted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PackageDeleted {
    /// The package.
    pub package: Id,
    /// How many accounts moved to another.
    pub moved: u64,
}

/// What a change of package would mean today.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PackagePreflight {
    /// The account.
    pub account: Id,
    /// The package that it would get.
    pub package: Id,
    /// The limits that the usage of today exceeds; none when it fits.
    pub exceeded: Vec<PreflightExcess>,
    /// The limits of which the accounts below are guaranteed more than there would be: best effort
    /// from then on (R-TEA-9).
    pub guarantees: Vec<PreflightGuarantee>,
}

/// A limit that the usage of today exceeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PreflightExcess {
    /// Which limit.
    pub limit: LimitName,
    /// Its value with the package.
    pub value: Limit,
    /// How much is used now.
    pub used: u64,
}

/// A limit of which more is guaranteed than there would be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PreflightGuarantee {
    /// Which limit.
    pub limit: LimitName,
    /// Its value with the package, or above where that is less.
    pub value: Limit,
    /// How much is guaranteed to the accounts directly below.
    pub promised: u64,
}
