//! Credits against a naive model that counts them one by one: whatever is asked in whatever order,
//! none is made, lost or spent twice (R-CRD-1 to R-CRD-3).
//!
//! The test prints its seed; `TENANTRY_SEED` repeats it. `TENANTRY_RUNS` makes the walks longer.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use tenantry::{OpenOptions, Tenantry};
use tenantry_tests::crash::{Dice, count};

const START_MS: u64 = 1_781_524_800_000;
const CHANNELS: [&str; 2] = ["email", "sms"];
const NEVER: u64 = u64::MAX;

/// The free balance, where groups are named.
const FREE: &str = "";

fn open() -> Tenantry {
    let options: OpenOptions = serde_json::from_value(
        json!({"clock": {"manual_ms": START_MS}, "seed": 1, "edition": "commercial"}),
    )
    .expect("options");
    Tenantry::open(":memory:", options).unwrap()
}

/// The answer, or the code of the refusal.
fn call(store: &Tenantry, operation: &str, request: &Value) -> Result<Value, String> {
    let answer = store.call_json(b"", operation.as_bytes(), request.to_string().as_bytes());
    answer
        .map(|answer| serde_json::from_str(&answer).unwrap())
        .map_err(|error| error.code().name().to_owned())
}

fn must(store: &Tenantry, operation: &str, request: Value) -> Value {
    call(store, operation, &request).unwrap_or_else(|code| panic!("{operation} {request}: {code}"))
}

#[derive(Clone, Debug)]
struct Grant {
    /// Priority, expiry, age.
    terms: [u64; 3],
    /// How much lies in the free balance and in each reserve.
    left: BTreeMap<String, u64>,
    /// The grant of the account above that it is a part of.
    from: Option<u64>,
}

#[derive(Clone, Debug)]
struct Spend {
    group: String,
    /// One by one: the grant that paid, and out of which pocket. A refund takes them from the end.
    credits: Vec<(u64, String)>,
}

#[derive(Clone, Debug, Default)]
struct Ledger {
    entries: u64,
    grants: BTreeMap<u64, Grant>,
    spends: BTreeMap<u64, Spend>,
    spent: BTreeMap<String, u64>,
}

impl Ledger {
    fn in_bucket(&self, bucket: &str) -> u64 {
        self.grants
            .values()
            .filter_map(|grant| grant.left.get(bucket))
            .sum()
    }

    fn total(&self) -> u64 {
        self.grants
            .values()
            .flat_map(|grant| grant.left.values())
            .sum()
    }

    /// The grant whose turn it is, of those that have something left there and that `fits`.
    fn next(&self, bucket: &str, fits: impl Fn(&Grant) -> bool) -> Option<u64> {
        let left = self.grants.iter().filter(|(_, grant)| {
            grant.left.get(bucket).is_some_and(|left| *left > 0) && fits(grant)
        });
        left.min_by_key(|(number, grant)| (grant.terms, **number))
            .map(|(number, _)| *number)
    }

    fn add(&mut self, grant: u64, bucket: &str, amount: u64) {
        *self
            .grants
            .get_mut(&grant)
            .unwrap()
            .left
            .entry(bucket.to_owned())
            .or_default() += amount;
    }

    fn take(&mut self, bucket: &str, fits: impl Fn(&Grant) -> bool) -> u64 {
        let grant = self.next(bucket, fits).unwrap();
        *self
            .grants
            .get_mut(&grant)
            .unwrap()
            .left
            .get_mut(bucket)
            .unwrap() -= 1;
        grant
    }

    fn expire(&mut self, now_ms: u64) -> u64 {
        let mut gone = 0;
        for grant in self
            .grants
            .values_mut()
            .filter(|grant| grant.terms[1] <= now_ms)
        {
            for (_, left) in std::mem::take(&mut grant.left)
                .into_iter()
                .filter(|(_, left)| *left > 0)
            {
                self.entries += 1;
                gone += left;
            }
        }
        gone
    }
}

#[derive(Clone, Debug, Default)]
struct Account {
    parent: Option<String>,
    groups: Vec<String>,
    ledgers: [Ledger; 2],
}

/// Where every credit is.
struct World {
    store: Tenantry,
    dice: Dice,
    now_ms: u64,
    accounts: BTreeMap<String, Account>,
    made: u64,
    granted: u64,
    spent: u64,
    expired: u64,
    /// Gone with accounts that had them from the platform.
    erased: u64,
    done: BTreeMap<&'static str, u64>,
    refused: BTreeMap<String, u64>,
}

