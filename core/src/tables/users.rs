//! Users (R-USR-1): each has one address, and stands in the list of the platform.

use super::led_to;
use super::people::{self, PLATFORM};
use crate::error::Error;
use crate::kernel::table::{Declared, Index, Lines, Owner, Table};
use crate::kernel::{Tx, keys};
use crate::model::{AuditKind, User};

pub(super) const TABLES: &[Declared] = &[Declared::of::<Users>()];

pub(crate) struct Users;

impl Table for Users {
    type Record = User;
    const PREFIX: u8 = keys::USER;
    const AUDIT: Option<AuditKind> = Some(AuditKind::User);
    const OWNER: Owner = Owner::Nobody;
    const LINES: &'static [Index] = &[Index {
        prefix: keys::EMAIL,
        source: |_, value| Some(keys::user(&led_to(value)?)),
    }];

    fn key(user: &User) -> Vec<u8> {
        keys::user(&user.id)
    }

    fn lines(_: &mut Tx<'_>, user: &User, lines: &mut Lines) -> Result<(), Error> {
        lines.leads(keys::email(user.email.key()), &user.id);
        for entry in people::entries(PLATFORM, user) {
            lines.index(entry);
        }
        Ok(())
    }
}
