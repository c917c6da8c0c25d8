//! Packages (R-PKG-1), and how many accounts use each.

use super::id;
use crate::error::Error;
use crate::kernel::check::Look;
use crate::kernel::table::{Declared, Index, Lines, Owner, Table};
use crate::kernel::{Tx, keys};
use crate::model::{AuditKind, Package};

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
    const PREFIX: u8 = keys::PACKAGE;
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
        let there = look.count(keys::PACKAGE_ACCOUNT, &[package.id.as_str()])?;
        look.must_count(package.accounts, there, "accounts");
        Ok(())
    }
}