impl World {
    fn pick(&mut self) -> String {
        let at = self.dice.roll(self.accounts.len() as u64) as usize;
        self.accounts.keys().nth(at).unwrap().clone()
    }

    /// One that has an account above, now and then any.
    fn pick_below(&mut self) -> String {
        for _ in 0..8 {
            let account = self.pick();
            if self.accounts[&account].parent.is_some() {
                return account;
            }
        }
        self.pick()
    }

    fn depth(&self, account: &str) -> usize {
        std::iter::successors(Some(account), |id| self.accounts[*id].parent.as_deref()).count()
    }

    fn make_account(&mut self, parent: Option<String>) {
        self.made += 1;
        let id = format!("a{}", self.made);
        let mut request = json!({"id": id, "name": "A", "owner": {"user": "olga"}});
        if let Some(parent) = &parent {
            request["parent"] = parent.as_str().into();
        }
        must(&self.store, "accounts.create", request);
        self.accounts.insert(
            id,
            Account {
                parent,
                groups: vec!["default".to_owned()],
                ledgers: Default::default(),
            },
        );
    }

    fn ledger(&mut self, account: &str, channel: usize) -> &mut Ledger {
        &mut self.accounts.get_mut(account).unwrap().ledgers[channel]
    }

    /// A group of the account, or the free balance.
    fn pick_group(&mut self, account: &str) -> String {
        let groups = self.accounts[account].groups.clone();
        groups[self.dice.roll(groups.len() as u64) as usize].clone()
    }

    /// Asks, and compares with what the model thinks: none where it must be done, or the code.
    fn ask(&mut self, name: &'static str, request: Value, refusal: Option<&str>) -> Option<Value> {
        match (call(&self.store, name, &request), refusal) {
            (Ok(answer), None) => {
                *self.done.entry(name).or_default() += 1;
                Some(answer)
            }
            (Err(code), Some(expected)) if code == expected => {
                *self.refused.entry(format!("{name} {code}")).or_default() += 1;
                None
            }
            (answer, _) => panic!("{name} {request}: {answer:?}, expected {refusal:?}"),
        }
    }

