//! Packages and roles that are gone while records still name them, and what took their places.
//!
//! Those records are written anew a part at a time. Until then a transaction reads each of them as
//! if the first commit had written it: it names the other, with the revision and the instant of
//! that change. So nobody can tell how far the work is.

use super::keys;
use crate::model::{Account, AuditActor, Id, Invitation, Member, Replaceable};
use serde::{Deserialize, Serialize};
use std::any::Any;

/// A package or role that is gone, and what took its place.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Replacement {
    pub(crate) kind: Replaceable,
    pub(crate) old: Id,
    pub(crate) new: Id,
    /// How often that has changed: once more each time that `new` was replaced itself.
    pub(crate) changes: u64,
    /// When it changed last.
    pub(crate) at_ms: u64,
    /// Who replaced it.
    pub(crate) actor: AuditActor,
    pub(crate) began_at_ms: u64,
    /// How many records were written anew so far.
    pub(crate) done: u64,
}

/// Where it is kept what took the place of something.
pub(crate) fn key(kind: Replaceable, old: &Id) -> Vec<u8> {
    keys::key(keys::REPLACEMENT, &[kind.name(), old.as_str()])
}

/// What a transaction knows of it.
pub(super) enum Replaced {
    /// There is nothing to know.
    Nothing,
    /// The store is to be asked first.
    Unread,
    Known(Vec<Replacement>),
}

/// What took the places of what one record names.
struct Change<'a> {
    known: &'a [Replacement],
    /// Those that the record is concerned by.
    found: Vec<&'a Replacement>,
}

impl Change<'_> {
    /// Names in `id` what took its place.
    fn of(&mut self, kind: Replaceable, id: &mut Id) {
        let is_it = |one: &&Replacement| one.kind == kind && one.old == *id;
        if let Some(found) = self.known.iter().find(is_it) {
            id.clone_from(&found.new);
            if !self.found.iter().any(|other| std::ptr::eq(*other, found)) {
                self.found.push(found);
            }
        }
    }

    fn write(&self, rev: &mut u64, updated_at_ms: &mut u64) {
        for found in &self.found {
            *rev += found.changes;
            *updated_at_ms = (*updated_at_ms).max(found.at_ms);
        }
    }
}

/// Makes of a record as it is stored what it is since others took the places of what it names.
pub(super) fn apply(known: &[Replacement], record: &mut dyn Any) {
    let found = Vec::new();
    let mut change = Change { known, found };
    if let Some(member) = record.downcast_mut::<Member>() {
        if let Some(role) = &mut member.role {
            change.of(Replaceable::Role, role);
        }
        if let Some(next) = &mut member.next_role {
            change.of(Replaceable::Role, &mut next.role);
        }
        change.write(&mut member.rev, &mut member.updated_at_ms);
    } else if let Some(account) = record.downcast_mut::<Account>() {
        if let Some(package) = &mut account.package {
            change.of(Replaceable::Package, package);
        }
        if let Some(next) = &mut account.next_package {
            change.of(Replaceable::Package, &mut next.package);
        }
        if let Some(role) = &mut account.default_role {
            change.of(Replaceable::Role, role);
        }
        change.write(&mut account.rev, &mut account.updated_at_ms);
    } else if let Some(invitation) = record.downcast_mut::<Invitation>() {
        let grants = invitation.grants.iter_mut();
        for role in grants.filter_map(|grant| grant.role.as_mut()) {
            change.of(Replaceable::Role, role);
        }
        change.write(&mut invitation.rev, &mut invitation.updated_at_ms);
    }
}
