//! What has to be in a store after its crashes, and whether it is.

use super::effect::Effect;
use super::platform::{BELOW, EXISTING, METERS, MOST_AT_ONCE, OPTIONS, THREADS, TOP};
use super::read::{absent, call, number};
use super::{Said, State};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use tenantry::Tenantry;

/// What has to be in a store after all that was done to it.
#[derive(Clone, Default)]
pub struct Ledger {
    expected: State,
    granted: BTreeMap<String, u64>,
    crashes: u64,
    /// How many acknowledgements there were.
    pub acknowledgements: u64,
}

impl Ledger {
    /// Takes in what a host said before it was killed, and checks what the store holds now. The
    /// store is opened, and closed again.
    pub fn check(&mut self, said: Said, path: &Path) -> Result<(), String> {
        self.crashes += 1;
        self.acknowledgements += said.acknowledgements;
        for effect in &said.acknowledged {
            self.expected.apply(effect);
        }
        for (account, granted) in &said.granted {
            *self.granted.entry(account.clone()).or_default() += granted;
            if account.starts_with(BELOW) || METERS.iter().any(|(meter, _)| meter == account) {
                *self.granted.entry(TOP.to_owned()).or_default() += granted;
            }
        }
        let options = if self.acknowledgements == 0 {
            OPTIONS
        } else {
            EXISTING
        };
        let store = Tenantry::open_json(path.to_str().unwrap(), options.as_bytes())
            .map_err(|error| format!("does not open: {}", error.to_json()))?;
        let verified = call(&store, "store.verify", &json!({}))?;
        if verified["whole"] != true {
            return Err(format!("not whole: {verified}"));
        }
        check_chains(&store)?;
        let found = State::read(&store, &self.expected.gone)?;
        for effect in said.open.values() {
            let mut with = self.expected.clone();
            with.apply(effect);
            if found.has_same(&with, effect) {
                for user in with.gone.difference(&self.expected.gone) {
                    absent(&store, user)?;
                }
                self.expected = with;
            } else if let Effect::Create { owner: user, .. } | Effect::Add { user, .. } = effect {
                absent(&store, user)?;
            }
        }
        self.compare(&State {
            gone: self.expected.gone.clone(),
            ..found
        })?;
        self.check_usage(&store)?;
        store
            .close()
            .map_err(|error| format!("does not close: {}", error.to_json()))
    }

    fn compare(&self, found: &State) -> Result<(), String> {
        if *found == self.expected {
            return Ok(());
        }
        let mut differences = Vec::new();
        differ(
            "account",
            &self.expected.accounts,
            &found.accounts,
            &mut differences,
        );
        differ("role", &self.expected.roles, &found.roles, &mut differences);
        Err(format!(
            "{} differences, the first: {}",
            differences.len(),
            differences.first().map_or("none", String::as_str)
        ))
    }

    /// Never less than was granted, never more than the limit, and at most a block for each crash
    /// too much.
    fn check_usage(&self, store: &Tenantry) -> Result<(), String> {
        for (account, granted) in self
            .granted
            .iter()
            .filter(|(account, _)| self.expected.accounts.contains_key(*account))
        {
            let limit = METERS
                .iter()
                .find(|(meter, _)| meter == account)
                .map(|(_, limit)| limit.unwrap_or(u64::MAX));
            let limit = if account == TOP {
                Some(u64::MAX)
            } else {
                limit
            };
            let used = call(store, "usage.get", &json!({"account": account}))?;
            // The ledger sends no text messages, and nothing acts by itself.
            let windows = used["windows"].as_array().ok_or("usage without windows")?;
            for window in windows.iter().filter(|window| {
                window["limit"]
                    .as_str()
                    .is_some_and(|limit| limit.starts_with("email_"))
            }) {
                let used = number(&window["used"]);
                if used < *granted {
                    return Err(format!(
                        "{account} was granted {granted} in all, but {window} says less"
                    ));
                }
                let Some(limit) = limit else { continue };
                let limit = if window["limit"] == "email_per_day" {
                    limit
                } else {
                    u64::MAX
                };
                // A block, what was left of the one before, and what was granted but not told any
                // more.
                let lost = (limit / 50).clamp(1, 1 << 20) + MOST_AT_ONCE + THREADS * MOST_AT_ONCE;
                if used > limit || used > granted + self.crashes * lost {
                    return Err(format!(
                        "{account} was granted {granted}, there were {} crashes, but {window}",
                        self.crashes
                    ));
                }
            }
        }
        Ok(())
    }
}

/// S12: whatever the crash, the chains of the audit are whole: the platform's, the users', and that
/// of every account.
fn check_chains(store: &Tenantry) -> Result<(), String> {
    let mut chains = vec![json!({"chain": "platform"}), json!({"chain": "users"})];
    let mut after = Value::Null;
    loop {
        let page = call(
            store,
            "accounts.list",
            &if after.is_null() {
                json!({"limit": 500})
            } else {
                json!({"limit": 500, "after": after})
            },
        )?;
        chains.extend(
            page["accounts"]
                .as_array()
                .ok_or("a page without accounts")?
                .iter()
                .map(|account| json!({"account": account["id"]})),
        );
        match page.get("next") {
            Some(next) => after = next.clone(),
            None => break,
        }
    }
    for chain in chains {
        let verified = call(store, "audit.verify", &chain)?;
        if verified["whole"] != true {
            return Err(format!("the chain {chain} is broken: {verified}"));
        }
    }
    Ok(())
}

fn differ<T: PartialEq + std::fmt::Debug>(
    kind: &str,
    expected: &BTreeMap<String, T>,
    found: &BTreeMap<String, T>,
    differences: &mut Vec<String>,
) {
    let ids: BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
    for id in ids {
        if expected.get(id) != found.get(id) {
            differences.push(format!(
                "{kind} {id} should be {:?} and is {:?}",
                expected.get(id),
                found.get(id)
            ));
        }
    }
}
