//! What sends are counted by: meters with their history, and paces.

use crate::kernel::keys;
use crate::kernel::table::{Declared, Owner};

pub(super) const TABLES: &[Declared] = &[
    Declared::plain(
        keys::METER,
        None,
        Owner::AccountOrPlatform,
        |_, _, _| Ok(()),
    ),
    Declared::plain(
        keys::METER_HISTORY,
        None,
        Owner::AccountOrPlatform,
        |_, _, _| Ok(()),
    ),
    Declared::plain(keys::PACE, None, Owner::AccountOrPlatform, |_, _, _| Ok(())),
];
