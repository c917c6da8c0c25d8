//! The read model: what the hot path asks about an account, taken from the store once and again
//! after each change.
//!
//! A cell is out of date as soon as the sum of the platform's epoch and its own has moved; both
//! only ever grow.

mod cell;
mod cells;
mod judge;
mod judged;
mod level;
mod looked_up;
mod member;
mod nominal_cache;
mod room;
mod ruled;

pub(crate) use cell::{AccountCell, View};
pub(crate) use cells::Cells;
pub(crate) use judge::OF_OWN_MEMBERS;
pub(crate) use judged::Judged;
pub(crate) use member::{MemberView, PerChannel};
pub(crate) use nominal_cache::{NominalCache, role_permissions};
