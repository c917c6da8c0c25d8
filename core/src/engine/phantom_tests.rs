//! What an operation concludes from a range holds when it commits (17.11): two engines on one
//! store, of which the second does something between the reads of the first and its commit.

use super::delegated::delegated;
use super::*;
use crate::error::Code;
use crate::guard::Guard;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tenantry_store::{Batch, Order, Record, StoreError};

/// What happens before the next commit.
type Meanwhile = Arc<Mutex<Option<Box<dyn FnOnce() + Send>>>>;

/// A store that both engines have in common.
struct Shared {
    store: Arc<dyn Backend>,
    meanwhile: Meanwhile,
}

impl Backend for Shared {
    fn get(&self, key: &[u8]) -> Result<Option<Record>, StoreError> {
        self.store.get(key)
    }
    fn range(
        &self,
        from: &[u8],
        until: &[u8],
        order: Order,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Record)>, StoreError> {
        self.store.range(from, until, order, limit)
    }
    fn commit(&self, batch: &Batch) -> Result<u64, CommitError> {
        let meanwhile = self.meanwhile.lock().take();
        if let Some(happens) = meanwhile {
            happens();
        }
        self.store.commit(batch)
    }
    delegated! { (store): sync, last_commit, store_id, verify }
    fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }
    fn abandon(&self) {}
}

fn engine_on(store: &Arc<dyn Backend>, seed: u64) -> (Guard, Meanwhile) {
    let meanwhile = Meanwhile::default();
    let options = serde_json::from_value(
        json!({"clock": {"manual_ms": 1_781_524_800_000_u64}, "seed": seed}),
    )
    .unwrap();
    let shared = Shared {
        store: store.clone(),
        meanwhile: meanwhile.clone(),
    };
    (
        Guard::of_engine_for_tests(
            Engine::on(Box::new(shared), Path::new(":memory:"), &options).unwrap(),
        ),
        meanwhile,
    )
}

fn call(guard: &Guard, operation: &str, request: &Value) -> Result<Value, Error> {
    let entry = crate::catalogue::find(operation).unwrap();
    let answer = guard.enter(entry.effect, |engine| {
        (entry.run_json)(engine, &Actor::System, request.to_string().as_bytes())
    })?;
    Ok(serde_json::from_slice(answer.as_bytes()).unwrap())
}

