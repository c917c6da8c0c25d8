//! What one admission and one permission check cost, beside what others do for it. What is compared
//! with what, and the targets, are in `xtask/src/bench/report.rs`.

use casbin::{CoreApi, DefaultModel, Enforcer, MgmtApi, NullAdapter};
use cedar_policy::{
    Authorizer, Context, Decision as Verdict, Entities, EntityUid, PolicySet, Request,
};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};
use governor::{Quota, RateLimiter};
use limitador::limit::{Context as Values, Limit};
use rusqlite::Connection;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::hint::black_box;
use std::num::NonZeroU32;
use std::path::Path;
use tenantry::api::sessions::{Check, Create};
use tenantry::{Actor, Decision, Id};
use tenantry_benches::{PLENTY, call, member, platform};

/// The counters that one message is charged to.
const COUNTERS: [&str; 6] = [
    "acme:hour",
    "acme:day",
    "acme:month",
    "top:hour",
    "top:day",
    "top:month",
];

fn admit(c: &mut Criterion) {
    let t = platform();
    let mut group = c.benchmark_group("admit");
    let gate = t.sender("acme", Some("ann")).expect("ann sends");
    group.bench_function("tenantry prepared", |b| {
        b.iter(|| gate.admit(black_box(1)).expect("granted"))
    });
    group.bench_function("tenantry by ids", |b| {
        b.iter(|| t.admit(black_box("acme"), Some("ann"), 1).expect("granted"))
    });
    let quota = Quota::per_second(NonZeroU32::MAX).allow_burst(NonZeroU32::MAX);
    let peer = RateLimiter::keyed(quota);
    group.bench_function("governor, one window", |b| {
        b.iter(|| peer.check_key(black_box(&"acme")).is_ok())
    });
    member(&t, "acme", "bob");
    // Two members are charged to the same counters; the host to none of a group.
    for (name, other) in [
        ("tenantry, two members in turn", Some("bob")),
        ("tenantry, a member and the host in turn", None),
    ] {
        let other = t.sender("acme", other).expect("prepared");
        group.bench_function(name, |b| {
            let (mut next, mut after) = (&gate, &other);
            b.iter(|| {
                std::mem::swap(&mut next, &mut after);
                next.admit(black_box(1)).expect("granted")
            })
        });
    }
    limitador(&mut group);
    sqlite(&mut group, "SQLite, durable", "FULL");
    sqlite(&mut group, "SQLite, not durable", "OFF");
    redis(&mut group);
    group.finish();
}

/// Whoever has reached a limit and asks again: alone, and while somebody else of the account goes
/// on sending.
fn refusals(c: &mut Criterion) {
    let t = platform();
    member(&t, "acme", "bob");
    call(
        &t,
        "caps.set",
        r#"{"account":"acme","id":"few","scope":"member","subject":"bob",
            "window":"year","limit":5}"#,
    );
    let gate = t.sender("acme", Some("bob")).expect("bob sends");
    assert_eq!(gate.admit(5).expect("answered").granted, 5);
    let refused = |decision: Decision| assert_eq!(decision.granted, 0);
    let mut group = c.benchmark_group("refusals");
    group.bench_function("prepared", |b| {
        b.iter(|| refused(gate.admit(black_box(1)).expect("answered")))
    });
    group.bench_function("by ids", |b| {
        b.iter(|| {
            refused(
                t.admit(black_box("acme"), Some("bob"), 1)
                    .expect("answered"),
            )
        })
    });
    let other = t.sender("acme", Some("ann")).expect("ann sends");
    group.bench_function("in turn with a grant", |b| {
        b.iter(|| {
            other.admit(black_box(1)).expect("granted");
            refused(gate.admit(black_box(1)).expect("answered"))
        })
    });
    group.finish();
}

