//! Actions of automations and triggers, which are counted by the month (R-PKG-1).

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api::automations::{ActionKind, Admit, AutomationSize, Check};
use crate::error::{Code, Error};
use crate::meters::Ask;
use crate::model::Decision;
use crate::model::LimitName;
use crate::sending::decide::decide_as;
use crate::sending::idempotency;

impl Operation for Admit {
    type Answer = Decision;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Decision, Error> {
        let ask = Ask::of(self.count, self.min)?;
        let limit = match self.kind {
            ActionKind::Automation => LimitName::AutomationActionsPerMonth,
            ActionKind::Trigger => LimitName::TriggerActionsPerMonth,
        };
        let cell = ctx
            .engine
            .cell(&self.account)
            .map_err(|error| error.at("/account"))?;
        let prepare = || ctx.engine.prepare_limit(&cell, limit);
        let mut prepared = prepare()?;
        if self.key.is_none() {
            return decide_as(ctx.engine, ctx.actor, &cell, &mut prepared, prepare, ask);
        }
        idempotency::charge_idempotent(
            ctx,
            &self,
            self.key.as_ref(),
            &prepared,
            ask,
            |_, decision| Ok(decision),
        )
    }
}

impl Operation for Check {
    type Answer = AutomationSize;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<AutomationSize, Error> {
        let cell = ctx.engine.cell(&self.account)?;
        let view = cell.view(ctx.engine)?;
        let mut value = view.limit(LimitName::ActionsPerAutomation).limit;
        for ancestor in &view.ancestors {
            value = value.min(
                ancestor
                    .view(ctx.engine)?
                    .limit(LimitName::ActionsPerAutomation)
                    .limit,
            );
        }
        if self.actions.get() <= value.ceiling() {
            return Ok(AutomationSize { value });
        }
        let limit = LimitName::ActionsPerAutomation.name();
        Err(Error::new(
            Code::LimitReached,
            format!(
                "An automation of `{}` has at most {} `actions`; leave some out, or raise the \
                 limit.",
                self.account,
                value.ceiling()
            ),
        )
        .at("/actions")
        .with("limit", limit)
        .with("value", value.ceiling()))
    }
}
