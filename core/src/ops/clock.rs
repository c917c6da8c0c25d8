//! The clock of the store.

use super::{Access, Effect, Operation};
use crate::engine::Ctx;
use crate::error::Error;
use crate::model::Count;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The time that decisions are made by.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Get {}

/// Moves a manual clock, forwards or backwards; with the system's clock it is `clock_not_manual` (R-QTA-13).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Set {
    /// The new time, in unix milliseconds.
    pub now_ms: Count,
}

/// The time of the store's clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClockReading {
    /// Unix milliseconds.
    pub now_ms: u64,
    /// Whether `clock.set` can move it.
    pub manual: bool,
}

impl Operation for Get {
    const NAME: &'static str = "clock.get";
    const EFFECT: Effect = Effect::Read;
    const ACCESS: Access = Access::System;
    type Answer = ClockReading;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<ClockReading, Error> {
        Ok(ClockReading { now_ms: ctx.now_ms, manual: ctx.engine.has_manual_clock() })
    }
}

impl Operation for Set {
    const NAME: &'static str = "clock.set";
    const EFFECT: Effect = Effect::Send;
    const ACCESS: Access = Access::System;
    type Answer = ClockReading;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<ClockReading, Error> {
        ctx.engine.clock.set(self.now_ms.get())?;
        Ok(ClockReading { now_ms: self.now_ms.get(), manual: true })
    }
}
