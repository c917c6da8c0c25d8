//! The audit: what was changed and by whom, and the proof that nobody has altered the records
//! (R-AUD-1): requests and answers.
#![cfg_attr(doc, doc = include_str!("../../doc/audit.md"))]

use crate::model::{AuditActor, AuditKind, Count, Cursor, Id, Name};
use tenantry_macros::{answer, request};

/// Which chain of audit records.
#[request]
pub enum AuditOf {
    /// The chain of an account, also of an account that was deleted.
    Account,
    /// The chain of the platform: packages, roles of the platform, operators and policies, and
    /// which accounts were created and deleted.
    Platform,
    /// The chain of the users.
    Users,
}

/// Lists what was changed, the latest change first (R-AUD-1).
///
/// A page may be shorter than `limit`, and even empty, while there is a `next`: when a filter
/// leaves out nearly all records, one call looks at a part of the chain only.
#[request]
pub struct List {
    /// Which chain. When absent: the chain of `account` if it is given, else that of the account in
    /// which a user acts, else that of the platform.
    pub chain: Option<AuditOf>,
    /// The account whose chain it is.
    pub account: Option<Id>,
    /// Only changes that concern this user. This filter needs the chain `users`, where an index
    /// finds these changes without reading other records.
    pub user: Option<Id>,
    /// Only changes made at this instant or later, in unix milliseconds.
    pub from_ms: Option<Count>,
    /// Only changes made before this instant, in unix milliseconds.
    pub until_ms: Option<Count>,
    /// Only changes made by this user, or by somebody who acted as this user.
    pub actor: Option<Id>,
    /// Only changes made by this operation.
    pub operation: Option<Name>,
    /// Only changes of things of this kind.
    pub kind: Option<AuditKind>,
    /// Only changes of the thing with this id, as the records name it; this filter needs `kind`.
    pub subject: Option<Name>,
    /// Where the page begins: the `next` of the previous page.
    pub after: Option<Cursor>,
    /// How many entries the page has at most: 1 to 500; 50 when absent.
    pub limit: Option<Count>,
}

/// Exports the records of a chain as lines, in their order. Each line is the text from which its
/// hash was made: the `sha256` of a line is the `previous` of the next record.
#[request]
pub struct Export {
    /// Which chain, as in `audit.list`.
    pub chain: Option<AuditOf>,
    /// The account whose chain it is.
    pub account: Option<Id>,
    /// The number of the record after which the page begins: the `next` of the previous page.
    pub after: Option<Count>,
    /// How many records the page has at most: 1 to 500; 50 when absent. A page of large records has
    /// fewer.
    pub limit: Option<Count>,
    /// Whether the personal data in the records is exported too, in `personal`.
    #[serde(default)]
    pub with_personal: bool,
}

/// Checks every record of a chain: that no record is missing, altered or added. With a head that
/// was saved elsewhere, it also checks that the end of the chain was not cut off or rewritten.
#[request]
pub struct Verify {
    /// Which chain, as in `audit.list`.
    pub chain: Option<AuditOf>,
    /// The account whose chain it is.
    pub account: Option<Id>,
    /// The `number` of a head that was saved elsewhere.
    pub number: Option<Count>,
    /// The `hash` of that head.
    pub hash: Option<Name>,
}

/// Shows the head of a chain: where the chain ends. If the host saves the head outside the store,
/// `audit.verify` can find out whether the end of the chain was cut off.
#[request]
pub struct Head {
    /// Which chain, as in `audit.list`.
    pub chain: Option<AuditOf>,
    /// The account whose chain it is.
    pub account: Option<Id>,
}

/// Deletes the records at the beginning of a chain that are older than an instant. The remaining
/// records can be verified as before, because the chain keeps the hash of the last record that was
/// pruned. The audit also records that the chain was pruned.
#[request]
pub struct Prune {
    /// Which chain, as in `audit.list`.
    pub chain: Option<AuditOf>,
    /// The account whose chain it is.
    pub account: Option<Id>,
    /// The instant, in unix milliseconds: the first record of this instant or later stays, and so
    /// do all records after it. A record that a wrong clock dated in the future is an exception: it
    /// is pruned if records that follow it are older than the instant.
    pub before_ms: Count,
}

