//! What the processes of one machine share that have the same store open.
//!
//! [`Pulse`] is a page of memory that all of them map: a few words, which each reads at the cost of
//! one atomic load, and on which it can sleep until another process wakes it. [`Bytes`] are locks
//! on the bytes of a file, which end with the process that holds them, however it ends.
//!
//! Neither can be trusted further than the file that it is kept in: whoever may write to that file
//! can write any number, and whoever cuts it ends the processes that have it mapped, as with any
//! mapped file. So both files are for the owner of the store alone.

#![allow(unsafe_code)] // mapping a file, and system calls that have no safe form

mod bytes;
mod page;
mod sleep;

pub use bytes::Bytes;
pub use page::{Pulse, Word};

#[cfg(test)]
mod tests;
