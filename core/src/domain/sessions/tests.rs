//! What scenarios cannot see of log-in: how much work is done, what is on the disk, and who wins
//! when many try at once.

use crate::api;
use crate::api::sessions::{Check, Create, SessionToken};
use crate::domain::sessions::log_in::MOST_SESSIONS;
use crate::error::{Code, Error};
use crate::handle::Tenantry;
use crate::model::{self, Actor, Caller, Id};
use crate::options::OpenOptions;
use serde_json::{Value, json};
use std::path::Path;

/// Marks every password and token of these tests, so that they are found wherever they should not
/// be.
const CANARY: &str = "correct canary battery";

fn call(store: &Tenantry, operation: &str, request: Value) -> Result<Value, Error> {
    store
        .call_json(b"", operation.as_bytes(), request.to_string().as_bytes())
        .map(|answer| serde_json::from_str(&answer).unwrap())
}

fn call_as(
    store: &Tenantry,
    actor: Value,
    operation: &str,
    request: Value,
) -> Result<Value, Error> {
    let answer = store.call_json(
        actor.to_string().as_bytes(),
        operation.as_bytes(),
        request.to_string().as_bytes(),
    );
    answer.map(|answer| serde_json::from_str(&answer).unwrap())
}

/// An account of olga, whose password is set, and of ann, who has none, and of dora, who is
/// disabled.
fn store(path: &str) -> Tenantry {
    let options: OpenOptions =
        serde_json::from_str(r#"{"clock":{"manual_ms":1000000},"seed":1}"#).unwrap();
    let store = Tenantry::open(path, options).unwrap();
    call(
        &store,
        "accounts.create",
        json!({"id": "acme", "name": "Acme", "owner": {"user": "olga",
        "email": "olga@acme.example"}}),
    )
    .unwrap();
    for user in ["ann", "dora"] {
        let member = json!({"account": "acme", "user": user,
            "email": format!("{user}@acme.example"), "role": "full"});
        call(&store, "members.add", member).unwrap();
    }
    for user in ["olga", "dora"] {
        call(
            &store,
            "passwords.set",
            json!({"user": user, "password": CANARY}),
        )
        .unwrap();
    }
    call(&store, "users.disable", json!({"user": "dora"})).unwrap();
    store
}

fn log_in(store: &Tenantry, email: &str, password: &str) -> Result<Value, Error> {
    call(
        store,
        "sessions.create",
        json!({"email": email, "password": password, "ip": "192.0.2.7"}),
    )
}

/// S5: an unknown address, a wrong password, no password, a disabled user and one of a suspended
/// account are answered alike, after the same work: as many runs of Argon2, with the same
/// parameters.
#[test]
fn every_failure_costs_the_same() {
    let store = store(":memory:");
    call(
        &store,
        "accounts.create",
        json!({"id": "held", "name": "Held", "owner": {"user": "sue",
        "email": "sue@held.example"}}),
    )
    .unwrap();
    call(
        &store,
        "passwords.set",
        json!({"user": "sue", "password": CANARY}),
    )
    .unwrap();
    call(
        &store,
        "accounts.hold",
        json!({"account": "held", "reason": "abuse"}),
    )
    .unwrap();
    let costs = || store.guard_for_tests().engine.auth.hasher.argon2_costs();
    let tries = [
        ("nobody@acme.example", CANARY),
        ("olga@acme.example", "another battery staple"),
        ("ann@acme.example", CANARY),
        ("dora@acme.example", CANARY),
        ("dora@acme.example", "another battery staple"),
        ("sue@held.example", "another battery staple"),
    ];
    let (mut answers, mut works) = (Vec::new(), Vec::new());
    for (email, password) in tries {
        let before = costs().len();
        let error = log_in(&store, email, password).unwrap_err();
        works.push(costs().split_off(before));
        answers.push(error.to_json());
    }
    assert!(
        works[0].len() == 1 && works.windows(2).all(|pair| pair[0] == pair[1]),
        "{works:?}"
    );
    assert!(
        answers.windows(2).all(|pair| pair[0] == pair[1]),
        "{answers:?}"
    );
    let before = costs().len();
    log_in(&store, "olga@acme.example", CANARY).unwrap();
    assert_eq!(costs().split_off(before), works[0]);
    // Only after the right password is it said that the account is on hold.
    let before = costs().len();
    assert_eq!(
        log_in(&store, "sue@held.example", CANARY)
            .unwrap_err()
            .code(),
        Code::AccountSuspended
    );
    assert_eq!(costs().split_off(before), works[0]);
}

/// S4, S5: without the pepper of a hash the right password is as wrong as any, after the same work;
/// the key is nowhere in the store.
#[test]
fn a_missing_pepper_is_a_wrong_password() {
    let folder = std::env::temp_dir().join(format!("tenantry-pepper-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let path = folder.to_str().unwrap();
    let open = |seed: u64, peppers: Value| {
        let options = json!({"clock": {"manual_ms": 1_000_000}, "seed": seed, "peppers": peppers});
        Tenantry::open(path, serde_json::from_value(options).unwrap()).unwrap()
    };
    let pepper = json!({"id": "first", "key": "0a".repeat(32)});
    let first = open(1, json!([pepper]));
    call(
        &first,
        "accounts.create",
        json!({"id": "acme", "name": "Acme", "owner": {"user": "olga",
        "email": "olga@acme.example"}}),
    )
    .unwrap();
    call(
        &first,
        "passwords.set",
        json!({"user": "olga", "password": CANARY}),
    )
    .unwrap();
    assert!(
        !format!(
            "{:?}",
            serde_json::from_value::<OpenOptions>(json!({"peppers": [pepper]})).unwrap()
        )
        .contains("0a")
    );
    first.close().unwrap();
    let second = open(2, json!([]));
    let costs = || second.guard_for_tests().engine.auth.hasher.argon2_costs();
    let tries = ["olga@acme.example", "nobody@acme.example"].map(|email| {
        let before = costs().len();
        (
            log_in(&second, email, CANARY).unwrap_err().to_json(),
            costs().split_off(before),
        )
    });
    assert!(tries[0] == tries[1] && tries[0].1.len() == 1, "{tries:?}");
    second.close().unwrap();
    for bytes in files_under(&folder) {
        let holds = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
        assert!(!holds(&[0x0a; 32]) && !holds("0a".repeat(32).as_bytes()));
    }
    std::fs::remove_dir_all(folder).unwrap();
}

/// The token of the message that was written last.
fn reset_link(store: &Tenantry) -> String {
    let messages = call(store, "outbox.read", json!({})).unwrap()["messages"].clone();
    messages.as_array().unwrap().last().unwrap()["token"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// S7, S18: no password and no token is in the store, in an error, or in what `Debug` shows.
#[test]
fn no_secret_is_kept_or_shown() {
    let folder = std::env::temp_dir().join(format!("tenantry-secrets-{}", std::process::id()));
    let path = folder.to_str().unwrap();
    let store = store(path);
    let token = log_in(&store, "olga@acme.example", CANARY).unwrap()["token"]
        .as_str()
        .unwrap()
        .to_owned();
    call(
        &store,
        "users.request_password_reset",
        json!({"user": "olga"}),
    )
    .unwrap();
    let link = reset_link(&store);
    let wrong = log_in(&store, "olga@acme.example", "a wrong canary battery").unwrap_err();
    let change = json!({"user": "olga", "old_password": CANARY, "new_password": "short"});
    let short = call(&store, "passwords.change", change).unwrap_err();
    let shown = [
        wrong.to_json(),
        format!("{wrong:?}"),
        short.to_json(),
        format!(
            "{:?}",
            serde_json::from_value::<Create>(
                json!({"email": "olga@acme.example", "password": CANARY})
            )
            .unwrap()
        ),
        format!(
            "{:?}",
            serde_json::from_value::<Caller>(json!({"kind": "session", "token": token})).unwrap()
        ),
        format!(
            "{:?}",
            serde_json::from_value::<Check>(json!({"token": token})).unwrap()
        ),
        format!(
            "{:?}",
            serde_json::from_value::<api::passwords::Set>(
                json!({"token": link, "password": CANARY})
            )
            .unwrap()
        ),
        format!(
            "{:?}",
            serde_json::from_value::<api::outbox::OutboxPage>(
                call(&store, "outbox.read", json!({})).unwrap()
            )
            .unwrap()
        ),
        format!(
            "{:?}",
            serde_json::from_value::<SessionToken>(
                log_in(&store, "olga@acme.example", CANARY).unwrap()
            )
            .unwrap()
        ),
    ];
    store.close().unwrap();
    let secrets = [CANARY, "canary", &token[12..], &token[44..108], &link[9..]];
    for text in &shown {
        assert!(
            !secrets.iter().any(|secret| text.contains(secret)),
            "{text}"
        );
    }
    let (mut files, mut hashes) = (0, 0);
    for bytes in files_under(&folder) {
        files += 1;
        let holds = |text: &str| {
            bytes
                .windows(text.len())
                .any(|window| window == text.as_bytes())
        };
        for secret in secrets {
            assert!(!holds(secret), "a secret is in the store");
        }
        hashes += usize::from(holds("$argon2id$v=19$m=19456,t=2,p=1$"));
    }
    assert!(
        files > 0 && hashes > 0,
        "{files} files, {hashes} with hashes"
    );
    std::fs::remove_dir_all(folder).unwrap();
}

fn files_under(folder: &Path) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_under(&path))
        } else {
            found.push(std::fs::read(path).unwrap())
        }
    }
    found
}

/// S10, R-SES-4: of many who follow one link at once one sets the password.
#[test]
fn a_reset_link_has_one_winner() {
    let store = store(":memory:");
    call(
        &store,
        "users.request_password_reset",
        json!({"user": "olga"}),
    )
    .unwrap();
    let link = reset_link(&store);
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..64)
            .map(|number| {
                let (store, request) = (
                    &store,
                    json!({"token": link,
                    "password": format!("the password of number {number:02}")}),
                );
                scope.spawn(move || {
                    call(store, "passwords.set", request)
                        .map(|_| number)
                        .map_err(|error| error.code())
                })
            })
            .collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let winners: Vec<_> = outcomes
        .iter()
        .filter_map(|outcome| outcome.as_ref().ok())
        .collect();
    assert_eq!(winners.len(), 1, "{outcomes:?}");
    assert!(
        outcomes
            .iter()
            .all(|outcome| matches!(outcome, Ok(_) | Err(Code::LinkInvalid))),
        "{outcomes:?}"
    );
    let number = winners[0];
    log_in(
        &store,
        "olga@acme.example",
        &format!("the password of number {number:02}"),
    )
    .unwrap();
}

