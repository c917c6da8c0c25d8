//! Histories of sends, crashes, clocks that jump and limits that change, beside a naive model that
//! only counts (R-QTA-1 to 6, R-QTA-9, R-QTA-13).
//!
//! The store is a simulated one: a crash takes the engine without closing it, and with it commits
//! that nobody synced. `TENANTRY_HISTORIES` says how many histories there are, `TENANTRY_SEED` the
//! first of their seeds.

use super::*;
use crate::access::operation::Operation;
use crate::access::state::Engine;
use crate::api;
use crate::api::operation::Effect;
use crate::error::{Code, Error};
use crate::guard::Guard;
use crate::kernel::keys;
use crate::meters::draw_ahead;
use crate::model::{
    Actor, CapScope, Channel, Count, GroupCaps, Id, Limit, LimitName, MessageClass, MessageInput,
    Meter, Name, OverLimit, Policies, ReservationState, Window,
};
use crate::options::OpenOptions;
use crate::sending::decide;
pub(crate) use meters::{Ask, Decision, Refusal};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tenantry_store::{Backend, Batch, CommitError, Order, Record, StoreError, Verification};

pub(crate) const SECOND_MS: u64 = 1000;
pub(crate) const MINUTE_MS: u64 = 60 * SECOND_MS;
pub(crate) const HOUR_MS: u64 = 60 * MINUTE_MS;
pub(crate) const DAY_MS: u64 = 24 * HOUR_MS;
/// 2026-06-15T12:00Z
pub(crate) const START_MS: u64 = 1_781_524_800_000;
pub(crate) const EVENTS: usize = 4000;

const WINDOWS: [Window; 7] = [
    Window::RollingHour,
    Window::Hour,
    Window::Day,
    Window::Week,
    Window::Month,
    Window::BillingMonth,
    Window::Year,
];

/// SplitMix64.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }

    pub(crate) fn one_in(&mut self, many: u64) -> bool {
        self.roll(many) == 0
    }

    pub(crate) fn of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.roll(list.len() as u64) as usize]
    }
}

// ---- The store

/// What the records of a commit were before it.
type Undo = (u64, Vec<(Vec<u8>, Option<Record>)>);

/// What a disk holds, and what it would not hold after a power loss.
#[derive(Default)]
pub(crate) struct Disk {
    records: BTreeMap<Vec<u8>, Record>,
    last: u64,
    /// Of each commit that is not synced, what lay there before.
    undo: Vec<Undo>,
}

impl Disk {
    /// Takes back what was not synced, but for the first so many commits.
    fn lose(&mut self, but: usize) {
        for (number, before) in self.undo.drain(but.min(self.undo.len())..).rev() {
            for (key, record) in before {
                match record {
                    Some(record) => self.records.insert(key, record),
                    None => self.records.remove(&key),
                };
            }
            self.last = number - 1;
        }
        self.undo.clear();
    }
}

/// A counter as it lies on the disk.
fn stored(disk: &Disk, key: &[u8]) -> Option<Meter> {
    disk.records
        .get(key)
        .map(|record| serde_json::from_slice(&record.value).unwrap())
}

struct Simulated(Arc<Mutex<Disk>>);

impl Backend for Simulated {
    fn get(&self, key: &[u8]) -> Result<Option<Record>, StoreError> {
        Ok(self.0.lock().records.get(key).cloned())
    }
    fn range(
        &self,
        from: &[u8],
        until: &[u8],
        order: Order,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Record)>, StoreError> {
        let disk = self.0.lock();
        let range = disk
            .records
            .range(from.to_vec()..until.to_vec())
            .map(|(key, record)| (key.clone(), record.clone()));
        Ok(match order {
            Order::Ascending => range.take(limit).collect(),
            Order::Descending => range.rev().take(limit).collect(),
        })
    }
    fn commit(&self, batch: &Batch) -> Result<u64, CommitError> {
        let mut disk = self.0.lock();
        let version = |key: &[u8]| {
            Ok::<_, StoreError>(disk.records.get(key).map_or(0, |record| record.version))
        };
        let count = |from: &[u8], until: &[u8], most| {
            Ok(disk
                .records
                .range(from.to_vec()..until.to_vec())
                .take(most)
                .count())
        };
        if !batch.holds(version, count)? {
            return Err(CommitError::Conflict);
        }
        if batch.writes.is_empty() {
            return Ok(disk.last);
        }
        disk.last += 1;
        let version = disk.last;
        let mut before = Vec::new();
        for (key, value) in &batch.writes {
            let old = match value {
                Some(value) => disk.records.insert(
                    key.clone(),
                    Record {
                        version,
                        value: value.clone(),
                    },
                ),
                None => disk.records.remove(key),
            };
            before.push((key.clone(), old));
        }
        disk.undo.push((version, before));
        Ok(version)
    }
    fn sync(&self, commit: u64) -> Result<(), StoreError> {
        self.0.lock().undo.retain(|(number, _)| *number > commit);
        Ok(())
    }
    fn last_commit(&self) -> u64 {
        self.0.lock().last
    }
    fn store_id(&self) -> String {
        "simulated".to_owned()
    }
    fn verify(&self) -> Result<Verification, StoreError> {
        Ok(Verification {
            records: 0,
            bytes: 0,
            last_commit: self.last_commit(),
            damaged: Vec::new(),
        })
    }
    fn close(&self) -> Result<(), StoreError> {
        self.0.lock().undo.clear();
        Ok(())
    }
    fn abandon(&self) {}
}

// ---- The model

/// One limit, group cap or cap, and what was counted for one subject of it.
pub(crate) struct Counter {
    pub(crate) key: Vec<u8>,
    pub(crate) name: String,
    pub(crate) window: Window,
    pub(crate) limit: u64,
    pub(crate) grows: Option<(u64, u64)>,
    pub(crate) refuses: bool,
    pub(crate) parts: Vec<Part>,
    /// The windows that are over, of a calendar: what the history tells.
    pub(crate) kept: Vec<Part>,
    /// The largest limit and the largest send since the store was opened: a crash may cost one
    /// block, or that send.
    pub(crate) largest: u64,
    pub(crate) most_asked: u64,
    /// What came back since then, in memory only.
    pub(crate) returned: u64,
}

