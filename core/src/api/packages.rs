//! Packages: service tiers with limits (R-PKG-1, R-PKG-4): requests and answers.
#![cfg_attr(doc, doc = include_str!("../../doc/packages.md"))]

use crate::api::put::PutOutcome;
use crate::model::{
    Assets, AssetsEdit, BounceRate, Count, Id, Limit, LimitName, Limits, Name, Package, Price,
};
use tenantry_macros::{answer, request};

/// Creates a package.
///
/// Credits, overuse, the bounce rate, and the limit on suppressed domains need the commercial
/// edition. For credits and overuse, the preset `groups` on the platform is enough too (R-PLT-1).
#[request]
pub struct Create {
    /// The host's own id. When absent, an id is generated.
    pub id: Option<Id>,
    /// The name that people see.
    pub name: Name,
    /// The limits of the package; for a limit that is absent, the platform's default applies.
    #[serde(default)]
    pub limits: Limits,
    /// The role that no member of the package's accounts can exceed (R-ROL-5).
    pub role: Option<Id>,
    /// The assets that the package's accounts can use, at most 200 of each kind (R-PKG-5).
    #[serde(default)]
    pub assets: Assets,
    /// Whether the package's accounts pay with credits for messages beyond their limits.
    #[serde(default)]
    pub credits: bool,
    /// Whether the package's accounts may send beyond their limits.
    #[serde(default)]
    pub overuse: bool,
    /// The bounce rate at which a campaign is stopped.
    pub bounce_rate: Option<BounceRate>,
    /// What a further account of the team costs each month (R-TEA-4).
    pub child_price: Option<Price>,
}

/// Changes a package; the change applies at once to every account that inherits from it (R-PKG-4).
/// A field that is absent stays as it is.
#[request]
pub struct Edit {
    /// The package.
    pub package: Id,
    /// The name that people see.
    pub name: Option<Name>,
    /// The limits to change; a limit that is absent stays as it is.
    pub limits: Option<Limits>,
    /// The limits to remove, so that the platform's default applies; a limit cannot also have a
    /// value in `limits`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without_limits: Vec<LimitName>,
    /// The role that no member of the package's accounts can exceed.
    pub role: Option<Id>,
    /// Removes the role; it cannot be combined with `role`.
    #[serde(default)]
    pub without_role: bool,
    /// The assets that the package's accounts can use; a list that is absent stays as it is.
    pub assets: Option<AssetsEdit>,
    /// Whether the package's accounts pay with credits for messages beyond their limits.
    pub credits: Option<bool>,
    /// Whether the package's accounts may send beyond their limits.
    pub overuse: Option<bool>,
    /// The bounce rate at which a campaign is stopped.
    pub bounce_rate: Option<BounceRate>,
    /// Removes the bounce rate, so that campaigns are no longer stopped for bounces; it cannot be
    /// combined with `bounce_rate`.
    #[serde(default)]
    pub without_bounce_rate: bool,
    /// What a further account of the team costs each month.
    pub child_price: Option<Price>,
    /// Removes the price; it cannot be combined with `child_price`.
    #[serde(default)]
    pub without_child_price: bool,
    /// The revision on which the change is based; a stale one is refused with `rev_conflict`.
    pub expected_rev: Option<Count>,
}

