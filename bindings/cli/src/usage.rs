//! What an account has used of its limits, as bars.

use serde_json::{Value, json};
use std::io::Write;

use crate::answers::{self, instant, trimmed};
use crate::failure::Failure;
use crate::store::Store;

/// How many signs a bar has.
const WIDTH: u64 = 20;

pub(crate) fn show(store: &Store, account: &str, is_json: bool) -> Result<bool, Failure> {
    let usage = store.call("usage.get", &json!({"account": account}))?;
    if is_json {
        answers::print(&usage, true)?;
        return Ok(true);
    }
    let mut table = answers::table();
    for window in usage["windows"].as_array().into_iter().flatten() {
        table.add_row(row(window));
    }
    writeln!(std::io::stdout(), "{}", trimmed(&table))?;
    Ok(true)
}

fn row(window: &Value) -> [String; 4] {
    let used = window["used"].as_u64().unwrap_or(0);
    let (bar, of) = match window["value"].as_u64() {
        Some(limit) => (bar(used, limit), format!("{used} of {limit}")),
        None => (String::new(), format!("{used}, unlimited")),
    };
    let until = window["resets_at_ms"].as_i64().map(instant);
    [
        window["limit"].as_str().unwrap_or_default().to_owned(),
        bar,
        of,
        until.map_or(String::new(), |until| format!("until {until}")),
    ]
}

pub(crate) fn bar(used: u64, limit: u64) -> String {
    let share = match limit {
        0 => WIDTH,
        limit => {
            let share = u128::from(used) * u128::from(WIDTH) / u128::from(limit);
            u64::try_from(share).map_or(WIDTH, |share| share.min(WIDTH))
        }
    };
    // What is used at all is seen.
    let full = match used {
        0 if limit > 0 => 0,
        _ => share.max(1),
    };
    (0..WIDTH)
        .map(|at| if at < full { '█' } else { '·' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_full_as_the_limit() {
        let full = |used, limit| bar(used, limit).chars().filter(|one| *one == '█').count();
        assert_eq!(
            [full(0, 10), full(1, 1000), full(5, 10), full(10, 10)],
            [0, 1, 10, 20]
        );
        assert_eq!(
            [full(30, 10), full(0, 0), full(u64::MAX, u64::MAX)],
            [20, 20, 20]
        );
    }
}
