//! Allow-lists: the addresses from which people may act (R-SES-3): requests and answers.
#![cfg_attr(doc, doc = include_str!("../../doc/addresses.md"))]

use crate::model::{AddressRange, Id};
use tenantry_macros::{answer, request};

/// Sets an allow-list: that of a user, that of an account for everybody who acts in it or below it,
/// or that of a membership. An empty list allows every address.
///
/// Every list that applies must contain the address of the actor: that of the user, of the
/// membership, of the account, and of the accounts above it. Otherwise, and when no address is
/// named, everything that the actor does is refused with `ip_not_allowed`. Nobody can lock themself
/// out.
#[request]
pub struct Set {
    /// The account; together with `user`, the user's membership of this account.
    pub account: Option<Id>,
    /// The user.
    pub user: Option<Id>,
    /// At most 100 addresses and ranges (CIDR), IPv4 and IPv6; an IPv4 address mapped into IPv6
    /// counts as IPv4.
    pub addresses: Vec<AddressRange>,
}

/// Reads an allow-list.
#[request]
pub struct Get {
    /// The account; together with `user`, the user's membership of this account.
    pub account: Option<Id>,
    /// The user.
    pub user: Option<Id>,
}

/// An allow-list.
#[answer]
pub struct AddressList {
    /// The account that it is about.
    pub account: Option<Id>,
    /// The user that it is about.
    pub user: Option<Id>,
    /// The addresses that are allowed; every address is allowed when the list is empty.
    pub addresses: Vec<AddressRange>,
}
