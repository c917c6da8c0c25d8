//! What every host knows: how its store is opened, and which accounts it sends from.

/// The clock stands still, so that all cycles of a test are in one window of every limit.
pub const OPTIONS: &str = r#"{"durability":"full","clock":{"manual_ms":1750000000000}}"#;
/// As [`OPTIONS`], for a store that must be there.
pub const EXISTING: &str =
    r#"{"durability":"full","clock":{"manual_ms":1750000000000},"create":false}"#;
pub const THREADS: u64 = 4;
/// One admission asks for 1 to this many.
pub const MOST_AT_ONCE: u64 = 3;
/// Accounts that every host sends from, with their daily limits. They are below [`TOP`], which
/// counts their sends too.
pub const METERS: [(&str, Option<u64>); 3] = [
    ("meter-0", None),
    ("meter-1", Some(100_000)),
    ("meter-2", Some(1000)),
];
pub const TOP: &str = "top";
/// How the ids of the other accounts below it begin.
pub const BELOW: &str = "below";
