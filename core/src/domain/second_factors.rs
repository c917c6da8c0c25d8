//! The second factor of a user: codes by time of an authenticator, and recovery codes for who lost
//! it (R-SES-1).

#[cfg(test)]
mod tests;

use crate::access::escalation::members::refuse_stronger;
use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::access::visibility;
use crate::api::second_factors::{
    Begin, Confirm, ImportSecret, RecoveryCodes, Remove, RenewRecoveryCodes, SecondFactorRemoved,
    SecondFactorSecret, SecondFactorStatus, Status,
};
use crate::auth::totp::{FactorSecret, position, recovery_code};
use crate::domain;
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::model::{self, Actor, Id, OutboxKind, Secret};
use crate::rules::second_factor::{Typed, grouped};
use crate::tables::second_factors::{is_enabled, load};
use crate::tables::{self, users};

/// How many recovery codes a user has.
const RECOVERY_CODES: usize = 10;
/// The longest name of a platform, in bytes: the URI stays below the longest secret.
const LONGEST_ISSUER: usize = 30;

fn refused() -> Error {
    Error::new(
        Code::SecondFactorRefused,
        "The code is wrong, or was used already; use the next one.",
    )
    .at("/code")
}

/// Uses a code up: one by time, or a recovery code. Of many with the same code one succeeds.
pub(crate) fn take(ctx: &mut Ctx<'_>, user: &Id, code: &Secret) -> Result<(), Error> {
    let mut factor = load(&mut ctx.tx, user)?;
    let tokens = &ctx.engine.auth.tokens;
    match (Typed::read(code.reveal()), &factor.secret) {
        (Some(Typed::ByTime(code)), Some(sealed)) => {
            factor.last_step = tokens
                .unseal(user, sealed)?
                .step_of(&code, ctx.now_ms, factor.last_step)
                .ok_or_else(refused)?;
        }
        (Some(Typed::Recovery(code)), Some(_)) => {
            let place = position(&factor.recovery_hashes, &tokens.recovery_hash(user, &code)?)
                .ok_or_else(refused)?;
            factor.recovery_hashes.remove(place);
        }
        _ => return Err(refused()),
    }
    ctx.tx.put(keys::second_factor(user), &factor)
}

/// New recovery codes, and what the store keeps of them.
pub(crate) fn recovery_codes(
    ctx: &Ctx<'_>,
    user: &Id,
) -> Result<(Vec<Secret>, Vec<String>), Error> {
    let (mut codes, mut hashes) = (Vec::new(), Vec::new());
    for _ in 0..RECOVERY_CODES {
        let code = recovery_code(&ctx.engine.kernel.ids)?;
        hashes.push(ctx.engine.auth.tokens.recovery_hash(user, &code)?);
        codes.push(Secret::new(grouped(&code).as_str()).map_err(Error::internal)?);
    }
    Ok((codes, hashes))
}

fn require_self(ctx: &mut Ctx<'_>, user: &Id) -> Result<model::User, Error> {
    visibility::require_self(ctx, user, "self.password")?;
    users::load(&mut ctx.tx, user, "/user")
}

impl Operation for Begin {
    type Answer = SecondFactorSecret;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<SecondFactorSecret, Error> {
        let user = require_self(ctx, &self.user)?;
        let issuer = self.issuer.as_str();
        let is_bad = issuer.len() > LONGEST_ISSUER || issuer.contains(':');
        if is_bad {
            return Err(Error::invalid(
                "/issuer",
                format!(
                    "An issuer must be a name of 1 to {LONGEST_ISSUER} bytes without `:`, and is \
                     `{issuer}`."
                ),
            ));
        }
        let secret = FactorSecret::new(&ctx.engine.kernel.ids)?;
        let uri = [user.email.as_typed(), user.id.as_str()]
            .iter()
            .find_map(|name| Secret::new(secret.uri(issuer, name)?.as_str()).ok());
        let uri = uri.ok_or_else(|| {
            Error::invalid(
                "/issuer",
                format!("The issuer `{issuer}` makes the URI too long; choose a shorter one."),
            )
        })?;
        let pending_secret = Some(
            ctx.engine
                .auth
                .tokens
                .seal(&user.id, &secret, ctx.salt()?)?,
        );
        let factor = model::SecondFactor {
            pending_secret,
            ..load(&mut ctx.tx, &user.id)?
        };
        ctx.tx.put(keys::second_factor(&user.id), &factor)?;
        let secret = Secret::new(secret.base32().as_str()).map_err(Error::internal)?;
        Ok(SecondFactorSecret {
            user: user.id,
            secret,
            uri,
        })
    }
}

