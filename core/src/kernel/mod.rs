//! What every table is made with: the declaration of a kind of record, and the tool that checks it.

pub(crate) mod check;
pub(crate) mod table;
