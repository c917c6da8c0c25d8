//! Assets: the sending domains, nodes and bounce addresses that an account may use (R-PKG-5):
//! requests and answers.

use crate::model::{AssetKind, Count, Id, Name};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Lists the assets that an account may use: its own and those of its package, and where it has no
/// package those of the account above (R-PKG-5).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Get {
    /// The account.
    pub account: Id,
    /// Only those of this kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<AssetKind>,
}

/// Gives an account an asset of its own, beside those of its package. At most 200 of a kind.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Assign {
    /// The account.
    pub account: Id,
    /// What it is.
    pub kind: AssetKind,
    /// Its name, as the host names it.
    pub asset: Name,
    /// The revision of the account that the change was made from; a stale one is `rev_conflict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_rev: Option<Count>,
}

/// Takes an asset of its own away from an account. Those of its package stay.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unassign {
    /// The account.
    pub account: Id,
    /// What it is.
    pub kind: AssetKind,
    /// Its name.
    pub asset: Name,
    /// The revision of the account that the change was made from; a stale one is `rev_conflict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_rev: Option<Count>,
}

/// Says where an account has an asset from; what it may not use is `asset_not_assigned` (R-PKG-5).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// The account.
    pub account: Id,
    /// What it is.
    pub kind: AssetKind,
    /// Its name.
    pub asset: Name,
}

/// The assets that an account may use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AssetList {
    /// The account.
    pub account: Id,
    /// Domains, nodes, then bounce addresses; each once, what is the account's own first.
    pub assets: Vec<Asset>,
}

/// An asset that an account may use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Asset {
    /// What it is.
    pub kind: AssetKind,
    /// Its name.
    pub asset: Name,
    /// Where the account has it from.
    pub source: AssetSource,
    /// The account or package that carries it.
    pub carrier: Id,
}

/// Where an account has an asset from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AssetSource {
    /// It is its own.
    Own,
    /// From its package.
    Package,
    /// From the account above, or its package, since this one has no package.
    Inherited,
}
