//! Gauges: how many there are of what a limit counts at a time (R-QTA-10, R-PKG-1, R-PKG-3).
//!
//! Beside the records of an account lie two counts for each such limit: how many it has itself, and
//! how many with all accounts below it. The first is what may be given back and set; the second is
//! what is held against the limit, so that a claim reads and writes one number for each account
//! above, however many there are below.

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api::gauges::{Claim, Gauge, GaugeList, Get, Reconcile, Release};
use crate::domain::limits::{Line, reached};
use crate::domain::membership;
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::model::{Account, Count, Id, Limit, LimitName};
use crate::rules::account::refuse_unless_active;
use crate::rules::limit::{CountedBy, counted_by};
use crate::sending::idempotency;
use crate::tables::gauges::{change, signed};
use crate::tables::{self, slots};

/// How many an account has of what a limit counts, with all accounts below it.
pub(crate) fn used(ctx: &mut Ctx<'_>, account: &Id, limit: LimitName) -> Result<u64, Error> {
    match limit {
        LimitName::Seats => membership::seats_taken(ctx, account, u64::MAX),
        LimitName::ChildAccounts => ctx
            .tx
            .count(&keys::tally(account, tables::accounts::DESCENDANTS)),
        LimitName::Threads => {
            Ok(total(ctx, account, limit)?.saturating_sub(slots::expired(&mut ctx.tx, account)?))
        }
        _ => total(ctx, account, limit),
    }
}

/// The count of an account with all below it, as it is kept.
pub(crate) fn total(ctx: &mut Ctx<'_>, account: &Id, limit: LimitName) -> Result<u64, Error> {
    ctx.tx.count(&keys::gauge_total(account, limit.name()))
}

/// Adds to the counts of the account that the line begins with and of those above; refuses where a
/// limit is in the way.
pub(crate) fn claim(
    ctx: &mut Ctx<'_>,
    line: &Line,
    limit: LimitName,
    count: u64,
) -> Result<(), Error> {
    for (level, ancestor) in line.accounts.iter().enumerate() {
        // Never more than a number can be in every language, whatever is unlimited.
        let most = line.value(level, limit).ceiling().min(Count::MAX);
        let used = total(ctx, &ancestor.id, limit)?;
        if used.saturating_add(count) > most {
            return Err(reached(limit, &ancestor.id, most, used));
        }
    }
    change(&mut ctx.tx, &line.accounts, limit, signed(count))
}

/// What an account and all below it have no longer counts for these accounts above: it is deleted,
/// or a top account now.
pub(crate) fn leave(ctx: &mut Ctx<'_>, account: &Id, ancestors: &[Account]) -> Result<(), Error> {
    for limit in LimitName::ALL.iter().copied() {
        let leaving = signed(total(ctx, account, limit)?);
        for ancestor in ancestors.iter().filter(|_| leaving != 0) {
            ctx.tx
                .add(keys::gauge_total(&ancestor.id, limit.name()), -leaving)?;
        }
    }
    Ok(())
}

/// What the host does not count itself is not its to claim.
fn check_limit(limit: LimitName) -> Result<(), Error> {
    match counted_by(limit) {
        CountedBy::Host => Ok(()),
        CountedBy::Tenantry => Err(Error::invalid(
            "/limit",
            format!(
                "Tenantry itself counts `{}`; name a limit that the host counts.",
                limit.name()
            ),
        )),
        CountedBy::Nobody => Err(Error::invalid(
            "/limit",
            format!(
                "`{}` does not limit how many things exist at once; name a limit that does.",
                limit.name()
            ),
        )),
    }
}

fn check_count(count: Count) -> Result<u64, Error> {
    if count.get() == 0 {
        Err(Error::invalid("/count", "`count` must be at least 1."))
    } else {
        Ok(count.get())
    }
}

fn load(ctx: &mut Ctx<'_>, account: &Id) -> Result<Line, Error> {
    Line::load(ctx, account).map_err(|error| error.at("/account"))
}

