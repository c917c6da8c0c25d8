//! What one admission and one permission check cost, beside governor's one keyed window.

use criterion::{Criterion, criterion_group, criterion_main};
use governor::{Quota, RateLimiter};
use std::hint::black_box;
use std::num::NonZeroU32;
use tenantry::{OpenOptions, Tenantry};

/// An account below another, each with a limit for the hour, the day and the month: six counters for each message.
fn platform() -> Tenantry {
    let t = Tenantry::open(":memory:", OpenOptions::default()).expect("a store in memory opens");
    let call = |operation: &str, request: &str| {
        t.call_json(b"", operation.as_bytes(), request.as_bytes()).unwrap_or_else(|error| panic!("{operation}: {error}"));
    };
    call("roles.create", r#"{"id":"sender","name":"Sender","allow":[{"permission":"campaigns"}]}"#);
    let limits = r#"{"email_per_hour":9000000000000000,"email_per_day":9000000000000000,"email_per_month":9000000000000000}"#;
    call("packages.create", &format!(r#"{{"id":"large","name":"Large","limits":{limits}}}"#));
    call("accounts.create", r#"{"id":"top","name":"Top","package":"large","owner":{"user":"tom","email":"tom@top.example"}}"#);
    call("accounts.create", r#"{"id":"acme","name":"Acme","package":"large","parent":"top","owner":{"user":"olga","email":"olga@acme.example"}}"#);
    call("members.add", r#"{"account":"acme","user":"ann","email":"ann@acme.example","role":"sender"}"#);
    t
}

fn hot_path(c: &mut Criterion) {
    let t = platform();
    let mut admit = c.benchmark_group("admit one message");
    let gate = t.sender("acme", Some("ann")).expect("ann sends");
    admit.bench_function("tenantry, six counters, prepared", |b| b.iter(|| gate.admit(black_box(1)).expect("granted")));
    admit.bench_function("tenantry, six counters, by ids", |b| b.iter(|| t.admit(black_box("acme"), Some("ann"), 1).expect("granted")));
    let quota = Quota::per_second(NonZeroU32::MAX).allow_burst(NonZeroU32::MAX);
    let peer = RateLimiter::keyed(quota);
    admit.bench_function("governor, one window, keyed", |b| b.iter(|| peer.check_key(black_box(&"acme")).is_ok()));
    admit.finish();

    let mut check = c.benchmark_group("check one permission");
    let access = t.access("acme", "ann", "campaigns.send").expect("ann is known");
    check.bench_function("tenantry, prepared", |b| b.iter(|| access.allowed().expect("answered")));
    check.bench_function("tenantry, by ids", |b| b.iter(|| t.allowed(black_box("acme"), "ann", "campaigns.send").expect("answered")));
    check.bench_function("tenantry, JSON", |b| {
        b.iter(|| {
            t.call_json(b"", b"access.check", black_box(br#"{"account":"acme","user":"ann","permission":"campaigns.send"}"#)).expect("answered")
        })
    });
    check.finish();
}

criterion_group!(benches, hot_path);
criterion_main!(benches);