/// S8: what ends a session ends it at once, also where it was answered from memory a moment ago.
#[test]
fn sessions_end() {
    let store = store(":memory:");
    let begin = || log_in(&store, "olga@acme.example", CANARY).unwrap();
    let check = |session: &Value| {
        call(&store, "sessions.check", json!({"token": session["token"]}))
            .map(drop)
            .map_err(|error| error.code())
    };
    let (one, other) = (begin(), begin());
    assert_ne!(one["token"], other["token"]);
    assert_eq!(
        (check(&one), check(&one), check(&other)),
        (Ok(()), Ok(()), Ok(()))
    );
    let renewed = call(&store, "sessions.renew", json!({"token": one["token"]})).unwrap();
    assert_eq!(
        (check(&one), check(&renewed)),
        (Err(Code::SessionInvalid), Ok(()))
    );
    call(&store, "sessions.end", json!({"token": renewed["token"]})).unwrap();
    assert_eq!(
        (check(&renewed), check(&other)),
        (Err(Code::SessionInvalid), Ok(()))
    );
    let kept = begin();
    let change = json!({"user": "olga", "old_password": CANARY,
        "new_password": "another canary battery", "keep_session": kept["session"]});
    assert_eq!(
        call(&store, "passwords.change", change).unwrap()["sessions_ended"],
        1
    );
    assert_eq!(
        (check(&other), check(&kept)),
        (Err(Code::SessionInvalid), Ok(()))
    );
    call(&store, "users.disable", json!({"user": "olga"})).unwrap();
    assert_eq!(check(&kept), Err(Code::SessionInvalid));
}

