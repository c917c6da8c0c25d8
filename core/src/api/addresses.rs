//! Allow-lists: where people may come from (R-SES-3): requests and answers.

use crate::model::{AddressRange, Id};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Says where a user, whoever acts in an account or below it, or a member of one may come from; an
/// empty list is none.
///
/// Every list on the way must hold the address of the actor: that of the user, of the membership,
/// of the account and of those above it. Otherwise, and where no address is named, everything they
/// do is `ip_not_allowed`. Nobody locks themself out.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Set {
    /// The account; with `user`, their membership of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Id>,
    /// The user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    /// At most 100 addresses and ranges (CIDR), v4 and v6; v4 mapped into v6 counts as v4.
    pub addresses: Vec<AddressRange>,
}

/// Reads an allow-list.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Get {
    /// The account; with `user`, their membership of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Id>,
    /// The user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
}

/// An allow-list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AddressList {
    /// The account that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<Id>,
    /// The user that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    /// Where they may come from; anywhere where this is empty.
    pub addresses: Vec<AddressRange>,
}
