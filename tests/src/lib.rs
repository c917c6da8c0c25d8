//! What the tests of this package share.

pub mod crash;
pub mod scenario;
pub mod walk;