    fn step(&mut self) {
        let channel = self.dice.roll(2) as usize;
        let (name, amount) = (CHANNELS[channel], 1 + self.dice.roll(40));
        match self.dice.roll(100) {
            0..20 => {
                let account = self.pick();
                let amount = amount * 3;
                let priority = [0, 50, 50, 100][self.dice.roll(4) as usize];
                let ends = if self.dice.roll(3) == 0 {
                    NEVER
                } else {
                    self.now_ms + 1 + self.dice.roll(40)
                };
                let mut request = json!({"account": account, "channel": name, "amount": amount,
                    "reason": "r", "priority": priority});
                if ends < NEVER {
                    request["expires_at_ms"] = ends.into();
                }
                if self.dice.roll(3) == 0 {
                    request["key"] = format!("k{}", self.dice.number()).into();
                }
                let answer = self.ask("credits.grant", request.clone(), None).unwrap();
                if request["key"].is_string() {
                    assert_eq!(must(&self.store, "credits.grant", request), answer);
                }
                let terms = [priority, ends, self.now_ms];
                let ledger = self.ledger(&account, channel);
                ledger.entries += 1;
                let left = BTreeMap::from([(FREE.to_owned(), amount)]);
                ledger.grants.insert(
                    ledger.entries,
                    Grant {
                        terms,
                        left,
                        from: None,
                    },
                );
                self.granted += amount;
            }
            20..40 => {
                let account = self.pick();
                let group = if self.dice.roll(3) == 0 {
                    FREE.to_owned()
                } else {
                    self.pick_group(&account)
                };
                let ledger = self.ledger(&account, channel);
                let own = if group.is_empty() {
                    0
                } else {
                    ledger.in_bucket(&group)
                };
                let enough = own + ledger.in_bucket(FREE) >= amount;
                let mut request = json!({"account": account, "channel": name, "amount": amount});
                if !group.is_empty() {
                    request["group"] = group.as_str().into();
                }
                if self
                    .ask(
                        "credits.spend",
                        request,
                        (!enough).then_some("credits_exhausted"),
                    )
                    .is_none()
                {
                    return;
                }
                let ledger = self.ledger(&account, channel);
                let credits = (0..amount).map(|number| {
                    let bucket = if number < own {
                        group.clone()
                    } else {
                        FREE.to_owned()
                    };
                    (ledger.take(&bucket, |_| true), bucket)
                });
                let credits = credits.collect();
                ledger.entries += 1;
                *ledger.spent.entry(group.clone()).or_default() += amount;
                ledger
                    .spends
                    .insert(ledger.entries, Spend { group, credits });
                self.spent += amount;
            }
            40..52 => {
                let account = self.pick();
                let numbers: Vec<u64> = self
                    .ledger(&account, channel)
                    .spends
                    .keys()
                    .copied()
                    .collect();
                if numbers.is_empty() {
                    return;
                }
                let spend = numbers[self.dice.roll(numbers.len() as u64) as usize];
                let left = self.ledger(&account, channel).spends[&spend].credits.len() as u64;
                let refusal = (amount > left).then_some("refund_exceeded");
                let request =
                    json!({"account": account, "channel": name, "spend": spend, "amount": amount});
                if self.ask("credits.refund", request, refusal).is_none() {
                    return;
                }
                let (now_ms, groups) = (self.now_ms, self.accounts[&account].groups.clone());
                let ledger = self.ledger(&account, channel);
                ledger.entries += 1;
                for _ in 0..amount {
                    let (grant, bucket) = ledger
                        .spends
                        .get_mut(&spend)
                        .unwrap()
                        .credits
                        .pop()
                        .unwrap();
                    ledger.add(
                        grant,
                        if groups.contains(&bucket) {
                            &bucket
                        } else {
                            FREE
                        },
                        1,
                    );
                }
                let group = ledger.spends[&spend].group.clone();
                if let Some(spent) = ledger.spent.get_mut(&group) {
                    *spent -= amount;
                }
                let gone = ledger.expire(now_ms);
                self.spent -= amount;
                self.expired += gone;
            }
            52..64 => {
                let account = self.pick();
                let group = self.pick_group(&account);
                let (from, to, operation) = if self.dice.roll(2) > 0 {
                    (FREE, group.as_str(), "credits.reserve")
                } else {
                    (group.as_str(), FREE, "credits.unreserve")
                };
                let amount = if to.is_empty() {
                    amount.div_ceil(8)
                } else {
                    amount
                };
                let refusal = (self.ledger(&account, channel).in_bucket(from) < amount)
                    .then_some("credits_exhausted");
                let request =
                    json!({"account": account, "group": group, "channel": name, "amount": amount});
                if self.ask(operation, request, refusal).is_none() {
                    return;
                }
                let ledger = self.ledger(&account, channel);
                for _ in 0..amount {
                    let grant = ledger.take(from, |_| true);
                    ledger.add(grant, to, 1);
                }
                ledger.entries += 1;
            }
            64..76 => {
                let account = self.pick_below();
                let request = json!({"account": account, "channel": name, "amount": amount});
                let Some(parent) = self.accounts[&account].parent.clone() else {
                    self.ask("credits.allocate", request, Some("invalid_argument"));
                    return;
                };
                let refusal = (self.ledger(&parent, channel).in_bucket(FREE) < amount)
                    .then_some("credits_exhausted");
                if self.ask("credits.allocate", request, refusal).is_none() {
                    return;
                }
                let above = self.ledger(&parent, channel);
                above.entries += 1;
                let taken: Vec<(u64, [u64; 3])> = (0..amount)
                    .map(|_| {
                        let grant = above.take(FREE, |_| true);
                        (grant, above.grants[&grant].terms)
                    })
                    .collect();
                let below = self.ledger(&account, channel);
                let first = below.entries;
                for (grant, terms) in taken {
                    let same = below
                        .grants
                        .range(first + 1..)
                        .find(|(_, there)| there.from == Some(grant))
                        .map(|(number, _)| *number);
                    let number = same.unwrap_or_else(|| {
                        below.entries += 1;
                        below.grants.insert(
                            below.entries,
                            Grant {
                                terms,
                                left: BTreeMap::new(),
                                from: Some(grant),
                            },
                        );
                        below.entries
                    });
                    below.add(number, FREE, 1);
                }
            }
            76..84 => {
                let account = self.pick_below();
                let all = self.dice.roll(3) == 0;
                let mut request = json!({"account": account, "channel": name});
                if !all {
                    request["amount"] = amount.into();
                }
                let Some(parent) = self.accounts[&account].parent.clone() else {
                    self.ask("credits.take_back", request, Some("invalid_argument"));
                    return;
                };
                let from_above = |grant: &Grant| grant.from.is_some();
                let there: u64 = self
                    .ledger(&account, channel)
                    .grants
                    .values()
                    .filter(|grant| from_above(grant))
                    .filter_map(|grant| grant.left.get(FREE))
                    .sum();
                let amount = if all { there } else { amount };
                let refusal = (there < amount || there == 0).then_some("credits_exhausted");
                if self.ask("credits.take_back", request, refusal).is_none() {
                    return;
                }
                for _ in 0..amount {
                    let below = self.ledger(&account, channel);
                    let grant = below.take(FREE, from_above);
                    let from = below.grants[&grant].from.unwrap();
                    self.ledger(&parent, channel).add(from, FREE, 1);
                }
                self.ledger(&account, channel).entries += 1;
                self.ledger(&parent, channel).entries += 1;
            }
            84..90 => {
                self.now_ms += self.dice.roll(25);
                must(&self.store, "clock.set", json!({"now_ms": self.now_ms}));
                let now_ms = self.now_ms;
                let ledgers = self
                    .accounts
                    .values_mut()
                    .flat_map(|account| &mut account.ledgers);
                self.expired += ledgers.map(|ledger| ledger.expire(now_ms)).sum::<u64>();
            }
            90..93 => {
                let account = self.pick();
                self.made += 1;
                let group = format!("g{}", self.made);
                self.ask(
                    "groups.create",
                    json!({"account": account, "id": group, "name": "G"}),
                    None,
                );
                self.accounts.get_mut(&account).unwrap().groups.push(group);
            }
            93..96 => {
                let account = self.pick();
                let group = self.pick_group(&account);
                if group == "default" {
                    return;
                }
                self.ask(
                    "groups.delete",
                    json!({"account": account, "group": group}),
                    None,
                );
                let account = self.accounts.get_mut(&account).unwrap();
                account.groups.retain(|other| *other != group);
                for ledger in &mut account.ledgers {
                    let mut moved = 0;
                    for grant in ledger.grants.values_mut() {
                        let left = grant.left.remove(&group).unwrap_or(0);
                        *grant.left.entry(FREE.to_owned()).or_default() += left;
                        moved += left;
                    }
                    ledger.entries += u64::from(moved > 0);
                    ledger.spent.remove(&group);
                }
            }
            96..98 => self.delete(),
            _ => {
                let parent = self.pick();
                let parent = (self.dice.roll(4) > 0 && self.depth(&parent) < 4).then_some(parent);
                if self.accounts.len() < 12 {
                    self.make_account(parent);
                }
            }
        }
    }

