//! What mail goes out through: sending domains, nodes, bounce addresses (R-PKG-5).

use super::Name;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The assets of a package or of an account, each named as the host names it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Assets {
    /// Sending domains.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub domains: Vec<Name>,
    /// Sending nodes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<Name>,
    /// Bounce addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bounce_addresses: Vec<Name>,
}

/// What is changed of the assets of a package; a list that is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AssetsEdit {
    /// Sending domains, all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domains: Option<Vec<Name>>,
    /// Sending nodes, all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<Vec<Name>>,
    /// Bounce addresses, all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bounce_addresses: Option<Vec<Name>>,
}

impl AssetsEdit {
    /// What these changes make of the assets that there were.
    pub fn of(self, before: Assets) -> Assets {
        Assets {
            domains: self.domains.unwrap_or(before.domains),
            nodes: self.nodes.unwrap_or(before.nodes),
            bounce_addresses: self.bounce_addresses.unwrap_or(before.bounce_addresses),
        }
    }
}

/// A kind of asset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AssetKind {
    /// A sending domain.
    Domain,
    /// A sending node.
    Node,
    /// A bounce address.
    BounceAddress,
}

impl Assets {
    /// Most assets of one kind.
    pub const MOST: usize = 200;

    /// Whether there is none.
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

    /// Takes in those of others that are not here.
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

    /// The assets of one kind, to be changed.
    pub fn of_mut(&mut self, kind: AssetKind) -> &mut Vec<Name> {
        match kind {
            AssetKind::Domain => &mut self.domains,
            AssetKind::Node => &mut self.nodes,
            AssetKind::BounceAddress => &mut self.bounce_addresses,
        }
    }
}
