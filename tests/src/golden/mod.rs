//! A golden history: a long random walk through the operations, the same in every run, whose
//! answers are recorded in the repository.
//!
//! * [`table`] is what the walk may ask: `tests/golden/requests.json`, as it is written.
//! * [`world`] is what the walk knows of the store: ids, tokens and numbers out of answers.
//! * [`walk`] rolls a request and an actor, asks, and keeps what later requests need.
//! * [`history`] sums up what was answered, and compares it with what was recorded.

pub mod history;
pub mod table;
pub mod walk;
pub mod world;
