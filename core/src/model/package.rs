//! Packages: service tiers with limits and a role that is the ceiling of every member (R-PKG-1).

use super::{Assets, Count, Id, Limits, Name};
use tenantry_macros::{answer, request};

/// A package.
#[answer]
pub struct Package {
    /// The id.
    pub id: Id,
    /// The name that people see.
    pub name: Name,
    /// The limits of the package; for a limit that is absent, the platform's default applies.
    pub limits: Limits,
    /// The role that no member of the package's accounts can exceed (R-ROL-5).
    pub role: Option<Id>,
    /// The assets that the package's accounts can use (R-PKG-5).
    #[serde(default, skip_serializing_if = "Assets::is_empty")]
    pub assets: Assets,
    /// Whether the package's accounts pay with credits for messages beyond their limits; only in
    /// the commercial edition or with the preset `groups` (R-CRD-2).
    pub credits: bool,
    /// Whether the package's accounts may send beyond their limits; only in the commercial edition
    /// or with the preset `groups` (R-CRD-2).
    pub overuse: bool,
    /// The bounce rate at which a campaign is stopped; only in the commercial edition (R-QTA-11).
    pub bounce_rate: Option<BounceRate>,
    /// What a further account of the team costs each month (R-TEA-4).
    pub child_price: Option<Price>,
    /// Whether the package takes no new accounts (R-PKG-4).
    pub retired: bool,
    /// The names of the fields that are set but not included in the edition of the store: they are
    /// kept and shown, but do not apply (R-PLT-1). This is never stored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub read_only: Vec<String>,
    /// The names of the fields that are set but have no effect on their own: credits pay for
    /// nothing unless `overuse` is allowed too (R-CRD-2). This is never stored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without_effect: Vec<String>,
    /// How many accounts use the package.
    pub accounts: u64,
    /// The revision; every change raises it.
    pub rev: u64,
    /// When the package was created, in unix milliseconds.
    pub created_at_ms: u64,
    /// When the package was last changed, in unix milliseconds.
    pub updated_at_ms: u64,
}

/// The bounce rate at which a campaign is stopped (R-QTA-11).
#[request]
#[derive(Copy, PartialEq, Eq)]
pub struct BounceRate {
    /// How many bounces per thousand outcomes: 1 to 1,000.
    pub per_mille: Count,
    /// How many outcomes there must be before the rate counts.
    pub sample: Count,
}

/// An amount of money.
#[request]
#[derive(PartialEq, Eq)]
pub struct Price {
    /// The amount in the smallest unit of the currency, such as cents.
    pub minor_units: Count,
    /// The code of the currency: three capital letters, such as `EUR`.
    pub currency: Name,
}
