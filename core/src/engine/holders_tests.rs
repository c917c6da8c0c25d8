//! Histories of several engines that draw from one store, as many processes will: they come and go,
//! crash, and send for the same accounts; the limits change, windows end, and what did not go out
//! comes back by whoever is asked (R-QTA-1, R-QTA-2, R-QTA-6). What one of them changed is told to
//! the others.
//!
//! The clock steps back in the histories of `simulation_tests`.

use super::*;
use crate::access::operation::Operation;
use crate::api;
use crate::api::operation::Effect;
use crate::engine::simulation_tests::{
    Counter, DAY_MS, Dice, Disk, EVENTS, HOUR_MS, MINUTE_MS, START_MS, count, engine_on, id, walk,
};
use crate::guard::Guard;
use crate::meters::draw_ahead;
use crate::model::{Actor, Channel, Limit, LimitName, MessageInput};
use crate::sending::decide;
pub(crate) use meters::{Ask, Decision};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::Ordering;

const HOLDERS: usize = 3;
/// The second lies below the first.
const ACCOUNTS: [&str; 2] = ["top", "kid"];

struct Grant {
    account: usize,
    by: usize,
    at: u64,
    count: u64,
    /// The part of each counter that it was charged to.
    parts: Vec<u64>,
}

struct World {
    dice: Dice,
    now: u64,
    opened: u64,
    disk: Arc<Mutex<Disk>>,
    holders: Vec<Guard>,
    /// Those of `top`, then those of `kid`.
    counters: Vec<Counter>,
    /// Of each counter: when and how much may count as spent at the most that did not go out.
    lost: Vec<Vec<(u64, u64)>>,
    grants: Vec<Grant>,
    crashes: bool,
    refunds: bool,
}

impl World {
    fn new(seed: u64) -> World {
        let disk = Arc::new(Mutex::new(Disk::default()));
        let holders = (1..=HOLDERS as u64)
            .map(|opened| engine_on(&disk, START_MS, opened))
            .collect();
        let (mut dice, now, opened) = (Dice(seed), START_MS, HOLDERS as u64);
        let (crashes, refunds) = (dice.one_in(2), dice.one_in(2));
        let mut world = World {
            dice,
            now,
            opened,
            disk,
            holders,
            counters: Vec::new(),
            lost: Vec::new(),
            grants: Vec::new(),
            crashes,
            refunds,
        };
        for (number, name) in ACCOUNTS.into_iter().enumerate() {
            let parent = number.checked_sub(1).map(|ancestor| ACCOUNTS[ancestor]);
            let owner = serde_json::json!({"user": format!("o-{name}"),
                "email": format!("{name}@x.example")});
            let request =
                serde_json::json!({"id": name, "name": name, "parent": parent, "owner": owner});
            world.must::<api::accounts::Create>(0, serde_json::from_value(request).unwrap());
            for limit in Channel::Email.limits() {
                let (name, window) = (limit.name().to_owned(), limit.window().unwrap());
                let counter = Counter {
                    key: vec![],
                    name,
                    window,
                    limit: 0,
                    grows: None,
                    refuses: true,
                    parts: vec![],
                    kept: vec![],
                    largest: 0,
                    most_asked: 0,
                    returned: 0,
                };
                world.counters.push(counter);
                world.lost.push(Vec::new());
            }
        }
        (0..world.counters.len()).for_each(|place| world.set_limit(place));
        world
    }

    fn must<O: Operation>(&self, holder: usize, request: O) -> O::Answer {
        let answer =
            self.holders[holder].enter(O::EFFECT, |engine| engine.run(&Actor::System, request));
        answer.unwrap_or_else(|error| panic!("{}: {error:?}", O::NAME))
    }

    fn any(&mut self, of: usize) -> usize {
        self.dice.roll(of as u64) as usize
    }

    fn set_limit(&mut self, place: usize) {
        let value = match self.dice.roll(4) {
            0 => 1 + self.dice.roll(50),
            1 | 2 => 50 + self.dice.roll(1000),
            _ => 1000 + self.dice.roll(20_000),
        };
        let of_each = self.counters.len() / ACCOUNTS.len();
        let (account, limit) = (
            id(ACCOUNTS[place / of_each]),
            Channel::Email.limits()[place % of_each],
        );
        let by = self.any(HOLDERS);
        self.must(
            by,
            api::limits::Set {
                account,
                limit,
                value: Limit::At(count(value)),
                message_class: None,
                over: None,
                burst: None,
                expected_rev: None,
            },
        );
        for holder in &self.holders {
            holder.engine.views.epoch.fetch_add(1, Ordering::AcqRel);
        }
        let counter = &mut self.counters[place];
        (counter.limit, counter.largest) = (value, counter.largest.max(value));
    }

