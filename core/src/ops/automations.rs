//! Actions of automations and triggers, which are counted by the month (R-PKG-1).

use super::{Operation, once};
use crate::engine::Ctx;
use crate::engine::meters::{Ask, Decision};
use crate::error::{Code, Error};
use crate::model::{Count, Id, Limit, LimitName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Asks for actions of automations or of triggers and charges the limits of the account and of
/// those above, all or none.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Admit {
    /// The account.
    pub account: Id,
    /// What acts.
    pub kind: ActionKind,
    /// How many actions, at least 1.
    pub count: Count,
    /// Grants as many as fit, and nothing where fewer than these do; all or none when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Count>,
    /// A name of the host's for this request: asked again within a day it gets the same answer, and
    /// charges nothing (R-QTA-5). It costs a commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Id>,
}

/// What acts by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    /// An automation: `automation_actions_per_month`.
    Automation,
    /// A trigger: `trigger_actions_per_month`.
    Trigger,
}

/// Refuses an automation with more actions than the account, or one above it, allows in each
/// (`limit_reached`).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// The account.
    pub account: Id,
    /// How many actions the automation has.
    pub actions: Count,
}

/// An automation that is not too large.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AutomationSize {
    /// How many actions an automation of the account may have.
    pub value: Limit,
}

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
        let prepared = ctx.engine.prepare_limit(&cell, limit)?;
        if self.key.is_none() {
            return ctx.engine.decide(ctx.actor, &prepared, ask);
        }
        once::charged(
            ctx,
            &self.account,
            self.key.as_ref(),
            &self,
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
        for above in &view.above {
            value = value.min(
                above
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
                "an automation of `{}` has at most {} actions",
                self.account,
                value.ceiling()
            ),
        )
        .at("/actions")
        .with("limit", limit)
        .with("value", value.ceiling()))
    }
}
