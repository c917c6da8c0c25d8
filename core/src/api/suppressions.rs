//! Suppressions: who is not written to, per account or pooled for the team (R-TEA-8): requests and
//! answers.

use crate::error::Code;
use crate::model::{Count, Cursor, Id, MessageClass, Name, Note, Suppression};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Suppresses addresses and domains in an account. All of them go in, or none. What is suppressed
/// already gets the new reason and end. Domains need `suppressions.domains.add`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Add {
    /// The account.
    pub account: Id,
    /// The addresses and domains, at most 500.
    pub entries: Vec<SuppressionInput>,
}

/// Ends suppressions of an account. All of them end, or none; those of other accounts in the pool
/// stay. Domains need `suppressions.domains.remove`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Remove {
    /// The account.
    pub account: Id,
    /// The addresses and domains, at most 500; one that the account does not suppress is
    /// `not_found`.
    pub entries: Vec<SuppressionName>,
}

/// Suppresses many addresses and domains: what is wrong is reported and the rest go in. Domains
/// need `suppressions.domains.add`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Import {
    /// The account.
    pub account: Id,
    /// The addresses and domains, at most 5000.
    pub entries: Vec<SuppressionInput>,
    /// Whether none goes in where one is wrong.
    #[serde(default)]
    pub atomic: bool,
}

/// Lists suppressions by address and domain, a page at a time. Those that have expired are listed
/// until they are removed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// The account.
    pub account: Id,
    /// Whether to list what the pool of the team holds, where the account is in it; its own entries
    /// otherwise.
    #[serde(default)]
    pub pooled: bool,
    /// Only addresses and domains that begin with this, without regard to case and accents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<Name>,
    /// Only entries of this class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_class: Option<MessageClass>,
    /// Go on here: `next` of the page before. A page may be shorter than `limit` and still have a
    /// `next`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// At most this many (1 to 500, 50 when absent).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Count>,
}

/// Filters recipients: says which of them must not be written to, and why.
///
/// A recipient is suppressed by their address, by its domain, and by every domain that this one
/// lies in.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// The account that wants to send.
    pub account: Id,
    /// What kind of message it is.
    pub message_class: MessageClass,
    /// The addresses, at most 1000.
    pub recipients: Vec<String>,
}

/// Puts an account into the pool of its team, or takes it out: in the pool its suppressions count
/// for all in it, and theirs for it; out of it just its own, as they are.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// The account.
    pub account: Id,
    /// Whether it is in the pool.
    pub pooled: bool,
}

/// An address or a domain that is to be suppressed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SuppressionInput {
    /// The e-mail address, any that a message can have, or the domain: it stands for all addresses
    /// in it and in the domains that lie in it.
    pub value: String,
    /// `marketing` keeps marketing from going out; `transactional` keeps both from it.
    pub message_class: MessageClass,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Note>,
    /// When it ends by itself, in unix milliseconds; never when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at_ms: Option<Count>,
}

/// A suppression of an account.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SuppressionName {
    /// The e-mail address, or the domain.
    pub value: String,
    /// The class of the entry; when absent, both are meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_class: Option<MessageClass>,
}

/// What was added.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SuppressionsAdded {
    /// The entries as they are now, in the order of the request.
    pub suppressions: Vec<Suppression>,
}

/// What was removed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SuppressionsRemoved {
    /// How many entries are gone.
    pub removed: u64,
}

/// What an import did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SuppressionsImported {
    /// How many entries are new.
    pub added: u64,
    /// How many were there and have a new reason and end.
    pub changed: u64,
    /// What did not go in.
    pub problems: Vec<SuppressionProblem>,
}

/// An entry that did not go in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SuppressionProblem {
    /// The place of the entry in the request, from 0.
    pub entry: u64,
    /// The code that adding it alone is refused with.
    pub code: Code,
    /// A sentence a person can act on.
    pub message: String,
}

/// A page of suppressions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SuppressionList {
    /// The entries; `account` says whose each one is.
    pub suppressions: Vec<Suppression>,
    /// Where to go on; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Cursor>,
}

/// What a filter found; who is in neither list may be written to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SuppressionCheck {
    /// Who must not be written to.
    pub suppressed: Vec<SuppressedRecipient>,
    /// What is no e-mail address.
    pub invalid: Vec<InvalidRecipient>,
}

/// A recipient who must not be written to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SuppressedRecipient {
    /// The place of the recipient in the request, from 0.
    pub recipient: u64,
    /// The address, as it was given.
    pub address: String,
    /// The entry that suppresses them: their address before their domain, the account's own before
    /// another's.
    pub by: Suppression,
}

/// A recipient whose address is none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InvalidRecipient {
    /// The place of the recipient in the request, from 0.
    pub recipient: u64,
    /// What is wrong with it.
    pub message: String,
}

/// Whether an account is in the pool of its team.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SuppressionPool {
    /// The account.
    pub account: Id,
    /// The top account of the team.
    pub team: Id,
    /// Whether it is in the pool.
    pub pooled: bool,
}
