//! Links that users are sent: to confirm a new address, or to set a new password. Each is used
//! once, within its time, and a newer one of its kind takes its place (R-SES-4).

use crate::access::request::Ctx;
use crate::access::visibility;
use crate::auth::token::Token;
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::model::{Count, EffectivePolicies, Email, Id, Link, LinkKind, Secret};
use crate::tables::access::{Links, link_kind};

/// Writes a new link for a user; the one of this kind that they had is dead from now on.
pub(crate) fn create(
    ctx: &mut Ctx<'_>,
    kind: LinkKind,
    user: &Id,
    email: Email,
    life_ms: Count,
) -> Result<Link, Error> {
    end(ctx, user, kind)?;
    let id = ctx.new_id(None, keys::LINK, keys::link, "link")?;
    let expires_at_ms =
        Count::new(ctx.now_ms.saturating_add(life_ms.get()).min(Count::MAX)).unwrap_or_default();
    let link = Link {
        id,
        kind,
        user: user.clone(),
        email,
        generation: 1,
        expires_at_ms,
    };
    ctx.tx.save::<Links>(&link)?;
    Ok(link)
}

/// The link of a kind that a user was sent last, while it can be used.
pub(crate) fn open(ctx: &mut Ctx<'_>, user: &Id, kind: LinkKind) -> Result<Option<Link>, Error> {
    let Some(id) = ctx.tx.get::<Id>(&keys::user_link(user, link_kind(kind)))? else {
        return Ok(None);
    };
    let link = ctx.tx.get::<Link>(&keys::link(&id))?;
    Ok(link.filter(|link| ctx.now_ms < link.expires_at_ms.get()))
}

/// The link of a kind that a user has is dead from now on.
pub(crate) fn end(ctx: &mut Ctx<'_>, user: &Id, kind: LinkKind) -> Result<(), Error> {
    let id: Option<Id> = ctx.tx.get(&keys::user_link(user, link_kind(kind)))?;
    let link = match id {
        Some(id) => ctx.tx.get::<Link>(&keys::link(&id))?,
        None => None,
    };
    link.map_or(Ok(()), |link| ctx.tx.erase::<Links>(&link))
}

/// Every link of a user is dead from now on.
pub(crate) fn end_all(ctx: &mut Ctx<'_>, user: &Id) -> Result<(), Error> {
    end(ctx, user, LinkKind::EmailChange)?;
    end(ctx, user, LinkKind::PasswordReset)
}

/// The policies where the actor acts: of their account, or of the platform.
fn policies_here(ctx: &mut Ctx<'_>) -> Result<EffectivePolicies, Error> {
    let home = visibility::home(ctx);
    ctx.policies(home.as_ref())
}

/// How long a link for a new password can be used: as other links, and never longer than an hour
/// (R-SES-4).
pub(crate) fn reset_life(ctx: &mut Ctx<'_>) -> Result<Count, Error> {
    const LONGEST_MS: u64 = 3_600_000;
    let life_ms = policies_here(ctx)?.link_life_ms;
    Ok(Count::new(LONGEST_MS).unwrap_or_default().min(life_ms))
}

/// How long links live that are sent now.
pub(crate) struct Lives {
    email_change_ms: u64,
    password_reset_ms: u64,
}

pub(crate) fn lives(ctx: &mut Ctx<'_>) -> Result<Lives, Error> {
    Ok(Lives {
        email_change_ms: ctx.policies(None)?.link_life_ms.get(),
        password_reset_ms: reset_life(ctx)?.get(),
    })
}

impl Lives {
    fn until_ms(&self, kind: LinkKind, now_ms: u64) -> u64 {
        now_ms.saturating_add(match kind {
            LinkKind::EmailChange => self.email_change_ms,
            LinkKind::PasswordReset => self.password_reset_ms,
        })
    }

    /// Whether a link can be used for longer than one that is sent now.
    pub(crate) fn is_ahead(&self, link: &Link, now_ms: u64) -> bool {
        link.expires_at_ms.get() > self.until_ms(link.kind, now_ms)
    }

    /// A link that was sent in a wrong future lives as if it were sent now (R-QTA-13).
    pub(crate) fn bound(&self, ctx: &mut Ctx<'_>, mut link: Link) -> Result<(), Error> {
        link.expires_at_ms =
            Count::new(self.until_ms(link.kind, ctx.now_ms).min(Count::MAX)).unwrap_or_default();
        ctx.tx.save::<Links>(&link)
    }
}

/// Uses a link up.
pub(crate) fn take(ctx: &mut Ctx<'_>, token: &Secret, kind: LinkKind) -> Result<Link, Error> {
    let link = look_up(ctx, token, kind)?;
    end(ctx, &link.user, kind)?;
    Ok(link)
}

/// The link of a token, while it can be used. Unknown, wrong, used and replaced ones are answered
/// alike: nobody learns which there were.
pub(crate) fn look_up(ctx: &mut Ctx<'_>, token: &Secret, kind: LinkKind) -> Result<Link, Error> {
    let invalid = || {
        Error::new(
            Code::LinkInvalid,
            "The link is not valid, was used, or was replaced by a newer one; ask for a new link.",
        )
        .at("/token")
    };
    let token = Token::parse(token.reveal()).ok_or_else(invalid)?;
    let link = ctx
        .tx
        .get::<Link>(&keys::link(&token.id))?
        .filter(|link| link.kind == kind)
        .ok_or_else(invalid)?;
    if !ctx.engine.auth.tokens.fits(&token, link.generation)? {
        return Err(invalid());
    }
    if ctx.now_ms >= link.expires_at_ms.get() {
        return Err(Error::new(
            Code::LinkExpired,
            format!(
                "The link expired at {} ms; ask for a new one.",
                link.expires_at_ms.get()
            ),
        )
        .at("/token")
        .with("expired_at_ms", link.expires_at_ms.get()));
    }
    Ok(link)
}