/// R-SES-2: as an actor a session is who logged in, in an account of theirs alone.
#[test]
fn a_session_is_an_actor() {
    let store = store(":memory:");
    call(
        &store,
        "accounts.create",
        json!({"id": "other", "name": "Other",
        "owner": {"user": "otto", "email": "otto@other.example"}}),
    )
    .unwrap();
    let token = log_in(&store, "olga@acme.example", CANARY).unwrap()["token"].clone();
    let mine = |actor: Value| {
        call_as(&store, actor, "sessions.list", json!({"user": "olga"}))
            .map(drop)
            .map_err(|error| error.code())
    };
    assert_eq!(
        mine(json!({"kind": "session", "token": token, "account": "acme"})),
        Ok(())
    );
    assert_eq!(mine(json!({"kind": "session", "token": token})), Ok(()));
    assert_eq!(
        mine(json!({"kind": "session", "token": token, "account": "other"})),
        Err(Code::NotFound)
    );
    assert_eq!(
        mine(json!({"kind": "session", "token": token, "account": "none"})),
        Err(Code::NotFound)
    );
    let forged = token
        .as_str()
        .unwrap()
        .replace("tny_session_0", "tny_session_1");
    assert_eq!(
        mine(json!({"kind": "session", "token": forged})),
        Err(Code::SessionInvalid)
    );
    assert_eq!(
        mine(json!({"kind": "user", "user": "olga", "account": "acme", "token": token})),
        Err(Code::InvalidArgument)
    );
    let caller = serde_json::from_value(json!({"kind": "session", "token": token})).unwrap();
    assert_eq!(
        store.actor(&caller).unwrap().user().map(Id::as_str),
        Some("olga")
    );
}

