//! What scenarios cannot see of second factors: who wins when many try at once, what is on the
//! disk, and how often one may fail.

use crate::api;
use crate::auth::totp::FactorSecret;
use crate::domain::passwords;
use crate::error::{Code, Error};
use crate::handle::Tenantry;
use crate::model::{Actor, Email, Id, Secret};
use crate::options::OpenOptions;
use serde_json::{Value, json};

const START_MS: u64 = 1_200_000_000_000;
const PASSWORD: &str = "correct canary battery";
const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

fn call(store: &Tenantry, operation: &str, request: Value) -> Result<Value, Error> {
    store
        .call_json(b"", operation.as_bytes(), request.to_string().as_bytes())
        .map(|answer| serde_json::from_str(&answer).unwrap())
}

/// An account of olga, who logs in with a password and codes of a secret that is known.
fn store(path: &str) -> Tenantry {
    let options: OpenOptions =
        serde_json::from_value(json!({"clock": {"manual_ms": START_MS}, "seed": 1})).unwrap();
    let store = Tenantry::open(path, options).unwrap();
    call(
        &store,
        "accounts.create",
        json!({"id": "acme", "name": "Acme", "owner": {"user": "olga",
        "email": "olga@acme.example"}}),
    )
    .unwrap();
    call(
        &store,
        "passwords.set",
        json!({"user": "olga", "password": PASSWORD}),
    )
    .unwrap();
    call(
        &store,
        "second_factors.import_secret",
        json!({"user": "olga", "secret": SECRET}),
    )
    .unwrap();
    store
}

fn code_at(secret: &str, now_ms: u64) -> String {
    FactorSecret::read(secret).unwrap().code_at(now_ms)
}

fn log_in(store: &Tenantry, code: Option<&str>, ip: &str) -> Result<Value, Error> {
    call(
        store,
        "sessions.create",
        json!({"email": "olga@acme.example", "password": PASSWORD, "code": code, "ip": ip}),
    )
}

fn refusal(answer: Result<Value, Error>) -> (Code, Option<String>) {
    let error = answer.unwrap_err();
    (error.code(), error.field().map(str::to_owned))
}

/// R-SES-1: a code, by time or for recovery, is good for one of 64 who log in with it at once.
#[test]
fn a_code_has_one_winner() {
    for is_recovery in [false, true] {
        // One each: who is late with the first code uses up what may be tried on a day.
        let store = &store(":memory:");
        let codes = call(
            store,
            "second_factors.renew_recovery_codes",
            json!({"user": "olga"}),
        )
        .unwrap();
        let code = if is_recovery {
            codes["recovery_codes"][0].as_str().unwrap().to_owned()
        } else {
            code_at(SECRET, START_MS)
        };
        let won = std::thread::scope(|scope| {
            let tries: Vec<_> = (1..=64)
                .map(|place| {
                    let code = &code;
                    scope.spawn(move || {
                        log_in(store, Some(code), &format!("192.0.2.{place}"))
                            .map_err(|error| error.code())
                    })
                })
                .collect();
            let answers: Vec<_> = tries.into_iter().map(|one| one.join().unwrap()).collect();
            for refused in answers.iter().filter_map(|answer| answer.as_ref().err()) {
                assert!(
                    [Code::SecondFactorRefused, Code::LoginDelayed].contains(refused),
                    "{refused:?}"
                );
            }
            answers.iter().filter(|answer| answer.is_ok()).count()
        });
        assert_eq!(won, 1, "{code}");
    }
}

