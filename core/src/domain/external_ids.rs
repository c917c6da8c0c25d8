//! Ids that accounts and users have in another system (R-ACC-9).

use crate::access::request::Ctx;
use crate::access::visibility;
use crate::error::{Code, Error};
use crate::kernel::keys::{self, Prefix};
use crate::model::{Id, Name};

/// Refuses users: the platform alone gives external ids.
pub(crate) fn require_platform(ctx: &Ctx<'_>, field: &str) -> Result<(), Error> {
    match visibility::home(ctx) {
        None => Ok(()),
        Some(_) => Err(Error::new(
            Code::ActorNotAllowed,
            "Only the platform names an `external_id`; leave it out.",
        )
        .at(field)),
    }
}

/// Refuses an external id that another than `own` has, of those whose index lines have a prefix.
pub(crate) fn refuse_taken(
    ctx: &mut Ctx<'_>,
    prefix: Prefix,
    external_id: &Name,
    own: Option<&Id>,
) -> Result<(), Error> {
    let (from, until) = keys::range(prefix, &[external_id.as_str()]);
    let holders = ctx.tx.range::<()>(&from, &until, usize::MAX)?;
    let is_other = |(key, ()): &(Vec<u8>, ())| keys::last_id(key).as_ref() != own;
    if !holders.iter().any(is_other) {
        return Ok(());
    }
    let message = format!("The external id `{external_id}` is taken; name another.");
    Err(Error::new(Code::IdTaken, message).at("/external_id"))
}