impl Operation for Confirm {
    type Answer = RecoveryCodes;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<RecoveryCodes, Error> {
        let person = require_self(ctx, &self.user)?;
        let user = person.id.clone();
        let pending = load(&mut ctx.tx, &user)?
            .pending_secret
            .ok_or_else(|| Error::not_found("second factor", user.as_str()).at("/user"))?;
        let Some(Typed::ByTime(code)) = Typed::read(self.code.reveal()) else {
            return Err(refused());
        };
        let last_step = ctx
            .engine
            .auth
            .tokens
            .unseal(&user, &pending)?
            .step_of(&code, ctx.now_ms, 0)
            .ok_or_else(refused)?;
        let (recovery_codes, recovery_hashes) = recovery_codes(ctx, &user)?;
        let confirmed_at_ms = Some(ctx.now_ms);
        let factor = model::SecondFactor {
            secret: Some(pending),
            confirmed_at_ms,
            pending_secret: None,
            last_step,
            recovery_hashes,
        };
        ctx.tx.put(keys::second_factor(&user), &factor)?;
        let sessions_ended =
            tables::sessions::end_all_but(&mut ctx.tx, &user, self.keep_session.as_ref(), true)?;
        domain::users::email::notify(ctx, OutboxKind::SecondFactorChanged, &person)?;
        Ok(RecoveryCodes {
            user,
            recovery_codes,
            sessions_ended,
        })
    }
}

impl Operation for ImportSecret {
    type Answer = SecondFactorStatus;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<SecondFactorStatus, Error> {
        let person = users::load(&mut ctx.tx, &self.user, "/user")?;
        let user = person.id.clone();
        let secret = FactorSecret::read(self.secret.reveal()).ok_or_else(|| {
            Error::invalid(
                "/secret",
                "A `secret` must be 16 to 64 bytes in base32, and this one is not; send another.",
            )
        })?;
        let secret = Some(ctx.engine.auth.tokens.seal(&user, &secret, ctx.salt()?)?);
        let factor = model::SecondFactor {
            secret,
            confirmed_at_ms: Some(ctx.now_ms),
            ..model::SecondFactor::default()
        };
        ctx.tx.put(keys::second_factor(&user), &factor)?;
        tables::sessions::end_all_but(&mut ctx.tx, &user, None, true)?;
        domain::users::email::notify(ctx, OutboxKind::SecondFactorChanged, &person)?;
        Ok(status(user, &factor))
    }
}

pub(crate) fn status(user: Id, factor: &model::SecondFactor) -> SecondFactorStatus {
    SecondFactorStatus {
        user,
        enabled: factor.secret.is_some(),
        confirmed_at_ms: factor.confirmed_at_ms,
        recovery_codes_left: factor.recovery_hashes.len() as u64,
        pending: factor.pending_secret.is_some(),
    }
}

impl Operation for Status {
    type Answer = SecondFactorStatus;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<SecondFactorStatus, Error> {
        match ctx.actor {
            Actor::Operator { .. } if !visibility::is_self(ctx, &self.user) => {
                ctx.require_as_operator("clients.view_all")?
            }
            _ => visibility::require_self(ctx, &self.user, "self.password")?,
        }
        let user = users::load(&mut ctx.tx, &self.user, "/user")?.id;
        let factor = load(&mut ctx.tx, &user)?;
        Ok(status(user, &factor))
    }
}

impl Operation for Remove {
    type Answer = SecondFactorRemoved;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<SecondFactorRemoved, Error> {
        match ctx.actor {
            Actor::Operator { .. } if !visibility::is_self(ctx, &self.user) => {
                ctx.require_as_operator("clients.edit")?;
                refuse_stronger(ctx, &self.user)?;
            }
            _ => visibility::require_self(ctx, &self.user, "self.password")?,
        }
        let person = users::load(&mut ctx.tx, &self.user, "/user")?;
        let user = person.id.clone();
        if !ctx.tx.has(&keys::second_factor(&user))? {
            return Err(Error::not_found("second factor", user.as_str()).at("/user"));
        }
        ctx.tx.delete(keys::second_factor(&user));
        domain::users::email::notify(ctx, OutboxKind::SecondFactorChanged, &person)?;
        let sessions_ended =
            tables::sessions::end_all_but(&mut ctx.tx, &user, self.keep_session.as_ref(), false)?;
        Ok(SecondFactorRemoved {
            user,
            sessions_ended,
        })
    }
}

impl Operation for RenewRecoveryCodes {
    type Answer = RecoveryCodes;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<RecoveryCodes, Error> {
        let person = require_self(ctx, &self.user)?;
        let user = person.id.clone();
        if !is_enabled(&mut ctx.tx, &user)? {
            return Err(Error::not_found("second factor", user.as_str()).at("/user"));
        }
        let (recovery_codes, recovery_hashes) = recovery_codes(ctx, &user)?;
        let factor = model::SecondFactor {
            recovery_hashes,
            ..load(&mut ctx.tx, &user)?
        };
        ctx.tx.put(keys::second_factor(&user), &factor)?;
        domain::users::email::notify(ctx, OutboxKind::RecoveryCodesChanged, &person)?;
        Ok(RecoveryCodes {
            user,
            recovery_codes,
            sessions_ended: 0,
        })
    }
}
