//! What is granted from memory allocates nothing: neither a prepared send nor a prepared check
//! (design, section 6).

use allocation_counter::measure;
use tenantry::Tenantry;

fn platform(options: &str) -> Tenantry {
    let t = Tenantry::open_json(":memory:", options.as_bytes()).unwrap();
    let call = |operation: &str, request: &str| {
        t.call_json(b"", operation.as_bytes(), request.as_bytes())
            .unwrap()
    };
    let limits =
        r#"{"email_per_hour":1000000000,"email_per_day":2000000000,"email_per_month":3000000000}"#;
    call(
        "packages.create",
        &format!(r#"{{"id":"large","name":"Large","limits":{limits}}}"#),
    );
    call(
        "accounts.create",
        r#"{"id":"top","name":"Top","package":"large",
            "owner":{"user":"tom","email":"tom@top.example"}}"#,
    );
    call(
        "accounts.create",
        r#"{"id":"acme","name":"Acme","package":"large","parent":"top",
            "owner":{"user":"olga","email":"olga@acme.example"}}"#,
    );
    call(
        "members.add",
        r#"{"account":"acme","user":"ann","email":"ann@acme.example","role":"full"}"#,
    );
    call(
        "groups.set_caps",
        r#"{"account":"acme","group":"default","caps":{"email":1000000000}}"#,
    );
    call(
        "caps.set",
        r#"{"account":"acme","id":"each","scope":"member","window":"week","limit":1000000000}"#,
    );
    call(
        "caps.set",
        r#"{"account":"top","id":"pace","scope":"account","window":"hour","limit":1000000000,
            "over":"spread","burst":1000000}"#,
    );
    t
}

/// Eight counters and a pace; with a clock that stands still nobody draws in the background.
#[test]
fn a_send_that_memory_grants_allocates_nothing() {
    let t = platform(r#"{"clock":{"manual_ms":1781524800000}}"#);
    let gate = t.sender("acme", Some("ann")).unwrap();
    let mut granted = 0;
    while granted < 10_000 {
        let mut answer = None;
        let counted = measure(|| answer = gate.try_admit(1).unwrap());
        match answer {
            Some(decision) => {
                assert_eq!(
                    (decision.granted, counted.count_total),
                    (1, 0),
                    "after {granted}: {counted:?}"
                );
                granted += 1;
            }
            None => assert_eq!(gate.admit(10).unwrap().granted, 10),
        }
    }
}

/// With the system's clock the send that asks for the next block may allocate, and no other.
#[test]
fn sends_between_two_draws_allocate_nothing() {
    let t = platform("{}");
    let gate = t.sender("acme", Some("ann")).unwrap();
    let quiet = (0..1000).filter(|_| {
        let mut from_memory = false;
        let counted = measure(|| from_memory = gate.try_admit(1).unwrap().is_some());
        if !from_memory {
            gate.admit(1000).unwrap();
        }
        from_memory && counted.count_total == 0
    });
    assert!(quiet.count() >= 900);
}

#[test]
fn a_prepared_check_allocates_nothing() {
    let t = platform("{}");
    let access = t.access("acme", "ann", "campaigns.send").unwrap();
    assert!(access.allowed().unwrap());
    let counted = measure(|| {
        for _ in 0..1000 {
            assert!(access.allowed().unwrap());
        }
    });
    assert_eq!(counted.count_total, 0, "{counted:?}");
}
