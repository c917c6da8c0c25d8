//! The clock of the store.

mod future;

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api::clock::{ClockReading, ClockUndone, Confirm, Get, Set, Undo};
use crate::error::Error;

fn reading(ctx: &Ctx<'_>) -> ClockReading {
    let clock = &ctx.engine.kernel.clock;
    ClockReading {
        now_ms: clock.now_ms(),
        manual: clock.is_manual(),
        held_back_ms: clock.held_back_ms(),
    }
}

impl Operation for Get {
    type Answer = ClockReading;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<ClockReading, Error> {
        Ok(reading(ctx))
    }
}

impl Operation for Set {
    type Answer = ClockReading;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<ClockReading, Error> {
        ctx.engine.kernel.clock.set(self.now_ms.get())?;
        Ok(reading(ctx))
    }
}

impl Operation for Confirm {
    type Answer = ClockReading;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<ClockReading, Error> {
        ctx.engine.kernel.clock.confirm();
        Ok(reading(ctx))
    }
}

impl Operation for Undo {
    type Answer = ClockUndone;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<ClockUndone, Error> {
        ctx.engine.kernel.clock.forget_future();
        Ok(ClockUndone {
            counters: ctx.engine.undo_future(ctx.actor)?,
        })
    }
}
