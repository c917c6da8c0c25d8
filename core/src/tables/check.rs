//! Whether the records fit each other: every index line has its record and every record its lines,
//! every count is what is there, and nothing names what is not there.
//!
//! `store.verify` asks this after it has checked each record by itself, and `store.repair` before
//! it mends. Every record is looked at once, in the order of the keys, and whatever belongs to it
//! is looked up: so it takes no more memory for a larger store. What follows from a record is
//! declared with its table.

use crate::api::store::{StoreFinding, StoreFindingKind as Kind};
use crate::error::{Code, Error};
use crate::kernel::Tx;
use crate::kernel::check::{Derived, Found, Look, STEP};
use crate::kernel::keys::{self, Prefix};
use crate::kernel::snapshot::Reads;
use crate::kernel::table::Owner;
use crate::tables::{deletions, gauges, people};
use tenantry_store::Order;

/// What follows from the records of all tables.
static DERIVED: Derived = Derived {
    counted: super::counted,
    count,
    line,
};

/// What does not fit, at most `most` of it.
pub(crate) fn check<'a>(
    reads: impl Into<Reads<'a>>,
    most: usize,
) -> Result<Vec<StoreFinding>, Error> {
    let mut all: Vec<StoreFinding> = Vec::new();
    each(&reads.into(), |_, found| {
        // A line that is missing is found at every record that needs it.
        let is_known = |one: &StoreFinding| {
            (one.kind, &one.record, &one.key)
                == (
                    found.finding.kind,
                    &found.finding.record,
                    &found.finding.key,
                )
        };
        if found.mend.is_none() || !all.iter().any(is_known) {
            all.push(found.finding);
        }
        Ok(all.len() < most)
    })?;
    Ok(all)
}

/// Gives all that does not fit to `take`, each with the key at which it was noticed, until that
/// wants no more.
pub(crate) fn each(
    reads: &Reads<'_>,
    mut take: impl FnMut(&[u8], Found) -> Result<bool, Error>,
) -> Result<(), Error> {
    let mut from = keys::FIRST.to_vec();
    loop {
        let rows = reads.range(&from, &[0x7f], Order::Ascending, STEP)?;
        for (key, record) in &rows {
            for found in look(reads.clone(), key, &record.value)?.0 {
                if !take(key, found)? {
                    return Ok(());
                }
            }
        }
        match rows.last() {
            Some((last, _)) if rows.len() == STEP => from = [last.as_slice(), &[0]].concat(),
            _ => return Ok(()),
        }
    }
}

/// What does not fit at a key, and what was read to say so.
pub(crate) fn look<'a>(
    reads: Reads<'a>,
    key: &'a [u8],
    value: &'a [u8],
) -> Result<(Vec<Found>, Tx<'a>), Error> {
    let mut look = Look::new(reads, &DERIVED, key, value);
    match look_at(&mut look) {
        Ok(()) => {}
        Err(error) => {
            let kind = match error.code() {
                Code::StoreCorrupt => look.wrong,
                Code::NotFound => Kind::MissingRecord,
                _ => return Err(error),
            };
            look.tell(kind, error.message());
        }
    }
    Ok((look.found, look.tx))
}

fn look_at(look: &mut Look<'_>) -> Result<(), Error> {
    let key = look.key;
    let Some((prefix, parts)) = keys::split(key) else {
        return look.no_such_key();
    };
    match super::of(prefix) {
        Some(table) => {
            if is_left_over(look, table.owner, &parts)? {
                return Ok(());
            }
            if !table.is_derived {
                must_have_owner(look, table.owner, &parts)?;
            }
            (table.check)(look, key, &parts)
        }
        None if is_line(prefix) => {
            let value = look.value;
            let right = line(look, key, value)?;
            look.must_be_line(key.to_vec(), right)
        }
        None => look.no_such_key(),
    }
}

/// Whether a record is that of an account that is gone, and is erased soon.
fn is_left_over(look: &mut Look<'_>, owner: Owner, parts: &[&str]) -> Result<bool, Error> {
    let is_of_account = matches!(owner, Owner::Account | Owner::AccountOrPlatform);
    match parts.first() {
        Some(account) if is_of_account && !account.is_empty() => {
            let account = look.id(account)?;
            Ok(
                !look.tx.has(&keys::account(&account))?
                    && look.tx.has(&deletions::key(&account))?,
            )
        }
        _ => Ok(false),
    }
}

