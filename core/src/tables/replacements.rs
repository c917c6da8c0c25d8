//! Packages and roles that are gone, and what took their places, while records still name them
//! ([`replaced`](crate::kernel::replaced)).

use crate::error::Error;
use crate::kernel::check::Look;
use crate::kernel::replaced::{Replacement, key};
use crate::kernel::table::{Declared, Owner};
use crate::kernel::{Tx, keys};
use crate::model::{Id, Replaceable};

pub(super) const TABLES: &[Declared] = &[Declared::plain(
    keys::REPLACEMENT,
    None,
    Owner::Nobody,
    check,
)];

fn check(look: &mut Look<'_>, _: &[u8], _: &[&str]) -> Result<(), Error> {
    let Replacement { kind, old, new, .. } = look.record()?;
    look.must_lie_at(&key(kind, &old));
    let (prefix, is_there) = match kind {
        Replaceable::Package => (keys::PACKAGE, look.tx.has(&keys::package(&new))?),
        Replaceable::Role => (keys::ROLE, look.role_kind(&new)?.is_some()),
    };
    look.must(
        is_there,
        "The package or role that replaces the deleted one does not exist.",
    );
    look.must_have(keys::tombstone(prefix, &old))
}

/// Whether records still name something that is gone.
pub(crate) fn are_under_way(tx: &mut Tx<'_>) -> Result<bool, Error> {
    Ok(!some(tx, 1)?.is_empty())
}

/// Up to so many of them.
pub(crate) fn some(tx: &mut Tx<'_>, most: usize) -> Result<Vec<Replacement>, Error> {
    let (from, until) = keys::range(keys::REPLACEMENT, &[]);
    let rows = tx.range::<Replacement>(&from, &until, most)?;
    Ok(rows
        .into_iter()
        .map(|(_, replacement)| replacement)
        .collect())
}

/// Those in whose place something is.
pub(crate) fn by(tx: &mut Tx<'_>, kind: Replaceable, new: &Id) -> Result<Vec<Replacement>, Error> {
    let mut all = some(tx, usize::MAX)?;
    all.retain(|one| one.kind == kind && one.new == *new);
    Ok(all)
}

/// A package or role, and those in whose place it is: by the ids of all of them it is found where
/// it is used.
pub(crate) fn names_of(tx: &mut Tx<'_>, kind: Replaceable, id: &Id) -> Result<Vec<Id>, Error> {
    let mut names = vec![id.clone()];
    names.extend(by(tx, kind, id)?.into_iter().map(|one| one.old));
    Ok(names)
}

pub(crate) fn save(tx: &mut Tx<'_>, replacement: &Replacement) -> Result<(), Error> {
    tx.put(key(replacement.kind, &replacement.old), replacement)
}

/// No record names it any more.
pub(crate) fn end(tx: &mut Tx<'_>, replacement: &Replacement) {
    tx.delete(key(replacement.kind, &replacement.old));
}