/// Whose session a token is, beside the least that it takes to know: one hash of it.
fn sessions(c: &mut Criterion) {
    let t = platform();
    let user = Id::new("ann").expect("an id");
    let create = Create::new().user(user);
    let token = t.call(&Actor::System, create).expect("a session").token;
    let mut group = c.benchmark_group("sessions");
    group.bench_function("SHA-256 of the token", |b| {
        b.iter(|| Sha256::digest(black_box(token.reveal()).as_bytes()))
    });
    for (name, account) in [("check", None), ("check in an account", Some("acme"))] {
        let mut check = Check::new(token.clone());
        check.account = account.map(|id| Id::new(id).expect("an id"));
        group.bench_function(name, |b| {
            b.iter(|| {
                t.call(&Actor::System, black_box(&check).clone())
                    .expect("answered")
            })
        });
    }
    group.finish();
}

/// Three windows in memory.
fn limitador(group: &mut BenchmarkGroup<'_, WallTime>) {
    let peer = limitador::RateLimiter::new(1000);
    for seconds in [3600, 86_400, 2_592_000] {
        peer.add_limit(Limit::new(
            "mail",
            PLENTY,
            seconds,
            Vec::new(),
            vec!["account".try_into().expect("an expression")],
        ));
    }
    let namespace = "mail".into();
    group.bench_function("limitador, three windows", |b| {
        b.iter(|| {
            let values = Values::from(HashMap::from([(
                "account".to_owned(),
                black_box("acme").to_owned(),
            )]));
            assert!(
                !peer
                    .check_rate_limited_and_update(&namespace, &values, 1)
                    .expect("answered")
                    .limited
            );
        })
    });
}

/// Six rows in one transaction, each only where it stays below its limit.
fn sqlite(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, synchronous: &str) {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("peer-{}-{synchronous}.sqlite", std::process::id()));
    let mut db = Connection::open(&path).expect("SQLite opens");
    db.pragma_update(None, "journal_mode", "WAL").expect("WAL");
    db.pragma_update(None, "synchronous", synchronous)
        .expect("a mode");
    db.execute_batch(
        "CREATE TABLE counters (name TEXT PRIMARY KEY, used INTEGER NOT NULL, most \
        INTEGER NOT NULL) WITHOUT ROWID",
    )
    .expect("a table");
    for name in COUNTERS {
        db.execute(
            "INSERT INTO counters VALUES (?1, 0, ?2)",
            rusqlite::params![name, PLENTY.cast_signed()],
        )
        .expect("a row");
    }
    group.bench_function(name, |b| {
        b.iter(|| {
            let charge = db.transaction().expect("begun");
            for name in COUNTERS {
                let mut update = charge
                    .prepare_cached(
                        "UPDATE counters SET used = used + 1 WHERE name = ?1 AND used < most",
                    )
                    .expect("a statement");
                assert_eq!(update.execute([name]).expect("charged"), 1);
            }
            charge.commit().expect("committed");
        })
    });
    drop(db);
    for file in ["sqlite", "sqlite-wal", "sqlite-shm"] {
        let _ = std::fs::remove_file(path.with_extension(file));
    }
}

/// A script that looks at six counters and charges all of them or none, on a server of this
/// machine.
fn redis(group: &mut BenchmarkGroup<'_, WallTime>) {
    let address = std::env::var("TENANTRY_BENCH_REDIS")
        .unwrap_or_else(|_| "redis://127.0.0.1:6379/".to_owned());
    let Ok(mut server) =
        redis::Client::open(address.as_str()).and_then(|client| client.get_connection())
    else {
        println!("admit/Redis script: skipped, no server answers at {address}");
        return;
    };
    let script = redis::Script::new(
        "for _, key in ipairs(KEYS) do
             if tonumber(redis.call('GET', key) or '0') + 1 > tonumber(ARGV[1]) then return 0 end
         end
         for _, key in ipairs(KEYS) do redis.call('INCR', key) end
         return 1",
    );
    group.bench_function("Redis script", |b| {
        b.iter(|| {
            let mut call = script.prepare_invoke();
            for name in COUNTERS {
                call.key(format!("tenantry-bench:{name}"));
            }
            assert_eq!(
                call.arg(PLENTY)
                    .invoke::<u64>(&mut server)
                    .expect("answered"),
                1
            );
        })
    });
}