/// Ending and looking up at once: nothing that ended is found in memory afterwards.
#[test]
fn a_session_that_ended_is_not_kept_in_memory() {
    let store = store(":memory:");
    for _ in 0..200 {
        let session = call(&store, "sessions.create", json!({"user": "olga"})).unwrap();
        let request = || json!({"token": session["token"]});
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| drop(call(&store, "sessions.check", request())));
            }
            scope.spawn(|| call(&store, "sessions.end", request()).unwrap());
        });
        assert_eq!(
            call(&store, "sessions.check", request())
                .unwrap_err()
                .code(),
            Code::SessionInvalid
        );
    }
}

/// What somebody may do in an account, by permission.
type Held = std::collections::BTreeMap<String, model::Scope>;

/// S11, R-SES-6: as another nobody may do what they may not do themself, nor what the other may
/// not; whatever becomes of their roles. And nobody begins it with one who may do more.
#[test]
fn acting_as_another_gives_what_both_may_do() {
    const ROUNDS: u64 = 60;
    const LEAD: &[&str] = &["accounts.team", "impersonation.start"];
    let store = store(":memory:");
    let made = |parent: Option<&str>, id: &str| {
        let owner = json!({"user": format!("of-{id}"), "email": format!("of-{id}@owners.example")});
        call(
            &store,
            "accounts.create",
            json!({"id": id, "name": id, "parent": parent, "owner": owner}),
        )
        .unwrap();
    };
    made(None, "hq");
    made(Some("hq"), "shop");
    let shop = Id::new("shop").unwrap();
    let tree = store.guard_for_tests().engine.views.tree.load_full();
    let mut seed = 0x5eed_u64;
    let mut random = |below: u64| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let mut allow = |tenths: u64, also: &[&str]| {
        let mut grants: Vec<Value> = also
            .iter()
            .map(|permission| json!({"permission": permission}))
            .collect();
        // Who comes from above has no membership that an API key could belong to, whatever they
        // hold.
        let others = |id: &str| !also.contains(&id) && id != "api_keys.create";
        for node in tree
            .nodes()
            .iter()
            .filter(|node| !node.operators && node.children.is_empty() && others(&node.id))
        {
            if random(10) < tenths {
                let scope = node
                    .scoped
                    .then(|| ["own", "group", "any"][random(3) as usize]);
                grants.push(match scope {
                    Some(scope) => json!({"permission": node.id, "scope": scope}),
                    None => json!({"permission": node.id}),
                });
            }
        }
        json!(grants)
    };
    let what_can = |account: &str, user: &str| -> Held {
        let answer = call(
            &store,
            "access.what_can",
            json!({"account": account, "user": user}),
        )
        .unwrap();
        let permissions = answer["permissions"].as_array().unwrap().clone();
        let entry = |grant: Value| {
            (
                grant["permission"].as_str().unwrap().to_owned(),
                serde_json::from_value(grant["scope"].clone()).unwrap(),
            )
        };
        permissions.into_iter().map(entry).collect()
    };
    let within = |less: &Held, more: &Held| {
        less.iter()
            .all(|(permission, scope)| more.get(permission) >= Some(scope))
    };
    let (mut begun, mut refused) = (0, 0);
    for round in 0..ROUNDS {
        let (above, below) = (format!("above-{round}"), format!("below-{round}"));
        let mine = allow(6, LEAD);
        // Every other time the user may do a part of what is above them, else anything.
        let part = mine
            .as_array()
            .unwrap()
            .iter()
            .skip(LEAD.len())
            .step_by(2)
            .cloned()
            .collect::<Vec<_>>();
        let theirs = if round % 2 == 0 {
            json!(part)
        } else {
            allow(3, &["self"])
        };
        for (user, account, grants) in [(&above, "hq", mine), (&below, "shop", theirs)] {
            call(
                &store,
                "roles.create",
                json!({"id": format!("role-of-{user}"), "name": user, "allow": grants}),
            )
            .unwrap();
            let email = format!("{user}@acme.example");
            call(
                &store,
                "members.add",
                json!({"account": account, "user": user, "email": email,
                "role": format!("role-of-{user}")}),
            )
            .unwrap();
        }
        let may_begin = within(&what_can("shop", &below), &what_can("shop", &above));
        let actor = json!({"kind": "user", "user": above, "account": "hq"});
        let request = json!({"user": below, "account": "shop", "reason": "a test"});
        let session = match call_as(&store, actor, "sessions.create_as", request) {
            Ok(session) => session,
            Err(error) => {
                assert!(
                    !may_begin && error.code() == Code::EscalationRefused,
                    "{error:?}"
                );
                refused += 1;
                continue;
            }
        };
        assert!(may_begin);
        begun += 1;
        for change in 0..4 {
            if change > 0 {
                let (user, also): (_, &[&str]) = if change == 1 {
                    (&below, &["self"])
                } else {
                    (&above, LEAD)
                };
                call(
                    &store,
                    "roles.edit",
                    json!({"role": format!("role-of-{user}"), "allow": allow(5, also)}),
                )
                .unwrap();
            }
            let caller: Caller =
                serde_json::from_value(json!({"kind": "session", "token": session["token"]}))
                    .unwrap();
            let actor = store.actor(&caller).unwrap();
            assert!(actor.behind().is_some() && serde_json::to_string(&actor).is_err());
            let guard = store.guard_for_tests();
            let member = guard.engine.ctx(&actor).member_in(&shop).unwrap();
            let held: Held = tree
                .nodes()
                .iter()
                .enumerate()
                .filter_map(|(place, node)| Some((node.id.clone(), member.permissions.at(place)?)))
                .collect();
            let (mine, theirs) = (what_can("shop", &above), what_can("shop", &below));
            let both: Held = theirs
                .iter()
                .filter_map(|(id, scope)| Some((id.clone(), (*mine.get(id)?).min(*scope))))
                .collect();
            assert_eq!(held, both, "round {round}, change {change}");
            let nominal = guard.engine.ctx(&actor).nominal().unwrap().unwrap();
            let beyond = |user: &str, account: &str| {
                let actor =
                    Actor::in_account(Id::new(user).unwrap(), Id::new(account).unwrap(), None);
                nominal.beyond(&guard.engine.ctx(&actor).nominal().unwrap().unwrap())
            };
            assert!(beyond(&above, "hq").is_empty() && beyond(&below, "shop").is_empty());
        }
    }
    assert!(
        begun > 10 && refused > 10,
        "{begun} begun, {refused} refused"
    );
}