/// A record goes with whom it belongs to.
fn must_have_owner(look: &mut Look<'_>, owner: Owner, parts: &[&str]) -> Result<(), Error> {
    let first = parts.first().copied().unwrap_or_default();
    match owner {
        Owner::Nobody => Ok(()),
        Owner::AccountOrPlatform if first.is_empty() => Ok(()),
        Owner::Account | Owner::AccountOrPlatform => {
            let account = look.id(first)?;
            look.must_have(keys::account(&account))
        }
        Owner::User => {
            let user = look.id(first)?;
            look.must_have(keys::user(&user))
        }
    }
}

/// What a count has to be; none where the key is that of none.
fn count(look: &mut Look<'_>, key: &[u8]) -> Result<Option<u64>, Error> {
    match keys::split(key) {
        Some((keys::TALLY, parts)) => gauges::there(look, &parts),
        Some((keys::SEAT, parts)) => match parts.as_slice() {
            [account, user] => {
                let (account, user) = (look.id(account)?, look.id(user)?);
                Ok(Some(people::seats(look, &account, &user)?.0))
            }
            _ => Ok(None),
        },
        Some((keys::DELETION, parts)) if parts.is_empty() => deletions::count(look).map(Some),
        _ => Ok(None),
    }
}

/// What an index line has to hold; none where it follows from no record.
fn line(look: &mut Look<'_>, key: &[u8], value: &[u8]) -> Result<Option<Vec<u8>>, Error> {
    let Some((prefix, parts)) = keys::split(key) else {
        return Ok(None);
    };
    let found = super::all().find_map(|table| {
        let mut lines = table.lines.iter().filter(|line| line.prefix == prefix);
        let source = lines.find_map(|line| (line.source)(&parts, value));
        source.map(|source| (table, source))
    });
    let Some((table, source)) = found else {
        return Ok(None);
    };
    match look.stored(&source)? {
        Some(record) => (table.line)(&mut look.tx, (&source, &record), key),
        None => Ok(None),
    }
}

/// Whether keys of this prefix are those of index lines.
fn is_line(prefix: Prefix) -> bool {
    super::all().any(|table| table.lines.iter().any(|line| line.prefix == prefix))
}

#[cfg(test)]
pub(crate) mod tests {
    use crate::access::operation::Operation;
    use crate::access::request::Ctx;
    use crate::access::state::Engine;
    use crate::api::store::StoreFinding;
    use crate::error::{Code, Error};
    use crate::kernel::keys::{self, Prefix};
    use crate::model::{
        Actor, Count, Id, Name, Operator, Policies, PolicyRecord, Profile, Resource, Role, User,
    };
    use crate::tables::check::check;
    use crate::tables::{people, users};
    use crate::{api, domain};
    use serde_json::{Value, json};
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::Path;
    use tenantry_store::{Batch, Order};

