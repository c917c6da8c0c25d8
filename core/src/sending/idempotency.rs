//! What is asked twice with one key happens once (R-QTA-5).
//!
//! The keys of an actor in an account are the same for all operations. Most answers are remembered
//! for a day; those to requests that enter credits, for ever.

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::meters::{Ask, Charged, Prepared};
use crate::model::{Decision, Id};
use crate::tables::idempotency::{Answered, save};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// How long an answer is remembered.
const REMEMBERED_MS: u64 = 24 * 3_600_000;

/// A request with a key.
struct Asked<'a> {
    account: &'a Id,
    key: &'a Id,
    fingerprint: String,
}

/// Charges meters and commits what belongs to it, the credits that pay for it too; with a key, once
/// for each account and actor. A refusal is not remembered: who asks again with the key may be let
/// through by then.
///
/// `write` says what to answer to a decision, and writes what belongs to it. When the commit fails,
/// or another was first with the same key, what was charged comes back.
pub(crate) fn charge_idempotent<A: Serialize + DeserializeOwned>(
    ctx: &mut Ctx<'_>,
    request: &impl Operation,
    key: Option<&Id>,
    prepared: &Arc<Prepared>,
    ask: Ask,
    write: impl Fn(&mut Ctx<'_>, Decision) -> Result<A, Error>,
) -> Result<A, Error> {
    let asked = Asked::of(request, key)?;
    if let Some(answer) = answered(ctx, asked.as_ref())? {
        // Who asked first may still wait for their commit to become durable.
        let kernel = &ctx.engine.kernel;
        kernel.wait_until_read_is_durable(kernel.backend.last_commit())?;
        return Ok(answer);
    }
    let charge = ctx.engine.charge_unpaid(ctx.actor, prepared, ask)?;
    ctx.engine.commit_charge(ctx.actor, charge, |ctx, charge| {
        if let Some(first) = answered(ctx, asked.as_ref())? {
            return Ok(Charged::Before(first));
        }
        let decision = charge.pay(ctx)?;
        let is_granted = decision.granted > 0;
        let answer = write(ctx, decision)?;
        if let Some(asked) = asked.as_ref().filter(|_| is_granted) {
            asked.remember(ctx, &answer, Some(REMEMBERED_MS))?;
        }
        Ok(Charged::Kept(answer))
    })
}

/// Carries out what an operation writes; with a key, once for each account and actor. Says whether
/// it was carried out now.
///
/// A refusal writes nothing, and so is not remembered.
pub(crate) fn run_or_replay<O: Operation>(
    ctx: &mut Ctx<'_>,
    request: &O,
    key: Option<&Id>,
    run: impl FnOnce(&mut Ctx<'_>) -> Result<O::Answer, Error>,
) -> Result<(O::Answer, bool), Error> {
    run_with_life(ctx, request, key, Some(REMEMBERED_MS), run)
}

/// As [`run_or_replay`], for who wants the answer alone.
pub(crate) fn run_idempotent<O: Operation>(
    ctx: &mut Ctx<'_>,
    request: &O,
    key: Option<&Id>,
    run: impl FnOnce(&mut Ctx<'_>) -> Result<O::Answer, Error>,
) -> Result<O::Answer, Error> {
    run_or_replay(ctx, request, key, run).map(|(answer, _)| answer)
}

/// As [`run_idempotent`], but remembered for ever. What is remembered need not be the whole answer
/// of the operation: it is enough to find it by.
pub(crate) fn run_idempotent_for_ever<A: Serialize + DeserializeOwned>(
    ctx: &mut Ctx<'_>,
    request: &impl Operation,
    key: Option<&Id>,
    run: impl FnOnce(&mut Ctx<'_>) -> Result<A, Error>,
) -> Result<A, Error> {
    run_with_life(ctx, request, key, None, run).map(|(answer, _)| answer)
}

fn run_with_life<A: Serialize + DeserializeOwned>(
    ctx: &mut Ctx<'_>,
    request: &impl Operation,
    key: Option<&Id>,
    life_ms: Option<u64>,
    run: impl FnOnce(&mut Ctx<'_>) -> Result<A, Error>,
) -> Result<(A, bool), Error> {
    let asked = Asked::of(request, key)?;
    if let Some(answer) = answered(ctx, asked.as_ref())? {
        return Ok((answer, false));
    }
    let answer = run(ctx)?;
    if let Some(asked) = &asked {
        asked.remember(ctx, &answer, life_ms)?;
    }
    Ok((answer, true))
}

/// The answer that was given to the same request with the same key.
fn answered<A: DeserializeOwned>(
    ctx: &mut Ctx<'_>,
    asked: Option<&Asked<'_>>,
) -> Result<Option<A>, Error> {
    asked.map_or(Ok(None), |asked| asked.answer(ctx))
}

impl<'a> Asked<'a> {
    /// None where the request has no key.
    fn of<O: Operation>(request: &'a O, key: Option<&'a Id>) -> Result<Option<Asked<'a>>, Error> {
        let (Some(account), Some(key)) = (request.account(), key) else {
            return Ok(None);
        };
        Ok(Some(Asked {
            account,
            key,
            fingerprint: fingerprint(request)?,
        }))
    }

    fn answer<A: DeserializeOwned>(&self, ctx: &mut Ctx<'_>) -> Result<Option<A>, Error> {
        let key = self.key;
        let at = keys::answered(self.account, &ctx.actor.label(), key);
        let Some(known) = ctx
            .tx
            .get::<Answered>(&at)?
            .filter(|known| known.until_ms.is_none_or(|until_ms| ctx.now_ms < until_ms))
        else {
            return Ok(None);
        };
        if known.fingerprint != self.fingerprint {
            return Err(Error::new(
                Code::IdempotencyMismatch,
                format!("The key `{key}` was used for another request; take a new key."),
            )
            .at("/key"));
        }
        let answer = serde_json::from_value(known.answer);
        answer.map(Some).map_err(|error| {
            Error::corrupt(format!(
                "The answer to the key `{key}` cannot be read ({error}); restore a backup."
            ))
        })
    }

    /// Remembers what was answered, for so long or for ever.
    fn remember(
        &self,
        ctx: &mut Ctx<'_>,
        answer: &impl Serialize,
        life_ms: Option<u64>,
    ) -> Result<(), Error> {
        let until_ms = life_ms.map(|life_ms| ctx.now_ms.saturating_add(life_ms));
        let answer =
            serde_json::to_value(answer).map_err(|error| Error::internal(error.to_string()))?;
        let record = Answered {
            fingerprint: self.fingerprint.clone(),
            answer,
            until_ms,
        };
        save(
            &mut ctx.tx,
            (self.account, &ctx.actor.label(), self.key),
            &record,
        )
    }
}

/// What identifies a request: the operation, and all that it says.
fn fingerprint<O: Operation>(request: &O) -> Result<String, Error> {
    let text = serde_json::to_vec(request).map_err(|error| {
        Error::internal(format!(
            "This is a defect to report: a request cannot be written ({error})."
        ))
    })?;
    let digest = Sha256::new()
        .chain_update(O::NAME)
        .chain_update([0])
        .chain_update(text)
        .finalize();
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Whether an answer would be remembered for longer than a day, and not for ever.
pub(crate) fn is_ahead(known: &Answered, now_ms: u64) -> bool {
    let last_ms = now_ms.saturating_add(REMEMBERED_MS);
    known.until_ms.is_some_and(|until_ms| until_ms > last_ms)
}

/// An answer that was given in a wrong future is remembered as one of now (R-QTA-13).
pub(crate) fn undo_future(ctx: &mut Ctx<'_>, at: &[u8], known: Answered) -> Result<(), Error> {
    let (Some(account), Some(actor), Some(key)) = (
        keys::part(at, 1).and_then(|id| Id::new(id).ok()),
        keys::part(at, 2),
        keys::last_id(at),
    ) else {
        return Ok(());
    };
    let known = Answered {
        until_ms: Some(ctx.now_ms.saturating_add(REMEMBERED_MS)),
        ..known
    };
    save(&mut ctx.tx, (&account, actor, &key), &known)
}
