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
}

impl Meter {
    /// Whether something was granted in the window, from the limit or for credits. A window to
    /// which nothing was charged does not move the windows after it.
    pub fn is_charged(&self) -> bool {
        self.drawn > 0 || self.paid
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