    fn engine() -> std::sync::Arc<Engine> {
        let commercial = serde_json::from_str(r#"{"edition": "commercial"}"#).unwrap();
        let engine = Engine::open(Path::new(":memory:"), &commercial).unwrap();
        change(&engine, |ctx| {
            let set = Policies {
                depth: Some(Count::new(5).unwrap()),
                ..Policies::default()
            };
            ctx.tx
                .put(keys::policy(None), &PolicyRecord { preset: None, set })
        });
        engine
    }

    /// What no operation does yet.
    fn change(engine: &Engine, change: impl FnOnce(&mut Ctx<'_>) -> Result<(), Error>) {
        let mut ctx = engine.ctx(&Actor::System);
        change(&mut ctx).unwrap();
        let (batch, changes) = ctx.tx.finish();
        engine.kernel.backend.commit(&batch.unwrap()).unwrap();
        engine.apply(&changes.note).unwrap();
    }

    fn run<O: Operation>(engine: &Engine, request: Value) -> Result<O::Answer, Code> {
        engine
            .run(
                &Actor::System,
                serde_json::from_value::<O>(request).unwrap(),
            )
            .map_err(|error| error.code())
    }

    fn names(first: &str, last: &str) -> Profile {
        let name = |text: &str| Name::new(text).ok();
        Profile {
            first_name: name(first),
            last_name: name(last),
            ..Profile::default()
        }
    }

    fn rename(engine: &Engine, user: &str, first: &str, last: &str) {
        change(engine, |ctx| {
            let before = users::load(&mut ctx.tx, &Id::new(user).unwrap(), "/user")?;
            let after = User {
                profile: names(first, last),
                ..before.clone()
            };
            let accounts = users::accounts_of(&mut ctx.tx, &before.id, usize::MAX)?;
            people::rename(&mut ctx.tx, &before, &after, &accounts)?;
            ctx.tx.save::<crate::tables::users::Users>(&after)
        });
    }

    pub(crate) fn kind(key: &[u8]) -> Prefix {
        Prefix::of(key).unwrap()
    }

    pub(crate) fn all(engine: &Engine) -> Vec<(Vec<u8>, Vec<u8>)> {
        let rows = engine
            .kernel
            .backend
            .range(keys::FIRST, &[0x7f], Order::Ascending, usize::MAX)
            .unwrap();
        rows.into_iter()
            .map(|(key, record)| (key, record.value))
            .collect()
    }

    pub(crate) fn write(engine: &Engine, key: &[u8], value: Option<&[u8]>) {
        let batch = Batch {
            writes: vec![(key.to_vec(), value.map(<[u8]>::to_vec))],
            expected: Vec::new(),
            ..Batch::default()
        };
        engine.kernel.backend.commit(&batch).unwrap();
    }

    fn breaks(engine: &Engine) -> Vec<StoreFinding> {
        check(&*engine.kernel.backend, 100).unwrap()
    }

    /// A store with something of everything.
    pub(crate) fn filled() -> std::sync::Arc<Engine> {
        let engine = engine();
        run::<api::roles::Create>(
            &engine,
            json!({"id": "sender", "name": "Sender", "allow": [{"permission": "campaigns"}]}),
        )
        .unwrap();
        run::<api::roles::Create>(
            &engine,
            json!({"id": "more", "name": "More", "includes": ["sender", "full"]}),
        )
        .unwrap();
        run::<api::roles::TryOut>(&engine, json!({"role": "sender", "candidate": "author"}))
            .unwrap();
        run::<api::packages::Create>(
            &engine,
            json!({"id": "small", "name": "Small", "role": "more"}),
        )
        .unwrap();
        let owner = |user: &str| {
            json!({"user": user, "email": format!("{user}@example.com"),
            "first_name": "First", "last_name": user})
        };
        run::<api::accounts::Create>(
            &engine,
            json!({"id": "top", "name": "Top", "package": "small", "owner": owner("tom")}),
        )
        .unwrap();
        run::<api::accounts::Create>(
            &engine,
            json!({"id": "kid", "name": "Kid", "parent": "top", "owner": owner("kim")}),
        )
        .unwrap();
        run::<api::accounts::Create>(
            &engine,
            json!({"id": "kidkid", "name": "Kidkid", "parent": "kid", "owner": {"user": "tom"}}),
        )
        .unwrap();
        for (account, user, role) in [
            ("top", "ann", "sender"),
            ("kid", "ben", "administrator"),
            ("kidkid", "cat", "more"),
        ] {
            run::<api::members::Add>(
                &engine,
                json!({"account": account, "user": user,
                "email": format!("{user}@example.com"), "role": role}),
            )
            .unwrap();
        }
        run::<api::members::Add>(
            &engine,
            json!({"account": "kidkid", "user": "ann", "role": "administrator"}),
        )
        .unwrap();
        let far = Count::MAX;
        for request in [
            json!({"account": "top", "channel": "email", "amount": 100, "reason": "bought",
                "expires_at_ms": far, "key": "one"}),
            json!({"account": "top", "channel": "email", "amount": 100, "reason": "bought"}),
            json!({"account": "kid", "channel": "sms", "amount": 9, "reason": "gift",
                "priority": 0}),
        ] {
            run::<api::credits::Grant>(&engine, request).unwrap();
        }
        run::<api::credits::Reserve>(
            &engine,
            json!({"account": "top", "group": "default", "channel": "email", "amount": 120}),
        )
        .unwrap();
        run::<api::credits::Allocate>(
            &engine,
            json!({"account": "kid", "channel": "email", "amount": 30}),
        )
        .unwrap();
        run::<api::credits::Spend>(
            &engine,
            json!({"account": "top", "channel": "email", "amount": 7,
            "group": "default", "key": "two"}),
        )
        .unwrap();
        run::<api::credits::Refund>(
            &engine,
            json!({"account": "top", "channel": "email", "spend": 5, "amount": 2}),
        )
        .unwrap();
        run::<api::accounts::Create>(
            &engine,
            json!({"id": "gone", "name": "Gone", "owner": owner("gus")}),
        )
        .unwrap();
        run::<api::accounts::Delete>(&engine, json!({"account": "gone"})).unwrap();
        for (account, limit, count) in [
            ("top", "contacts", 3),
            ("kid", "contacts", 4),
            ("kidkid", "lists", 5),
        ] {
            run::<api::gauges::Claim>(
                &engine,
                json!({"account": account, "limit": limit, "count": count}),
            )
            .unwrap();
        }
        let entry = |value: &str, class: &str| json!({"value": value, "message_class": class});
        let entries = [
            entry("a.example", "marketing"),
            entry("a.example", "transactional"),
            entry("bob@a.example", "marketing"),
        ];
        run::<api::suppressions::Add>(&engine, json!({"account": "kid", "entries": entries}))
            .unwrap();
        run::<api::threads::Acquire>(
            &engine,
            json!({"account": "kid", "holder": "ann", "ttl_ms": 5000}),
        )
        .unwrap();
        run::<api::campaigns::Stop>(&engine, json!({"account": "kid", "campaign": "cat"})).unwrap();
        change(&engine, |ctx| {
            // What the host was told stands alone.
            ctx.tx.delete(keys::outbox(1));
            ctx.tx.delete(keys::outbox_next());
            let operator = Operator {
                user: Id::new("oda").unwrap(),
                role: Id::new("full").unwrap(),
                disabled: false,
                rev: 1,
                created_at_ms: 0,
                updated_at_ms: 0,
            };
            let named_at = domain::users::NamedAt {
                id: "/id",
                email: "/email",
            };
            domain::users::create::create(
                ctx,
                Some(operator.user.clone()),
                crate::model::Email::new("oda@example.com").unwrap(),
                None,
                None,
                &named_at,
            )?;
            ctx.tx.put(keys::operator(&operator.user), &operator)?;
            ctx.tx.mark(keys::role_use(
                &operator.role,
                "operator",
                &[operator.user.as_str()],
            ));
            let [account, kind, lists, owner, group] =
                ["top", "campaign", "one", "ann", "default"].map(|text| Id::new(text).unwrap());
            let resource = Resource {
                account: account.clone(),
                kind: kind.clone(),
                id: lists.clone(),
                owner: owner.clone(),
                group: Some(group.clone()),
                shared: true,
                rev: 1,
                created_at_ms: 0,
                updated_at_ms: 0,
            };
            ctx.tx
                .put(keys::resource(&account, &kind, &lists), &resource)?;
            ctx.tx
                .mark(keys::resource_of_owner(&account, &owner, &kind, &lists));
            ctx.tx
                .mark(keys::resource_of_group(&account, &group, &kind, &lists));
            ctx.tx.add(keys::owner_tally(&account, &owner, &kind), 1)?;
            ctx.tx
                .add(keys::shared_tally(&account, &group, &kind, &owner), 1)?;
            let own = Role {
                id: Id::new("own").unwrap(),
                account: Some(account.clone()),
                ..crate::model::BuiltIn::Author.role(&ctx.tree()).unwrap()
            };
            ctx.tx.put(
                keys::role(&own.id),
                &Role {
                    built_in: false,
                    ..own.clone()
                },
            )?;
            ctx.tx.mark(keys::account_role(&account, &own.id));
            Ok(())
        });
        assert_eq!(breaks(&engine), []);
        engine
    }

    /// What stands alone: nothing else tells that it was there.
    const ALONE: &[Prefix] = &[
        keys::METER,
        keys::PACE,
        keys::POLICY,
        keys::TOMBSTONE,
        keys::OPERATOR,
    ];

    #[test]
    fn every_record_that_is_missing_is_noticed() {
        let engine = filled();
        for (key, value) in all(&engine) {
            write(&engine, &key, None);
            let noticed = !breaks(&engine).is_empty();
            assert!(
                noticed || ALONE.contains(&kind(&key)),
                "{} can be taken away",
                key.escape_ascii()
            );
            write(&engine, &key, Some(&value));
        }
        assert_eq!(breaks(&engine), []);
    }

    /// Each key again, with an id exchanged for another that exists: an index that says too much.
    #[test]
    fn every_entry_too_many_is_noticed() {
        let engine = filled();
        let before = all(&engine);
        let there: BTreeSet<Vec<u8>> = before.iter().map(|(key, _)| key.clone()).collect();
        let mut tried = BTreeMap::new();
        for (key, value) in &before {
            let parts: Vec<&[u8]> = key.split(|byte| *byte == 0).collect();
            for place in 1..parts.len() {
                for other in [
                    "top", "kid", "tom", "ann", "cat", "small", "more", "default", "nobody",
                ] {
                    let mut parts = parts.clone();
                    parts[place] = other.as_bytes();
                    let another = parts.join(&0);
                    if there.contains(&another) || ALONE.contains(&kind(&another)) {
                        continue;
                    }
                    write(&engine, &another, Some(value));
                    assert!(
                        !breaks(&engine).is_empty(),
                        "{} can be added",
                        another.escape_ascii()
                    );
                    write(&engine, &another, None);
                    *tried.entry(kind(&another)).or_insert(0) += 1;
                }
            }
        }
        assert!(tried.len() >= 19, "{tried:?}");
    }

    #[test]
    fn every_count_that_is_wrong_and_every_field_that_names_another_is_noticed() {
        let engine = filled();
        for (key, value) in all(&engine) {
            let Ok(record) = serde_json::from_slice::<Value>(&value) else {
                unreachable!()
            };
            let mut altered = Vec::new();
            if let Some(count) = record.as_u64() {
                altered.extend([json!(count - 1), json!(count + 1)]);
            }
            let fields = [
                "id",
                "account",
                "user",
                "owner",
                "parent",
                "package",
                "role",
                "group",
                "default_group",
                "default_role",
                "next_package",
                "email",
                "kind",
                "children",
                "accounts",
                "includes",
                "trial",
                "administrator",
                "built_in",
                "expires_at_ms",
                "stop",
                "entry",
                "entries",
                "amount",
                "balance",
                "totals",
                "channel",
                "spent",
                "left",
                "from_grant",
                "key",
                "answer",
            ];
            let tells = |field: &str| {
                record.get(field).is_some()
                    && !ALONE.contains(&kind(&key))
                    && (kind(&key), field) != (keys::ROLE, "administrator")
            };
            for field in fields.into_iter().filter(|field| tells(field)) {
                for other in [
                    json!("nobody"),
                    json!("kid"),
                    json!("tom"),
                    json!(7),
                    json!(true),
                    json!(["nobody"]),
                    Value::Null,
                ] {
                    let mut record = record.clone();
                    if record[field] == other {
                        continue;
                    }
                    record[field] = other;
                    altered.push(record);
                }
            }
            // A ledger of credits.
            for total in record
                .get("totals")
                .and_then(Value::as_object)
                .into_iter()
                .flat_map(|totals| totals.keys())
            {
                let mut record = record.clone();
                record["totals"][total] = json!(record["totals"][total].as_u64().unwrap() + 1);
                altered.push(record);
            }
            // What is remembered for ever leads to its own entry, and has no end.
            if let Some(number) = record.pointer("/answer/1").and_then(Value::as_u64) {
                for other in [number - 1, number + 1] {
                    let mut record = record.clone();
                    record["answer"][1] = json!(other);
                    altered.push(record);
                }
                let mut record = record.clone();
                record["until_ms"] = json!(7);
                altered.push(record);
            }
            if record.get("totals").is_some() && record["entry"] != 1 {
                let mut record = record.clone();
                record["at_ms"] = json!(0);
                altered.push(record);
            }
            for other in altered {
                write(&engine, &key, Some(other.to_string().as_bytes()));
                // An account can have a group and a role for new members by default, or none.
                let harmless = other.get("default_role") != record.get("default_role")
                    && other["default_role"].is_null();
                assert!(
                    harmless || !breaks(&engine).is_empty(),
                    "{} can be {other}",
                    key.escape_ascii()
                );
            }
            write(&engine, &key, Some(&value));
        }
        assert_eq!(breaks(&engine), []);
    }

    #[test]
    fn what_is_told_is_bounded() {
        let engine = filled();
        for (key, _) in all(&engine)
            .iter()
            .filter(|(key, _)| kind(key) == keys::PERSON)
        {
            write(&engine, key, None);
        }
        assert_eq!(check(&*engine.kernel.backend, 3).unwrap().len(), 3);
        assert!(check(&*engine.kernel.backend, 1000).unwrap().len() > 10);
    }

    /// What the lists, seats and counts of users have to be, computed from nothing but accounts,
    /// users and memberships.
    fn naively(engine: &Engine) -> BTreeMap<Vec<u8>, u64> {
        let rows = all(engine);
        let of = |prefix| {
            rows.iter()
                .filter(move |(key, _)| kind(key) == prefix)
                .map(|(_, value)| serde_json::from_slice::<Value>(value).unwrap())
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let accounts: BTreeMap<String, Value> = of(keys::ACCOUNT)
            .map(|account| (text(&account["id"]), account))
            .collect();
        let users: BTreeMap<String, Value> = of(keys::USER)
            .map(|user| (text(&user["id"]), user))
            .collect();
        let mut counts: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
        let mut seats: BTreeMap<(String, String), u64> = BTreeMap::new();
        let mut idle: BTreeMap<(String, String), u64> = BTreeMap::new();
        for member in of(keys::MEMBER) {
            let mut account = text(&member["account"]);
            *counts
                .entry(format!("tl\0{account}\0members").into_bytes())
                .or_default() += 1;
            if let Some(group) = member["group"].as_str() {
                *counts
                    .entry(format!("tl\0{account}\0group\0{group}").into_bytes())
                    .or_default() += 1;
            }
            let is_idle = member["owner"] == false
                && (member["disabled"] == true
                    || users[&text(&member["user"])]["disabled"] == true);
            while !account.is_empty() {
                *seats
                    .entry((account.clone(), text(&member["user"])))
                    .or_default() += 1;
                if is_idle {
                    *idle
                        .entry((account.clone(), text(&member["user"])))
                        .or_default() += 1;
                }
                account = text(&accounts[&account]["parent"]);
            }
        }
        for account in accounts.keys() {
            counts.insert(format!("tl\0{account}\0groups").into_bytes(), 1);
            let mut ancestor = text(&accounts[account]["parent"]);
            while !ancestor.is_empty() {
                *counts
                    .entry(format!("tl\0{ancestor}\0below").into_bytes())
                    .or_default() += 1;
                ancestor = text(&accounts[&ancestor]["parent"]);
            }
        }
        let mut listed: Vec<(String, String)> = seats.keys().cloned().collect();
        listed.extend(users.keys().map(|user| (String::new(), user.clone())));
        for (list, user) in listed {
            let profile = &users[&user]["profile"];
            let (first, last) = (text(&profile["first_name"]), text(&profile["last_name"]));
            let orders = [
                ("email", text(&users[&user]["email"])),
                ("first", format!("{first} {last}")),
                ("name", format!("{last} {first}")),
            ];
            for (order, by) in orders {
                let mut by = crate::model::folded(&by);
                by.truncate((0..=128).rev().find(|at| by.is_char_boundary(*at)).unwrap());
                counts.insert(format!("pe\0{list}\0{order}\0{by}\0{user}").into_bytes(), 0);
            }
        }
        for ((account, user), number) in seats {
            *counts
                .entry(format!("tl\0{account}\0users").into_bytes())
                .or_default() += 1;
            if let Some(without) = idle.get(&(account.clone(), user.clone())) {
                counts.insert(
                    format!("tl\0{account}\0idle\0{user}").into_bytes(),
                    *without,
                );
                if *without == number {
                    *counts
                        .entry(format!("tl\0{account}\0idle").into_bytes())
                        .or_default() += 1;
                }
            }
            counts.insert(format!("se\0{account}\0{user}").into_bytes(), number);
        }
        counts
    }

    /// R-ACC-6, R-INV-9: whoever comes, goes, changes their name, and whatever becomes of the
    /// accounts.
    #[test]
    fn lists_seats_and_counts_are_what_a_look_at_every_record_gives() {
        let mut state = 7_u64;
        let mut roll = |below: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap() % below
        };
        let mut done: BTreeMap<&str, usize> = BTreeMap::new();
        let long = "Ünä".repeat(40);
        for _ in 0..6 {
            let engine = engine();
            for role in ["administrator", "plain"] {
                // The first is there already.
                let _ = run::<api::roles::Create>(&engine, json!({"id": role, "name": role}));
            }
            for step in 0..120 {
                let rows = all(&engine);
                let mut one_of = |prefix| {
                    let ids: Vec<&[u8]> = rows
                        .iter()
                        .map(|(key, _)| key.as_slice())
                        .filter(|key| kind(key) == prefix)
                        .collect();
                    if ids.is_empty() {
                        "nobody".to_owned()
                    } else {
                        String::from_utf8_lossy(&ids[roll(ids.len())][3..]).into_owned()
                    }
                };
                let (mut account, mut user, parent) = (
                    one_of(keys::ACCOUNT),
                    one_of(keys::USER),
                    one_of(keys::ACCOUNT),
                );
                if let (Some((of, member)), 0..3) = (one_of(keys::MEMBER).split_once('\0'), roll(5))
                {
                    (account, user) = (of.to_owned(), member.to_owned());
                }
                let new = json!({"user": format!("u{step}x"),
                    "email": format!("U{step}@Example.com"), "first_name": "Ann",
                    "last_name": user});
                let role = ["administrator", "plain", "full"][roll(3)];
                let (what, ended) = match roll(24) {
                    0..4 => {
                        let mut request = json!({"id": format!("a{step}"), "name": "A",
                            "owner": if roll(3) == 0 { new } else { json!({"user": user}) }});
                        if roll(4) > 0 {
                            request["parent"] = parent.into();
                        }
                        (
                            "create",
                            run::<api::accounts::Create>(&engine, request).map(drop),
                        )
                    }
                    4 if roll(2) == 0 => (
                        "delete",
                        run::<api::accounts::Delete>(
                            &engine,
                            json!({"account": account, "children": "delete"}),
                        )
                        .map(drop),
                    ),
                    4 => (
                        "detach",
                        run::<api::accounts::Delete>(
                            &engine,
                            json!({"account": account, "children": "detach"}),
                        )
                        .map(drop),
                    ),
                    5..7 => {
                        let request = json!({"id": format!("u{step}"),
                            "email": format!("u{step}@Example.com")});
                        (
                            "user",
                            run::<api::users::Create>(&engine, request).map(drop),
                        )
                    }
                    7..14 => (
                        "add",
                        run::<api::members::Add>(
                            &engine,
                            json!({"account": account, "user": user, "role": role}),
                        )
                        .map(drop),
                    ),
                    14..16 => (
                        "role",
                        run::<api::members::SetRole>(
                            &engine,
                            json!({"account": account, "user": user, "role": role}),
                        )
                        .map(drop),
                    ),
                    20..22 if roll(2) == 0 => (
                        "disable",
                        run::<api::members::Disable>(
                            &engine,
                            json!({"account": account, "user": user}),
                        )
                        .map(drop),
                    ),
                    20..22 => (
                        "enable",
                        run::<api::members::Enable>(
                            &engine,
                            json!({"account": account, "user": user}),
                        )
                        .map(drop),
                    ),
                    22 => (
                        "disable user",
                        run::<api::users::Disable>(&engine, json!({"user": user})).map(drop),
                    ),
                    23 => (
                        "enable user",
                        run::<api::users::Enable>(&engine, json!({"user": user})).map(drop),
                    ),
                    16..18 => (
                        "remove",
                        run::<api::members::Remove>(
                            &engine,
                            json!({"account": account, "user": user}),
                        )
                        .map(drop),
                    ),
                    _ => {
                        let there =
                            run::<api::users::Get>(&engine, json!({"user": user})).map(drop);
                        if there.is_ok() {
                            let name = [long.as_str(), "Zoë", "ann", "ANN", ""];
                            rename(&engine, &user, name[roll(5)], name[roll(5)]);
                        }
                        ("rename", there)
                    }
                };
                *done.entry(what).or_default() += usize::from(ended.is_ok());
                let counted =
                    |key: &[u8]| [keys::PERSON, keys::SEAT, keys::TALLY].contains(&kind(key));
                let found: BTreeMap<Vec<u8>, u64> = all(&engine)
                    .into_iter()
                    .filter(|(key, _)| counted(key))
                    .map(|(key, value)| (key, serde_json::from_slice(&value).unwrap_or(0)))
                    .collect();
                let expected = naively(&engine);
                for key in expected.keys().chain(found.keys()) {
                    assert_eq!(
                        found.get(key),
                        expected.get(key),
                        "{} after {what} {account} {user}, step {step}",
                        key.escape_ascii()
                    );
                }
                assert_eq!(
                    breaks(&engine),
                    [],
                    "after {what} {account} {user}, step {step}"
                );
            }
        }
        assert!(
            done.len() == 12 && done.values().all(|times| *times >= 5),
            "{done:?}"
        );
    }
}