fn answer_of(ctx: &mut Ctx<'_>, line: &Line, limit: LimitName) -> Result<Gauge, Error> {
    let account = line
        .accounts
        .first()
        .map(|account| account.id.clone())
        .ok_or_else(|| Error::internal("This is a defect to report: a line has no accounts."))?;
    let candidate = line.candidates(0, limit).into_iter().next();
    let (mut value, mut source) = candidate.map_or((Limit::Unlimited, None), |first| {
        (first.limit, Some(first.source))
    });
    if limit == LimitName::Seats {
        let seats = membership::seats(ctx, &account)?;
        if seats < value {
            (value, source) = (seats, None);
        }
    }
    let used = used(ctx, &account, limit)?;
    let own = match limit {
        LimitName::Seats | LimitName::ChildAccounts | LimitName::Threads => None,
        _ => Some(ctx.tx.count(&keys::gauge(&account, limit.name()))?),
    };
    let left = (value != Limit::Unlimited).then(|| value.ceiling().saturating_sub(used));
    Ok(Gauge {
        limit,
        value,
        source,
        used,
        own,
        left,
    })
}

impl Operation for Claim {
    type Answer = Gauge;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Gauge, Error> {
        check_limit(self.limit)?;
        let count = check_count(self.count)?;
        let line = load(ctx, &self.account)?;
        idempotency::run_idempotent(ctx, &self, self.key.as_ref(), |ctx| {
            refuse_unless_active(&line.accounts)?;
            claim(ctx, &line, self.limit, count).map_err(|error| error.at("/count"))?;
            answer_of(ctx, &line, self.limit)
        })
    }
}

impl Operation for Release {
    type Answer = Gauge;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Gauge, Error> {
        check_limit(self.limit)?;
        let count = check_count(self.count)?;
        let line = load(ctx, &self.account)?;
        idempotency::run_idempotent(ctx, &self, self.key.as_ref(), |ctx| {
            let own = ctx
                .tx
                .count(&keys::gauge(&self.account, self.limit.name()))?;
            if count > own {
                let error = Error::new(
                    Code::MoreThanClaimed,
                    format!(
                        "`{}` has claimed {own} of `{}`, not {count}; give back at most {own}.",
                        self.account,
                        self.limit.name()
                    ),
                );
                return Err(error
                    .at("/count")
                    .with("limit", self.limit.name())
                    .with("own", own));
            }
            change(&mut ctx.tx, &line.accounts, self.limit, -signed(count))?;
            answer_of(ctx, &line, self.limit)
        })
    }
}

impl Operation for Reconcile {
    type Answer = Gauge;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Gauge, Error> {
        check_limit(self.limit)?;
        let line = load(ctx, &self.account)?;
        let own = ctx
            .tx
            .count(&keys::gauge(&self.account, self.limit.name()))?;
        let by = signed(self.value.get()) - signed(own);
        for ancestor in &line.accounts {
            if total(ctx, &ancestor.id, self.limit)?.saturating_add_signed(by) > Count::MAX {
                return Err(Error::invalid(
                    "/value",
                    format!(
                        "`{}` would hold more than {} in all; name a smaller `value`.",
                        ancestor.id,
                        Count::MAX
                    ),
                ));
            }
        }
        if by != 0 {
            change(&mut ctx.tx, &line.accounts, self.limit, by)?;
        }
        answer_of(ctx, &line, self.limit)
    }
}

