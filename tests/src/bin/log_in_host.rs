//! Fails to log in, so many times and for each of the reasons that it is told, and says how many
//! nanoseconds each took; or it is watched while it does (S5).

use serde_json::{Value, json};
use std::time::Instant;
use tenantry::{Code, Tenantry};

const PASSWORD: &str = "seven green lamps on a shelf";

fn done(store: &Tenantry, operation: &str, request: Value) {
    store
        .call_json(b"", operation.as_bytes(), request.to_string().as_bytes())
        .unwrap_or_else(|error| panic!("{operation}: {}", error.to_json()));
}

/// What is counted.
#[inline(never)]
fn failing_log_in(store: &Tenantry, request: &str) -> Code {
    store
        .call_json(b"", b"sessions.create", request.as_bytes())
        .expect_err("it fails")
        .code()
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let times: u64 = arguments
        .next()
        .and_then(|times| times.parse().ok())
        .expect("a number of times");
    let cases: Vec<String> = arguments.collect();
    let store = Tenantry::open_json(
        ":memory:",
        br#"{"clock":{"manual_ms":1781524800000},"seed":1}"#,
    )
    .expect("it opens");
    for account in ["one", "two"] {
        let owner =
            json!({"user": format!("{account}-owner"), "email": format!("olga@{account}.example")});
        done(
            &store,
            "accounts.create",
            json!({"id": account, "name": account, "owner": owner}),
        );
    }
    for user in ["known", "disabled", "without"] {
        done(
            &store,
            "members.add",
            json!({"account": "one", "user": user, "email": format!("{user}@one.example"),
                "role": "full"}),
        );
    }
    for user in ["known", "disabled", "two-owner"] {
        done(
            &store,
            "passwords.set",
            json!({"user": user, "password": PASSWORD}),
        );
    }
    done(&store, "users.disable", json!({"user": "disabled"}));
    done(
        &store,
        "accounts.hold",
        json!({"account": "two", "reason": "abuse"}),
    );
    let email = |case: &str| match case {
        "unknown" => "nobody@one.example",
        "wrong" => "known@one.example",
        "without" => "without@one.example",
        "disabled" => "disabled@one.example",
        "suspended" => "olga@two.example",
        _ => panic!("unknown case {case}"),
    };
    let mut now_ms = 1_781_524_800_000_u64;
    for _ in 0..times {
        for case in &cases {
            let request = json!({"email": email(case), "password": "another password than theirs",
                "ip": "192.0.2.1"})
            .to_string();
            let began = Instant::now();
            assert_eq!(failing_log_in(&store, &request), Code::LoginRefused);
            println!("{case} {}", began.elapsed().as_nanos());
            // Failures delay who tries next.
            now_ms += 3_600_000;
            done(&store, "clock.set", json!({"now_ms": now_ms}));
        }
    }
}
