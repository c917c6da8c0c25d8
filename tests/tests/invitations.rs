//! Invitations under concurrency: one acceptance of many wins, and no team has more people than
//! seats.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Barrier;
use tenantry::{Code, Error, OpenOptions, Tenantry};

const THREADS: usize = 64;

fn call(store: &Tenantry, operation: &str, request: &Value) -> Result<Value, Error> {
    store
        .call_json(b"", operation.as_bytes(), request.to_string().as_bytes())
        .map(|answer| serde_json::from_str(&answer).unwrap())
}

fn done(store: &Tenantry, operation: &str, request: Value) -> Value {
    call(store, operation, &request)
        .unwrap_or_else(|error| panic!("{operation} {request}: {error}"))
}

/// A team: the account `acme`, and `north` and `south` below it, each with its owner.
fn team() -> Tenantry {
    let store = Tenantry::open(":memory:", OpenOptions::default()).unwrap();
    for (id, parent) in [
        ("acme", Value::Null),
        ("north", json!("acme")),
        ("south", json!("acme")),
    ] {
        done(
            &store,
            "accounts.create",
            json!({"id": id, "name": id, "parent": parent,
                "owner": {"email": format!("owner@{id}.example")}}),
        );
    }
    store
}

/// Does the same on many threads that start together; each is told its number.
fn at_once<T: Send>(work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let start = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|number| {
                let (start, work) = (&start, &work);
                scope.spawn(move || {
                    start.wait();
                    work(number)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    })
}

fn tally(outcomes: Vec<Result<Value, Error>>) -> BTreeMap<&'static str, usize> {
    let mut tally = BTreeMap::new();
    for outcome in outcomes {
        *tally
            .entry(outcome.map_or_else(|error| error.code().name(), |_| "done"))
            .or_default() += 1;
    }
    tally
}

/// S10, R-INV-2, R-INV-6.
#[test]
fn of_64_who_accept_at_once_one_succeeds() {
    let store = team();
    for round in 0..20 {
        let invited = json!({"addresses": format!("u{round}@new.example"), "role": "full",
            "accounts": [{"account": "north"}, {"account": "south"}]});
        done(&store, "invitations.create", invited);
        let message = &done(&store, "outbox.read", json!({"after": round}))["messages"][0];
        let token = message["token"].as_str().unwrap();
        let outcomes = at_once(|number| {
            call(
                &store,
                "invitations.accept",
                &json!({"token": token, "user": format!("u{round}-{number}")}),
            )
        });
        let expected = BTreeMap::from([
            ("done", 1),
            (Code::InvitationAlreadyAccepted.name(), THREADS - 1),
        ]);
        assert_eq!(tally(outcomes), expected);
    }
    for account in ["north", "south"] {
        assert_eq!(
            done(&store, "members.list", json!({"account": account}))["members"]
                .as_array()
                .unwrap()
                .len(),
            21
        );
    }
}

/// R-INV-9.
#[test]
fn many_who_invite_and_accept_at_once_pass_no_seat() {
    let store = team();
    done(
        &store,
        "limits.set",
        json!({"account": "acme", "limit": "seats", "value": 10}),
    );
    let outcomes = at_once(|number| {
        let account = ["acme", "north", "south"][number % 3];
        call(
            &store,
            "invitations.create",
            &json!({"account": account, "addresses": format!("u{number}@new.example"),
                "role": "full"}),
        )
    });
    let invited: usize = outcomes
        .into_iter()
        .filter(|outcome| outcome.as_ref().unwrap()["results"][0]["done"] == true)
        .count();
    assert_eq!(invited, 7, "three owners and seven invitations");
    let messages = done(&store, "outbox.read", json!({}))["messages"].clone();
    let tokens: Vec<&str> = messages
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["token"].as_str().unwrap())
        .collect();
    let outcomes = at_once(|number| match tokens.get(number) {
        Some(token) => call(&store, "invitations.accept", &json!({"token": token})),
        None => call(
            &store,
            "members.add",
            &json!({"account": "north", "email": format!("late{number}@new.example"),
                "role": "full"}),
        ),
    });
    assert_eq!(
        tally(outcomes),
        BTreeMap::from([("done", 7), (Code::SeatsExhausted.name(), THREADS - 7)])
    );
}

/// R-INV-6: of many invitations to one address one is open.
#[test]
fn an_address_has_one_open_invitation_in_a_team() {
    let store = team();
    let outcomes = at_once(|number| {
        let account = ["acme", "north", "south"][number % 3];
        call(
            &store,
            "invitations.create",
            &json!({"account": account, "addresses": "Ann@new.example", "role": "full"}),
        )
        .unwrap()
    });
    let invited: usize = outcomes
        .iter()
        .filter(|outcome| outcome["refused"] == 0)
        .count();
    assert_eq!(invited, 1);
    assert!(
        outcomes
            .iter()
            .map(|outcome| &outcome["results"][0])
            .all(|one| one["done"] == true || one["problem"]["code"] == "already_invited")
    );
    let open = done(
        &store,
        "invitations.list",
        json!({"account": "acme", "include_descendants": true, "status": "pending"}),
    );
    assert_eq!(open["invitations"].as_array().unwrap().len(), 1);
}

/// R-INV-1: bounds, and what hostile texts are answered.
#[test]
fn a_text_of_any_kind_is_answered() {
    let store = team();
    let invite = |addresses: String| {
        call(
            &store,
            "invitations.create",
            &json!({"account": "north", "addresses": addresses, "role": "full"}),
        )
    };
    let many = |count: usize| {
        (0..count)
            .map(|number| format!("u{number}@new.example;"))
            .collect::<String>()
    };
    assert_eq!(invite(many(501)).unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(
        invite("x".repeat((64 << 10) + 1)).unwrap_err().code(),
        Code::InvalidArgument
    );
    let invited = invite(many(500)).unwrap();
    assert_eq!(
        (
            &invited["refused"],
            invited["results"].as_array().unwrap().len()
        ),
        (&json!(0), 500)
    );
    let odd = invite(format!(
        "{}@x.example \u{202e}a@x.example a\u{0}@x.example \u{ff0c}b@x.example",
        "\u{e9}".repeat(300)
    ))
    .unwrap();
    let results = odd["results"].as_array().unwrap();
    assert_eq!(results.len(), 4, "{odd}");
    assert!(
        results
            .iter()
            .all(|one| one["problem"]["code"] == "invalid_argument"
                && one["address"].as_str().unwrap().len() <= 254)
    );
}
