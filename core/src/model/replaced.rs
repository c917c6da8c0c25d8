//! Kinds of records that another can replace.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A kind of record that another can replace wherever it is used.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Replaceable {
    /// A package.
    Package,
    /// A role.
    Role,
}

impl Replaceable {
    /// The name in keys and answers.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Replaceable::Package => "package",
            Replaceable::Role => "role",
        }
    }
}