/// A window, or a minute of a rolling one.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// Until when it counts.
    pub(crate) until: u64,
    /// What went out.
    pub(crate) used: u64,
    /// What the engine has to think, as crashes only ever add.
    pub(crate) counted: u64,
}

/// Year, month and day of a number of days since 1970.
fn date(days: u64) -> (u64, u64, u64) {
    let z = days + 719_468;
    let (era, doe) = (z / 146_097, z % 146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (
        yoe + era * 400 + u64::from(month <= 2),
        month,
        doy - (153 * mp + 2) / 5 + 1,
    )
}

/// The first and the last instant of a window in UTC, found day by day.
fn bounds(window: Window, at: u64) -> (u64, u64) {
    let day = at / DAY_MS;
    let span = |same: &dyn Fn(u64) -> bool| {
        let first = (0..=day)
            .rev()
            .take_while(|day| same(*day))
            .last()
            .unwrap_or(day);
        let after = (day..).find(|day| !same(*day)).unwrap();
        (first * DAY_MS, after * DAY_MS)
    };
    let (year, month, _) = date(day);
    match window {
        Window::RollingHour => (at - at % MINUTE_MS, at - at % MINUTE_MS + MINUTE_MS),
        Window::Hour => (at - at % HOUR_MS, at - at % HOUR_MS + HOUR_MS),
        Window::Day => (day * DAY_MS, (day + 1) * DAY_MS),
        // 1970 began on a Thursday.
        Window::Week => span(&|other| (other + 3) / 7 == (day + 3) / 7),
        Window::Month | Window::BillingMonth => {
            span(&|other| date(other).1 == month && date(other).0 == year)
        }
        Window::Year => span(&|other| date(other).0 == year),
    }
}

impl Counter {
    /// The window that is charged at an instant. One that was charged is never left for an earlier
    /// one.
    pub(crate) fn window_at(&self, at: u64) -> (u64, u64) {
        match self.parts.last() {
            Some(last) if at < last.end => (last.start, last.end),
            _ => bounds(self.window, at),
        }
    }

    pub(crate) fn limit_at(&self, at: u64) -> u64 {
        let start = self.window_at(at).0;
        self.limit
            .saturating_add(self.grows.map_or(0, |(by, from)| {
                by * (start / DAY_MS).saturating_sub(from / DAY_MS)
            }))
    }

    pub(crate) fn sum(&self, at: u64, what: impl Fn(&Part) -> u64) -> u64 {
        let start = self.window_at(at).0;
        self.parts
            .iter()
            .filter(|part| part.until > start)
            .map(what)
            .sum()
    }

    fn left(&self, at: u64) -> u64 {
        self.left_but(at, |_| 0)
    }

    /// What is left where so much of each part has come back.
    fn left_but(&self, at: u64, back: impl Fn(&Part) -> u64) -> u64 {
        let counted = |part: &Part| part.counted - back(part).min(part.counted);
        if self.refuses {
            self.limit_at(at).saturating_sub(self.sum(at, counted))
        } else {
            u64::MAX
        }
    }

    /// A window is charged, or a block was drawn for it.
    fn go_to(&mut self, start: u64, end: u64) {
        if self.parts.last().is_none_or(|last| last.start != start) {
            let (over, parts): (Vec<_>, Vec<_>) =
                self.parts.drain(..).partition(|part| part.until <= start);
            self.parts = parts;
            self.kept.extend(
                over.into_iter()
                    .filter(|_| self.window != Window::RollingHour),
            );
            let until = if self.window == Window::RollingHour {
                end + HOUR_MS
            } else {
                end
            };
            self.parts.push(Part {
                start,
                end,
                until,
                used: 0,
                counted: 0,
            });
        }
    }

    /// Charges; answers which part.
    pub(crate) fn charge(&mut self, at: u64, count: u64) -> u64 {
        let (start, end) = self.window_at(at);
        self.go_to(start, end);
        let part = self.parts.last_mut().unwrap();
        part.used += count;
        part.counted += count;
        self.most_asked = self.most_asked.max(count);
        start
    }

    /// What was charged to a part at an instant did not go out.
    pub(crate) fn refund(&mut self, now: u64, at: u64, part: u64, count: u64) -> bool {
        let start = self.window_at(now).0;
        if let Some(part) = self
            .parts
            .iter_mut()
            .chain(&mut self.kept)
            .find(|one| one.start == part)
        {
            part.used -= count;
        }
        let holds = |one: &&mut Part| (one.start..one.end).contains(&at);
        if let Some(part) = self.kept.iter_mut().find(holds) {
            part.counted -= count.min(part.counted);
        }
        // A window that is over counts less again, too: the clock may step back into it.
        let Some(part) = self.parts.iter_mut().find(holds) else {
            return false;
        };
        let back = count.min(part.counted);
        part.counted -= back;
        self.returned += back;
        back > 0 && part.until > start
    }

    /// Whether a window is cleared away by an instant: what a cap has counted goes once it was over
    /// for a week.
    fn is_cleared(&self, part: &Part, latest: u64) -> bool {
        keys::meters::cap_of_meter(&self.key).is_some() && part.until + 7 * DAY_MS <= latest
    }

    /// A crash: the store says what is counted now. Never less than went out, and at most a block
    /// more than was counted.
    fn crashed(&mut self, stored: Option<Meter>, clean: bool, latest: u64) {
        let Some(stored) = stored else {
            let is_cleared = |part: &Part| self.is_cleared(part, latest);
            return assert!(self.parts.iter().all(is_cleared), "{}", self.name);
        };
        // An alert of a lower limit is written down in the window that was then, though nothing
        // went out in it.
        if self
            .parts
            .last()
            .is_some_and(|last| last.start < stored.starts_at_ms)
        {
            self.go_to(stored.starts_at_ms, stored.ends_at_ms);
        }
        let counted = |part: &Part| {
            let past = stored
                .past
                .iter()
                .find(|(until, _)| *until == part.until)
                .map(|(_, used)| *used);
            if stored.starts_at_ms == part.start {
                Some(stored.drawn)
            } else {
                past
            }
        };
        let before: u64 = self
            .parts
            .iter()
            .filter(|part| part.until > stored.starts_at_ms)
            .map(|part| part.counted)
            .sum();
        for part in &mut self.parts {
            part.counted = counted(part).unwrap_or(0);
        }
        let after: u64 = self
            .parts
            .iter()
            .filter(|part| part.until > stored.starts_at_ms)
            .map(|part| part.counted)
            .sum();
        let bound = if clean {
            0
        } else {
            (self.largest / 50).clamp(1, 1 << 20).max(self.most_asked) + self.returned
        };
        assert!(
            before <= after && after <= before + bound,
            "{}: {before} counted before, {after} after, {bound} to lose: {stored:?}",
            self.name
        );
        (self.largest, self.most_asked, self.returned) = (self.limit_at(stored.starts_at_ms), 0, 0);
        self.check();
    }

    /// From each part on, no less is counted than went out.
    fn check(&self) {
        let (mut used, mut counted) = (0, 0);
        for part in self.parts.iter().rev() {
            used += part.used;
            counted += part.counted;
            assert!(used <= counted, "{}: {:?}", self.name, self.parts);
        }
    }
}

/// Who sends what.
#[derive(Clone, Debug)]
struct Source {
    account: Id,
    user: Option<Id>,
    message: MessageInput,
}

/// What was granted and may come back.
struct Grant {
    source: usize,
    at: u64,
    count: u64,
    /// The counters, and the part of each.
    charged: Vec<(usize, u64)>,
}

struct Open {
    id: Id,
    expires: u64,
    grant: Grant,
}

struct World {
    dice: Dice,
    now: u64,
    /// The latest instant that the clock said: it may step back from it.
    latest: u64,
    opened: u64,
    disk: Arc<Mutex<Disk>>,
    guard: Guard,
    sources: Vec<Source>,
    counters: Vec<Counter>,
    places: BTreeMap<(Vec<u8>, String), usize>,
    caps: Vec<api::caps::Set>,
    cap_times: Vec<u64>,
    grants: Vec<Grant>,
    reservations: Vec<Open>,
}

const ACCOUNTS: [(&str, Option<&str>); 4] = [
    ("top", None),
    ("mid", Some("top")),
    ("kid", Some("mid")),
    ("sib", Some("top")),
];
/// A plain member of the account in the middle, in its default group.
const MEMBER: &str = "ann";

pub(crate) fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

pub(crate) fn count(number: u64) -> Count {
    Count::new(number).unwrap()
}

pub(crate) fn engine_on(disk: &Arc<Mutex<Disk>>, now: u64, opened: u64) -> Guard {
    let options: OpenOptions =
        serde_json::from_value(serde_json::json!({"clock": {"manual_ms": now},
            "seed": opened << 32, "edition": "commercial"}))
        .unwrap();
    Guard::of_engine_for_tests(
        Engine::on(
            Box::new(Simulated(disk.clone())),
            Path::new(":memory:"),
            &options,
        )
        .unwrap(),
    )
}

impl World {
    /// A platform with random limits; `paced` ones too.
    fn new(seed: u64, paced: bool) -> World {
        let disk = Arc::new(Mutex::new(Disk::default()));
        let guard = engine_on(&disk, START_MS, 1);
        let mut world = World {
            dice: Dice(seed),
            now: START_MS,
            latest: START_MS,
            opened: 1,
            disk,
            guard,
            sources: Vec::new(),
            counters: Vec::new(),
            places: BTreeMap::new(),
            caps: Vec::new(),
            cap_times: Vec::new(),
            grants: Vec::new(),
            reservations: Vec::new(),
        };
        world.must(api::policies::Set {
            account: None,
            policies: Policies {
                depth: Some(count(8)),
                // The books of the model are kept for ever.
                usage_history_days: Some(count(0)),
                cap_history_days: Some(count(0)),
                ..Policies::default()
            },
        });
        for (name, parent) in ACCOUNTS {
            let request = serde_json::json!({"id": name, "name": name, "parent": parent,
                "owner": {"user": format!("o-{name}"), "email": format!("{name}@x.example")}});
            world.must::<api::accounts::Create>(serde_json::from_value(request).unwrap());
            for limit in Channel::Email.limits() {
                world.set_limit(name, limit);
            }
        }
        let member = serde_json::json!({"account": "mid", "user": MEMBER, "email": "ann@x.example",
            "role": "full"});
        world.must::<api::members::Add>(serde_json::from_value(member).unwrap());
        world.set_group();
        for number in 0..world.dice.roll(6) {
            let scopes = [
                CapScope::Account,
                CapScope::Member,
                CapScope::Campaign,
                CapScope::SendingDomain,
                CapScope::RecipientDomain,
            ];
            let overs = [
                OverLimit::Reject,
                OverLimit::Reject,
                OverLimit::Hold,
                OverLimit::Soft,
                OverLimit::Shadow,
                OverLimit::Spread,
            ];
            let over = *world.dice.of(&overs[..if paced { 6 } else { 5 }]);
            let cap = api::caps::Set {
                account: Some(id(world.dice.of(&ACCOUNTS).0)),
                id: id(&format!("c{number}")),
                scope: *world.dice.of(&scopes),
                subject: None,
                channel: Some(Channel::Email),
                message_class: world.dice.one_in(3).then_some(MessageClass::Marketing),
                window: *world.dice.of(&WINDOWS),
                limit: count(1),
                grows_daily_by: None,
                over: Some(over),
                burst: (over == OverLimit::Spread).then(|| count(1 + world.dice.roll(8))),
                expected_rev: None,
            };
            world.caps.push(cap);
            world.cap_times.push(START_MS);
            world.set_cap(number as usize);
        }
        let message = |campaign: Option<&str>, class| MessageInput {
            campaign: campaign.map(id),
            sending_domain: None,
            recipient_domain: campaign.map(|_| Name::new("mail.example").unwrap()),
            message_class: class,
            api_key: None,
            ..MessageInput::default()
        };
        for (account, _) in ACCOUNTS {
            for user in [None, Some(MEMBER)]
                .into_iter()
                .filter(|user| user.is_none() || account == "mid")
            {
                for message in [
                    message(None, None),
                    message(Some("spring"), None),
                    message(Some("summer"), Some(MessageClass::Transactional)),
                ] {
                    world.sources.push(Source {
                        account: id(account),
                        user: user.map(id),
                        message,
                    });
                }
            }
        }
        world
    }

    fn run<O: Operation>(&self, request: O) -> Result<O::Answer, Error> {
        self.guard
            .enter(O::EFFECT, |engine| engine.run(&Actor::System, request))
    }

    fn must<O: Operation>(&self, request: O) -> O::Answer {
        self.run(request)
            .unwrap_or_else(|error| panic!("{}: {error:?}", O::NAME))
    }

    fn random_limit(&mut self) -> u64 {
        match self.dice.roll(8) {
            0 => u64::MAX,
            1 => self.dice.roll(4),
            2 | 3 => 1 + self.dice.roll(50),
            4..=6 => 50 + self.dice.roll(1000),
            _ => 100_000,
        }
    }

    /// The counter, made where it is not there yet.
    fn counter(&mut self, key: Vec<u8>, name: &str, window: Window) -> usize {
        let counters = &mut self.counters;
        *self
            .places
            .entry((key.clone(), name.to_owned()))
            .or_insert_with(|| {
                let name = name.to_owned();
                let (parts, kept) = (vec![], vec![]);
                counters.push(Counter {
                    key,
                    name,
                    window,
                    limit: 0,
                    grows: None,
                    refuses: true,
                    parts,
                    kept,
                    largest: 0,
                    most_asked: 0,
                    returned: 0,
                });
                counters.len() - 1
            })
    }

    fn set(&mut self, place: usize, limit: u64, grows: Option<(u64, u64)>, refuses: bool) {
        let now = self.now;
        let counter = &mut self.counters[place];
        (counter.limit, counter.grows, counter.refuses) = (limit, grows, refuses);
        counter.largest = if refuses {
            counter.largest.max(counter.limit_at(now))
        } else {
            u64::MAX
        };
    }

    fn set_limit(&mut self, account: &str, name: LimitName) {
        let limit = self.random_limit();
        let value = if limit == u64::MAX {
            Limit::Unlimited
        } else {
            Limit::At(count(limit))
        };
        self.must(api::limits::Set {
            account: id(account),
            limit: name,
            value,
            message_class: None,
            over: None,
            burst: None,
            expected_rev: None,
        });
        let place = self.counter(
            keys::meter(Some(&id(account)), name.name(), "", ""),
            name.name(),
            name.window().unwrap(),
        );
        self.set(place, limit, None, true);
    }

    fn set_group(&mut self) {
        let limit = self.random_limit();
        let email = Some(if limit == u64::MAX {
            Limit::Unlimited
        } else {
            Limit::At(count(limit))
        });
        self.must(api::groups::SetCaps {
            account: id("mid"),
            group: id("default"),
            caps: GroupCaps { email, sms: None },
            expected_rev: None,
        });
        let place = self.counter(
            keys::meter(Some(&id("mid")), "email_per_month", "group", "default"),
            "email_per_month",
            Window::Month,
        );
        self.set(place, limit, None, true);
    }

    fn set_cap(&mut self, number: usize) {
        let limit = count(self.random_limit().clamp(1, 100_000));
        // What is absent would stay.
        let grows = count(if self.dice.one_in(3) {
            1 + self.dice.roll(20)
        } else {
            0
        });
        self.caps[number].limit = limit;
        // What a pace is today is told when it is prepared: it grows with the next change.
        self.caps[number].grows_daily_by =
            Some(grows).filter(|_| self.caps[number].over != Some(OverLimit::Spread));
        self.must(self.caps[number].clone());
    }

    /// The counters that a send is charged to.
    fn charged(&mut self, source: usize) -> Vec<usize> {
        let Source {
            account,
            user,
            message,
        } = self.sources[source].clone();
        let mut line = vec![account.clone()];
        while let Some(parent) = ACCOUNTS
            .iter()
            .find(|(name, _)| *name == line.last().unwrap().as_str())
            .unwrap()
            .1
        {
            line.push(id(parent));
        }
        let mut places = Vec::new();
        for ancestor in &line {
            for limit in Channel::Email.limits() {
                places.push(self.counter(
                    keys::meter(Some(ancestor), limit.name(), "", ""),
                    limit.name(),
                    limit.window().unwrap(),
                ));
            }
            for number in 0..self.caps.len() {
                let cap = self.caps[number].clone();
                let class = message.message_class.unwrap_or(MessageClass::Marketing);
                let subject = match cap.scope {
                    CapScope::Account => Some(ancestor.as_str()),
                    CapScope::Member => user.as_ref().map(Id::as_str),
                    CapScope::Campaign => message.campaign.as_ref().map(Id::as_str),
                    CapScope::ApiKey => message.api_key.as_ref().map(Id::as_str),
                    CapScope::SendingDomain => message.sending_domain.as_ref().map(Name::as_str),
                    CapScope::RecipientDomain => {
                        message.recipient_domain.as_ref().map(Name::as_str)
                    }
                };
                let Some(subject) = subject.filter(|_| {
                    cap.account.as_ref() == Some(ancestor)
                        && cap.message_class.is_none_or(|only| only == class)
                }) else {
                    continue;
                };
                let place = self.counter(
                    keys::meter(Some(ancestor), "cap", &keys::of_cap(&cap.id), subject),
                    cap.id.as_str(),
                    cap.window,
                );
                let grows = cap
                    .grows_daily_by
                    .map(|by| (by.get(), self.cap_times[number]));
                self.set(
                    place,
                    cap.limit.get(),
                    grows,
                    cap.over.is_none_or(OverLimit::refuses),
                );
                places.push(place);
            }
        }
        if user.is_some() {
            places.push(self.counter(
                keys::meter(Some(&id("mid")), "email_per_month", "group", "default"),
                "email_per_month",
                Window::Month,
            ));
        }
        places
    }

    /// Whether so many fit at an instant, when the reservations that have expired by then have come
    /// back.
    fn fits(&self, places: &[usize], at: u64, count: u64) -> bool {
        places.iter().all(|place| {
            let back = |part: &Part| {
                let of_part = |open: &&Open| {
                    (part.start..part.end).contains(&open.grant.at)
                        && open.grant.charged.iter().any(|(of, _)| of == place)
                };
                self.reservations
                    .iter()
                    .filter(|open| open.expires <= at)
                    .filter(of_part)
                    .map(|open| open.grant.count)
                    .sum()
            };
            count <= self.counters[*place].left_but(at, back)
        })
    }

    /// The first instant from now on at which so many fit, looked for at every instant at which
    /// something changes.
    fn fits_at(&self, places: &[usize], count: u64) -> Option<u64> {
        let mut instants = BTreeSet::from([self.now]);
        instants.extend(self.reservations.iter().map(|open| open.expires));
        for counter in places.iter().map(|place| &self.counters[*place]) {
            instants.extend(counter.parts.iter().map(|part| part.until));
            instants.insert(counter.window_at(self.now).1);
            if counter.grows.is_some() {
                let today = self.now / DAY_MS;
                instants.extend((1..80).map(|days| (today + days) * DAY_MS));
                let next_year = bounds(Window::Year, self.now).1;
                instants.extend([next_year, bounds(Window::Year, next_year).1]);
            }
        }
        instants
            .into_iter()
            .filter(|at| *at >= self.now)
            .find(|at| self.fits(places, *at, count))
    }

    /// What comes back by itself by now, with the first call.
    fn expire(&mut self) {
        self.guard.enter(Effect::Read, |_| Ok(())).unwrap();
        let mut at = 0;
        while at < self.reservations.len() {
            if self.reservations[at].expires <= self.now {
                let Open { grant, .. } = self.reservations.remove(at);
                let left = grant.count;
                self.give_back(&grant, left);
            } else {
                at += 1;
            }
        }
    }

    fn give_back(&mut self, grant: &Grant, count: u64) -> u64 {
        let mut counters = 0;
        for (place, part) in &grant.charged {
            counters += u64::from(self.counters[*place].refund(self.now, grant.at, *part, count));
        }
        counters
    }

    /// What a send has to answer; where it is granted it is charged.
    fn expect(&mut self, source: usize, ask: Ask, decision: &Decision) -> Option<Grant> {
        let places = self.charged(source);
        let left = places
            .iter()
            .map(|place| self.counters[*place].left(self.now))
            .min()
            .unwrap();
        let granted = if left >= ask.min {
            ask.count.min(left)
        } else {
            0
        };
        assert_eq!(
            decision.granted, granted,
            "{ask:?} by {:?} of {left}: {decision:?}",
            self.sources[source]
        );
        if granted == 0 {
            self.expect_refusal(&places, ask.min, decision.refusal.as_deref().unwrap());
            return None;
        }
        let now = self.now;
        let charged = places.into_iter().map(|place| {
            let counter = &mut self.counters[place];
            let part = counter.charge(now, granted);
            let (used, limit) = (counter.sum(now, |part| part.used), counter.limit_at(now));
            assert!(
                !counter.refuses || used <= limit,
                "{}: {used} of {limit} have gone out",
                counter.name
            );
            (place, part)
        });
        Some(Grant {
            source,
            at: now,
            count: granted,
            charged: charged.collect(),
        })
    }

    /// R-QTA-3: the very instant, and never where it never fits.
    fn expect_refusal(&self, places: &[usize], count: u64, refusal: &Refusal) {
        let fits_at = self.fits_at(places, count);
        let code = if fits_at.is_some() {
            Code::QuotaExceeded
        } else {
            Code::ExceedsLimit
        };
        let short: Vec<_> = places
            .iter()
            .map(|place| &self.counters[*place])
            .filter(|counter| counter.left(self.now) < count)
            .collect();
        assert_eq!(
            (refusal.code, refusal.retry_at_ms),
            (code, fits_at),
            "{count} at {}: {refusal:?}",
            self.now
        );
        let limit = refusal.limit.as_ref().unwrap();
        assert!(
            short.iter().any(|one| one.name == limit.name
                && one.limit_at(self.now) == limit.value
                && one.sum(self.now, |part| part.counted) == limit.used),
            "{limit:?} at {}: {:?}",
            self.now,
            places
                .iter()
                .map(|place| &self.counters[*place])
                .filter(|one| one.name == limit.name)
                .map(|one| (&one.parts, one.limit_at(self.now), one.left(self.now)))
                .collect::<Vec<_>>()
        );
    }

    fn ask(&mut self) -> Ask {
        let count = 1 + match self.dice.roll(4) {
            0 => self.dice.roll(40),
            _ => self.dice.roll(3),
        };
        if self.dice.one_in(4) {
            Ask {
                count,
                min: 1 + self.dice.roll(count),
                later: None,
            }
        } else {
            Ask::exact(count)
        }
    }

    fn admit(&self, source: usize, ask: Ask) -> Decision {
        let Source {
            account,
            user,
            message,
        } = &self.sources[source];
        let user = user.as_ref().map(Id::as_str);
        let sent = self.guard.enter(Effect::Send, |engine| {
            decide::admit(
                engine,
                &engine.cell_by_text(account.as_str())?,
                user,
                Channel::Email,
                message,
                ask,
            )
        });
        sent.unwrap()
    }

    fn random_source(&mut self) -> usize {
        self.dice.roll(self.sources.len() as u64) as usize
    }

    fn set_clock(&mut self, to: u64) {
        self.now = to;
        self.latest = self.latest.max(to);
        self.guard.engine.kernel.clock.set(to).unwrap();
    }

    fn open_again(&mut self, clean: bool) {
        if clean {
            self.guard.engine.shut_down().unwrap();
        } else {
            let kept = self.dice.roll(3) as usize;
            let mut disk = self.disk.lock();
            disk.lose(if kept == 0 { usize::MAX } else { kept - 1 });
        }
        self.opened += 1;
        self.guard = engine_on(&self.disk, self.now, self.opened);
        let disk = self.disk.lock();
        for counter in &mut self.counters {
            counter.crashed(stored(&disk, &counter.key), clean, self.latest);
        }
    }

    /// R-QTA-3: the counters of a send, each as the model has it.
    fn compare(&mut self, source: usize) {
        let Source {
            account,
            user,
            message,
        } = self.sources[source].clone();
        let answer = self.must(api::sending::Explain {
            account,
            user,
            channel: Channel::Email,
            message: Some(message),
            count: count(1),
        });
        let places = self.charged(source);
        assert_eq!(answer.limits.len(), places.len());
        let mut listed: Vec<_> = answer
            .limits
            .iter()
            .map(|limit| (limit.limit.clone(), limit.used))
            .collect();
        let mut known: Vec<_> = places
            .iter()
            .map(|place| &self.counters[*place])
            .map(|one| (one.name.clone(), one.sum(self.now, |part| part.counted)))
            .collect();
        listed.sort();
        known.sort();
        assert_eq!(listed, known, "at {}", self.now);
        assert_eq!(
            answer.would_grant,
            self.fits(&places, self.now, 1),
            "at {}: {answer:?}",
            self.now
        );
    }

    /// R-QTA-6: what the history and the invoice tell of the account that sends, and of the caps
    /// that it carries.
    fn compare_usage(&mut self, source: usize) {
        let Source {
            account,
            user,
            message,
        } = self.sources[source].clone();
        for place in self.charged(source) {
            let counter = &self.counters[place];
            let Some(cap) = self
                .caps
                .iter()
                .find(|cap| cap.id.as_str() == counter.name)
                .map(|cap| (cap.scope, cap.id.clone()))
            else {
                continue;
            };
            let subject = match cap.0 {
                CapScope::Member => user.as_ref().map(ToString::to_string),
                CapScope::Campaign => message.campaign.as_ref().map(ToString::to_string),
                _ => message.recipient_domain.as_ref().map(ToString::to_string),
            };
            let of = self
                .caps
                .iter()
                .find(|one| one.id == cap.1)
                .unwrap()
                .account
                .clone()
                .unwrap();
            self.compare_history(place, &of, None, Some(cap.1), subject);
        }
        for limit in Channel::Email.limits() {
            let place = self.counter(
                keys::meter(Some(&account), limit.name(), "", ""),
                limit.name(),
                limit.window().unwrap(),
            );
            self.compare_history(place, &account, Some(limit), None, None);
        }
        let place = self.counter(
            keys::meter(Some(&account), "email_per_day", "", ""),
            "email_per_day",
            Window::Day,
        );
        let day = START_MS / DAY_MS * DAY_MS;
        let from = day + self.dice.roll(40) * DAY_MS / 2;
        let until = from + 1 + self.dice.roll(60) * DAY_MS / 2;
        let line = self
            .must(api::usage::Invoice {
                account,
                from_ms: count(from),
                until_ms: count(until),
                after: None,
                page: None,
            })
            .lines
            .remove(0);
        let days = self.counters[place]
            .kept
            .iter()
            .chain(&self.counters[place].parts)
            .filter(|day| (from..until).contains(&day.start));
        assert_eq!(
            line.email_sent,
            days.map(|day| day.counted).sum::<u64>(),
            "at {}",
            self.now
        );
    }

    fn compare_history(
        &self,
        place: usize,
        account: &Id,
        limit: Option<LimitName>,
        cap: Option<Id>,
        subject: Option<String>,
    ) {
        let subject = subject.map(|subject| Name::new(&subject).unwrap());
        let request = api::usage::History {
            account: account.clone(),
            limit,
            cap,
            subject,
            after: None,
            page: Some(count(500)),
        };
        let answer = self.must(request).windows;
        let kept = self.counters[place]
            .kept
            .iter()
            .filter(|window| window.counted > 0);
        let known: Vec<_> = kept
            .map(|window| (window.start, window.end, window.counted))
            .take(500)
            .collect();
        let told: Vec<_> = answer
            .iter()
            .map(|window| (window.starts_at_ms, window.ends_at_ms, window.used))
            .collect();
        if told == known {
            return;
        }
        // What a cap has counted is kept when its counter goes, and not by the next draw alone.
        let counter = &self.counters[place];
        let is_over = |part: &&Part| part.counted > 0 && counter.is_cleared(part, self.latest);
        let over = counter.parts.iter().filter(is_over);
        let over = over.map(|part| (part.start, part.until, part.counted));
        let known: Vec<_> = known.into_iter().chain(over).collect();
        assert_eq!(told, known, "{} at {}", self.counters[place].name, self.now);
    }

    fn step(&mut self) {
        self.expire();
        match self.dice.roll(1000) {
            0..600 => {
                let (source, ask) = (self.random_source(), self.ask());
                let decision = self.admit(source, ask);
                let granted = self.expect(source, ask, &decision);
                self.grants.extend(granted);
            }
            600..680 => {
                let far = [
                    5 * SECOND_MS,
                    MINUTE_MS,
                    MINUTE_MS,
                    HOUR_MS,
                    HOUR_MS,
                    12 * HOUR_MS,
                ];
                let by = self.dice.of(&far) / 4;
                let to = self.now + 1 + self.dice.roll(4 * by);
                self.set_clock(to);
            }
            680..690 => {
                let by = *self.dice.of(&[DAY_MS, DAY_MS, 7 * DAY_MS, 40 * DAY_MS]);
                let to = self.now + self.dice.roll(by);
                // To the very boundary, too.
                let to = if self.dice.one_in(2) {
                    to - to % DAY_MS
                } else {
                    to
                };
                self.set_clock(to.max(self.now));
            }
            690..700 => {
                let by = *self.dice.of(&[SECOND_MS, MINUTE_MS, HOUR_MS, 3 * DAY_MS]);
                let to = self.now - self.dice.roll(by);
                self.set_clock(to);
            }
            700..760 => self.refund(),
            760..820 => self.reserve(),
            820..870 => self.end_reservation(),
            870..900 => match self.dice.roll(3) {
                0 => self.set_group(),
                1 if !self.caps.is_empty() => {
                    let number = self.dice.roll(self.caps.len() as u64) as usize;
                    self.set_cap(number);
                }
                _ => {
                    let account = self.dice.of(&ACCOUNTS).0;
                    let limit = *self.dice.of(&Channel::Email.limits());
                    self.set_limit(account, limit);
                }
            },
            900..960 => {
                let source = self.random_source();
                self.compare(source);
                self.compare_usage(source);
            }
            960..985 => {
                let source = self.random_source();
                let places = self.charged(source);
                let Source {
                    account,
                    user,
                    message,
                } = &self.sources[source];
                let drawn = self.guard.enter(Effect::Send, |engine| {
                    let prepared = engine.cell_by_text(account.as_str())?.sending(
                        engine,
                        user.as_ref().map(Id::as_str),
                        Channel::Email,
                        message,
                    )?;
                    draw_ahead(engine, &[prepared])
                });
                drawn.unwrap();
                for place in places {
                    let counter = &mut self.counters[place];
                    if let Some(meter) =
                        stored(&self.disk.lock(), &counter.key).filter(Meter::is_charged)
                    {
                        counter.go_to(meter.starts_at_ms, meter.ends_at_ms);
                    }
                }
            }
            985..997 => self.open_again(false),
            _ => self.open_again(true),
        }
        for counter in &self.counters {
            counter.check();
        }
    }

    fn refund(&mut self) {
        if self.grants.is_empty() {
            return;
        }
        let newest = self.grants.len().min(30);
        let at = self.grants.len() - 1 - self.dice.roll(newest as u64) as usize;
        let mut grant = self.grants.swap_remove(at);
        let back = 1 + self.dice.roll(grant.count);
        let Source {
            account,
            user,
            message,
        } = self.sources[grant.source].clone();
        let request = api::sending::Refund {
            account,
            user,
            channel: Channel::Email,
            message: Some(message),
            count: count(back),
            granted_at_ms: count(grant.at),
            spend: None,
            key: None,
        };
        let answer = self.must(request);
        let group = keys::meter(Some(&id("mid")), "email_per_month", "group", "default");
        let mut counters = 0;
        for (place, part) in &grant.charged {
            let counter = &mut self.counters[*place];
            // In which group a member was before they were one, as a clock that steps back has it,
            // nobody knows.
            let at = if grant.at < START_MS && counter.key == group {
                u64::MAX
            } else {
                grant.at
            };
            counters += u64::from(counter.refund(self.now, at, *part, back));
        }
        assert_eq!(
            answer.counters, counters,
            "{back} of {} at {}",
            grant.count, grant.at
        );
        grant.count -= back;
        if grant.count > 0 {
            self.grants.push(grant);
        }
    }

    fn reserve(&mut self) {
        let (source, ask) = (self.random_source(), self.ask());
        let life = *self.dice.of(&[MINUTE_MS, HOUR_MS, DAY_MS]);
        let Source {
            account,
            user,
            message,
        } = self.sources[source].clone();
        let request = api::reservations::Create {
            account,
            user,
            channel: Channel::Email,
            message: Some(message),
            count: count(ask.count),
            min: Some(count(ask.min)),
            life_ms: count(life),
            key: None,
        };
        let answer = self.must(request);
        let decision = Decision {
            granted: answer.granted,
            refusal: answer.refusal,
            remaining: None,
            credits: None,
        };
        if let Some(grant) = self.expect(source, ask, &decision) {
            self.reservations.push(Open {
                id: answer.reservation.unwrap(),
                expires: self.now + life,
                grant,
            });
        }
    }

    fn end_reservation(&mut self) {
        if self.reservations.is_empty() {
            return;
        }
        let at = self.dice.roll(self.reservations.len() as u64) as usize;
        let Open {
            id: reservation,
            grant,
            ..
        } = self.reservations.swap_remove(at);
        let account = self.sources[grant.source].account.clone();
        let (committed, state) = match self.dice.roll(3) {
            0 => (
                0,
                self.must(api::reservations::Release {
                    account,
                    reservation,
                })
                .state,
            ),
            _ => {
                let committed = self.dice.roll(grant.count + 1);
                (
                    committed,
                    self.must(api::reservations::Commit {
                        account,
                        reservation,
                        count: count(committed),
                    })
                    .state,
                )
            }
        };
        assert!(matches!(
            state,
            ReservationState::Committed | ReservationState::Released
        ));
        self.give_back(&grant, grant.count - committed);
        if committed > 0 {
            self.grants.push(Grant {
                count: committed,
                ..grant
            });
        }
    }
}

/// Walks the histories of as many seeds as are wanted, on all processors.
pub(crate) fn walk(test: &str, fewer: u64, walk: impl Fn(u64) + Sync) {
    let number = |name: &str| {
        std::env::var(name).ok().map(|text| {
            text.parse::<u64>()
                .unwrap_or_else(|_| panic!("{name} is a number"))
        })
    };
    let histories = number("TENANTRY_HISTORIES")
        .unwrap_or(if cfg!(debug_assertions) { 20 } else { 500 })
        .div_ceil(fewer);
    let first = number("TENANTRY_SEED")
        .unwrap_or_else(|| std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64);
    println!("{test}: {histories} from TENANTRY_SEED={first}");
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= histories {
                        return;
                    }
                    let seed = first.wrapping_add(number);
                    let walked =
                        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| walk(seed)));
                    if walked.is_err() {
                        next.store(histories, Ordering::Relaxed);
                        panic!("{test}: TENANTRY_HISTORIES=1 TENANTRY_SEED={seed}");
                    }
                }
            });
        }
    });
}