    /// The counters that a send by an account is charged to.
    fn charged(&self, account: usize) -> std::ops::Range<usize> {
        0..self.counters.len() / ACCOUNTS.len() * (account + 1)
    }

    /// The most that one of them holds at a time: a block, or the largest send, and what came back.
    fn held(counter: &Counter) -> u64 {
        (counter.largest / 50)
            .clamp(1, 1 << 20)
            .max(counter.most_asked)
            + counter.returned
    }

    /// How much may count as spent by now that did not go out.
    fn lost(&self, place: usize) -> u64 {
        let counter = &self.counters[place];
        let since =
            counter
                .window_at(self.now)
                .0
                .saturating_sub(if counter.name.ends_with("hour") {
                    HOUR_MS
                } else {
                    0
                });
        self.lost[place]
            .iter()
            .filter(|(at, _)| *at >= since)
            .map(|(_, count)| count)
            .sum()
    }

    fn admit(&self, holder: usize, account: usize, ask: Ask) -> Decision {
        let sent = self.holders[holder].enter(Effect::Send, |engine| {
            decide::admit(
                engine,
                &engine.cell_by_text(ACCOUNTS[account])?,
                None,
                Channel::Email,
                &MessageInput::default(),
                ask,
            )
        });
        sent.unwrap()
    }

    fn send(&mut self) {
        let (by, account, most) = (
            self.any(HOLDERS),
            self.any(ACCOUNTS.len()),
            [3, 3, 3, 40][self.any(4)],
        );
        let amount = 1 + self.dice.roll(most);
        let ask = if self.dice.one_in(4) {
            Ask {
                count: amount,
                min: 1,
                later: None,
            }
        } else {
            Ask::exact(amount)
        };
        let granted = self.admit(by, account, ask).granted;
        let places = self.charged(account);
        if granted == 0 {
            let is_short = |place: usize| {
                let counter = &self.counters[place];
                let others = Self::held(counter) * (HOLDERS as u64 - 1);
                counter.sum(self.now, |part| part.used) + others + self.lost(place) + ask.min
                    > counter.limit
            };
            assert!(
                places.into_iter().any(is_short),
                "{ask:?} refused to {by} for {account}"
            );
            return;
        }
        let mut parts = Vec::new();
        for counter in &mut self.counters[places] {
            counter.most_asked = counter.most_asked.max(amount);
            parts.push(counter.charge(self.now, granted));
            let used = counter.sum(self.now, |part| part.used);
            assert!(
                used <= counter.limit,
                "{}: {used} of {} have gone out",
                counter.name,
                counter.limit
            );
        }
        self.grants.push(Grant {
            account,
            by,
            at: self.now,
            count: granted,
            parts,
        });
    }

    fn refund(&mut self) {
        if self.grants.is_empty() {
            return;
        }
        let newest = self.grants.len().min(30);
        let at = self.grants.len() - 1 - self.any(newest);
        let Grant {
            account,
            by,
            at,
            count: granted,
            parts,
        } = self.grants.swap_remove(at);
        let (back, asked) = (1 + self.dice.roll(granted), self.any(HOLDERS));
        let request = api::sending::Refund {
            account: id(ACCOUNTS[account]),
            user: None,
            channel: Channel::Email,
            message: None,
            count: count(back),
            granted_at_ms: count(at),
            spend: None,
            key: None,
        };
        self.must(asked, request);
        for (place, part) in self.charged(account).zip(parts) {
            self.counters[place].refund(self.now, at, part, back);
            // Who has not sent it may not know yet that it was drawn.
            if asked != by {
                self.lost[place].push((self.now, back));
            }
        }
    }

    fn open_again(&mut self, holder: usize, clean: bool) {
        if clean {
            self.holders[holder].engine.shut_down().unwrap();
        } else {
            for (counter, lost) in self.counters.iter().zip(&mut self.lost) {
                lost.push((self.now, Self::held(counter)));
            }
        }
        self.opened += 1;
        self.holders[holder] = engine_on(&self.disk, self.now, self.opened);
    }