/// A page of audit records.
#[answer]
pub struct AuditPage {
    /// The records, the latest first.
    pub records: Vec<AuditItem>,
    /// The `after` of the next page; absent on the last page.
    pub next: Option<Cursor>,
}

/// A record of what one operation changed. An operation that makes many changes has several
/// records, one after the other.
#[answer]
pub struct AuditItem {
    /// The number of the record in the chain; the first record has number 1.
    pub number: u64,
    /// When the change was made, in unix milliseconds.
    pub at_ms: u64,
    /// Who made the change, on whose behalf, and from which address.
    pub actor: AuditActor,
    /// The operation; `schedule` for a change that became due without a call.
    pub operation: String,
    /// What the operation changed.
    pub changes: Vec<AuditChangeItem>,
}

/// A change of one thing.
#[answer]
pub struct AuditChangeItem {
    /// What kind of thing it is.
    pub kind: AuditKind,
    /// The id of the thing, within the account or the platform to which the chain belongs.
    pub id: String,
    /// Whether the thing was created, changed or deleted.
    pub what: AuditWhat,
    /// The fields that changed.
    pub fields: Vec<AuditField>,
    /// Whether fields with personal data are left out because the person was erased.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub erased: bool,
}

/// What happened to a thing.
#[answer]
pub enum AuditWhat {
    /// The thing was created.
    Created,
    /// The thing was changed.
    Changed,
    /// The thing was deleted.
    Deleted,
}

/// A field that changed.
#[answer]
pub struct AuditField {
    /// The name of the field; for a field within a field, both names with a dot between them.
    pub name: String,
    /// The value before the change: text as it is, everything else as JSON. Absent when there was
    /// no value.
    pub before: Option<String>,
    /// The value after the change, in the same form.
    pub after: Option<String>,
}

/// A part of a chain, as lines.
#[answer]
pub struct AuditExport {
    /// The records as JSON lines, each ended by a line feed.
    pub lines: String,
    /// The personal data in these records as JSON lines. Each line has the number of the record,
    /// the place of the change in the record, and the text whose hash is in the change. A line
    /// without a place has the address from which the actor came; the hash of this line's text is
    /// `actor_hash` in the record.
    pub personal: Option<String>,
    /// How many records the page has.
    pub records: u64,
    /// The `after` of the next page; absent on the last page.
    pub next: Option<u64>,
}

/// The result of checking a chain.
#[answer]
#[schemars(extend("x-yes" = "whole"))]
pub struct AuditVerification {
    /// Whether the chain is whole.
    pub whole: bool,
    /// The first problem that was found.
    pub problem: Option<AuditProblem>,
    /// How many records were found to be right; if there is a problem, how many before it.
    pub records: u64,
    /// The number of the last record, according to the chain itself.
    pub number: u64,
    /// The hash of that record.
    pub hash: String,
}

/// What is wrong with a chain.
#[answer]
pub struct AuditProblem {
    /// What kind of problem it is.
    pub kind: AuditProblemKind,
    /// The number of the record that has the problem.
    pub number: u64,
}

/// What is wrong with a chain.
#[answer]
pub enum AuditProblemKind {
    /// The record is missing.
    Missing,
    /// The record, or the one before it, is not what was written.
    Altered,
    /// The personal data that is kept beside the record is not what was written.
    PersonalAltered,
    /// The chain ends before the record of the given head.
    Cut,
    /// The record of the given head has been pruned since: save a newer head.
    Pruned,
    /// The chain does not begin where its head says, or continues after the end that its head
    /// names.
    HeadAltered,
}

/// Where a chain ends and begins.
#[answer]
pub struct AuditHeadItem {
    /// The number of the last record; 0 when there is no record.
    pub number: u64,
    /// The SHA-256 of that record in hexadecimal; 64 zeros when there is no record.
    pub hash: String,
    /// The number of the last record that was pruned; 0 when no record was pruned.
    pub pruned_to: u64,
    /// The hash of that record.
    pub pruned_hash: String,
}

/// The result of pruning a chain.
#[answer]
pub struct AuditPruned {
    /// How many records were pruned: at most 1,000 in one call.
    pub pruned: u64,
    /// Whether another call would prune more.
    pub more: bool,
}
