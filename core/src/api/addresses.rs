//! Allow-lists: the addresses from which people may act (R-SES-3): requests and answers.
#![cfg_attr(doc, doc = include_str!("../../doc/addresses.md"))]

use crate::model::{AddressRange, Id};
use tenantry_macros::{answer, request};

/// Sets the allow-list of a user, of a membership, or of an account. The list of an account applies
/// to everybody who acts in the account or in an account below it. An empty list allows every
/// address.
///
/// Every list that applies must contain the actor's address: the lists of the user, of the
/// membership, of the account, and of the accounts above it. If a list does not contain the
/// address, or the call names no address, everything that the actor does is refused with
/// `ip_not_allowed`. A list that would lock out the actor who sets it is refused.
#[request]
pub struct Set {
    /// The account. If `user` is given too, the list is that of the user's membership of this
    /// account.
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
    /// The account. If `user` is given too, the list is that of the user's membership of this
    /// account.
    pub account: Option<Id>,
    /// The user.
    pub user: Option<Id>,
}

/// An allow-list.
#[answer]
pub struct AddressList {
    /// The account of the list; absent for the list of a user.
    pub account: Option<Id>,
    /// The user of the list; absent for the list of an account.
    pub user: Option<Id>,
    /// The addresses that are allowed; every address is allowed when the list is empty.
    pub addresses: Vec<AddressRange>,
}
