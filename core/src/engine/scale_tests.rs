//! Nothing scans the platform: what a question reads does not depend on how many users and accounts
//! there are, and a change that acts on all of them writes a few keys.

use super::delegated::delegated;
use super::*;
use crate::access::state::Engine;
use crate::api;
use crate::model::{Actor, Email, Id, Name};
use crate::options::{Durability, OpenOptions};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use tenantry_store::{Backend, Batch, CommitError, Order, Record, StoreError};

const SMALL: usize = 1_000;
const LARGE: usize = 100_000;
/// How far two counts may be apart.
const SLACK: u64 = 2;
/// How many users are made at once.
const ROWS: usize = 500;
/// Most keys that a change may write which acts on everybody.
const MOST_WRITTEN: u64 = 10;
/// Most reads of a page for which a filter leaves out nearly all: a walk looks at 2,000 entries,
/// and reads a few records for each.
const MOST_READ: u64 = 10_000;
/// Most records that these reads bring.
const MOST_RECORDS: u64 = 13_000;

/// What the store was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    /// Single records, several at once, and ranges.
    reads: u64,
    /// The records that ranges and reads of several brought.
    records: u64,
    /// The keys that were written or deleted.
    written: u64,
}

/// A store in memory that counts what it is asked for.
struct Counting {
    inner: Box<dyn Backend>,
    counts: Arc<Mutex<Counts>>,
}

impl Backend for Counting {
    fn get(&self, key: &[u8]) -> Result<Option<Record>, StoreError> {
        self.counts.lock().reads += 1;
        self.inner.get(key)
    }
    fn get_many(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Record>>, StoreError> {
        let found = self.inner.get_many(keys)?;
        let mut counts = self.counts.lock();
        counts.reads += 1;
        counts.records += found.iter().flatten().count() as u64;
        Ok(found)
    }
    fn range(
        &self,
        from: &[u8],
        until: &[u8],
        order: Order,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Record)>, StoreError> {
        let found = self.inner.range(from, until, order, limit)?;
        let mut counts = self.counts.lock();
        counts.reads += 1;
        counts.records += found.len() as u64;
        Ok(found)
    }
    fn commit(&self, batch: &Batch) -> Result<u64, CommitError> {
        self.counts.lock().written += batch.writes.len() as u64;
        self.inner.commit(batch)
    }
    delegated! { (inner): sync, last_commit, store_id, verify, close, abandon }
}

fn email(number: usize) -> String {
    format!("user{number:06}@people.example")
}

fn account(number: usize) -> api::accounts::Create {
    let id = |text: &str| Some(Id::new(text).unwrap());
    let name = |text: &str| Name::new(text).unwrap();
    api::accounts::Create {
        id: id(&format!("a{number:06}")),
        name: name(&format!("Account {number:06}")),
        owner: api::accounts::OwnerInput {
            user: id(&format!("u{number:06}")),
            email: Some(Email::new(email(number)).unwrap()),
            first_name: Some(name(&format!("Ann{number:06}"))),
            last_name: Some(name("Miller")),
        },
        parent: id("top").filter(|_| number.is_multiple_of(5)),
        time_zone: None,
        package: id("tier"),
        limits: Default::default(),
        pending: false,
    }
}

/// A platform of many users, and what its store was asked for.
struct Platform {
    engine: Arc<Engine>,
    counts: Arc<Mutex<Counts>>,
}

impl Platform {
    /// As many accounts as users, each with an owner of its own and all with the package `tier`;
    /// every fifth lies below the first, `top`. All owners are members of `big` too, with the role
    /// `sender` and in its default group.
    fn new(users: usize) -> Platform {
        let counts = Arc::<Mutex<Counts>>::default();
        let backend = Box::new(Counting {
            inner: tenantry_store::memory().unwrap(),
            counts: counts.clone(),
        });
        let options = OpenOptions {
            durability: Durability::Relaxed,
            ..OpenOptions::default()
        };
        let platform = Platform {
            engine: Engine::on(backend, Path::new(":memory:"), &options).unwrap(),
            counts,
        };
        platform.call(
            "roles.create",
            json!({"id": "sender", "name": "Sender",
                "allow": [{"permission": "campaigns"}, {"permission": "users.view"}]}),
        );
        platform.call(
            "packages.create",
            json!({"id": "tier", "name": "Tier", "limits": {"email_per_day": 1000}}),
        );
        for (id, owner) in [("top", "tom"), ("big", "bea")] {
            let owner = json!({"user": owner, "email": format!("{owner}@owners.example"),
                "first_name": owner});
            platform.call(
                "accounts.create",
                json!({"id": id, "name": id, "package": "tier", "owner": owner}),
            );
        }
        let numbers: Vec<usize> = (0..users).collect();
        numbers
            .chunks(ROWS)
            .for_each(|numbers| platform.fill(numbers));
        platform
    }

