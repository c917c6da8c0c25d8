//! What everything that keeps records is made of: keys, transactions, the clock, the declaration of
//! a kind of record, and the tool that checks it.

pub(crate) mod check;
pub(crate) mod clock;
pub(crate) mod keys;
pub(crate) mod table;
pub(crate) mod tx;

pub use tx::Tx;

pub(crate) use tx::{Lowered, decode};