/// S11: the begin is in the audit by the same commit, or there is no session; and its reason goes
/// with the user.
#[test]
fn the_reason_is_known_until_the_user_is_erased() {
    let store = store(":memory:");
    call(
        &store,
        "accounts.create",
        json!({"id": "shop", "name": "Shop", "parent": "acme",
        "owner": {"user": "sue", "email": "sue@shop.example"}}),
    )
    .unwrap();
    let member =
        json!({"account": "shop", "user": "bob", "email": "bob@shop.example", "role": "editor"});
    call(&store, "members.add", member).unwrap();
    let olga = || json!({"kind": "user", "user": "olga", "account": "acme"});
    let request =
        json!({"user": "bob", "account": "shop", "reason": "he asked for help", "device": "Desk"});
    let session = call_as(&store, olga(), "sessions.create_as", request).unwrap();
    let told = |chain: Value| call(&store, "audit.list", chain).unwrap()["records"].to_string();
    for chain in [
        json!({"account": "shop", "kind": "session"}),
        json!({"chain": "users", "user": "bob"}),
    ] {
        let records = told(chain);
        assert!(
            records.contains("he asked for help")
                && !records.contains(session["token"].as_str().unwrap()),
            "{records}"
        );
    }
    call(
        &store,
        "members.remove",
        json!({"account": "shop", "user": "bob"}),
    )
    .unwrap();
    assert_eq!(
        call(&store, "sessions.check", json!({"token": session["token"]}))
            .unwrap_err()
            .code(),
        Code::SessionInvalid
    );
    for chain in [
        json!({"account": "shop", "kind": "session"}),
        json!({"chain": "users"}),
    ] {
        assert!(!told(chain).contains("he asked for help"));
    }
    for chain in [json!({"account": "shop"}), json!({"chain": "users"})] {
        assert_eq!(call(&store, "audit.verify", chain).unwrap()["whole"], true);
    }
}