/// Whatever happens, nothing goes out beyond a limit in force; a crash costs one block of each
/// counter, a clean close nothing; and but for that each send answers as one who counts it all
/// would: granted or not, which limit, and until when.
#[test]
fn no_history_ends_in_an_overdraft() {
    walk("no_history_ends_in_an_overdraft", 1, |seed| {
        let mut world = World::new(seed, false);
        for event in 0..EVENTS {
            let stepped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.step()));
            if let Err(panic) = stepped {
                eprintln!("in event {event} of {seed}");
                std::panic::resume_unwind(panic);
            }
        }
    });
}

/// R-QTA-3, 18.5: with no event but the clock, what is refused is refused at every instant before
/// `retry_at_ms` and let through at it; more than a limit ever will be is never. Caps of all
/// windows, paces, growth, groups and ancestors; reservations that end, credits that expire,
/// packages to come, zones that change, and parts that are guaranteed.
#[test]
fn a_refused_send_is_let_through_at_the_very_instant() {
    walk(
        "a_refused_send_is_let_through_at_the_very_instant",
        1,
        |seed| {
            let mut world = World::new(seed, true);
            world.make_packages();
            for _ in 0..150 {
                if world.dice.one_in(3) {
                    world.stir();
                }
                let (source, ask) = (world.random_source(), world.ask());
                let decision = world.admit(source, ask);
                let by = *world.dice.of(&[1, SECOND_MS, MINUTE_MS, HOUR_MS]);
                match decision.refusal {
                    None => {
                        let to = world.now + world.dice.roll(by);
                        world.set_clock(to);
                    }
                    Some(refusal) => world.wait_for(source, ask, &refusal),
                }
            }
        },
    );
}