    fn delete(&mut self) {
        if self.accounts.len() < 3 {
            return;
        }
        let account = self.pick();
        let children: Vec<String> = self
            .accounts
            .iter()
            .filter(|(_, other)| other.parent.as_ref() == Some(&account))
            .map(|(id, _)| id.clone())
            .collect();
        let detach = self.dice.roll(2) == 0;
        let request =
            json!({"account": account, "children": if detach { "detach" } else { "delete" }});
        self.ask("accounts.delete", request, None);
        if detach {
            for child in &children {
                let child = self.accounts.get_mut(child).unwrap();
                child.parent = None;
                child
                    .ledgers
                    .iter_mut()
                    .flat_map(|ledger| ledger.grants.values_mut())
                    .for_each(|grant| grant.from = None);
            }
        }
        self.forget(&account);
        if self.accounts.is_empty() {
            self.make_account(None);
        }
    }

    /// Takes an account and all below it out of the model, from the bottom up.
    fn forget(&mut self, account: &str) {
        let children: Vec<String> = self
            .accounts
            .iter()
            .filter(|(_, other)| other.parent.as_deref() == Some(account))
            .map(|(id, _)| id.clone())
            .collect();
        for child in children {
            self.forget(&child);
        }
        let gone = self.accounts.remove(account).unwrap();
        for (channel, ledger) in gone.ledgers.into_iter().enumerate() {
            let mut back = 0;
            for grant in ledger.grants.into_values() {
                let left = grant.left.values().sum::<u64>();
                match (grant.from, &gone.parent) {
                    (Some(from), Some(parent)) => {
                        self.ledger(parent, channel).add(from, FREE, left);
                        back += left;
                    }
                    _ => self.erased += left,
                }
            }
            if let (true, Some(parent)) = (back > 0, &gone.parent) {
                self.ledger(parent, channel).entries += 1;
            }
        }
    }

