//! The assets through which mail goes out: sending domains, nodes and bounce addresses (R-PKG-5).

use super::Name;
use schemars::JsonSchema;
use tenantry_macros::{answer, options};

/// The assets of a package or of an account, by the names that the host uses for them.
#[options]
#[derive(Default, PartialEq, Eq, JsonSchema)]
pub struct Assets {
    /// The sending domains.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub domains: Vec<Name>,
    /// The sending nodes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<Name>,
    /// The bounce addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bounce_addresses: Vec<Name>,
}

/// A change of the assets of a package; a list that is absent stays as it is.
#[options]
#[derive(Default, PartialEq, Eq, JsonSchema)]
pub struct AssetsEdit {
    /// The sending domains; the new list replaces the old one.
    pub domains: Option<Vec<Name>>,
    /// The sending nodes; the new list replaces the old one.
    pub nodes: Option<Vec<Name>>,
    /// The bounce addresses; the new list replaces the old one.
    pub bounce_addresses: Option<Vec<Name>>,
}

impl AssetsEdit {
    /// The assets after this change.
    pub fn of(self, before: Assets) -> Assets {
        Assets {
            domains: self.domains.unwrap_or(before.domains),
            nodes: self.nodes.unwrap_or(before.nodes),
            bounce_addresses: self.bounce_addresses.unwrap_or(before.bounce_addresses),
        }
    }
}

/// A kind of asset.
#[answer]
pub enum AssetKind {
    /// A sending domain.
    Domain,
    /// A sending node.
    Node,
    /// A bounce address.
    BounceAddress,
}

impl Assets {
    /// The most assets of one kind.
    pub const MOST: usize = 200;

    /// Whether there is no asset.
    pub fn is_empty(&self) -> bool {
        *self == Assets::default()
    }

    /// The assets of one kind.
    pub fn of(&self, kind: AssetKind) -> &[Name] {
        match kind {
            AssetKind::Domain => &self.domains,
            AssetKind::Node => &self.nodes,
            AssetKind::BounceAddress => &self.bounce_addresses,
        }
    }

    /// Adds the other assets that are not here yet.
    pub fn add_all(&mut self, others: &Assets) {
        for kind in [AssetKind::Domain, AssetKind::Node, AssetKind::BounceAddress] {
            let new: Vec<Name> = others
                .of(kind)
                .iter()
                .filter(|name| !self.of(kind).contains(name))
                .cloned()
                .collect();
            self.of_mut(kind).extend(new);
        }
    }

    /// The assets of one kind, for changing them.
    pub fn of_mut(&mut self, kind: AssetKind) -> &mut Vec<Name> {
        match kind {
            AssetKind::Domain => &mut self.domains,
            AssetKind::Node => &mut self.nodes,
            AssetKind::BounceAddress => &mut self.bounce_addresses,
        }
    }
}