    /// Makes some of the accounts and users by one commit.
    fn fill(&self, numbers: &[usize]) {
        let csv = numbers.iter().fold("email\n".to_owned(), |csv, number| {
            csv + &email(*number) + "\n"
        });
        let import = json!({"account": "big", "role": "sender", "csv": csv});
        let import: api::user_csv::ImportCsv = serde_json::from_value(import).unwrap();
        let _guard = self.engine.kernel.writer.lock();
        let filled = self
            .engine
            .commit(&Actor::System, Some("users.import_csv"), |ctx| {
                for number in numbers {
                    account(*number).run(ctx)?;
                }
                import.clone().run(ctx)
            });
        assert_eq!(filled.unwrap().answer.refused, 0);
    }

    fn call(&self, operation: &str, request: Value) -> Value {
        self.call_as(&Actor::System, operation, &request)
    }

    fn call_as(&self, actor: &Actor, operation: &str, request: &Value) -> Value {
        let entry = crate::catalogue::find(operation).unwrap();
        let answer = (entry.run_json)(&self.engine, actor, request.to_string().as_bytes());
        serde_json::from_str(
            &answer.unwrap_or_else(|error| panic!("{operation} {request}: {error}")),
        )
        .unwrap()
    }

    /// What a call costs once everything that is kept in memory is there.
    fn cost(&self, actor: &Actor, operation: &str, request: &Value) -> (Counts, Value) {
        self.call_as(actor, operation, request);
        *self.counts.lock() = Counts::default();
        let answer = self.call_as(actor, operation, request);
        (*self.counts.lock(), answer)
    }
}

/// A question, and who asks.
struct Question {
    actor: Actor,
    operation: &'static str,
    request: Value,
}

fn ask(operation: &'static str, request: Value) -> Question {
    Question {
        actor: Actor::System,
        operation,
        request,
    }
}

fn ask_as(user: &str, account: &str, operation: &'static str, request: Value) -> Question {
    let id = |text| Id::new(text).unwrap();
    Question {
        actor: Actor::in_account(id(user), id(account), None),
        operation,
        request,
    }
}

/// What is asked of both platforms. A page is full unless a text finds one alone.
fn questions() -> Vec<Question> {
    let mut questions = vec![
        ask("users.get", json!({"email": "User000500@people.example"})),
        ask("users.get", json!({"user": "u000500"})),
        ask("users.list", json!({})),
        ask("users.list", json!({"order": "name"})),
        ask("users.list", json!({"role": "sender"})),
        ask("users.list", json!({"status": "active"})),
        ask("users.list", json!({"search": "user"})),
        ask("users.list", json!({"search": "user000500"})),
        ask("users.list", json!({"search": "miller", "order": "name"})),
        ask("users.list", json!({"search": "ann000500"})),
        ask("users.list", json!({"account": "top"})),
        ask("users.list", json!({"account": "top", "order": "name"})),
        ask(
            "users.list",
            json!({"sub_account": "big", "role": "sender"}),
        ),
        ask("accounts.get", json!({"account": "a000500"})),
        ask("accounts.list", json!({})),
        ask("accounts.list", json!({"order": "name"})),
        ask("accounts.list", json!({"order": "created"})),
        ask("accounts.list", json!({"package": "tier"})),
        ask("accounts.list", json!({"package": "tier", "order": "name"})),
        ask("accounts.list", json!({"status": "active"})),
        ask("accounts.list", json!({"search": "account"})),
        ask("accounts.list", json!({"search": "account 000500"})),
        ask("accounts.list", json!({"team": "top"})),
        ask("accounts.list", json!({"team": "top", "order": "name"})),
        ask("accounts.list", json!({"parent": "top"})),
        ask("packages.get", json!({"package": "tier"})),
        ask("packages.list", json!({})),
        ask(
            "packages.preflight",
            json!({"account": "big", "package": "tier"}),
        ),
        ask("roles.get", json!({"role": "sender"})),
        ask("roles.list", json!({"account": "big"})),
        ask("groups.list", json!({"account": "big"})),
        ask("groups.get", json!({"account": "big", "group": "default"})),
        ask("limits.explain", json!({"account": "big"})),
        ask("usage.get", json!({"account": "big"})),
        ask_as("tom", "top", "users.list", json!({})),
        ask_as("tom", "top", "accounts.list", json!({})),
        ask_as(
            "tom",
            "top",
            "users.get",
            json!({"email": "user000500@people.example"}),
        ),
    ];
    // The host, and the owner.
    for asks in [
        |operation, request| ask(operation, request),
        |operation, request| ask_as("bea", "big", operation, request),
    ] {
        questions.extend([
            asks("users.get", json!({"email": "user000500@people.example"})),
            asks("members.get", json!({"account": "big", "user": "u000500"})),
            asks("members.list", json!({"account": "big"})),
            asks("members.list", json!({"account": "big", "order": "email"})),
            asks("members.list", json!({"account": "big", "order": "name"})),
            asks("members.list", json!({"account": "big", "search": "user"})),
            asks(
                "members.list",
                json!({"account": "big", "search": "ann000500"}),
            ),
            asks("members.list", json!({"account": "big", "role": "sender"})),
            asks(
                "members.list",
                json!({"account": "big", "role": "sender", "order": "name"}),
            ),
            asks(
                "members.list",
                json!({"account": "big", "group": "default"}),
            ),
            asks(
                "members.list",
                json!({"account": "big", "group": "default", "role": "sender", "status": "active"}),
            ),
            asks(
                "access.check",
                json!({"account": "big", "user": "u000500", "permission": "campaigns.send"}),
            ),
            asks(
                "access.explain",
                json!({"account": "big", "user": "u000500", "permission": "campaigns.send"}),
            ),
            asks(
                "access.what_can",
                json!({"account": "big", "user": "u000500"}),
            ),
            asks(
                "access.who_can",
                json!({"account": "big", "permission": "campaigns.send"}),
            ),
            asks("users.export_csv", json!({"account": "big", "limit": 50})),
        ]);
    }
    questions
}

/// Where a filter leaves out nearly all, a page ends after a number of entries.
fn rare() -> Vec<Question> {
    vec![
        ask("users.list", json!({"role": "editor"})),
        ask("users.list", json!({"status": "disabled"})),
        ask(
            "users.list",
            json!({"search": "user", "status": "disabled"}),
        ),
        ask(
            "users.list",
            json!({"sub_account": "big", "role": "editor"}),
        ),
        ask("accounts.list", json!({"status": "suspended"})),
        ask(
            "accounts.list",
            json!({"status": "suspended", "package": "tier"}),
        ),
        ask(
            "members.list",
            json!({"account": "big", "status": "disabled"}),
        ),
        ask(
            "members.list",
            json!({"account": "big", "group": "default", "role": "editor"}),
        ),
        ask(
            "members.list",
            json!({"account": "big", "role": "editor", "order": "name"}),
        ),
        ask(
            "access.who_can",
            json!({"account": "big", "permission": "lists.edit"}),
        ),
    ]
}

/// What a question costs, and its second page, with how many items each brought.
fn costs(platform: &Platform, question: &Question) -> (Vec<Counts>, Vec<usize>) {
    let Question {
        actor,
        operation,
        request,
    } = question;
    let (first, page) = platform.cost(actor, operation, request);
    let (mut costs, mut lengths) = (vec![first], vec![length(&page)]);
    if let Some(next) = page.get("next") {
        let mut request = request.clone();
        request["after"] = next.clone();
        let (second, page) = platform.cost(actor, operation, &request);
        costs.push(second);
        lengths.push(length(&page));
    }
    (costs, lengths)
}

/// How many items a page has.
fn length(page: &Value) -> usize {
    page.as_object()
        .and_then(|fields| fields.values().find_map(Value::as_array))
        .map_or(0, Vec::len)
}

fn near(small: &[Counts], large: &[Counts]) -> bool {
    let close = |one: u64, other: u64| one.abs_diff(other) <= SLACK;
    small.len() == large.len()
        && small
            .iter()
            .zip(large)
            .all(|(one, other)| close(one.reads, other.reads) && close(one.records, other.records))
}

/// Changes that act on everybody: what is changed, what is asked afterwards, and where in the
/// answer it shows.
fn changes() -> Vec<(Question, Question, &'static str, Value)> {
    let sends = || {
        ask(
            "access.check",
            json!({"account": "big", "user": "u000500", "permission": "campaigns.send"}),
        )
    };
    let sends_today = || ask("sending.explain", json!({"account": "a000501", "count": 1}));
    vec![
        (
            ask(
                "roles.edit",
                json!({"role": "sender", "deny": ["campaigns.send"]}),
            ),
            sends(),
            "/allowed",
            json!(false),
        ),
        (
            ask(
                "roles.edit",
                json!({"role": "sender", "deny": [], "allow": [], "includes": ["full"]}),
            ),
            sends(),
            "/allowed",
            json!(true),
        ),
        (
            ask(
                "packages.edit",
                json!({"package": "tier", "role": "response_only"}),
            ),
            sends(),
            "/allowed",
            json!(false),
        ),
        (
            ask(
                "packages.edit",
                json!({"package": "tier", "without_role": true}),
            ),
            sends(),
            "/allowed",
            json!(true),
        ),
        (
            ask(
                "packages.edit",
                json!({"package": "tier", "limits": {"email_per_day": 0}}),
            ),
            sends_today(),
            "/would_grant",
            json!(false),
        ),
        (
            ask(
                "policies.set",
                json!({"policies": {"role_scope": "package"}}),
            ),
            sends(),
            "/allowed",
            json!(false),
        ),
        (
            ask(
                "accounts.hold",
                json!({"account": "top", "reason": "abuse"}),
            ),
            ask("accounts.get", json!({"account": "a000500"})),
            "/status",
            json!("suspended"),
        ),
    ]
}

/// What is derived is worked out when it is asked for, and never written everywhere.
fn check_changes(platform: &Platform) {
    for (change, question, place, expected) in changes() {
        *platform.counts.lock() = Counts::default();
        platform.call_as(&change.actor, change.operation, &change.request);
        let written = platform.counts.lock().written;
        eprintln!("{} {}: {written} keys", change.operation, change.request);
        assert!(
            written <= MOST_WRITTEN,
            "{} {} wrote {written} keys",
            change.operation,
            change.request
        );
        let answer = platform.call_as(&question.actor, question.operation, &question.request);
        assert_eq!(
            answer.pointer(place),
            Some(&expected),
            "{} {}: {answer}",
            change.operation,
            change.request
        );
    }
}

/// What differs between the two platforms.
fn scans(small: &Platform, large: &Platform) -> Vec<String> {
    let mut scans = Vec::new();
    for question in questions() {
        let ((of_small, items), (of_large, _)) = (costs(small, &question), costs(large, &question));
        let Question {
            actor,
            operation,
            request,
        } = &question;
        let what = format!(
            "{operation} {request} by {}: {items:?} items, {of_small:?} and {of_large:?}",
            actor.label()
        );
        println!("{what}");
        if !near(&of_small, &of_large) {
            scans.push(what);
        }
    }
    for question in rare() {
        let (costs, items) = costs(large, &question);
        let what = format!(
            "{} {}: {items:?} items, {costs:?}",
            question.operation, question.request
        );
        println!("{what}");
        if costs
            .iter()
            .any(|cost| cost.reads > MOST_READ || cost.records > MOST_RECORDS)
        {
            scans.push(what);
        }
    }
    scans
}

/// One test of everything: filling the large platform takes longer than all the rest.
#[test]
fn nothing_scans_the_platform() {
    let (small, large) = (Platform::new(SMALL), Platform::new(LARGE));
    let scans = scans(&small, &large);
    assert!(scans.is_empty(), "{scans:#?}");
    check_changes(&large);
}
