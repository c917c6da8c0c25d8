//! The C ABI of tenantry.
//!
//! It has plain functions only: `cargo xtask codegen` makes the header `include/tenantry.h` from
//! these files, and the generator does not see what a macro makes. Their documentation is that of
//! the header, so it is written for C programmers. What a caller must observe is said once, in the
//! introduction of the header; a `# Safety` heading on each function would only repeat it.
//!
//! - `handles`: numbers that stand for stores and prepared questions
//! - `memory`: every read and write of the caller's memory
//! - `guard`: catches panics
//! - `store`, `import`, `access`, `sender`, `outbox`, `log`, `errors`: the functions

#![allow(unsafe_code)] // the C ABI itself
#![allow(clippy::missing_safety_doc)] // the header's introduction says it once for all functions
#![allow(non_camel_case_types)] // the names that C sees

pub mod access;
pub mod errors;
mod guard;
mod handles;
pub mod import;
pub mod log;
pub mod memory;
pub mod outbox;
pub mod sender;
pub mod store;