/// An operation and its request.
type Step = (&'static str, Value);

/// A platform, one operation, another that comes between its reads and its commit, and what the
/// first is to be answered.
struct Case {
    before: Vec<Step>,
    first: Step,
    meanwhile: Step,
    refused: Code,
}

fn hold(
    Case {
        before,
        first,
        meanwhile,
        refused,
    }: Case,
) {
    let store: Arc<dyn Backend> = Arc::from(tenantry_store::memory().unwrap());
    let ((one, between), (other, _)) = (engine_on(&store, 1), engine_on(&store, 2 << 32));
    let owner = |user: &str| json!({"user": user, "email": format!("{user}@x.example")});
    let common = [
        (
            "accounts.create",
            json!({"id": "acme", "name": "Acme", "owner": owner("olga")}),
        ),
        (
            "accounts.create",
            json!({"id": "other", "name": "Other", "owner": owner("otto")}),
        ),
        (
            "members.add",
            json!({"account": "acme", "user": "ann", "email": "ann@x.example", "role": "author"}),
        ),
    ];
    for (operation, request) in common.into_iter().chain(before) {
        call(&one, operation, &request).unwrap_or_else(|error| panic!("{operation}: {error:?}"));
    }
    let (operation, request) = meanwhile.clone();
    *between.lock() = Some(Box::new(move || {
        drop(call(&other, operation, &request).unwrap())
    }));
    let answer = call(&one, first.0, &first.1);
    assert!(between.lock().is_none(), "{first:?} did not commit");
    assert_eq!(
        answer.map_err(|error| error.code()),
        Err(refused),
        "{first:?} while {meanwhile:?}"
    );
    let verified = call(&one, "store.verify", &json!({})).unwrap();
    assert_eq!(
        verified["damaged"],
        json!([]),
        "{first:?} while {meanwhile:?}"
    );
}

/// 17.11, R-TEA-2: an account for somebody who becomes a member where owners are exclusive, and the
/// other way round.
#[test]
fn an_owner_is_exclusive() {
    let exclusive = || {
        vec![(
            "policies.set",
            json!({"account": "other", "policies": {"owner_exclusive": true}}),
        )]
    };
    let create = (
        "accounts.create",
        json!({"id": "new", "name": "New", "owner": {"user": "ann"}}),
    );
    let add = (
        "members.add",
        json!({"account": "other", "user": "ann", "role": "author"}),
    );
    hold(Case {
        before: [
            exclusive(),
            vec![(
                "members.add",
                json!({"account": "acme", "user": "bob",
            "email": "bob@x.example", "role": "author"}),
            )],
        ]
        .concat(),
        first: (
            "accounts.create",
            json!({"id": "new", "name": "New", "owner": {"user": "bob"}}),
        ),
        meanwhile: (
            "members.add",
            json!({"account": "other", "user": "bob", "role": "author"}),
        ),
        refused: Code::OwnerNotExclusive,
    });
    hold(Case {
        before: exclusive(),
        first: create.clone(),
        meanwhile: add.clone(),
        refused: Code::OwnerNotExclusive,
    });
    hold(Case {
        before: exclusive(),
        first: add,
        meanwhile: create,
        refused: Code::OwnerNotExclusive,
    });
}

/// 17.11, R-INV-9: the last seat, by two invitations, and by an invitation and a membership.
#[test]
fn the_last_seat_is_taken_once() {
    let seats = || {
        vec![(
            "policies.set",
            json!({"account": "acme", "policies": {"seats": 3}}),
        )]
    };
    let invite = |address: &str| {
        (
            "invitations.create",
            json!({"account": "acme", "addresses": address, "role": "author"}),
        )
    };
    let add = (
        "members.add",
        json!({"account": "acme", "user": "otto", "role": "author"}),
    );
    hold(Case {
        before: seats(),
        first: add.clone(),
        meanwhile: invite("a@x.example"),
        refused: Code::SeatsExhausted,
    });
    let store: Arc<dyn Backend> = Arc::from(tenantry_store::memory().unwrap());
    let ((one, between), (other, _)) = (engine_on(&store, 1), engine_on(&store, 2 << 32));
    let owner = json!({"user": "olga", "email": "olga@x.example"});
    call(
        &one,
        "accounts.create",
        &json!({"id": "acme", "name": "Acme", "owner": owner}),
    )
    .unwrap();
    call(
        &one,
        "policies.set",
        &json!({"account": "acme", "policies": {"seats": 2}}),
    )
    .unwrap();
    let (operation, request) = invite("a@x.example");
    *between.lock() = Some(Box::new(move || {
        drop(call(&other, operation, &request).unwrap())
    }));
    let (operation, request) = invite("b@x.example");
    let answer = call(&one, operation, &request).unwrap();
    assert_eq!(
        (&answer["refused"], &answer["results"][0]["problem"]["code"]),
        (&json!(1), &json!("seats_exhausted"))
    );
}

/// 17.11, R-ROL-8, R-PKG-4, R-GRP-7: what is in use is not deleted, though its first use came
/// meanwhile.
#[test]
fn what_is_in_use_is_not_deleted() {
    hold(Case {
        before: vec![(
            "roles.create",
            json!({"id": "desk", "name": "Desk", "allow": [{"permission": "responses"}]}),
        )],
        first: ("roles.delete", json!({"role": "desk"})),
        meanwhile: (
            "members.add",
            json!({"account": "other", "user": "ann", "role": "desk"}),
        ),
        refused: Code::RoleInUse,
    });
    hold(Case {
        before: vec![("packages.create", json!({"id": "basic", "name": "Basic"}))],
        first: ("packages.delete", json!({"package": "basic"})),
        meanwhile: (
            "accounts.edit",
            json!({"account": "other", "package": "basic"}),
        ),
        refused: Code::PackageInUse,
    });
    hold(Case {
        before: vec![
            (
                "groups.create",
                json!({"account": "acme", "id": "red", "name": "Red"}),
            ),
            (
                "groups.add_members",
                json!({"account": "acme", "group": "red", "users": ["ann"]}),
            ),
            (
                "resources.register",
                json!({"account": "acme", "kind": "list", "id": "l", "owner": "ann"}),
            ),
            (
                "groups.add_members",
                json!({"account": "acme", "group": "default", "users": ["ann"]}),
            ),
        ],
        first: ("groups.delete", json!({"account": "acme", "group": "red"})),
        meanwhile: (
            "groups.add_members",
            json!({"account": "acme", "group": "red", "users": ["ann"]}),
        ),
        refused: Code::InvalidArgument,
    });
}

/// 17.11, R-INV-8, R-ACC-3: where a user has one role in the team; and an account that gets one
/// below it meanwhile.
#[test]
fn a_team_is_seen_whole() {
    let below = |id: &str| {
        (
            "accounts.create",
            json!({"id": id, "name": id, "parent": "acme", "owner": {"user": "olga"}}),
        )
    };
    let add = |account: &str, role: &str| {
        (
            "members.add",
            json!({"account": account, "user": "ben", "role": role}),
        )
    };
    hold(Case {
        before: vec![
            (
                "policies.preset",
                json!({"account": "acme", "preset": "essentials"}),
            ),
            below("north"),
            below("south"),
            (
                "members.add",
                json!({"account": "other", "user": "ben", "email": "ben@x.example",
                    "role": "author"}),
            ),
        ],
        first: add("north", "author"),
        meanwhile: add("south", "editor"),
        refused: Code::RoleSpansAccounts,
    });
    hold(Case {
        before: vec![],
        first: ("accounts.delete", json!({"account": "acme"})),
        meanwhile: below("north"),
        refused: Code::ChildrenLeft,
    });
}

/// 17.11, R-USR-4: somebody whose last membership ends, and who is given another meanwhile, stays.
#[test]
fn who_is_given_another_membership_stays() {
    let store: Arc<dyn Backend> = Arc::from(tenantry_store::memory().unwrap());
    let ((one, between), (other, _)) = (engine_on(&store, 1), engine_on(&store, 2 << 32));
    for id in ["acme", "other"] {
        let owner = json!({"user": format!("of-{id}"), "email": format!("{id}@x.example")});
        call(
            &one,
            "accounts.create",
            &json!({"id": id, "name": id, "owner": owner}),
        )
        .unwrap();
    }
    call(
        &one,
        "members.add",
        &json!({"account": "acme", "user": "ann", "email": "ann@x.example", "role": "author"}),
    )
    .unwrap();
    *between.lock() = Some(Box::new(move || {
        drop(
            call(
                &other,
                "members.add",
                &json!({"account": "other", "user": "ann", "role": "author"}),
            )
            .unwrap(),
        )
    }));
    let gone = call(
        &one,
        "members.remove",
        &json!({"account": "acme", "user": "ann"}),
    )
    .unwrap();
    assert_eq!(gone["user_deleted"], json!(false));
    assert_eq!(
        call(
            &one,
            "members.get",
            &json!({"account": "other", "user": "ann"})
        )
        .unwrap()["user"],
        json!("ann")
    );
    assert_eq!(
        call(&one, "store.verify", &json!({})).unwrap()["damaged"],
        json!([])
    );
}

/// A session that one process uses is not idle in another that has looked it up long ago (20.6).
#[test]
fn a_session_that_others_use_is_not_idle() {
    const MINUTE_MS: u64 = 60_000;
    let store: Arc<dyn Backend> = Arc::from(tenantry_store::memory().unwrap());
    let ((one, _), (other, _)) = (engine_on(&store, 1), engine_on(&store, 1));
    let owner = json!({"user": "olga", "email": "olga@x.example"});
    let account = json!({"id": "acme", "name": "Acme", "owner": owner});
    call(&one, "accounts.create", &account).unwrap();
    let idle = json!({"policies": {"session_idle_ms": 30 * MINUTE_MS}});
    call(&one, "policies.set", &idle).unwrap();
    let session = call(&one, "sessions.create", &json!({"user": "olga"})).unwrap();
    let check = json!({"token": session["token"]});
    call(&other, "sessions.check", &check).unwrap();
    let began_ms = one.engine.kernel.clock.now_ms();
    let after = |minutes: u64| {
        for guard in [&one, &other] {
            let clock = &guard.engine.kernel.clock;
            clock.set(began_ms + minutes * MINUTE_MS).unwrap();
        }
    };
    for minutes in (5..=45).step_by(5) {
        after(minutes);
        call(&one, "sessions.check", &check).unwrap();
    }
    call(&other, "sessions.check", &check).unwrap();
    // What the other has read is that it was used then, and no later.
    after(45 + 30);
    for guard in [&other, &one] {
        let refused = call(guard, "sessions.check", &check).unwrap_err();
        assert_eq!(refused.code(), Code::SessionInvalid);
    }
}

/// Something is deleted that a send is charged to, between its look at the counters and the commit
/// that makes their records: it is refused, and leaves nothing (20.6).
#[test]
fn nothing_is_charged_to_what_is_gone() {
    let send = |account: &str| ("sending.admit", json!({"account": account, "count": 1}));
    let delete = |account: &str| ("accounts.delete", json!({"account": account}));
    hold(Case {
        before: vec![],
        first: send("acme"),
        meanwhile: delete("acme"),
        refused: Code::NotFound,
    });
    let kid = || {
        let owner = json!({"user": "kim", "email": "kim@x.example"});
        let request = json!({"id": "kid", "name": "Kid", "parent": "acme", "owner": owner});
        ("accounts.create", request)
    };
    hold(Case {
        before: vec![kid()],
        first: send("kid"),
        meanwhile: delete("kid"),
        refused: Code::NotFound,
    });
    // The sender goes on, below nobody: what it was charged to is to be found anew.
    hold(Case {
        before: vec![kid()],
        first: send("kid"),
        meanwhile: (
            "accounts.delete",
            json!({"account": "acme", "children": "detach"}),
        ),
        refused: Code::Busy,
    });
    for account in [json!("acme"), Value::Null] {
        for over in ["reject", "spread"] {
            let cap = json!({"account": account, "id": "domains", "scope": "account",
                "window": "day", "limit": 1000, "over": over});
            hold(Case {
                before: vec![("caps.set", cap)],
                first: send("acme"),
                meanwhile: ("caps.remove", json!({"account": account, "cap": "domains"})),
                refused: Code::Busy,
            });
        }
    }
}