/// Creates a package, or changes the one that has the id, so that it is exactly as the request
/// says. A field that is absent is as it would be after `packages.create`: a limit that is absent
/// is removed. A package that is as it should be already is not written, and keeps its revision; so
/// a script can do the same again.
///
/// The rules are those of `packages.create` and `packages.edit`, and an operator needs
/// `packages.create` too where the package is not there yet. A retired package stays retired. The
/// id of a package that was deleted is refused with `id_taken`.
#[request]
pub struct Put {
    /// The host's own id.
    pub id: Id,
    /// The name that people see.
    pub name: Name,
    /// The limits of the package; for a limit that is absent, the platform's default applies.
    #[serde(default)]
    pub limits: Limits,
    /// The role that no member of the package's accounts can exceed (R-ROL-5).
    pub role: Option<Id>,
    /// The assets that the package's accounts can use, at most 200 of each kind (R-PKG-5).
    #[serde(default)]
    pub assets: Assets,
    /// Whether the package's accounts pay with credits for messages beyond their limits.
    #[serde(default)]
    pub credits: bool,
    /// Whether the package's accounts may send beyond their limits.
    #[serde(default)]
    pub overuse: bool,
    /// The bounce rate at which a campaign is stopped.
    pub bounce_rate: Option<BounceRate>,
    /// What a further account of the team costs each month (R-TEA-4).
    pub child_price: Option<Price>,
}

/// Reads a package.
#[request]
pub struct Get {
    /// The package.
    pub package: Id,
}

/// Lists packages by id, a page at a time.
#[request]
pub struct List {
    /// Where the page begins: the `next` of the previous page.
    pub after: Option<Id>,
    /// How many entries the page has at most: 1 to 500; 50 when absent.
    pub limit: Option<Count>,
}

/// Retires a package: the accounts that have it keep it, but no other account can get it (R-PKG-4).
#[request]
pub struct Retire {
    /// The package.
    pub package: Id,
    /// The revision on which the change is based; a stale one is refused with `rev_conflict`.
    pub expected_rev: Option<Count>,
}

/// Deletes a package. If accounts use it, the call must name another package to which they move
/// (R-PKG-4).
#[request]
pub struct Delete {
    /// The package.
    pub package: Id,
    /// The package to which the accounts move. The accounts that were to get the deleted package
    /// later get this package instead.
    pub move_to: Option<Id>,
    /// The revision on which the change is based; a stale one is refused with `rev_conflict`.
    pub expected_rev: Option<Count>,
}

/// Checks which limits today's usage of an account would exceed if the account had another package
/// (R-PKG-6).
///
/// The package can be changed nevertheless: nothing is deleted, and usage that is above a limit can
/// shrink but not grow.
#[request]
pub struct Preflight {
    /// The account.
    pub account: Id,
    /// The package that the account would get.
    pub package: Id,
}

/// A page of packages.
#[answer]
pub struct PackageList {
    /// The packages.
    pub packages: Vec<Package>,
    /// The `after` of the next page; absent on the last page.
    pub next: Option<Id>,
}

/// A package that was put into a state.
#[answer]
pub struct PackagePut {
    /// The package.
    pub package: Package,
    /// What was done.
    pub outcome: PutOutcome,
}

/// A package that was deleted.
#[answer]
pub struct PackageDeleted {
    /// The package.
    pub package: Id,
    /// How many accounts moved to the other package.
    pub moved: u64,
}

/// What a change of package would cause today.
#[answer]
pub struct PackagePreflight {
    /// The account.
    pub account: Id,
    /// The package that the account would get.
    pub package: Id,
    /// The limits that today's usage exceeds; empty when the usage fits.
    pub exceeded: Vec<PreflightExcess>,
    /// The limits of which more is guaranteed to the accounts below than the account would have;
    /// these guarantees would become best effort (R-TEA-9).
    pub guarantees: Vec<PreflightGuarantee>,
}

/// A limit that today's usage exceeds.
#[answer]
pub struct PreflightExcess {
    /// Which limit.
    pub limit: LimitName,
    /// The value of the limit with the package.
    pub value: Limit,
    /// How much is used now.
    pub used: u64,
}

/// A limit of which more is guaranteed to the accounts below than the account would have.
#[answer]
pub struct PreflightGuarantee {
    /// Which limit.
    pub limit: LimitName,
    /// The value of the limit with the package, or the value of an account above if that is less.
    pub value: Limit,
    /// How much is guaranteed to the accounts directly below.
    pub promised: u64,
}
