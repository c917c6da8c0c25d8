//! What is asked twice with one key happens once (R-QTA-5).

use crate::engine::meters::{Ask, Booked, Decision, Prepared};
use crate::engine::{Ctx, keys};
use crate::error::{Code, Error};
use crate::model::Id;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How long an answer is remembered.
const REMEMBERED_MS: u64 = 24 * 3_600_000;

/// What was asked with a key, and what was answered.
#[derive(Serialize, Deserialize)]
struct Answered {
    request: String,
    answer: serde_json::Value,
    until_ms: u64,
}

/// Charges meters and commits what belongs to it, the credits that pay for it too; with a key, once for each account and actor.
///
/// `write` says what to answer to a decision, and writes what belongs to it. When the commit fails, or another was first with
/// the same key, what was charged comes back.
pub(crate) fn charged<A: Serialize + DeserializeOwned>(
    ctx: &mut Ctx<'_>,
    account: &Id,
    key: Option<&Id>,
    request: &impl Serialize,
    prepared: &Arc<Prepared>,
    ask: Ask,
    write: impl Fn(&mut Ctx<'_>, Decision) -> Result<A, Error>,
) -> Result<A, Error> {
    let asked = serde_json::to_string(request).map_err(|error| Error::new(Code::Internal, error.to_string()))?;
    if let Some(answer) = answered(ctx, account, key, &asked)? {
        return Ok(answer);
    }
    let charge = ctx.engine.charge_or_owe(ctx.actor, prepared, ask)?;
    ctx.engine.book(ctx.actor, charge, |ctx, charge| {
        if let Some(first) = answered(ctx, account, key, &asked)? {
            return Ok(Booked::Before(first));
        }
        let decision = charge.pay(ctx)?;
        let answer = write(ctx, decision)?;
        if let Some(key) = key {
            let until_ms = ctx.now_ms.saturating_add(REMEMBERED_MS);
            let value = serde_json::to_value(&answer).map_err(|error| Error::new(Code::Internal, error.to_string()))?;
            let at = keys::answered(account, &ctx.actor.label(), key);
            ctx.tx.put(at, &Answered { request: asked.clone(), answer: value, until_ms })?;
            ctx.tx.mark(keys::due_answered(until_ms, account, &ctx.actor.label(), key));
            ctx.tx.touch_due(until_ms);
        }
        Ok(Booked::Kept(answer))
    })
}

/// The answer that was given to the same request with this key.
fn answered<A: DeserializeOwned>(ctx: &mut Ctx<'_>, account: &Id, key: Option<&Id>, asked: &str) -> Result<Option<A>, Error> {
    let Some(key) = key else { return Ok(None) };
    let at = keys::answered(account, &ctx.actor.label(), key);
    let Some(known) = ctx.tx.get::<Answered>(&at)?.filter(|known| ctx.now_ms < known.until_ms) else { return Ok(None) };
    if known.request != asked {
        return Err(Error::new(Code::IdempotencyMismatch, format!("the key `{key}` was used with another request")).at("/key"));
    }
    let answer = serde_json::from_value(known.answer);
    answer.map(Some).map_err(|error| Error::new(Code::StoreCorrupt, format!("the answer to the key `{key}` cannot be read: {error}")))
}

/// An answer is forgotten.
pub(crate) fn forget(ctx: &mut Ctx<'_>, account: &Id, actor: &str, key: &Id) {
    ctx.tx.delete(keys::answered(account, actor, key));
}

/// Removes the answers of an account that is deleted.
pub(crate) fn erase_all_of(ctx: &mut Ctx<'_>, account: &Id) -> Result<(), Error> {
    let (from, until) = keys::below(keys::ANSWERED, &[account.as_str()]);
    for (at, known) in ctx.tx.range::<Answered>(&from, &until, usize::MAX)? {
        if let (Some(actor), Some(key)) = (keys::part(&at, 2), keys::last_id(&at)) {
            ctx.tx.delete(keys::due_answered(known.until_ms, account, actor, &key));
        }
        ctx.tx.delete(at);
    }
    Ok(())
}
