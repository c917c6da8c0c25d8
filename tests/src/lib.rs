//! What the tests of this package share.

pub mod crash;
pub mod golden;
pub mod library;
pub mod many;
pub mod messages;
pub mod records;
pub mod scenario;
pub mod walk;
