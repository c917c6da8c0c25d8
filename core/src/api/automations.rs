//! Actions of automations and triggers, which are counted by the month (R-PKG-1): requests and
//! answers.

use crate::model::{Count, Id, Limit};
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