const PACKAGES: usize = 4;

const ZONES: [&str; 5] = [
    "UTC",
    "America/New_York",
    "Asia/Kolkata",
    "Pacific/Kiritimati",
    "Europe/Berlin",
];

impl World {
    fn run_json<O: Operation + serde::de::DeserializeOwned>(
        &self,
        request: serde_json::Value,
    ) -> Result<O::Answer, Error> {
        self.run::<O>(serde_json::from_value(request).unwrap())
    }

    fn make_packages(&mut self) {
        for number in 0..PACKAGES {
            let limits: serde_json::Map<_, _> = Channel::Email
                .limits()
                .iter()
                .map(|limit| (limit.name().to_owned(), self.dice.roll(200).into()))
                .collect();
            let pays = self.dice.one_in(2);
            let request = serde_json::json!({"id": format!("p{number}"), "name": "P",
                "limits": limits, "credits": pays, "overuse": pays});
            self.run_json::<api::packages::Create>(request).unwrap();
        }
    }

    /// Something that changes what becomes of a send later. Some of it is refused, such as a
    /// guarantee of more than there is.
    fn stir(&mut self) {
        let account = self.dice.of(&ACCOUNTS).0;
        let package = format!("p{}", self.dice.roll(PACKAGES as u64));
        let limit = self.dice.of(&Channel::Email.limits()).name();
        let count = 1 + self.dice.roll(60);
        match self.dice.roll(9) {
            0 | 1 => {
                let life = *self.dice.of(&[MINUTE_MS, HOUR_MS, DAY_MS, 20 * DAY_MS])
                    + self.dice.roll(HOUR_MS);
                let source = self.random_source();
                let Source {
                    account,
                    user,
                    message,
                } = self.sources[source].clone();
                let request = serde_json::json!({"account": account, "user": user,
                    "message": message, "count": count, "min": 1, "life_ms": life});
                self.run_json::<api::reservations::Create>(request).unwrap();
            }
            2 => {
                let expires = self
                    .dice
                    .one_in(2)
                    .then(|| self.now + 1 + self.dice.roll(3 * DAY_MS));
                let request = serde_json::json!({"account": account, "channel": "email",
                    "amount": count, "reason": "bought", "expires_at_ms": expires});
                self.run_json::<api::credits::Grant>(request).unwrap();
            }
            3 => drop(self.run_json::<api::accounts::Edit>(
                serde_json::json!({"account": account, "package": package, "at": "next_month"}),
            )),
            4 => drop(self.run_json::<api::accounts::Edit>(
                serde_json::json!({"account": account, "package": package}),
            )),
            5 => {
                let zone = *self.dice.of(&ZONES);
                self.run_json::<api::accounts::Edit>(
                    serde_json::json!({"account": account, "time_zone": zone}),
                )
                .unwrap();
            }
            6 => drop(self.run_json::<api::limits::Inherit>(
                serde_json::json!({"account": account, "limit": limit}),
            )),
            7 => {
                let request = serde_json::json!({"account": account, "limit": limit,
                    "value": count, "guaranteed": self.dice.one_in(2)});
                drop(self.run_json::<api::limits::Allocate>(request));
            }
            _ => self.set_limit(
                account,
                *Channel::Email
                    .limits()
                    .iter()
                    .find(|one| one.name() == limit)
                    .unwrap(),
            ),
        }
    }

    fn wait_for(&mut self, source: usize, ask: Ask, refusal: &Refusal) {
        let from = self.now;
        let until = refusal.retry_at_ms.unwrap_or(from + 100 * DAY_MS);
        let mut instants = BTreeSet::from([until - 1]);
        for window in WINDOWS {
            instants.insert(bounds(window, from).1);
            instants.insert(bounds(window, until).0);
        }
        for _ in 0..5 {
            instants.insert(from + self.dice.roll((until - from).max(1)));
        }
        for at in instants.into_iter().filter(|at| (from..until).contains(at)) {
            self.set_clock(at);
            let early = self.admit(source, ask);
            assert_eq!(
                early.granted,
                0,
                "{ask:?} by {:?}, {} ms before {until}: {refusal:?}",
                self.sources[source],
                until - at
            );
            assert_eq!(
                early.refusal.unwrap().retry_at_ms,
                refusal.retry_at_ms,
                "{} ms before",
                until - at
            );
        }
        self.set_clock(until);
        if refusal.retry_at_ms.is_some() {
            let decision = self.admit(source, ask);
            assert!(
                decision.granted >= ask.min,
                "{ask:?} by {:?} at {until}: {refusal:?}, then {decision:?}",
                self.sources[source]
            );
        }
    }
}