    fn step(&mut self) {
        match self.dice.roll(1000) {
            0..800 => self.send(),
            800..880 => {
                let by = *self.dice.of(&[
                    1000,
                    MINUTE_MS,
                    MINUTE_MS,
                    HOUR_MS,
                    12 * HOUR_MS,
                    5 * DAY_MS,
                ]);
                self.now += 1 + self.dice.roll(by);
                for holder in &self.holders {
                    holder.engine.kernel.clock.set(self.now).unwrap();
                }
            }
            880..920 if self.refunds => self.refund(),
            920..960 => {
                let (by, account) = (self.any(HOLDERS), self.any(ACCOUNTS.len()));
                let drawn = self.holders[by].enter(Effect::Send, |engine| {
                    let cell = engine.cell_by_text(ACCOUNTS[account])?;
                    draw_ahead(
                        engine,
                        &[cell.sending(engine, None, Channel::Email, &MessageInput::default())?],
                    )
                });
                drawn.unwrap();
            }
            960..970 => {
                let place = self.any(self.counters.len());
                self.set_limit(place);
            }
            970..990 => {
                let holder = self.any(HOLDERS);
                let clean = !self.crashes || self.dice.one_in(2);
                self.open_again(holder, clean);
            }
            _ => {}
        }
    }

    /// When all have closed, whoever opens the store next counts what went out, and sells the rest.
    fn end(&mut self) {
        (0..HOLDERS).for_each(|holder| self.holders[holder].engine.shut_down().unwrap());
        self.opened += 1;
        self.holders = vec![engine_on(&self.disk, self.now, self.opened)];
        for account in (0..ACCOUNTS.len()).rev() {
            let answer = self.must(
                0,
                api::sending::Explain {
                    account: id(ACCOUNTS[account]),
                    user: None,
                    channel: Channel::Email,
                    message: None,
                    count: count(1),
                },
            );
            let places = self.charged(account);
            assert_eq!(answer.limits.len(), places.len());
            for place in places.clone() {
                let counter = &self.counters[place];
                let used = counter.sum(self.now, |part| part.used);
                let of_account = ACCOUNTS[place / (self.counters.len() / ACCOUNTS.len())];
                let counted = answer
                    .limits
                    .iter()
                    .find(|one| one.limit == counter.name && one.subject == of_account)
                    .unwrap()
                    .used;
                assert!(
                    used <= counted && counted <= used + self.lost(place),
                    "{}: {used} went out, {counted} are counted",
                    counter.name
                );
            }
            let left = |place: usize, lost: u64| {
                self.counters[place]
                    .limit
                    .saturating_sub(self.counters[place].sum(self.now, |part| part.used) + lost)
            };
            let most = places.clone().map(|place| left(place, 0)).min().unwrap();
            let least = places
                .clone()
                .map(|place| left(place, self.lost(place)))
                .min()
                .unwrap();
            let granted = self
                .admit(
                    0,
                    account,
                    Ask {
                        count: 1_000_000,
                        min: 1,
                        later: None,
                    },
                )
                .granted;
            assert!(
                (least..=most).contains(&granted),
                "{granted} of {least} to {most}"
            );
            for place in places {
                self.counters[place].charge(self.now, granted);
            }
        }
    }
}

/// Whoever sends, never more than the limit goes out; a crash costs what the one that crashed held,
/// a clean close nothing, and a send is refused only where the others hold the rest.
#[test]
fn several_holders_never_send_too_much() {
    walk("several_holders_never_send_too_much", 1, |seed| {
        let mut world = World::new(seed);
        for event in 0..EVENTS {
            let stepped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.step()));
            if let Err(panic) = stepped {
                eprintln!("in event {event} of {seed}");
                std::panic::resume_unwind(panic);
            }
        }
        world.end();
    });
}

