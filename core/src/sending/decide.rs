//! A send is decided and charged in one step. The operation `sending.admit` answers like the typed
//! hot calls because it runs this code.

use crate::access::request::Ctx;
use crate::access::state::Engine;
use crate::access::view::AccountCell;
use crate::error::{Code, Error};
use crate::meters::{Ask, Prepared};
use crate::model::{Actor, Channel, Decision, MessageInput};
use std::sync::Arc;

/// How often a send is prepared anew that was overtaken by a change of what it is charged to.
const ROUNDS: usize = 16;

pub(crate) fn admit(
    engine: &Engine,
    cell: &Arc<AccountCell>,
    user: Option<&str>,
    channel: Channel,
    message: &MessageInput,
    ask: Ask,
) -> Result<Decision, Error> {
    let prepare = || cell.sending(engine, user, channel, message);
    decide(engine, cell, prepare, ask)
}

/// Decides, and counts what a trial would have refused.
pub(crate) fn decide(
    engine: &Engine,
    cell: &AccountCell,
    prepare: impl Fn() -> Result<Arc<Prepared>, Error>,
    ask: Ask,
) -> Result<Decision, Error> {
    let mut prepared = prepare()?;
    let decision = decide_as(engine, &Actor::System, cell, &mut prepared, prepare, ask)?;
    engine.count_tried(&prepared);
    Ok(decision)
}

/// Decides, and where the send was overtaken by a change of what it is charged to, again by what it
/// is charged to then: it is `prepared` anew.
pub(crate) fn decide_as(
    engine: &Engine,
    actor: &Actor,
    cell: &AccountCell,
    prepared: &mut Arc<Prepared>,
    prepare: impl Fn() -> Result<Arc<Prepared>, Error>,
    ask: Ask,
) -> Result<Decision, Error> {
    let mut tried = 0;
    loop {
        let error = match engine.decide(actor, prepared, ask) {
            Err(error) if error.code() == Code::Busy => error,
            decided => return decided,
        };
        tried += 1;
        if tried == ROUNDS {
            return Err(error);
        }
        // A cap that it was charged to, or an account above, may have been deleted since it was
        // prepared, or a limit lowered.
        engine.wait_for_writer()?;
        if cell.stamp(engine) == prepared.stamp {
            return Err(error);
        }
        *prepared = prepare()?;
    }
}

impl Engine {
    /// Counts a send that a trial would have refused: one for each call, however many messages it
    /// asks for.
    pub(crate) fn count_tried(&self, prepared: &Prepared) {
        if let Some(missing) = &prepared.missing {
            self.trials.count(missing);
        }
    }
}

impl Ctx<'_> {
    /// As [`Engine::count_tried`]; of a user who sends themselves, the check of what they hold has
    /// counted.
    pub(crate) fn count_tried(&self, prepared: &Prepared) {
        if self.actor.user().is_none() {
            self.engine.count_tried(prepared);
        }
    }
}
