//! The actions of automations and triggers, which are counted by month (R-PKG-1): requests and
//! answers.
#![cfg_attr(doc, doc = include_str!("../../doc/automations.md"))]

use crate::model::{Count, Id, Limit};
use tenantry_macros::{answer, request};

/// Asks for actions of automations or triggers, and charges them to the limits of the account and
/// of the accounts above it: all actions or none.
#[request]
pub struct Admit {
    /// The account.
    pub account: Id,
    /// What carries out the actions.
    pub kind: ActionKind,
    /// How many actions, at least 1.
    pub count: Count,
    /// The smallest number that is useful: if at least this many fit, as many as fit are granted;
    /// if fewer fit, none is. When absent, all are granted or none.
    pub min: Option<Count>,
    /// An idempotency key: the same request repeated within a day gets the same answer and charges
    /// nothing (R-QTA-5). A request with a key costs a commit.
    pub key: Option<Id>,
}

/// What carries out the actions.
#[request]
pub enum ActionKind {
    /// An automation, counted by `automation_actions_per_month`.
    Automation,
    /// A trigger, counted by `trigger_actions_per_month`.
    Trigger,
}

/// Checks the size of an automation. If the automation has more actions than the account, or an
/// account above it, allows for one automation, it is refused with `limit_reached`.
#[request]
pub struct Check {
    /// The account.
    pub account: Id,
    /// How many actions the automation has.
    pub actions: Count,
}

/// The answer for an automation that is not too large.
#[answer]
pub struct AutomationSize {
    /// How many actions an automation of the account may have.
    pub value: Limit,
}
