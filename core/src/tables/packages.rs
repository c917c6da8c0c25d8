//! Packages (R-PKG-1), and how many accounts use each.

use crate::error::{Code, Error};
use crate::kernel::check::Look;
use crate::kernel::table::{Declared, Index, Lines, Owner, Table, id};
use crate::kernel::{Tx, keys};
use crate::model::{AuditKind, Id, Package, Replaceable};
use crate::tables::replacements::names_of;

pub(super) const TABLES: &[Declared] = &[
    Declared::of::<Packages>(),
    Declared::plain(
        keys::DEFAULTS,
        Some(AuditKind::DefaultLimits),
        Owner::Nobody,
        |_, _, _| Ok(()),
    ),
];

pub(crate) struct Packages;

impl Table for Packages {
    type Record = Package;
    const PREFIX: keys::Prefix = keys::PACKAGE;
    const AUDIT: Option<AuditKind> = Some(AuditKind::Package);
    const OWNER: Owner = Owner::Nobody;
    const LINES: &'static [Index] = &[Index {
        prefix: keys::ROLE_USE,
        source: |parts, _| match parts {
            [_, "package", package] => Some(keys::package(&id(package)?)),
            _ => None,
        },
    }];

    fn key(package: &Package) -> Vec<u8> {
        keys::package(&package.id)
    }

    fn lines(_: &mut Tx<'_>, package: &Package, lines: &mut Lines) -> Result<(), Error> {
        if let Some(role) = &package.role {
            lines.uses_role(role, "package", &[package.id.as_str()]);
        }
        Ok(())
    }

    fn check(package: &Package, look: &mut Look<'_>) -> Result<(), Error> {
        let mut there = 0;
        for id in names_of(&mut look.tx, Replaceable::Package, &package.id)? {
            there += look.count(keys::PACKAGE_ACCOUNT, &[id.as_str()])?;
        }
        look.must_count(package.accounts, there, "accounts that have it");
        Ok(())
    }
}

/// Reads a package inside an operation.
pub(crate) fn load(tx: &mut Tx<'_>, id: &Id, field: &str) -> Result<Package, Error> {
    tx.get(&keys::package(id))?
        .ok_or_else(|| Error::not_found("package", id.as_str()).at(field))
}

/// Reads a package that takes new accounts.
pub(crate) fn load_open(tx: &mut Tx<'_>, id: &Id, field: &str) -> Result<Package, Error> {
    let package = load(tx, id, field)?;
    if package.retired {
        return Err(Error::new(
            Code::PackageRetired,
            format!("The package `{id}` is retired and takes no new accounts; name another."),
        )
        .at(field));
    }
    Ok(package)
}

/// The accounts that have a package, or get it later, by the letter of the index; at most so many.
pub(crate) fn accounts_of(
    tx: &mut Tx<'_>,
    prefix: keys::Prefix,
    package: &Id,
    most: usize,
) -> Result<Vec<Id>, Error> {
    let (from, until) = keys::range(prefix, &[package.as_str()]);
    Ok(tx
        .range::<()>(&from, &until, most)?
        .iter()
        .filter_map(|(key, ())| keys::last_id(key))
        .collect())
}
