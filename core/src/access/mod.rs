//! Who may do what: the actor of every operation is authenticated and authorised here, by the read
//! model of accounts, members and their permissions.

pub(crate) mod allowed;
pub(crate) mod authenticate;
pub(crate) mod authorise;
pub(crate) mod escalation;
pub(crate) mod operation;
pub(crate) mod request;
pub(crate) mod sending;
pub(crate) mod state;
pub(crate) mod trials;
pub(crate) mod view;
pub(crate) mod views;
pub(crate) mod visibility;
