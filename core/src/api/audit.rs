//! What was changed, by whom, and that nobody has altered what is remembered of it (R-AUD-1):
//! requests and answers.

use crate::model::{AuditActor, AuditKind, Count, Cursor, Id, Name};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuditOf {
    /// That of an account, also of one that was deleted.
    Account,
    /// That of the platform: packages, roles of the platform, operators, policies; which accounts
    /// came and went.
    Platform,
    /// That of the users.
    Users,
}

/// What was changed, the latest first (R-AUD-1).
///
/// A page may be shorter than asked for, and even empty, while there is a `next`: where a filter
/// leaves out nearly all, a call looks at a part of the chain.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// Which chain; when absent, that of `account`, else that of the account that a user acts in,
    /// else that of the platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<AuditOf>,
    /// The account whose chain it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Id>,
    /// Only what is about this user: with the chain `users`, and found without looking at others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    /// Only what was done from this instant on, in unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_ms: Option<Count>,
    /// Only what was done before this instant, in unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<Count>,
    /// Only what this person did, or another who acted as them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<Id>,
    /// Only what was done by this operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Name>,
    /// Only changes of things of this kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<AuditKind>,
    /// Only changes of the thing with this id, as it stands in the records; with `kind`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Name>,
    /// Go on after the page before: its `next`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// At most this many (1 to 500, 50 when absent).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Count>,
}

/// The records of a chain as lines, the first first: each line is what its hash was made of, so
/// that `sha256` of a line is what the next has as `previous`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Export {
    /// Which chain; as for `audit.list`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<AuditOf>,
    /// The account whose chain it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Id>,
    /// Go on after the record of this number: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Count>,
    /// At most this many (1 to 500, 50 when absent); fewer where they are large.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Count>,
    /// Whether what is known of persons is exported too, in `personal`.
    #[serde(default)]
    pub with_personal: bool,
}

/// Checks every record of a chain: none is missing, altered or added. With a head that was saved
/// elsewhere, also that the end was not cut off or written anew.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Verify {
    /// Which chain; as for `audit.list`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<AuditOf>,
    /// The account whose chain it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Id>,
    /// `number` of a head that was saved elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<Count>,
    /// `hash` of that head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<Name>,
}

/// Where a chain ends: saved outside the store, it lets `audit.verify` find that the end was cut
/// off.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// Which chain; as for `audit.list`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<AuditOf>,
    /// The account whose chain it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Id>,
}

/// Deletes the records at the beginning of a chain that are older than an instant. What is left can
/// be checked as before: the chain knows the hash of the last record that went. That it was pruned
/// is remembered as well.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Prune {
    /// Which chain; as for `audit.list`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<AuditOf>,
    /// The account whose chain it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Id>,
    /// The instant, in unix milliseconds: the first record of it or later stays, and all behind it.
    /// One that is dated after now, by a clock that was wrong, goes with those behind it.
    pub before_ms: Count,
}

/// A page of what was changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AuditPage {
    /// The records, the latest first.
    pub records: Vec<AuditItem>,
    /// Where the next page begins; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Cursor>,
}

/// What was changed by one operation. One that changes much has several records, one after the
/// other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AuditItem {
    /// Its place in the chain, from 1 on.
    pub number: u64,
    /// When, in unix milliseconds.
    pub at_ms: u64,
    /// Who, on whose behalf, and from which address.
    pub actor: AuditActor,
    /// The operation; `schedule` for what became due by itself.
    pub operation: String,
    /// What it changed.
    pub changes: Vec<AuditChangeItem>,
}

/// What happened to one thing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AuditChangeItem {
    /// What kind of thing.
    pub kind: AuditKind,
    /// Its id, within the account or platform that the chain tells of.
    pub id: String,
    /// Whether it was made, changed or deleted.
    pub what: AuditWhat,
    /// The fields that changed.
    pub fields: Vec<AuditField>,
    /// Whether fields that tell who a person is are left out, because the person was erased.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub erased: bool,
}

/// What happened to a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuditWhat {
    /// It was made.
    Created,
    /// It was changed.
    Changed,
    /// It was deleted.
    Deleted,
}

/// A field that changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AuditField {
    /// Its name; that of a field within a field with a dot between them.
    pub name: String,
    /// What it was: a text as it is, everything else as JSON. Absent where there was nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// What it is now, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// A part of a chain, as lines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AuditExport {
    /// JSON lines: one for each record, with a line feed behind it.
    pub lines: String,
    /// JSON lines of what is known of the persons in these records: number and place of the change,
    /// and the text whose hash the change has. Without a place it is where the actor came from, and
    /// the record has the hash as `actor_hash`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub personal: Option<String>,
    /// How many records.
    pub records: u64,
    /// The number to go on after; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// What checking a chain found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-yes" = "whole"))]
pub struct AuditVerification {
    /// Whether the chain is whole.
    pub whole: bool,
    /// The first that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<AuditProblem>,
    /// How many records were checked until then.
    pub records: u64,
    /// The number of the last record that the chain says it has.
    pub number: u64,
    /// Its hash.
    pub hash: String,
}

/// What is wrong with a chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AuditProblem {
    /// What.
    pub kind: AuditProblemKind,
    /// The record.
    pub number: u64,
}

/// What is wrong with a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuditProblemKind {
    /// The record is not there.
    Missing,
    /// The record, or the one before it, is not what was written.
    Altered,
    /// What is kept of a person beside the record is not what was written.
    PersonalAltered,
    /// The chain ends before the record of the head that was given.
    Cut,
    /// The record of the head that was given was pruned since: save a newer one.
    Pruned,
    /// The chain does not begin with what the head says, or goes on behind its end.
    HeadAltered,
}

/// Where a chain ends and begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AuditHeadItem {
    /// The number of the last record; 0 where there is none.
    pub number: u64,
    /// Its SHA-256, in hexadecimal; 64 zeros where there is none.
    pub hash: String,
    /// The number of the last record that was pruned; 0 where none was.
    pub pruned_to: u64,
    /// Its hash.
    pub pruned_hash: String,
}

/// What was pruned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AuditPruned {
    /// How many records: at most 1,000 in one call.
    pub pruned: u64,
    /// Whether another call would prune more.
    pub more: bool,
}
