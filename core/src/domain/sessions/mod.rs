//! Sessions: logging in, what a token proves, and the devices that somebody is logged in with
//! (R-SES-1, R-SES-2).

pub(crate) mod devices;
pub(crate) mod log_in;
#[cfg(test)]
mod tests;

use crate::access::request::Ctx;
use crate::access::visibility;
use crate::error::Error;
use crate::model::{Actor, Id};

/// Only the person themself, who needs a permission where they act; the host is anybody.
pub(crate) fn require_self(ctx: &mut Ctx<'_>, user: &Id, permission: &str) -> Result<(), Error> {
    if *ctx.actor == Actor::System {
        return Ok(());
    }
    if !visibility::is_in_person(ctx, user) {
        return Err(Error::not_found("user", user.as_str()).at("/user"));
    }
    match visibility::home(ctx) {
        Some(home) => ctx.require_in(&home, permission),
        None => Ok(()),
    }
}
