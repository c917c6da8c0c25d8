//! Invitations: access that is offered to an address, and accepted through a link (R-INV-1 to
//! R-INV-10).
//!
//! An invitation is about one address and any number of accounts of one team. Who reaches only some
//! of these accounts sees, edits and deletes what is offered there, and nothing of the rest.

pub(crate) mod accept;
pub(crate) mod create;
pub(crate) mod grants;
pub(crate) mod manage;
pub(crate) mod offer;
pub(crate) mod records;
pub(crate) mod seats;
pub(crate) mod show;
#[cfg(test)]
mod tests;

const VIEW: &str = "users.view";
const INVITE: &str = "users.invite";
const EDIT: &str = "users.invitations.edit";
const RESEND: &str = "users.invitations.resend";
const DELETE: &str = "users.invitations.delete";
