//! Meters: what has been drawn from a limit in its current window.

use super::LimitName;
use serde::{Deserialize, Serialize};
use tenantry_macros::answer;

/// The channel of a message; e-mails and text messages are counted separately.
#[answer]
#[derive(Default, Hash)]
pub enum Channel {
    /// E-mail.
    #[default]
    Email,
    /// Text message (SMS).
    Sms,
}

impl Channel {
    /// All channels.
    pub const ALL: [Channel; 2] = [Channel::Email, Channel::Sms];

    /// The limits of an account to which every message of the channel is charged.
    pub const fn limits(self) -> [LimitName; 3] {
        match self {
            Channel::Email => [
                LimitName::EmailPerHour,
                LimitName::EmailPerDay,
                LimitName::EmailPerMonth,
            ],
            Channel::Sms => [
                LimitName::SmsPerHour,
                LimitName::SmsPerDay,
                LimitName::SmsPerMonth,
            ],
        }
    }

    /// The channel whose messages a limit counts.
    pub fn of(limit: LimitName) -> Option<Channel> {
        Channel::ALL
            .into_iter()
            .find(|channel| channel.limits().contains(&limit))
    }

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Channel::Email => "email",
            Channel::Sms => "sms",
        }
    }

    /// The permission that sending needs.
    pub const fn permission(self) -> &'static str {
        match self {
            Channel::Email => "campaigns.send",
            Channel::Sms => "sms.send",
        }
    }
}

/// A meter as it is stored; the window has its boundaries with it, so that every reader divides the
/// day in the same way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meter {
    /// When the window began; for a rolling window, when the part from which is drawn now began.
    pub starts_at_ms: u64,
    /// When it ends; from then on, nothing is drawn from it.
    pub ends_at_ms: u64,
    /// How much of the limit has been used since then, or given to a process that may use it.
    pub drawn: u64,
    /// The earlier parts of a rolling window that still count: until when, and how much.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub past: Vec<(u64, u64)>,
    /// What was used in the last hour with use, when the hour after it had none: until when it
    /// counted, and how much. It counts again if the clock was wrong (R-QTA-13).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<(u64, u64)>,
    /// The highest threshold of which the host was told in this window, in percent (R-QTA-8).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub alerted: u64,
    /// Whether credits paid for something in the window that was not charged to it; how much is
    /// stored beside the ledger (R-CRD-2).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paid: bool,
    /// What was imported into the window; absent when nothing was (R-QTA-19).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<Box<Imported>>,
}

impl Meter {
    /// How much of the limit has been used, or given to a process that may use it: in the window,
    /// or in all parts of a rolling one that still count.
    pub fn counted(&self) -> u64 {
        let past = self.past.iter().map(|(_, used)| *used);
        past.fold(self.drawn, u64::saturating_add)
    }

    /// Whether something was granted in the window, from the limit or for credits. A window to
    /// which nothing was charged does not move the windows after it.
    pub fn is_charged(&self) -> bool {
        self.drawn > 0 || self.paid
    }
}

/// What was imported into a window: how much was used at the platform before this one (R-QTA-19).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// What was imported for the counter itself; that happens once in a window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own: Option<ImportedUse>,
    /// By how much imports have raised the counters of the accounts directly below.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub below: u64,
    /// Until when it counts.
    pub counts_until_ms: u64,
}

/// What was imported for one counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedUse {
    /// How much was used, as the host has said.
    pub used: u64,
    /// How much was counted before the import.
    pub counted: u64,
    /// By how much imports had raised the counter then, this one included. What accounts below
    /// import later is a part of it.
    pub covers: u64,
}

impl Imported {
    /// By how much imports have raised the counter.
    pub fn raised_by(&self) -> u64 {
        self.own.map_or(0, |own| own.covers).max(self.below)
    }

    /// Imports have raised the counter of an account directly below by so much. Answers by how much
    /// this raises the counter itself: what was imported for it includes the accounts below.
    pub fn add_below(&mut self, raised_by: u64) -> u64 {
        let before = self.raised_by();
        self.below = self.below.saturating_add(raised_by);
        self.raised_by() - before
    }
}

/// The state of a pace, as it is stored while no process has it in memory (R-QTA-13).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaceRecord {
    /// When the next slot begins, in microseconds; absent while a process has the pace,
    /// because nobody knows the slot if that process crashes.
    #[serde(rename = "turn_us", default, skip_serializing_if = "Option::is_none")]
    pub next_slot_us: Option<u64>,
}

/// How far the clearing of meters that are over has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pruning {
    /// When it goes on.
    pub due_at_ms: u64,
    /// What was over by then goes.
    pub over_by_ms: u64,
    /// The last key that was looked at in a pass that is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}
