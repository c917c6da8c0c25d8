//! The C ABI of tenantry.
//!
//! Plain functions only: the header `include/tenantry.h` is made from these files by `cargo xtask
//! codegen`, and the generator does not see what a macro makes. Their documentation is the
//! header's, so it speaks to C programmers. What a caller must keep to is said once, in the
//! header's introduction; a `# Safety` heading on each function would only repeat it there.
//!
//! - `handles`: numbers that stand for stores and prepared questions
//! - `memory`: every read and write of the caller's memory
//! - `guard`: where panics end
//! - `store`, `import`, `access`, `sender`, `outbox`, `errors`: the functions

#![allow(unsafe_code)] // the C ABI itself
#![allow(clippy::missing_safety_doc)] // the header's introduction says it once for all functions
#![allow(non_camel_case_types)] // the names that C sees

pub mod access;
pub mod errors;
mod guard;
mod handles;
pub mod import;
pub mod memory;
pub mod outbox;
pub mod sender;
pub mod store;