    /// What the store says is what the model has; nothing is lost.
    fn compare(&self) {
        let mut everywhere = 0;
        for (id, account) in &self.accounts {
            let answer = must(&self.store, "credits.balance", json!({"account": id}));
            for (channel, ledger) in account.ledgers.iter().enumerate() {
                let shown = &answer["channels"][channel];
                everywhere += ledger.total();
                assert_eq!(shown["total"], ledger.total(), "{id} {ledger:?}");
                assert_eq!(shown["free"], ledger.in_bucket(FREE), "{id} {ledger:?}");
                let groups: BTreeMap<&str, (u64, u64)> = account
                    .groups
                    .iter()
                    .map(|group| {
                        (
                            group.as_str(),
                            (
                                ledger.in_bucket(group),
                                ledger.spent.get(group).copied().unwrap_or(0),
                            ),
                        )
                    })
                    .filter(|(_, counts)| *counts != (0, 0))
                    .collect();
                let told = shown["groups"].as_array().unwrap().iter();
                let told: BTreeMap<&str, (u64, u64)> = told
                    .map(|group| {
                        (
                            group["group"].as_str().unwrap(),
                            (
                                group["reserve"].as_u64().unwrap(),
                                group["spent"].as_u64().unwrap(),
                            ),
                        )
                    })
                    .collect();
                assert_eq!(told, groups, "{id}");
                let mut left: Vec<(String, [u64; 3], u64, u64)> = Vec::new();
                for (number, grant) in &ledger.grants {
                    let there = grant.left.iter().filter(|(_, left)| **left > 0);
                    left.extend(
                        there.map(|(bucket, left)| (bucket.clone(), grant.terms, *number, *left)),
                    );
                }
                left.sort();
                let told = shown["grants"].as_array().unwrap().iter();
                let told: Vec<_> = told
                    .map(|grant| {
                        let number = |field: &str| grant[field].as_u64();
                        let terms = [
                            number("priority").unwrap(),
                            number("expires_at_ms").unwrap_or(NEVER),
                            number("granted_at_ms").unwrap(),
                        ];
                        let group = grant["group"].as_str().unwrap_or(FREE).to_owned();
                        (
                            group,
                            terms,
                            number("grant").unwrap(),
                            number("left").unwrap(),
                        )
                    })
                    .collect();
                assert_eq!(told, left, "{id}");
                self.compare_ledger(id, channel, ledger);
            }
        }
        assert_eq!(
            everywhere + self.spent + self.expired + self.erased,
            self.granted
        );
    }

    /// An invoice tells what the entries of its period do (R-ACC-7).
    fn compare_invoice(&self, account: &str, channel: usize) {
        let page = must(
            &self.store,
            "credits.ledger",
            json!({"account": account, "channel": CHANNELS[channel], "limit": 500}),
        );
        let entries = page["entries"].as_array().unwrap();
        let at_ms = |entry: usize| {
            entries
                .get(entry)
                .map_or(START_MS, |entry| entry["at_ms"].as_u64().unwrap())
        };
        // The last entry is the first; of a long ledger the beginning is left out.
        for (until, from) in [
            (entries.len() / 3, entries.len() / 2),
            (entries.len() / 4, entries.len().saturating_sub(1)),
        ] {
            let (from, until) = (at_ms(from), at_ms(until) + (entries.len() % 2) as u64);
            if from >= until || (page["next"].is_u64() && from == at_ms(entries.len() - 1)) {
                continue;
            }
            let mut told = json!({"granted": 0, "received": 0, "returned": 0, "spent": 0,
                "refunded": 0, "expired": 0, "withdrawn": 0});
            for entry in entries
                .iter()
                .filter(|entry| (from..until).contains(&entry["at_ms"].as_u64().unwrap()))
            {
                if let Some(total) = told.get_mut(entry["kind"].as_str().unwrap()) {
                    *total = json!(total.as_u64().unwrap() + entry["amount"].as_u64().unwrap());
                }
            }
            let lines = must(
                &self.store,
                "usage.invoice",
                json!({"account": account, "from_ms": from, "until_ms": until, "page": 1}),
            );
            assert_eq!(
                lines["lines"][0][format!("{}_credits", CHANNELS[channel])],
                told,
                "{account} {}",
                CHANNELS[channel]
            );
        }
    }

