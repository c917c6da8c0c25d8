//! How many instructions a call of the hot path takes: the same number on every machine. Runs under
//! valgrind; `cargo xtask bench` installs the runner that it needs.
#![expect(missing_docs, reason = "the macros write items without")]

use gungraun::{library_benchmark, library_benchmark_group, main};
use std::hint::black_box;
use tenantry::{Access, Sender, Tenantry};
use tenantry_benches::{call, platform};

/// The first sends draw from the store.
fn sender() -> (Tenantry, Sender) {
    let t = platform();
    let sender = t.sender("acme", Some("ann")).expect("ann sends");
    while sender.try_admit(1).expect("answered").is_none() {
        sender.admit(1000).expect("granted");
    }
    (t, sender)
}

fn access() -> (Tenantry, Access) {
    let t = platform();
    let access = t
        .access("acme", "ann", "campaigns.send")
        .expect("ann is known");
    assert!(access.allowed().expect("answered"));
    (t, access)
}

fn drop_handle<T>(_: T) {}

#[library_benchmark(setup = sender, teardown = drop_handle)]
#[bench::six_counters()]
fn admit_prepared((t, sender): (Tenantry, Sender)) -> (Tenantry, Sender) {
    black_box(
        sender
            .try_admit(black_box(1))
            .expect("answered")
            .expect("granted from memory"),
    );
    (t, sender)
}

#[library_benchmark(setup = sender, teardown = drop_handle)]
#[bench::six_counters()]
fn admit_by_ids((t, sender): (Tenantry, Sender)) -> (Tenantry, Sender) {
    black_box(t.admit(black_box("acme"), Some("ann"), 1).expect("granted"));
    (t, sender)
}

/// A sender who has reached a limit, and was told so.
fn refused() -> (Tenantry, Sender) {
    let t = platform();
    call(
        &t,
        "limits.set",
        r#"{"account":"acme","limit":"email_per_hour","value":5}"#,
    );
    let sender = t.sender("acme", Some("ann")).expect("ann sends");
    assert_eq!(sender.admit(5).expect("answered").granted, 5);
    assert_eq!(sender.admit(1).expect("answered").granted, 0);
    (t, sender)
}

#[library_benchmark(setup = refused, teardown = drop_handle)]
#[bench::six_counters()]
fn refuse_prepared((t, sender): (Tenantry, Sender)) -> (Tenantry, Sender) {
    black_box(
        sender
            .try_admit(black_box(1))
            .expect("answered")
            .expect("refused from memory"),
    );
    (t, sender)
}

#[library_benchmark(setup = refused, teardown = drop_handle)]
#[bench::six_counters()]
fn refuse_by_ids((t, sender): (Tenantry, Sender)) -> (Tenantry, Sender) {
    black_box(
        t.admit(black_box("acme"), Some("ann"), 1)
            .expect("answered"),
    );
    (t, sender)
}

#[library_benchmark(setup = access, teardown = drop_handle)]
#[bench::known()]
fn check_prepared((t, access): (Tenantry, Access)) -> (Tenantry, Access) {
    black_box(access.allowed().expect("answered"));
    (t, access)
}

#[library_benchmark(setup = access, teardown = drop_handle)]
#[bench::known()]
fn check_by_ids((t, access): (Tenantry, Access)) -> (Tenantry, Access) {
    black_box(
        t.allowed(black_box("acme"), "ann", "campaigns.send")
            .expect("answered"),
    );
    (t, access)
}

library_benchmark_group!(
    name = hot_path,
    benchmarks = [
        admit_prepared,
        admit_by_ids,
        refuse_prepared,
        refuse_by_ids,
        check_prepared,
        check_by_ids
    ]
);
main!(library_benchmark_groups = hot_path);