/// S6: whoever knows the password tries 30 codes a day, from however many places; the right one is
/// refused then too.
#[test]
fn codes_are_not_guessed() {
    let store = store(":memory:");
    let right = code_at(SECRET, START_MS);
    let wrong = if right == "000000" {
        "000001"
    } else {
        "000000"
    };
    let mut tried = 0;
    for place in 1..=255 {
        match refusal(log_in(&store, Some(wrong), &format!("198.51.100.{place}"))) {
            (Code::SecondFactorRefused, Some(field)) if field == "/code" => tried += 1,
            (Code::LoginDelayed, _) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!((20..=30).contains(&tried), "{tried}");
    let mut now_ms = START_MS;
    loop {
        now_ms += 16 * 60_000;
        call(&store, "clock.set", json!({"now_ms": now_ms})).unwrap();
        match refusal(log_in(&store, Some(wrong), "203.0.113.9")) {
            (Code::SecondFactorRefused, _) => tried += 1,
            (Code::LoginDelayed, field) if field.as_deref() == Some("/code") => break,
            (Code::LoginDelayed, _) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(tried, 30);
    assert_eq!(
        refusal(log_in(
            &store,
            Some(&code_at(SECRET, now_ms)),
            "203.0.113.10"
        ))
        .0,
        Code::LoginDelayed
    );
    now_ms = START_MS + 25 * 3_600_000;
    call(&store, "clock.set", json!({"now_ms": now_ms})).unwrap();
    let delayed = log_in(&store, Some(&code_at(SECRET, now_ms)), "203.0.113.11");
    if let Err(error) = &delayed {
        assert_eq!((error.code(), error.field()), (Code::LoginDelayed, None));
        now_ms += 16 * 60_000;
        call(&store, "clock.set", json!({"now_ms": now_ms})).unwrap();
        log_in(&store, Some(&code_at(SECRET, now_ms)), "203.0.113.11").unwrap();
    }
}

/// R-SES-1: a second factor that comes between the password and the commit of a log-in is asked
/// for.
#[test]
fn a_log_in_that_was_under_way_needs_the_code_too() {
    let store = store(":memory:");
    call(&store, "second_factors.remove", json!({"user": "olga"})).unwrap();
    let guard = store.guard_for_tests();
    let engine = &guard.engine;
    let (email, password) = (
        Email::new("olga@acme.example").unwrap(),
        Secret::new(PASSWORD).unwrap(),
    );
    let verified = passwords::prove(
        &mut engine.ctx(&Actor::System),
        &email,
        &password,
        None,
        None,
        "/password",
    )
    .unwrap();
    let confirm = || {
        passwords::confirm(&mut engine.ctx(&Actor::System), &verified, "/password")
            .map(|user| user.id)
            .map_err(|error| error.code())
    };
    assert_eq!(confirm(), Ok(Id::new("olga").unwrap()));
    call(
        &store,
        "second_factors.import_secret",
        json!({"user": "olga", "secret": SECRET}),
    )
    .unwrap();
    assert_eq!(confirm(), Err(Code::SecondFactorRequired));
}

/// The right password without a code is no failure: it delays nobody.
#[test]
fn being_asked_for_a_code_is_no_failure() {
    let store = store(":memory:");
    for _ in 0..50 {
        assert_eq!(
            refusal(log_in(&store, None, "192.0.2.7")),
            (Code::SecondFactorRequired, Some("/code".to_owned()))
        );
    }
    log_in(&store, Some(&code_at(SECRET, START_MS)), "192.0.2.7").unwrap();
}

/// S5: that somebody has a second factor is told after the right password alone.
#[test]
fn a_wrong_password_tells_nothing_of_a_second_factor() {
    let store = store(":memory:");
    let answer = |email: &str, code: Option<&str>| {
        let request = json!({"email": email, "password": "another battery staple", "code": code});
        call(&store, "sessions.create", request)
            .unwrap_err()
            .to_json()
    };
    let right = code_at(SECRET, START_MS);
    let known = answer("olga@acme.example", Some(&right));
    assert!(
        [
            answer("olga@acme.example", None),
            answer("nobody@acme.example", Some(&right))
        ]
        .iter()
        .all(|other| *other == known)
    );
    // The code is not used up by it.
    log_in(&store, Some(&right), "192.0.2.7").unwrap();
}

/// S7, S18: neither secrets nor recovery codes are in the store, in the audit, or in what `Debug`
/// shows.
#[test]
fn no_secret_of_a_second_factor_is_kept_or_shown() {
    let folder =
        std::env::temp_dir().join(format!("tenantry-second-factor-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let store = store(folder.to_str().unwrap());
    let begun = call(
        &store,
        "second_factors.begin",
        json!({"user": "olga", "issuer": "Big Mail"}),
    )
    .unwrap();
    let secret = begun["secret"].as_str().unwrap().to_owned();
    let code = code_at(&secret, START_MS);
    let confirmed = call(
        &store,
        "second_factors.confirm",
        json!({"user": "olga", "code": code}),
    )
    .unwrap();
    let shown = [
        format!(
            "{:?}",
            serde_json::from_value::<api::second_factors::SecondFactorSecret>(begun).unwrap()
        ),
        format!(
            "{:?}",
            serde_json::from_value::<api::second_factors::RecoveryCodes>(confirmed.clone())
                .unwrap()
        ),
        format!(
            "{:?}",
            serde_json::from_value::<api::second_factors::ImportSecret>(
                json!({"user": "olga", "secret": SECRET})
            )
            .unwrap()
        ),
        format!(
            "{:?}",
            serde_json::from_value::<api::second_factors::Confirm>(
                json!({"user": "olga", "code": code})
            )
            .unwrap()
        ),
        call(
            &store,
            "audit.list",
            json!({"chain": "users", "kind": "second_factor"}),
        )
        .unwrap()
        .to_string(),
        log_in(&store, Some(&code), "192.0.2.7")
            .unwrap_err()
            .to_json(),
    ];
    store.close().unwrap();
    let mut secrets = vec![
        secret.clone().into_bytes(),
        SECRET.as_bytes().to_vec(),
        b"12345678901234567890".to_vec(),
    ];
    secrets.push(FactorSecret::read(&secret).unwrap().bytes().to_vec());
    for code in confirmed["recovery_codes"].as_array().unwrap() {
        secrets.extend(
            [
                code.as_str().unwrap().to_owned(),
                code.as_str().unwrap().replace('-', ""),
            ]
            .map(String::into_bytes),
        );
    }
    for text in &shown {
        assert!(
            !secrets.iter().any(|secret| text
                .as_bytes()
                .windows(secret.len())
                .any(|window| window == secret.as_slice())),
            "{text}"
        );
        assert!(!text.contains(&code), "{text}");
    }
    let mut files = 0;
    for entry in std::fs::read_dir(&folder).unwrap().chain(
        std::fs::read_dir(folder.join("blobs"))
            .into_iter()
            .flatten(),
    ) {
        let path = entry.unwrap().path();
        if path.is_file() {
            files += 1;
            let bytes = std::fs::read(&path).unwrap();
            assert!(
                !secrets.iter().any(|secret| bytes
                    .windows(secret.len())
                    .any(|window| window == secret.as_slice())),
                "{}",
                path.display()
            );
        }
    }
    assert!(files > 0);
    std::fs::remove_dir_all(folder).unwrap();
}
