//! Ids that were used: none of them is ever used again for the same kind of thing (R-ACC-3).

use crate::kernel::keys;
use crate::kernel::table::{Declared, Owner};

pub(super) const TABLES: &[Declared] = &[Declared::plain(
    keys::TOMBSTONE,
    None,
    Owner::Nobody,
    |look, _, parts| {
        let living = match parts {
            [kind, account, group] if *kind == keys::GROUP.text() => {
                let account = look.id(account)?;
                look.must_have(keys::account(&account))?;
                keys::group(&account, &look.id(group)?)
            }
            [kind, deleted] => [kind.as_bytes(), &[0], deleted.as_bytes()].concat(),
            _ => return look.no_such_key(),
        };
        let again = look.tx.has(&living)?;
        look.must(
            !again,
            "The id of something that was deleted is in use again.",
        );
        Ok(())
    },
)];