impl Operation for Get {
    type Answer = GaugeList;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<GaugeList, Error> {
        let line = load(ctx, &self.account)?;
        let counting = LimitName::ALL
            .iter()
            .copied()
            .filter(|limit| counted_by(*limit) != CountedBy::Nobody);
        let gauges = counting
            .map(|limit| answer_of(ctx, &line, limit))
            .collect::<Result<_, _>>()?;
        Ok(GaugeList {
            account: self.account,
            gauges,
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::handle::Tenantry;
    use crate::options::OpenOptions;
    use serde_json::{Value, json};
    use std::collections::BTreeMap;

    fn open() -> Tenantry {
        let options: OpenOptions = serde_json::from_str(
            r#"{"clock":{"manual_ms":1781524800000},"seed":1,"edition":"commercial"}"#,
        )
        .unwrap();
        let store = Tenantry::open(":memory:", options).unwrap();
        call(&store, "policies.set", json!({"policies": {"depth": 5}})).unwrap();
        store
    }

    fn call(store: &Tenantry, operation: &str, request: Value) -> Result<Value, String> {
        let answer = store.call_json(b"", operation.as_bytes(), request.to_string().as_bytes());
        answer
            .map(|answer| serde_json::from_str(&answer).unwrap())
            .map_err(|error| error.code().name().to_owned())
    }

    fn create(store: &Tenantry, id: &str, parent: Option<&str>) {
        let mut request = json!({"id": id, "name": id, "owner": {"user": format!("{id}-o"),
            "email": format!("{id}@owners.example")}});
        if let Some(parent) = parent {
            request["parent"] = parent.into();
        }
        call(store, "accounts.create", request).unwrap();
    }

    fn whole(store: &Tenantry) {
        assert_eq!(
            call(store, "store.verify", json!({})).unwrap()["damaged"],
            json!([])
        );
    }

    /// R-QTA-10: whoever asks at once, and for whichever account below, together they get the limit
    /// of the top, and no more.
    #[test]
    fn threads_claim_the_last_one_exactly_once() {
        let store = open();
        create(&store, "top", None);
        create(&store, "one", Some("top"));
        create(&store, "two", Some("top"));
        for (limit, value) in [
            ("contacts", 301),
            ("threads", 97),
            ("suppressed_domains", 41),
        ] {
            call(
                &store,
                "limits.set",
                json!({"account": "top", "limit": limit, "value": value}),
            )
            .unwrap();
        }
        let until_refused = |work: &dyn Fn(u64) -> Result<Value, String>| -> u64 {
            let mut done = 0;
            loop {
                match work(done) {
                    Ok(_) => done += 1,
                    Err(code) if code == "limit_reached" => return done,
                    Err(code) => panic!("{code}"),
                }
            }
        };
        let got: Vec<[u64; 3]> =
            std::thread::scope(|scope| {
                let threads: Vec<_> =
                    ["one", "two", "top", "one", "two", "top"]
                        .into_iter()
                        .enumerate()
                        .map(|(number, account)| {
                            let (store, until_refused) = (&store, &until_refused);
                            scope.spawn(move || {
                        let slots = until_refused(&|_| call(store, "threads.acquire",
                            json!({"account": account, "holder": "w", "ttl_ms": 60000})));
                        let claims = until_refused(&|_| call(store, "gauges.claim",
                            json!({"account": account, "limit": "contacts", "count": 1})));
                        let domains = until_refused(&|done| {
                            let entry = json!({"value": format!("d{done}.t{number}.example"),
                                "message_class": "marketing"});
                            call(store, "suppressions.add", json!({"account": account,
                                "entries": [entry]}))
                        });
                        [slots, claims, domains]
                    })
                        })
                        .collect();
                threads
                    .into_iter()
                    .map(|thread| thread.join().unwrap())
                    .collect()
            });
        let sum = |of: usize| got.iter().map(|got| got[of]).sum::<u64>();
        assert_eq!([sum(0), sum(1), sum(2)], [97, 301, 41]);
        whole(&store);
    }

    /// What the host does, kept naively: what each account has itself, and who is below whom.
    #[derive(Default)]
    struct Model {
        parents: BTreeMap<String, Option<String>>,
        own: BTreeMap<(String, &'static str), u64>,
        limits: BTreeMap<(String, &'static str), u64>,
        /// Slots by id: of which account, and until when.
        slots: BTreeMap<String, (String, u64)>,
        domains: BTreeMap<(String, String), u64>,
    }

    impl Model {
        fn line(&self, account: &str) -> Vec<String> {
            let mut line = vec![account.to_owned()];
            while let Some(Some(parent)) = self.parents.get(line.last().unwrap()) {
                line.push(parent.clone());
            }
            line
        }

        fn used(&self, account: &str, limit: &str, now_ms: u64) -> u64 {
            let below = |of: &str| self.line(of).iter().any(|ancestor| ancestor == account);
            match limit {
                "threads" => self
                    .slots
                    .values()
                    .filter(|(of, until)| *until > now_ms && below(of))
                    .count() as u64,
                "suppressed_domains" => {
                    self.domains.keys().filter(|(of, _)| below(of)).count() as u64
                }
                _ => self
                    .own
                    .iter()
                    .filter(|((of, own), _)| *own == limit && below(of))
                    .map(|(_, count)| count)
                    .sum(),
            }
        }

        /// The nearest value that an account has, inherits, or nothing: no package is in the way
        /// here.
        fn value(&self, account: &str, limit: &'static str) -> u64 {
            let line = self.line(account);
            line.iter()
                .find_map(|ancestor| self.limits.get(&(ancestor.clone(), limit)).copied())
                .unwrap_or(u64::MAX)
        }

        fn fits(&self, account: &str, limit: &'static str, count: u64, now_ms: u64) -> bool {
            self.line(account).iter().all(|ancestor| {
                self.used(ancestor, limit, now_ms) + count <= self.value(ancestor, limit)
            })
        }

        fn forget(&mut self, account: &str) {
            self.parents.remove(account);
            self.own.retain(|(of, _), _| of != account);
            self.limits.retain(|(of, _), _| of != account);
            self.slots.retain(|_, (of, _)| of != account);
            self.domains.retain(|(of, _), _| of != account);
        }
    }

    /// R-QTA-10, R-PKG-3: whatever becomes of the accounts, of limits and of time, every count is
    /// what the host would count.
    #[test]
    fn counts_are_conserved_whatever_becomes_of_the_accounts() {
        const CLASSES: [&str; 2] = ["marketing", "transactional"];
        const LIMITS: [&str; 4] = ["contacts", "lists", "threads", "suppressed_domains"];
        let mut state = 11_u64;
        let mut roll = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let mut done: BTreeMap<(&str, bool), u64> = BTreeMap::new();
        for walk in 0..6 {
            let store = open();
            let mut model = Model::default();
            let mut now_ms = 1_781_524_800_000;
            for step in 0..250 {
                let accounts: Vec<String> = model.parents.keys().cloned().collect();
                let account = if accounts.is_empty() {
                    "nobody".to_owned()
                } else {
                    accounts[roll(accounts.len() as u64) as usize].clone()
                };
                let limit = LIMITS[roll(4) as usize];
                let claimable = LIMITS[roll(2) as usize];
                let key = (account.clone(), claimable);
                let (what, expected, answer) = match roll(24) {
                    0..5 => {
                        let id = format!("a{step}");
                        let parent = (roll(5) > 0
                            && model.parents.contains_key(&account)
                            && model.line(&account).len() < 5)
                            .then_some(account.as_str());
                        create(&store, &id, parent);
                        model.parents.insert(id, parent.map(str::to_owned));
                        ("create", true, Ok(json!({})))
                    }
                    5 if step % 3 == 0 && model.parents.contains_key(&account) => {
                        let detach = roll(2) == 0;
                        let answer = call(
                            &store,
                            "accounts.delete",
                            json!({"account": account,
                                "children": if detach { "detach" } else { "delete" }}),
                        );
                        let gone: Vec<String> = accounts
                            .iter()
                            .filter(|below| model.line(below).contains(&account))
                            .cloned()
                            .collect();
                        if detach {
                            // Who is detached keeps what they inherited (17.14).
                            let below = accounts
                                .iter()
                                .filter(|below| model.parents[*below].as_ref() == Some(&account));
                            let kept: Vec<_> = below
                                .flat_map(|below| LIMITS.map(|limit| (below.clone(), limit)))
                                .collect();
                            for (below, limit) in kept {
                                let value = model.value(&below, limit);
                                if value != u64::MAX {
                                    model.limits.insert((below, limit), value);
                                }
                            }
                            model
                                .parents
                                .values_mut()
                                .filter(|parent| parent.as_ref() == Some(&account))
                                .for_each(|parent| *parent = None);
                            model.forget(&account);
                        } else {
                            gone.iter().for_each(|account| model.forget(account));
                        }
                        (if detach { "detach" } else { "delete" }, true, answer)
                    }
                    _ if !model.parents.contains_key(&account) => continue,
                    5..8 => {
                        let value = roll(12);
                        model.limits.insert((account.clone(), limit), value);
                        (
                            "limit",
                            true,
                            call(
                                &store,
                                "limits.set",
                                json!({"account": account, "limit": limit, "value": value}),
                            ),
                        )
                    }
                    8..12 => {
                        let count = 1 + roll(4);
                        let fits = model.fits(&account, claimable, count, now_ms);
                        if fits {
                            *model.own.entry(key).or_default() += count;
                        }
                        (
                            "claim",
                            fits,
                            call(
                                &store,
                                "gauges.claim",
                                json!({"account": account, "limit": claimable, "count": count}),
                            ),
                        )
                    }
                    12..14 => {
                        let count = 1 + roll(3);
                        let own = model.own.entry(key).or_default();
                        let there = *own >= count;
                        *own -= if there { count } else { 0 };
                        (
                            "release",
                            there,
                            call(
                                &store,
                                "gauges.release",
                                json!({"account": account, "limit": claimable, "count": count}),
                            ),
                        )
                    }
                    14 => {
                        let value = roll(9);
                        model.own.insert(key, value);
                        (
                            "reconcile",
                            true,
                            call(
                                &store,
                                "gauges.reconcile",
                                json!({"account": account, "limit": claimable, "value": value}),
                            ),
                        )
                    }
                    15..18 => {
                        let ttl_ms = 1000 * (1 + roll(30));
                        let fits = model.fits(&account, "threads", 1, now_ms);
                        let answer = call(
                            &store,
                            "threads.acquire",
                            json!({"account": account, "holder": "w", "ttl_ms": ttl_ms}),
                        );
                        if let (true, Ok(slot)) = (fits, &answer) {
                            model.slots.insert(
                                slot["id"].as_str().unwrap().to_owned(),
                                (account.clone(), now_ms + ttl_ms),
                            );
                        }
                        ("acquire", fits, answer)
                    }
                    18 if !model.slots.is_empty() => {
                        let at = roll(model.slots.len() as u64) as usize;
                        let (slot, (of, until)) = model.slots.iter_mut().nth(at).unwrap();
                        let (slot, alive) = (slot.clone(), *until > now_ms);
                        if roll(2) == 0 {
                            let answer = call(
                                &store,
                                "threads.release",
                                json!({"account": of, "slot": slot}),
                            );
                            model.slots.remove(&slot);
                            ("give back", alive, answer)
                        } else {
                            let answer = call(
                                &store,
                                "threads.renew",
                                json!({"account": of, "slot": slot, "ttl_ms": 20000}),
                            );
                            *until = if alive { now_ms + 20000 } else { *until };
                            ("renew", alive, answer)
                        }
                    }
                    18 | 19 => {
                        now_ms += 1000 * (1 + roll(10));
                        (
                            "time",
                            true,
                            call(&store, "clock.set", json!({"now_ms": now_ms})),
                        )
                    }
                    20..23 => {
                        let (domain, class) = (format!("d{}.example", roll(4)), roll(2));
                        let entry =
                            json!({"value": domain, "message_class": CLASSES[class as usize]});
                        let there = model
                            .domains
                            .get(&(account.clone(), domain.clone()))
                            .copied();
                        let fits = there.is_some()
                            || model.fits(&account, "suppressed_domains", 1, now_ms);
                        if fits {
                            model.domains.insert(
                                (account.clone(), domain),
                                there.unwrap_or(0) | (1 << class),
                            );
                        }
                        (
                            "suppress",
                            fits,
                            call(
                                &store,
                                "suppressions.add",
                                json!({"account": account, "entries": [entry]}),
                            ),
                        )
                    }
                    _ => {
                        let (domain, class) = (format!("d{}.example", roll(4)), roll(2));
                        let entry =
                            json!({"value": domain, "message_class": CLASSES[class as usize]});
                        let key = (account.clone(), domain);
                        let before = model.domains.remove(&key).unwrap_or(0);
                        let after = before & !(1 << class);
                        if after != 0 {
                            model.domains.insert(key, after);
                        }
                        (
                            "allow",
                            after != before,
                            call(
                                &store,
                                "suppressions.remove",
                                json!({"account": account, "entries": [entry]}),
                            ),
                        )
                    }
                };
                assert_eq!(
                    answer.is_ok(),
                    expected,
                    "{what} {account} in walk {walk}, step {step}: {answer:?}"
                );
                *done.entry((what, expected)).or_default() += 1;
                for account in model.parents.keys() {
                    let gauges = call(&store, "gauges.get", json!({"account": account})).unwrap();
                    for gauge in gauges["gauges"].as_array().unwrap() {
                        let Some(limit) =
                            LIMITS.into_iter().find(|limit| gauge["limit"] == **limit)
                        else {
                            continue;
                        };
                        let (used, value) = (
                            model.used(account, limit, now_ms),
                            model.value(account, limit),
                        );
                        let left = if value == u64::MAX {
                            Value::Null
                        } else {
                            value.saturating_sub(used).into()
                        };
                        assert_eq!(
                            (&gauge["used"], &gauge["left"]),
                            (&json!(used), &left),
                            "{limit} of {account} after {what}, walk {walk}, step {step}"
                        );
                    }
                }
                whole(&store);
            }
        }
        let ended = [
            "claim",
            "release",
            "acquire",
            "suppress",
            "allow",
            "renew",
            "give back",
        ];
        let both = |what| done.contains_key(&(what, true)) && done.contains_key(&(what, false));
        assert!(ended.into_iter().all(both), "{done:?}");
        assert!(
            done[&("detach", true)] > 5 && done[&("delete", true)] > 5,
            "{done:?}"
        );
    }

    /// Slots that nobody gives back do not pile up: each that is given clears a few away, and where
    /// the limit needs it all.
    #[test]
    fn slots_of_the_dead_are_cleared_away() {
        let store = open();
        create(&store, "top", None);
        let acquire = || {
            call(
                &store,
                "threads.acquire",
                json!({"account": "top", "holder": "w", "ttl_ms": 1000}),
            )
        };
        let records = || {
            call(&store, "store.verify", json!({})).unwrap()["records"]
                .as_u64()
                .unwrap()
        };
        let before = records();
        (0..50).for_each(|_| drop(acquire().unwrap()));
        call(
            &store,
            "clock.set",
            json!({"now_ms": 1_781_524_801_000_u64}),
        )
        .unwrap();
        (0..30).for_each(|_| drop(acquire().unwrap()));
        // Each slot and where it ends, and two counts.
        assert_eq!(records(), before + 30 * 2 + 2);
        call(
            &store,
            "clock.set",
            json!({"now_ms": 1_781_524_802_000_u64}),
        )
        .unwrap();
        assert_eq!(
            call(&store, "threads.list", json!({"account": "top"})).unwrap()["slots"],
            json!([])
        );
        call(
            &store,
            "limits.set",
            json!({"account": "top", "limit": "threads", "value": 1}),
        )
        .unwrap();
        acquire().unwrap();
        // One more tells that the limit was set.
        assert_eq!(records(), before + 2 + 2 + 1);
        assert_eq!(acquire().unwrap_err(), "limit_reached");
        whole(&store);
    }
}