    fn compare_ledger(&self, account: &str, channel: usize, ledger: &Ledger) {
        let (mut balance, mut entries, mut after) = (0_i64, 0, None);
        loop {
            let mut request = json!({"account": account, "channel": CHANNELS[channel],
                "order": "oldest", "limit": 500});
            if let Some(after) = after {
                request["after"] = Value::from(after);
            }
            let page = must(&self.store, "credits.ledger", request);
            for entry in page["entries"].as_array().unwrap() {
                entries += 1;
                assert_eq!(entry["entry"], entries);
                let amount = entry["amount"].as_i64().unwrap();
                balance += match entry["kind"].as_str().unwrap() {
                    "granted" | "received" | "refunded" | "taken_back" => amount,
                    "spent" | "expired" | "allocated" | "returned" => -amount,
                    _ => 0,
                };
                assert!(
                    balance >= 0 && entry["balance"] == balance,
                    "{account}: {entry}"
                );
            }
            after = page["next"].as_u64();
            if after.is_none() {
                break;
            }
        }
        assert_eq!(
            (balance as u64, entries),
            (ledger.total(), ledger.entries),
            "{account}"
        );
    }
}

fn world(dice: Dice) -> World {
    let store = open();
    must(&store, "policies.set", json!({"policies": {"depth": 4}}));
    must(
        &store,
        "users.create",
        json!({"id": "olga", "email": "olga@acme.example"}),
    );
    // Not of the walk: its owner stays, whatever is deleted.
    must(
        &store,
        "accounts.create",
        json!({"id": "anchor", "name": "A", "owner": {"user": "olga"}}),
    );
    let mut world = World {
        store,
        dice,
        now_ms: START_MS,
        accounts: BTreeMap::new(),
        made: 0,
        granted: 0,
        spent: 0,
        expired: 0,
        erased: 0,
        done: BTreeMap::new(),
        refused: BTreeMap::new(),
    };
    world.make_account(None);
    world.make_account(Some("a1".to_owned()));
    world.make_account(Some("a2".to_owned()));
    world
}

#[test]
fn no_credit_is_made_lost_or_spent_twice() {
    let mut dice = Dice::of_test("credits");
    let (mut done, mut refused) = (BTreeMap::new(), BTreeMap::new());
    for _ in 0..count("TENANTRY_RUNS", 12) {
        let mut world = world(Dice::new(dice.number()));
        for step in 0..400 {
            world.step();
            world.compare();
            if step % 20 == 19 {
                world.accounts.keys().for_each(|account| {
                    (0..CHANNELS.len()).for_each(|channel| world.compare_invoice(account, channel))
                });
                let verified = must(&world.store, "store.verify", json!({}));
                assert_eq!(verified["damaged"], json!([]));
            }
        }
        world
            .done
            .into_iter()
            .for_each(|(name, times)| *done.entry(name).or_insert(0) += times);
        world
            .refused
            .into_iter()
            .for_each(|(name, times)| *refused.entry(name).or_insert(0) += times);
    }
    println!("{done:?}\n{refused:?}");
    assert!(
        done.len() >= 10 && done.values().all(|times| *times >= 10),
        "{done:?}"
    );
    assert!(refused.len() >= 8, "{refused:?}");
}

/// Threads that spend at once get every credit, and none twice.
#[test]
fn threads_spend_the_last_credit_once() {
    let store = open();
    must(
        &store,
        "users.create",
        json!({"id": "olga", "email": "olga@acme.example"}),
    );
    must(
        &store,
        "accounts.create",
        json!({"id": "acme", "name": "A", "owner": {"user": "olga"}}),
    );
    for amount in [300, 500, 203] {
        must(
            &store,
            "credits.grant",
            json!({"account": "acme", "channel": "email", "amount": amount, "reason": "r"}),
        );
    }
    must(
        &store,
        "credits.reserve",
        json!({"account": "acme", "group": "default", "channel": "email", "amount": 400}),
    );
    let spent: u64 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8_u64)
            .map(|thread| {
                let store = &store;
                scope.spawn(move || {
                    let mut spent = 0;
                    for amount in [5 + thread, 3, 1] {
                        let request = json!({"account": "acme", "channel": "email",
                            "amount": amount, "group": "default"});
                        while call(store, "credits.spend", &request).is_ok() {
                            spent += amount;
                        }
                    }
                    spent
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    assert_eq!(spent, 1003);
    assert_eq!(
        must(&store, "credits.balance", json!({"account": "acme"}))["channels"][0]["total"],
        0
    );
    assert_eq!(
        must(&store, "store.verify", json!({}))["damaged"],
        json!([])
    );
}
