use std::hint::black_box;
use tenantry::Tenantry;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let (mode, n): (&str, u64) = (&args[1], args[2].parse().unwrap());
    let t = Tenantry::open_json(":memory:", b"").unwrap();
    let call = |op: &str, r: &str| t.call_json(b"", op.as_bytes(), r.as_bytes()).unwrap();
    call("packages.create", r#"{"id":"large","name":"Large","limits":{"email_per_hour":1000000000,"email_per_day":2000000000,"email_per_month":3000000000}}"#);
    call("accounts.create", r#"{"id":"top","name":"Top","package":"large","owner":{"user":"tom","email":"tom@top.example"}}"#);
    call("accounts.create", r#"{"id":"acme","name":"Acme","package":"large","parent":"top","owner":{"user":"olga","email":"olga@acme.example"}}"#);
    call("members.add", r#"{"account":"acme","user":"ann","email":"ann@acme.example","role":"full"}"#);
    if mode.contains("refuse") {
        call("limits.set", r#"{"account":"acme","limit":"email_per_hour","value":5}"#);
    }
    if mode.contains("held") {
        call("accounts.hold", r#"{"account":"acme","reason":"abuse"}"#);
    }
    let gate = t.sender("acme", Some("ann")).unwrap();
    let other = t.sender("acme", Some("olga")).unwrap();
    if mode.contains("refuse") {
        let _ = gate.admit(5).unwrap();
    } else if !mode.contains("held") {
        for _ in 0..400 { gate.admit(1000).unwrap(); t.admit("acme", Some("ann"), 1).unwrap(); other.admit(1).unwrap(); }
    }
    for _ in 0..3 { gate.admit(1).unwrap(); gate.admit(1).unwrap(); other.admit(1).unwrap(); t.admit("acme", Some("ann"), 1).unwrap(); }
    let begin = std::time::Instant::now();
    for i in 0..n {
        if mode.ends_with("ids") { black_box(t.admit(black_box("acme"), Some("ann"), 1).unwrap()); }
        else if mode.ends_with("turn") { black_box(if i % 2 == 0 { gate.admit(1) } else { other.admit(1) }.unwrap()); }
        else { black_box(gate.admit(black_box(1)).unwrap()); }
    }
    if n > 0 { eprintln!("{mode}: {:.1} ns", begin.elapsed().as_nanos() as f64 / n as f64); }
    std::process::exit(0);
}