/// Somebody who begins many has as many as anybody has sessions, and nobody loses their own by it.
#[test]
fn log_ins_as_another_are_bounded_by_who_begins_them() {
    let store = store(":memory:");
    call(
        &store,
        "accounts.create",
        json!({"id": "shop", "name": "Shop", "parent": "acme",
        "owner": {"user": "sue", "email": "sue@shop.example"}}),
    )
    .unwrap();
    call(
        &store,
        "members.add",
        json!({"account": "shop", "user": "bob", "email": "bob@shop.example", "role": "editor"}),
    )
    .unwrap();
    let own = call(&store, "sessions.create", json!({"user": "bob"})).unwrap();
    let olgas = call(&store, "sessions.create", json!({"user": "olga"})).unwrap();
    let olga = || json!({"kind": "user", "user": "olga", "account": "acme"});
    for _ in 0..MOST_SESSIONS + 3 {
        call_as(
            &store,
            olga(),
            "sessions.create_as",
            json!({"user": "bob", "account": "shop", "reason": "again"}),
        )
        .unwrap();
    }
    let sessions = call(&store, "sessions.list", json!({"user": "bob"})).unwrap()["sessions"]
        .as_array()
        .unwrap()
        .clone();
    assert_eq!(
        sessions
            .iter()
            .filter(|session| session["behind"].is_object())
            .count(),
        MOST_SESSIONS
    );
    for session in [own, olgas] {
        call(&store, "sessions.check", json!({"token": session["token"]})).unwrap();
    }
}

/// Where a session could go in last is looked at first, and is no shortcut: what changes there
/// counts at once (R-ACC-3, R-SES-3).
#[test]
fn where_a_session_went_in_is_looked_at_anew() {
    let store = store(":memory:");
    call(
        &store,
        "accounts.create",
        json!({"id": "shop", "name": "Shop", "owner": {"user": "sue",
        "email": "sue@shop.example"}}),
    )
    .unwrap();
    call(
        &store,
        "members.grant",
        json!({"accounts": ["shop"], "user": "ann", "role": "full"}),
    )
    .unwrap();
    let token = call(&store, "sessions.create", json!({"user": "ann"})).unwrap()["token"].clone();
    let check = |ip: Option<&str>| {
        call(&store, "sessions.check", json!({"token": token, "ip": ip}))
            .map(drop)
            .map_err(|error| error.code())
    };
    let member = |operation: &str, account: &str| {
        call(
            &store,
            operation,
            json!({"account": account, "user": "ann"}),
        )
        .unwrap()
    };
    assert_eq!(check(None), Ok(()));
    for (first, second) in [("acme", "shop"), ("shop", "acme")] {
        member("members.disable", first);
        assert_eq!((check(None), check(None)), (Ok(()), Ok(())));
        member("members.disable", second);
        assert!(check(None).is_err());
        member("members.enable", first);
        assert_eq!(check(None), Ok(()));
        member("members.enable", second);
    }
    let allow = |request: Value| drop(call(&store, "addresses.set", request).unwrap());
    allow(json!({"account": "acme", "addresses": ["192.0.2.0/24"]}));
    allow(json!({"account": "shop", "addresses": ["198.51.100.0/24"]}));
    for _ in 0..2 {
        assert_eq!(
            (check(Some("192.0.2.1")), check(Some("198.51.100.1"))),
            (Ok(()), Ok(()))
        );
        assert_eq!(check(Some("203.0.113.1")), Err(Code::IpNotAllowed));
    }
    allow(json!({"user": "ann", "addresses": ["192.0.2.0/24"]}));
    assert_eq!(
        (check(Some("192.0.2.1")), check(Some("198.51.100.1"))),
        (Ok(()), Err(Code::IpNotAllowed))
    );
    call(
        &store,
        "accounts.hold",
        json!({"account": "acme", "reason": "abuse"}),
    )
    .unwrap();
    assert!(check(Some("192.0.2.1")).is_err());
}
