//! What the crash tests share: the work that a killed host was doing, what has to be left of it,
//! and the folders.
//!
//! A host (`src/bin/crash_host.rs`) says on its standard output what it is about to do and what was
//! acknowledged, one line each, the second only after the acknowledgement. It is killed at some
//! moment. From the lines a [`Ledger`] knows what a store has to hold: everything that was
//! acknowledged, and of each thread's last effect all or nothing.

mod dice;
mod effect;
mod folders;
mod hosts;
mod ledger;
mod platform;
mod read;
mod said;
mod shims;
mod state;

pub use dice::{Dice, count};
pub use effect::{Effect, email};
pub use folders::{Kept, Scratch, assemble, copy, remove};
pub use hosts::{Moment, finish, host, kill, kill_after};
pub use ledger::Ledger;
pub use platform::{BELOW, EXISTING, METERS, MOST_AT_ONCE, OPTIONS, THREADS, TOP};
pub use read::call;
pub use said::Said;
pub use shims::{look, shim};
pub use state::State;