/// Two that draw from one store, and an account that may send 1,000 messages in an hour.
fn two() -> (Arc<Mutex<Disk>>, [Guard; 2]) {
    let disk = Arc::new(Mutex::new(Disk::default()));
    let holders = [1, 2].map(|opened| engine_on(&disk, START_MS, opened));
    let owner = serde_json::json!({"user": "olga", "email": "olga@x.example"});
    let request = serde_json::json!({"id": "top", "name": "top", "owner": owner,
        "limits": {"email_per_hour": 1000}});
    holders[0]
        .enter(Effect::Write, |engine| {
            engine.run::<api::accounts::Create>(
                &Actor::System,
                serde_json::from_value(request).unwrap(),
            )
        })
        .unwrap();
    (disk, holders)
}

fn granted(holder: &Guard, amount: u64) -> u64 {
    let sent = holder.enter(Effect::Send, |engine| {
        let cell = engine.cell_by_text("top")?;
        decide::admit(
            engine,
            &cell,
            None,
            Channel::Email,
            &MessageInput::default(),
            Ask::exact(amount),
        )
    });
    sent.unwrap().granted
}

fn send(holder: &Guard, amount: u64) {
    assert_eq!(granted(holder, amount), amount);
}

/// One of them sets the limit of the hour, and all are told.
fn limit(holders: &[Guard; 2], value: u64) {
    let set = api::limits::Set {
        account: id("top"),
        limit: LimitName::EmailPerHour,
        value: Limit::At(count(value)),
        message_class: None,
        over: None,
        burst: None,
        expected_rev: None,
    };
    holders[0]
        .enter(Effect::Write, |engine| {
            engine.run(&Actor::System, set.clone())
        })
        .unwrap();
    for holder in holders {
        holder.engine.views.epoch.fetch_add(1, Ordering::AcqRel);
    }
}

fn refund(holder: &Guard, amount: u64, granted_at_ms: u64) {
    let request =
        serde_json::json!({"account": "top", "count": amount, "granted_at_ms": granted_at_ms});
    let refund = serde_json::from_value::<api::sending::Refund>(request).unwrap();
    holder
        .enter(Effect::Send, |engine| {
            engine.run(&Actor::System, refund.clone())
        })
        .unwrap();
}

fn used(holder: &Guard) -> u64 {
    let explain = api::sending::Explain {
        account: id("top"),
        user: None,
        channel: Channel::Email,
        message: None,
        count: count(1),
    };
    let answer = holder
        .enter(Effect::Read, |engine| {
            engine.run(&Actor::System, explain.clone())
        })
        .unwrap();
    answer
        .limits
        .iter()
        .find(|one| one.limit == "email_per_hour")
        .unwrap()
        .used
}

/// What one of them holds is not used, whatever others write meanwhile.
#[test]
fn what_is_held_is_not_used() {
    let (_disk, [one, other]) = two();
    // Blocks of 1, 2, 4 and 8, of which 5 are left.
    (0..10).for_each(|_| send(&one, 1));
    send(&other, 3);
    other.engine.shut_down().unwrap();
    assert_eq!(used(&one), 10, "it has not looked");
    send(&one, 6);
    assert_eq!(used(&one), 19);
}

/// What others sent under another limit counts under the one of today, also for who has held a
/// block since before: where the limit was raised, and lowered in between.
#[test]
fn what_was_sent_under_another_limit_counts() {
    for (now, granted_then) in [(1100, 0), (2000, 5)] {
        let (_disk, holders) = two();
        let [one, other] = &holders;
        // Blocks of 1, 2, 4 and 8, of which 5 are left.
        (0..10).for_each(|_| send(other, 1));
        limit(&holders, 2000);
        send(one, 1500);
        limit(&holders, now);
        assert_eq!(granted(other, 5), granted_then, "of {now}");
    }
}

/// What came back in memory is not forgotten where another writes the record first, nor when the
/// store is closed.
#[test]
fn what_came_back_stays() {
    for others_write in [false, true] {
        let (disk, [one, other]) = two();
        send(&one, 5);
        for holder in [&one, &other] {
            holder
                .engine
                .kernel
                .clock
                .set(START_MS + 2 * MINUTE_MS)
                .unwrap();
        }
        refund(&one, 3, START_MS);
        if others_write {
            send(&other, 1);
            other.engine.shut_down().unwrap();
            send(&one, 1);
        }
        let all = if others_write { 4 } else { 2 };
        assert_eq!(used(&one), all);
        one.engine.shut_down().unwrap();
        assert_eq!(used(&engine_on(&disk, START_MS + 2 * MINUTE_MS, 3)), all);
    }
}
