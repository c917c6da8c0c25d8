//! Who sends just now, and who is refused: accounts, the busiest first, as `top` shows processes.

mod lines;

use clap::ArgMatches;
use serde_json::{Value, json};
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::answers::{self, trimmed};
use crate::failure::Failure;
use crate::store::Store;
use lines::{Account, Line, Look, Window, lines};

/// How many accounts are looked at; of more, those with the smallest ids.
const MOST_ACCOUNTS: usize = 2_000;
const PAGE: usize = 500;

/// What makes a terminal empty and begins at its top.
const CLEAR: &str = "\x1b[2J\x1b[H";

/// Shows the accounts until the user ends it with Ctrl-C; once with `--once`, and where nobody
/// looks.
pub(crate) fn show(store: &Store, of: &ArgMatches, is_json: bool) -> Result<bool, Failure> {
    let pause = Duration::from_secs(of.get_one::<u64>("interval").copied().unwrap_or(2));
    let is_once = of.get_flag("once") || is_json || !std::io::stdout().is_terminal();
    let mut before = look(store)?;
    loop {
        std::thread::sleep(pause);
        let now = look(store)?;
        let lines = lines(&before, &now);
        if is_once {
            print(&lines, is_json)?;
            return Ok(true);
        }
        write!(std::io::stdout(), "{CLEAR}{}\n\n", title(&now))?;
        print(&lines, false)?;
        before = now;
    }
}

fn title(look: &Look) -> String {
    let many = look.accounts.len();
    match look.is_all {
        true => format!("{many} accounts; Ctrl-C ends"),
        false => format!("the first {many} accounts; Ctrl-C ends"),
    }
}

fn print(lines: &[Line], is_json: bool) -> std::io::Result<()> {
    if is_json {
        let accounts: Vec<_> = lines.iter().map(Line::to_json).collect();
        return answers::print(&json!({ "accounts": accounts }), true);
    }
    let mut table = answers::table();
    for line in lines {
        table.add_row(line.cells());
    }
    writeln!(std::io::stdout(), "{}", trimmed(&table))
}

fn look(store: &Store) -> Result<Look, Failure> {
    let (mut accounts, mut after) = (Vec::new(), Value::Null);
    loop {
        let mut request = json!({ "limit": PAGE });
        if !after.is_null() {
            request["after"] = after;
        }
        let page = store.call("accounts.list", &request)?;
        for account in page["accounts"].as_array().into_iter().flatten() {
            if accounts.len() == MOST_ACCOUNTS {
                break;
            }
            accounts.extend(used(store, account)?);
        }
        after = page["next"].clone();
        let is_all = after.is_null();
        if is_all || accounts.len() == MOST_ACCOUNTS {
            return Ok(Look {
                at: Instant::now(),
                accounts,
                is_all,
            });
        }
    }
}

/// What an account has used; none where it was deleted since it was listed.
fn used(store: &Store, account: &Value) -> Result<Option<Account>, Failure> {
    let usage = match store.call("usage.get", &json!({ "account": account["id"] })) {
        Err(Failure::Refused(error)) if error.code().name() == "not_found" => return Ok(None),
        usage => usage?,
    };
    let text = |of: &Value| of.as_str().unwrap_or_default().to_owned();
    let windows = usage["windows"].as_array().into_iter().flatten();
    let windows = windows.map(|window| Window {
        limit: text(&window["limit"]),
        starts_at_ms: window["starts_at_ms"].as_i64().unwrap_or_default(),
        ends_at_ms: window["ends_at_ms"].as_i64(),
        used: window["used"].as_u64().unwrap_or_default(),
        value: window["value"].as_u64(),
    });
    Ok(Some(Account {
        id: text(&account["id"]),
        name: text(&account["name"]),
        windows: windows.collect(),
    }))
}
