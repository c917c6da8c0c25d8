//! The actions of automations and triggers, which are counted by month (R-PKG-1): requests and
//! answers.
#![cfg_attr(doc, doc = include_str!("../../doc/automations.md"))]

use crate::model::{Count, Id, Limit};
use tenantry_macros::{answer, request};

/// Asks for actions of automations or triggers, and charges them to the limits of the account and
/// of those above it: all actions or none.
#[request]
pub struct Admit {
    /// The account.
    pub account: Id,
    /// What carries out the actions.
    pub kind: ActionKind,
    /// How many actions, at least 1.
    pub count: Count,
    /// The least that is useful: as many actions as fit are granted, and none when fewer than this
    /// fit; all or none when absent.
    pub min: Option<Count>,
    /// An idempotency key: the same request repeated within a day gets the same answer and charges
    /// nothing (R-QTA-5). A request with a key costs a commit.
    pub key: Option<Id>,
}

/// What carries out actions by itself.
#[request]
pub enum ActionKind {
    /// An automation, counted by `automation_actions_per_month`.
    Automation,
    /// A trigger, counted by `trigger_actions_per_month`.
    Trigger,
}

/// Checks the size of an automation: one with more actions than the account, or an account above
/// it, allows for each automation is refused with `limit_reached`.
#[request]
pub struct Check {
    /// The account.
    pub account: Id,
    /// How many actions the automation has.
    pub actions: Count,
}

/// The answer about an automation that is not too large.
#[answer]
pub struct AutomationSize {
    /// How many actions an automation of the account may have.
    pub value: Limit,
}
