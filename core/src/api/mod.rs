//! The requests and answers of the operations: one file for each noun, and nothing else in it.
//!
//! Each begins with an example that is run by the tests.
//!
//! # The platform of the examples
#![cfg_attr(doc, doc = include_str!("../../doc/platform.md"))]

pub mod access;
pub mod accounts;
pub mod addresses;
pub mod api_keys;
pub mod assets;
pub mod audit;
pub mod automations;
pub mod bulk;
pub mod campaigns;
pub mod caps;
pub mod clock;
pub mod credits;
pub mod gauges;
pub mod groups;
pub mod invitations;
pub mod leases;
pub mod limits;
pub mod members;
pub mod operation;
pub mod operators;
pub mod outbox;
pub mod packages;
pub mod passwords;
pub mod permissions;
pub mod policies;
pub mod put;
pub mod reservations;
pub mod resources;
pub mod roles;
pub mod second_factors;
pub mod sending;
pub mod sessions;
pub mod sharing;
pub mod store;
pub mod suppressions;
pub mod teams;
pub mod threads;
pub mod usage;
pub mod user_csv;
pub mod users;
