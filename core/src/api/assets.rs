//! Assets: the sending domains, nodes and bounce addresses that an account may use (R-PKG-5):
//! requests and answers.
#![cfg_attr(doc, doc = include_str!("../../doc/assets.md"))]

use crate::model::{AssetKind, Count, Id, Name};
use tenantry_macros::{answer, request};

/// Lists the assets that an account may use: its own and those of its package or, if it has no
/// package, those of the account above (R-PKG-5).
#[request]
pub struct Get {
    /// The account.
    pub account: Id,
    /// Only the assets of this kind.
    pub kind: Option<AssetKind>,
}

/// Gives an account an asset of its own, beside those of its package. An account has at most 200 of
/// each kind.
#[request]
pub struct Assign {
    /// The account.
    pub account: Id,
    /// What kind of asset it is.
    pub kind: AssetKind,
    /// The name that the host uses for the asset.
    pub asset: Name,
    /// The revision of the account on which the change is based; a stale one is refused with
    /// `rev_conflict`.
    pub expected_rev: Option<Count>,
}

/// Takes an asset of its own away from an account. The assets of the account's package stay.
#[request]
pub struct Unassign {
    /// The account.
    pub account: Id,
    /// What kind of asset it is.
    pub kind: AssetKind,
    /// Its name.
    pub asset: Name,
    /// The revision of the account on which the change is based; a stale one is refused with
    /// `rev_conflict`.
    pub expected_rev: Option<Count>,
}

/// Says where an account's asset comes from. An asset that the account may not use is refused with
/// `asset_not_assigned` (R-PKG-5).
#[request]
pub struct Check {
    /// The account.
    pub account: Id,
    /// What kind of asset it is.
    pub kind: AssetKind,
    /// Its name.
    pub asset: Name,
}

/// The assets that an account may use.
#[answer]
pub struct AssetList {
    /// The account.
    pub account: Id,
    /// First domains, then nodes, then bounce addresses; each asset once, and the account's own
    /// before those that it inherits.
    pub assets: Vec<Asset>,
}

/// An asset that an account may use.
#[answer]
pub struct Asset {
    /// What kind of asset it is.
    pub kind: AssetKind,
    /// Its name.
    pub asset: Name,
    /// Where the account's asset comes from.
    pub source: AssetSource,
    /// The account or package to which it was assigned.
    pub assigned_to: Id,
}

/// Where an account's asset comes from.
#[answer]
pub enum AssetSource {
    /// The asset was assigned to the account itself.
    Own,
    /// The asset comes from the account's package.
    Package,
    /// The asset comes from the account above, or from the package of that account, because this
    /// account has no package.
    Inherited,
}
