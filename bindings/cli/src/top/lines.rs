//! What is shown of accounts, from two looks at them.

use serde_json::{Value, json};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Instant;

use crate::answers::instant;
use crate::usage::bar;

/// What all accounts have used at one moment.
pub(super) struct Look {
    pub(super) at: Instant,
    pub(super) accounts: Vec<Account>,
    pub(super) is_all: bool,
}

pub(super) struct Account {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) windows: Vec<Window>,
}

/// An account's own limit.
pub(super) struct Window {
    pub(super) limit: String,
    pub(super) starts_at_ms: i64,
    pub(super) ends_at_ms: Option<i64>,
    pub(super) used: u64,
    pub(super) value: Option<u64>,
}

/// An account as it is shown.
#[derive(Debug, PartialEq)]
pub(super) struct Line {
    account: String,
    name: String,
    /// Unknown where every window began anew between the two looks.
    per_minute: Option<u64>,
    /// The limit of which the greatest part is used.
    limit: Option<Fullest>,
}

#[derive(Debug, PartialEq)]
struct Fullest {
    limit: String,
    used: u64,
    value: u64,
    ends_at_ms: Option<i64>,
}

impl Fullest {
    /// In thousandths.
    fn share(&self) -> u64 {
        match self.value {
            0 => 1_000,
            value => {
                let share = u128::from(self.used) * 1_000 / u128::from(value);
                u64::try_from(share).unwrap_or(u64::MAX)
            }
        }
    }

    /// Nothing more goes out before the window ends.
    fn is_reached(&self) -> bool {
        self.used >= self.value
    }
}

impl Line {
    /// Account, name, messages a minute, limit, how full it is, and until when it refuses.
    pub(super) fn cells(&self) -> [String; 6] {
        let rate = self.per_minute.map(|rate| format!("{rate}/min"));
        let limit = self.limit.as_ref();
        let until = limit.filter(|limit| limit.is_reached()).map(|limit| {
            let until = limit.ends_at_ms.map(instant);
            until.map_or("refused".to_owned(), |until| {
                format!("refused until {until}")
            })
        });
        [
            self.account.clone(),
            self.name.clone(),
            rate.unwrap_or_default(),
            limit.map_or(String::new(), |limit| limit.limit.clone()),
            limit.map_or(String::new(), |limit| {
                format!(
                    "{} {} of {}",
                    bar(limit.used, limit.value),
                    limit.used,
                    limit.value
                )
            }),
            until.unwrap_or_default(),
        ]
    }

    pub(super) fn to_json(&self) -> Value {
        let limit = self.limit.as_ref().map(|limit| {
            json!({"limit": limit.limit, "used": limit.used, "value": limit.value,
                "ends_at_ms": limit.ends_at_ms, "is_reached": limit.is_reached()})
        });
        json!({"account": self.account, "name": self.name, "per_minute": self.per_minute,
            "fullest": limit})
    }
}

/// The busiest accounts first; among the idle ones, those of whose limit the most is used.
pub(super) fn lines(before: &Look, now: &Look) -> Vec<Line> {
    let known: BTreeMap<&str, &Account> = before
        .accounts
        .iter()
        .map(|account| (account.id.as_str(), account))
        .collect();
    let took_ms = now.at.duration_since(before.at).as_millis();
    let mut lines: Vec<Line> = now
        .accounts
        .iter()
        .map(|account| Line {
            account: account.id.clone(),
            name: account.name.clone(),
            per_minute: known
                .get(account.id.as_str())
                .and_then(|before| per_minute(before, account, took_ms)),
            limit: fullest(account),
        })
        .collect();
    lines.sort_by_key(|line| {
        let share = line.limit.as_ref().map(Fullest::share);
        Reverse((line.per_minute.unwrap_or(0), share))
    });
    lines
}

/// Every window counts the same messages; one that began meanwhile says nothing.
fn per_minute(before: &Account, now: &Account, took_ms: u128) -> Option<u64> {
    let sent = now.windows.iter().filter_map(|window| {
        let same = |other: &&Window| {
            (&other.limit, other.starts_at_ms) == (&window.limit, window.starts_at_ms)
        };
        let earlier = before.windows.iter().find(same)?;
        Some(window.used.saturating_sub(earlier.used))
    });
    let sent = u128::from(sent.max()?);
    u64::try_from((sent * 60_000).checked_div(took_ms)?).ok()
}

fn fullest(account: &Account) -> Option<Fullest> {
    let limits = account.windows.iter().filter_map(|window| {
        Some(Fullest {
            limit: window.limit.clone(),
            used: window.used,
            value: window.value?,
            ends_at_ms: window.ends_at_ms,
        })
    });
    limits.max_by_key(Fullest::share)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn account(id: &str, windows: &[(&str, i64, u64, Option<u64>)]) -> Account {
        let windows = windows
            .iter()
            .map(|&(limit, starts_at_ms, used, value)| Window {
                limit: limit.to_owned(),
                starts_at_ms,
                ends_at_ms: None,
                used,
                value,
            });
        Account {
            id: id.to_owned(),
            name: id.to_uppercase(),
            windows: windows.collect(),
        }
    }

    fn looks(before: Vec<Account>, now: Vec<Account>, between: Duration) -> Vec<Line> {
        let at = Instant::now();
        let look = |at, accounts| Look {
            at,
            accounts,
            is_all: true,
        };
        lines(&look(at, before), &look(at + between, now))
    }

    #[test]
    fn the_busiest_come_first_and_then_the_fullest() {
        let of = |idle: u64, busy: u64, full: u64| {
            vec![
                account("idle", &[("email_per_day", 0, idle, Some(100))]),
                account("busy", &[("email_per_day", 0, busy, None)]),
                account("full", &[("email_per_day", 0, full, Some(10))]),
            ]
        };
        let lines = looks(of(1, 0, 10), of(1, 30, 10), Duration::from_secs(2));
        let shown = lines
            .iter()
            .map(|line| (line.account.as_str(), line.per_minute));
        assert_eq!(
            shown.collect::<Vec<_>>(),
            [("busy", Some(900)), ("full", Some(0)), ("idle", Some(0))]
        );
        assert_eq!(lines[1].cells()[5], "refused");
        assert_eq!(lines[2].cells()[5], "");
    }

    /// The messages of the last hour are in the day too; a window that began anew does not say how
    /// many there were.
    #[test]
    fn a_message_is_counted_once_over_all_windows() {
        let before = account(
            "a",
            &[
                ("email_per_hour", 0, 90, None),
                ("email_per_day", 0, 200, None),
            ],
        );
        let now = account(
            "a",
            &[
                ("email_per_hour", 60, 5, None),
                ("email_per_day", 0, 220, None),
            ],
        );
        assert_eq!(per_minute(&before, &now, 60_000), Some(20));
        let anew = account("a", &[("email_per_hour", 60, 5, None)]);
        assert_eq!(per_minute(&before, &anew, 60_000), None);
        assert_eq!(per_minute(&before, &now, 0), None);
    }
}
