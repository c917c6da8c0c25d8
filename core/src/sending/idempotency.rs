//! What is asked twice with one key happens once (R-QTA-5).

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::meters::{Ask, Charged, Prepared};
use crate::model::Decision;
use crate::model::Id;
use crate::tables::idempotency::{Answered, forget_line};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// How long an answer is remembered.
const REMEMBERED_MS: u64 = 24 * 3_600_000;

/// Charges meters and commits what belongs to it, the credits that pay for it too; with a key, once
/// for each account and actor. A refusal is not remembered: who asks again with the key may be let
/// through by then.
///
/// `write` says what to answer to a decision, and writes what belongs to it. When the commit fails,
/// or another was first with the same key, what was charged comes back.
pub(crate) fn charged<A: Serialize + DeserializeOwned>(
    ctx: &mut Ctx<'_>,
    account: &Id,
    key: Option<&Id>,
    request: &impl Operation,
    prepared: &Arc<Prepared>,
    ask: Ask,
    write: impl Fn(&mut Ctx<'_>, Decision) -> Result<A, Error>,
) -> Result<A, Error> {
    let asked = digest(request)?;
    if let Some(answer) = answered(ctx, account, key, &asked)? {
        // Who asked first may still wait for their commit to become durable.
        let kernel = &ctx.engine.kernel;
        kernel.wait_until_read_is_durable(kernel.backend.last_commit())?;
        return Ok(answer);
    }
    let charge = ctx.engine.charge_or_owe(ctx.actor, prepared, ask)?;
    ctx.engine.commit_charge(ctx.actor, charge, |ctx, charge| {
        if let Some(first) = answered(ctx, account, key, &asked)? {
            return Ok(Charged::Before(first));
        }
        let decision = charge.pay(ctx)?;
        let is_granted = decision.granted > 0;
        let answer = write(ctx, decision)?;
        if is_granted {
            remember(ctx, account, key, &asked, &answer)?;
        }
        Ok(Charged::Kept(answer))
    })
}

/// Carries out what an operation writes; with a key, once for each account and actor. Says whether
/// it was carried out now.
///
/// A refusal writes nothing, and so is not remembered.
pub(crate) fn carried_out<O: Operation>(
    ctx: &mut Ctx<'_>,
    request: &O,
    key: Option<&Id>,
    run: impl FnOnce(&mut Ctx<'_>) -> Result<O::Answer, Error>,
) -> Result<(O::Answer, bool), Error> {
    let (Some(account), true) = (request.account(), key.is_some()) else {
        return run(ctx).map(|answer| (answer, true));
    };
    let asked = digest(request)?;
    if let Some(answer) = answered(ctx, account, key, &asked)? {
        return Ok((answer, false));
    }
    let answer = run(ctx)?;
    remember(ctx, account, key, &asked, &answer)?;
    Ok((answer, true))
}

/// As [`carried_out`], for who wants the answer alone.
pub(crate) fn written<O: Operation>(
    ctx: &mut Ctx<'_>,
    request: &O,
    key: Option<&Id>,
    run: impl FnOnce(&mut Ctx<'_>) -> Result<O::Answer, Error>,
) -> Result<O::Answer, Error> {
    carried_out(ctx, request, key, run).map(|(answer, _)| answer)
}

/// What identifies a request: the operation, and all that it says.
pub(crate) fn digest<O: Operation>(request: &O) -> Result<String, Error> {
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

/// Remembers what was answered to a request with a key.
fn remember(
    ctx: &mut Ctx<'_>,
    account: &Id,
    key: Option<&Id>,
    asked: &str,
    answer: &impl Serialize,
) -> Result<(), Error> {
    let Some(key) = key else { return Ok(()) };
    let until_ms = ctx.now_ms.saturating_add(REMEMBERED_MS);
    let answer =
        serde_json::to_value(answer).map_err(|error| Error::internal(error.to_string()))?;
    let actor = ctx.actor.label();
    let at = keys::answered(account, &actor, key);
    // One that is over may not have been erased yet, and must not take this one along then.
    if let Some(over) = ctx.tx.get::<Answered>(&at)? {
        ctx.tx
            .delete(forget_line(over.until_ms, account, &actor, key));
    }
    ctx.tx.put(
        at,
        &Answered {
            request: asked.to_owned(),
            answer,
            until_ms,
        },
    )?;
    ctx.tx.mark(forget_line(until_ms, account, &actor, key));
    ctx.tx.schedule_forget(until_ms);
    Ok(())
}

/// The answer that was given to the same request with this key.
fn answered<A: DeserializeOwned>(
    ctx: &mut Ctx<'_>,
    account: &Id,
    key: Option<&Id>,
    asked: &str,
) -> Result<Option<A>, Error> {
    let Some(key) = key else { return Ok(None) };
    let at = keys::answered(account, &ctx.actor.label(), key);
    let Some(known) = ctx
        .tx
        .get::<Answered>(&at)?
        .filter(|known| ctx.now_ms < known.until_ms)
    else {
        return Ok(None);
    };
    if known.request != asked {
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

/// Whether an answer would be remembered for longer than any is.
pub(crate) fn is_ahead(known: &Answered, now_ms: u64) -> bool {
    known.until_ms > now_ms.saturating_add(REMEMBERED_MS)
}

/// An answer that was given in a future that was none is remembered as one of now (R-QTA-13).
pub(crate) fn leave_future(ctx: &mut Ctx<'_>, at: &[u8], mut known: Answered) -> Result<(), Error> {
    let (Some(account), Some(actor), Some(key)) = (
        keys::part(at, 1).and_then(|id| Id::new(id).ok()),
        keys::part(at, 2),
        keys::last_id(at),
    ) else {
        return Ok(());
    };
    ctx.tx
        .delete(forget_line(known.until_ms, &account, actor, &key));
    known.until_ms = ctx.now_ms.saturating_add(REMEMBERED_MS);
    ctx.tx
        .mark(forget_line(known.until_ms, &account, actor, &key));
    ctx.tx.schedule_forget(known.until_ms);
    ctx.tx.put(at.to_vec(), &known)
}