fn check(c: &mut Criterion) {
    let t = platform();
    let mut group = c.benchmark_group("check");
    let access = t
        .access("acme", "ann", "campaigns.send")
        .expect("ann is known");
    group.bench_function("tenantry prepared", |b| {
        b.iter(|| access.allowed().expect("answered"))
    });
    group.bench_function("tenantry by ids", |b| {
        b.iter(|| {
            t.allowed(black_box("acme"), "ann", "campaigns.send")
                .expect("answered")
        })
    });
    group.bench_function("tenantry as JSON", |b| {
        let request = br#"{"account":"acme","user":"ann","permission":"campaigns.send"}"#;
        b.iter(|| {
            t.call_json(b"", b"access.check", black_box(request))
                .expect("answered")
        })
    });
    for users in [100, 10_000] {
        casbin(&mut group, users);
    }
    cedar(&mut group);
    group.finish();
}

/// Users in ten roles of ten permissions each.
fn casbin(group: &mut BenchmarkGroup<'_, WallTime>, users: usize) {
    const MODEL: &str = "[request_definition]\nr = sub, obj, act\n\
        [policy_definition]\np = sub, obj, act\n[role_definition]\ng = _, _\n\
        [policy_effect]\ne = some(where (p.eft == allow))\n\
        [matchers]\nm = g(r.sub, p.sub) && r.obj == p.obj && r.act == p.act";
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let words = |words: &[String]| words.to_vec();
    let peer = runtime.block_on(async {
        let mut peer = Enforcer::new(
            DefaultModel::from_str(MODEL).await.expect("a model"),
            NullAdapter,
        )
        .await
        .expect("an enforcer");
        let allowed = (0..100)
            .map(|number| {
                words(&[
                    format!("role{}", number % 10),
                    format!("kind{}", number / 10),
                    "send".to_owned(),
                ])
            })
            .collect();
        peer.add_policies(allowed).await.expect("policies");
        let members = (0..users)
            .map(|number| words(&[format!("user{number}"), format!("role{}", number % 10)]))
            .collect();
        peer.add_grouping_policies(members).await.expect("roles");
        peer
    });
    group.bench_function(format!("casbin, {users} users"), |b| {
        b.iter(|| {
            assert!(
                peer.enforce((black_box("user57"), "kind5", "send"))
                    .expect("answered")
            )
        });
    });
}

/// Two hundred policies, one for each of as many groups of users.
fn cedar(group: &mut BenchmarkGroup<'_, WallTime>) {
    let policies: String = (0..200)
        .map(|number| {
            format!(
                "permit(principal in Group::\"group{number}\", action == \
            Action::\"send\", resource == Account::\"a{number}\");\n"
            )
        })
        .collect();
    let policies: PolicySet = policies.parse().expect("policies");
    let users: Vec<String> = (0..200)
        .map(|number| {
            format!(
                r#"{{"uid":{{"type":"User","id":"u{number}"}},"attrs":{{}},
           "parents":[{{"type":"Group","id":"group{number}"}}]}}"#
            )
        })
        .collect();
    let entities =
        Entities::from_json_str(&format!("[{}]", users.join(",")), None).expect("entities");
    let [user, action, account] = ["User::\"u57\"", "Action::\"send\"", "Account::\"a57\""]
        .map(|id| id.parse::<EntityUid>().expect("an id"));
    let peer = Authorizer::new();
    group.bench_function("cedar, 200 policies", |b| {
        b.iter(|| {
            let request = Request::new(
                user.clone(),
                action.clone(),
                account.clone(),
                Context::empty(),
                None,
            )
            .expect("a request");
            assert_eq!(
                peer.is_authorized(black_box(&request), &policies, &entities)
                    .decision(),
                Verdict::Allow
            );
        })
    });
}

criterion_group!(benches, admit, refusals, check, sessions);
criterion_main!(benches);
