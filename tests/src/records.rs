//! The records of a store that is closed, as they lie in it.

use std::collections::BTreeMap;
use std::path::Path;
use tenantry_store::{At, Options, Order};

/// What begins the keys of counters: attempts to log in, meters, their history and the clearing of
/// them, and paces.
const COUNTERS: [&str; 5] = ["AT", "mh", "mt", "pc", "pr"];
/// And of what is each store's own: what it knows of the clock, and of the key of its tokens.
const OWN: [&str; 2] = ["CL", "TK"];

/// Every record but those of counters and of the store itself, by printable key.
pub fn records_but_counters(folder: &Path) -> BTreeMap<String, String> {
    let how = Options {
        cache_bytes: 16 << 20,
        create: false,
        ..Options::default()
    };
    let store = tenantry_store::open(&At::new(folder), &how).unwrap();
    let rows = store
        .range(&[0], &[0x7f], Order::Ascending, usize::MAX)
        .unwrap();
    store.close().unwrap();
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    let is_left_out = |key: &[u8]| {
        let mut prefixes = COUNTERS.iter().chain(&OWN);
        prefixes.any(|prefix| key.starts_with(prefix.as_bytes()))
    };
    rows.into_iter()
        .filter(|(key, _)| !is_left_out(key))
        .map(|(key, record)| (text(&key), text(&record.value)))
        .collect()
}
