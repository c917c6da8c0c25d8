//! What people log in with and from where: passwords, links, and lists of addresses
//! (R-SES-1, R-SES-3, R-SES-4).

use crate::error::Error;
use crate::kernel::check::Look;
use crate::kernel::table::{Declared, Index, Lines, Owner, Table, led_to};
use crate::kernel::{Tx, keys};
use crate::model::{AuditKind, Link, LinkKind, PasswordRecord};

pub(super) const TABLES: &[Declared] = &[
    Declared::of::<Links>(),
    Declared::plain(
        keys::PASSWORD,
        Some(AuditKind::Password),
        Owner::Nobody,
        |look, _, parts| match parts {
            // A word that nobody takes as their password.
            ["", _] => Ok(()),
            [user] => {
                look.record::<PasswordRecord>()?;
                needs_user(look, user)
            }
            _ => look.no_such_key(),
        },
    ),
    Declared::plain(
        keys::ALLOW_LIST,
        Some(AuditKind::AllowList),
        Owner::Nobody,
        |look, _, parts| match parts {
            ["user", user] => needs_user(look, user),
            ["account", account] => {
                let account = keys::account(&look.id(account)?);
                look.must_have(account)
            }
            ["member", account, user] => {
                let member = keys::member(&look.id(account)?, &look.id(user)?);
                look.must_have(member)
            }
            _ => look.no_such_key(),
        },
    ),
    Declared::plain(keys::LAST_SEEN, None, Owner::User, |_, _, _| Ok(())),
];

fn needs_user(look: &mut Look<'_>, user: &str) -> Result<(), Error> {
    let user = keys::user(&look.id(user)?);
    look.must_have(user)
}

pub(crate) struct Links;

impl Table for Links {
    type Record = Link;
    const PREFIX: keys::Prefix = keys::LINK;
    const AUDIT: Option<AuditKind> = Some(AuditKind::Link);
    const OWNER: Owner = Owner::Nobody;
    const LINES: &'static [Index] = &[Index {
        prefix: keys::USER_LINK,
        source: |_, value| Some(keys::link(&led_to(value)?)),
    }];

    fn key(link: &Link) -> Vec<u8> {
        keys::link(&link.id)
    }

    /// A user has one link of each kind.
    fn lines(_: &mut Tx<'_>, link: &Link, lines: &mut Lines) -> Result<(), Error> {
        lines.needs(keys::user(&link.user));
        lines.leads(keys::user_link(&link.user, link_kind(link.kind)), &link.id);
        Ok(())
    }
}

/// The name of a kind of link in keys.
pub(crate) const fn link_kind(kind: LinkKind) -> &'static str {
    match kind {
        LinkKind::EmailChange => "email_change",
        LinkKind::PasswordReset => "password_reset",
    }
}
