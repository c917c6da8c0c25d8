//! What the benchmarks share: platforms whose limits are never reached. See `benches/`.

use tenantry::{Count, ManualClock, OpenOptions, Tenantry};

/// What no benchmark uses up.
pub const PLENTY: u64 = 9_000_000_000_000_000;

/// A store in memory, large enough that it keeps every account at hand.
pub fn store() -> Tenantry {
    store_with(OpenOptions::default())
}

/// The same, whose clock stands still: however long it takes to fill it, no minute of an hour's
/// limit ends meanwhile.
pub fn store_at_one_instant() -> Tenantry {
    let manual_ms = Count::new(1_781_524_800_000).expect("a time");
    store_with(OpenOptions {
        clock: Some(ManualClock { manual_ms }),
        ..OpenOptions::default()
    })
}

fn store_with(options: OpenOptions) -> Tenantry {
    let t = Tenantry::open(
        ":memory:",
        OpenOptions {
            cache_mib: 32_768,
            ..options
        },
    )
    .expect("a store in memory opens");
    prepare(&t);
    t
}

/// Makes what accounts need: a role that sends, a package with a limit for the hour, the day and
/// the month.
pub fn prepare(t: &Tenantry) {
    call(t, "policies.set", r#"{"policies":{"depth":8}}"#);
    call(
        t,
        "roles.create",
        r#"{"id":"sender","name":"Sender","allow":[{"permission":"campaigns"}]}"#,
    );
    let limits = format!(
        r#"{{"email_per_hour":{PLENTY},"email_per_day":{PLENTY},"email_per_month":{PLENTY}}}"#
    );
    call(
        t,
        "packages.create",
        &format!(r#"{{"id":"large","name":"Large","limits":{limits}}}"#),
    );
}

/// Makes an account with three limits, and its owner.
pub fn account(t: &Tenantry, id: &str, parent: Option<&str>) {
    let parent = parent.map_or(String::new(), |parent| format!(r#","parent":"{parent}""#));
    let owner = format!(r#"{{"user":"o-{id}","email":"o-{id}@owners.example"}}"#);
    call(
        t,
        "accounts.create",
        &format!(r#"{{"id":"{id}","name":"A","package":"large"{parent},"owner":{owner}}}"#),
    );
}

/// Makes a member of an account who may send.
pub fn member(t: &Tenantry, account: &str, user: &str) {
    call(
        t,
        "members.add",
        &format!(
            r#"{{"account":"{account}","user":"{user}","email":"{user}@members.example",
                "role":"sender"}}"#
        ),
    );
}

/// The base of all comparisons: `ann` sends for `acme`, which lies below `top`, each with three
/// limits. Six counters for each message.
pub fn platform() -> Tenantry {
    let t = store();
    account(&t, "top", None);
    account(&t, "acme", Some("top"));
    member(&t, "acme", "ann");
    t
}

/// Runs an operation that has to work.
pub fn call(t: &Tenantry, operation: &str, request: &str) -> String {
    t.call_json(b"", operation.as_bytes(), request.as_bytes())
        .unwrap_or_else(|error| panic!("{operation} {request}: {error}"))
}
