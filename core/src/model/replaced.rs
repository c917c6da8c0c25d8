//! Kinds of records that another can replace.

use tenantry_macros::answer;

/// A kind of record that another can replace wherever it is used.
#[answer]
#[derive(PartialOrd, Ord)]
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
