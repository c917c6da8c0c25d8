//! What a host can ask, as types: requests, answers, and the contract that every request has.

pub mod operation;
