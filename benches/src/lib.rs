//! What the benchmarks share: platforms, and folders to put them in. See `benches/`.

use std::path::{Path, PathBuf};
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
    let clock = ManualClock::new(Count::new(1_781_524_800_000).expect("a time"));
    store_with(OpenOptions::default().clock(clock))
}

fn store_with(options: OpenOptions) -> Tenantry {
    let t = Tenantry::open(":memory:", options.cache_mib(32_768)).expect("a store in memory opens");
    prepare(&t);
    t
}

/// Makes what accounts need: a role that sends, a package with a limit for the hour, the day and
/// the month, which no benchmark reaches.
pub fn prepare(t: &Tenantry) {
    platform_of(
        t,
        &[
            ("email_per_hour", PLENTY),
            ("email_per_day", PLENTY),
            ("email_per_month", PLENTY),
        ],
    );
}

/// The same with a package of these limits.
pub fn platform_of(t: &Tenantry, limits: &[(&str, u64)]) {
    call(t, "policies.set", r#"{"policies":{"depth":8}}"#);
    call(
        t,
        "roles.create",
        r#"{"id":"sender","name":"Sender","allow":[{"permission":"campaigns"}]}"#,
    );
    let limits: Vec<_> = limits
        .iter()
        .map(|(limit, value)| format!(r#""{limit}":{value}"#))
        .collect();
    let limits = limits.join(",");
    call(
        t,
        "packages.create",
        &format!(r#"{{"id":"large","name":"Large","limits":{{{limits}}}}}"#),
    );
}

/// Makes an account with the limits of the package, and its owner.
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

/// A folder on the disk that is gone with the value.
pub struct Folder(pub PathBuf);

impl Folder {
    /// A new one; `below` is where cargo has a place for what a benchmark writes.
    pub fn new(below: &str, name: &str) -> Folder {
        let path = Path::new(below).join(format!("bench-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0)
            .unwrap_or_else(|error| eprintln!("{}: {error}", self.0.display()));
    }
}

/// A number that a variable of the environment says.
pub fn number(variable: &str, otherwise: usize) -> usize {
    std::env::var(variable).map_or(otherwise, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is a number"))
    })
}

/// Numbers from 0 to 1 in no order, the same in every run.
pub fn random() -> impl FnMut() -> f64 {
    let mut state = 1_u64;
    move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / (1_u64 << 31) as f64
    }
}
