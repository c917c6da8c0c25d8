//! Suppressions: the recipients to whom nothing is sent, for each account or pooled for the team
//! (R-TEA-8): requests and answers.
#![cfg_attr(doc, doc = include_str!("../../doc/suppressions.md"))]

use crate::model::{Count, Cursor, Id, MessageClass, Name, Note, Suppression};
use tenantry_macros::{answer, request};

/// Suppresses addresses and domains in an account. All of them are added, or none. An entry that
/// exists already gets the new reason and the new expiry. To add domains, the actor also needs
/// `suppressions.domains.add`.
#[request]
pub struct Add {
    /// The account.
    pub account: Id,
    /// The addresses and domains, at most 500.
    pub entries: Vec<SuppressionInput>,
}

/// Removes suppressions of an account. All of them are removed, or none; the suppressions of other
/// accounts in the pool stay. To remove domains, the actor also needs
/// `suppressions.domains.remove`.
#[request]
pub struct Remove {
    /// The account.
    pub account: Id,
    /// The addresses and domains, at most 500. An entry that the account does not have is refused
    /// with `not_found`.
    pub entries: Vec<SuppressionName>,
}

/// Suppresses many addresses and domains: bad entries are reported, and the others are added. To
/// add domains, the actor also needs `suppressions.domains.add`.
#[request]
pub struct Import {
    /// The account.
    pub account: Id,
    /// The addresses and domains, at most 5,000.
    pub entries: Vec<SuppressionInput>,
    /// Whether all entries are added or none. If one entry is refused, none is added, and the
    /// answer says which entry was refused.
    #[serde(default)]
    pub atomic: bool,
}

/// Lists suppressions by address and domain, a page at a time. Expired entries are listed until
/// they are removed.
#[request]
pub struct List {
    /// The account.
    pub account: Id,
    /// Whether to list the entries of the team's pool, if the account is in the pool; otherwise the
    /// account's own entries are listed.
    #[serde(default)]
    pub pooled: bool,
    /// Only addresses and domains that begin with this text; case and accents do not matter.
    pub search: Option<Name>,
    /// Only entries of this class.
    pub message_class: Option<MessageClass>,
    /// Where the page begins: the `next` of the previous page. A page may be shorter than `limit`
    /// and still have a `next`.
    pub after: Option<Cursor>,
    /// How many entries the page has at most: 1 to 500; 50 when absent.
    pub limit: Option<Count>,
}

/// Filters recipients: says to which of them no message may be sent, and why.
///
/// A recipient is suppressed by their address, by its domain, and by every domain that contains
/// this domain.
#[request]
pub struct Check {
    /// The account that wants to send.
    pub account: Id,
    /// The class of the message.
    pub message_class: MessageClass,
    /// The addresses, at most 1,000.
    pub recipients: Vec<String>,
}

/// Puts an account into the pool of its team, or takes it out. While the account is in the pool,
/// its suppressions apply to all accounts in the pool, and theirs apply to this account. Outside
/// the pool, only the account's own suppressions apply, unchanged.
#[request]
pub struct Pool {
    /// The account.
    pub account: Id,
    /// Whether the account is in the pool.
    pub pooled: bool,
}

/// An address or a domain that is to be suppressed.
#[request]
pub struct SuppressionInput {
    /// The e-mail address or the domain. The address may be any address to which a message can go;
    /// a domain stands for all addresses in it and in its subdomains.
    pub value: String,
    /// The class: `marketing` suppresses marketing messages, and `transactional` suppresses both
    /// classes.
    pub message_class: MessageClass,
    /// The reason.
    pub reason: Option<Note>,
    /// When the entry expires, in unix milliseconds; never when absent.
    pub expires_at_ms: Option<Count>,
}

/// Names a suppression of an account.
#[request]
pub struct SuppressionName {
    /// The e-mail address, or the domain.
    pub value: String,
    /// The class of the entry; both classes when absent.
    pub message_class: Option<MessageClass>,
}

/// The entries that were added.
#[answer]
pub struct SuppressionsAdded {
    /// The entries as they are now, in the order of the request.
    pub suppressions: Vec<Suppression>,
}

/// The result of removing suppressions.
#[answer]
pub struct SuppressionsRemoved {
    /// How many entries were removed.
    pub removed: u64,
}

/// One of many entries that are imported.
#[answer]
pub struct ImportedSuppression {
    /// The address or domain, as it was given.
    pub value: String,
    /// The class.
    pub message_class: MessageClass,
    /// Whether the entry is new. An entry that existed already got the new reason and expiry.
    pub created: bool,
}

/// A page of suppressions.
#[answer]
pub struct SuppressionList {
    /// The entries; `account` names the account of each entry.
    pub suppressions: Vec<Suppression>,
    /// The `after` of the next page; absent on the last page.
    pub next: Option<Cursor>,
}

/// The result of a filter; messages may be sent to recipients who are in neither list.
#[answer]
pub struct SuppressionCheck {
    /// The recipients to whom no message may be sent.
    pub suppressed: Vec<SuppressedRecipient>,
    /// The recipients whose address is not an e-mail address.
    pub invalid: Vec<InvalidRecipient>,
}

/// A recipient to whom no message may be sent.
#[answer]
pub struct SuppressedRecipient {
    /// The position of the recipient in the request, counted from 0.
    pub recipient: u64,
    /// The address, as it was given.
    pub address: String,
    /// The entry that suppresses the recipient. If there are several, an entry for the address
    /// takes precedence over an entry for the domain, and an entry of the account over an entry of
    /// another account.
    pub by: Suppression,
}

/// A recipient whose address is not an e-mail address.
#[answer]
pub struct InvalidRecipient {
    /// The position of the recipient in the request, counted from 0.
    pub recipient: u64,
    /// What is wrong with the address.
    pub message: String,
}

/// Whether an account is in the pool of its team.
#[answer]
pub struct SuppressionPool {
    /// The account.
    pub account: Id,
    /// The top account of the team.
    pub team: Id,
    /// Whether the account is in the pool.
    pub pooled: bool,
}
