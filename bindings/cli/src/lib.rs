//! The command `tenantry`: looks into a store, keeps it, and calls any operation.
//!
//! Answers are tables for people, or JSON with `--json`. The command ends with 0 where what was
//! asked is done or true, with 1 where it was refused or is not so, with 2 where the command line
//! is wrong, and with 3 where `verify` or `repair` leaves findings.

mod answers;
mod commands;
mod failure;
mod findings;
mod operations;
mod store;
mod tail;
mod top;
mod usage;
mod why;

use std::ffi::OsString;
use std::io::Write;

use clap::ArgMatches;
use failure::Failure;
use serde_json::{Value, json};
use store::Store;

/// Runs the command line, whose first argument is the name of the command, and answers with which
/// code the process is to end. What it prints is printed when this returns.
///
/// The packages for Python and Node have the command through this function.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let code = match commands::command().try_get_matches_from(arguments) {
        Ok(matches) => answer(&matches),
        // Help is no error: it is printed where answers are.
        Err(error) => {
            let is_printed = error.print().is_ok();
            if is_printed && !error.use_stderr() {
                DONE
            } else {
                WRONG
            }
        }
    };
    // Inside an interpreter nobody else flushes it.
    match std::io::stdout().flush() {
        Ok(()) => code,
        Err(error) => not_written(&error),
    }
}

/// What was asked for is done, or is so.
const DONE: u8 = 0;
/// It was refused, or is not so.
const REFUSED: u8 = 1;
/// The command line is wrong.
const WRONG: u8 = 2;
/// Something in the store is wrong.
const FINDINGS: u8 = 3;

fn answer(matches: &ArgMatches) -> u8 {
    let is_json = matches.get_flag("json");
    match dispatch(matches, is_json) {
        Ok(code) => code,
        Err(Failure::Refused(error)) => {
            let written = match is_json {
                true => writeln!(std::io::stdout(), "{}", error.to_json()),
                false => {
                    complain(&format!("{} ({})", error.message(), error.code().name()));
                    Ok(())
                }
            };
            written.map_or_else(|error| not_written(&error), |()| REFUSED)
        }
        Err(Failure::Usage(what)) => {
            complain(&what);
            WRONG
        }
        Err(Failure::Output(error)) => not_written(&error),
    }
}

fn not_written(error: &std::io::Error) -> u8 {
    // As `head` ends a pipe.
    if error.kind() == std::io::ErrorKind::BrokenPipe {
        return DONE;
    }
    complain(&format!("the answer cannot be written: {error}"));
    REFUSED
}

/// Whoever has closed standard error wants no complaints.
fn complain(what: &str) {
    let _ = writeln!(std::io::stderr(), "tenantry: {what}");
}

/// Does what is asked; answers with which code the process is to end.
fn dispatch(matches: &ArgMatches, is_json: bool) -> Result<u8, Failure> {
    let Some((name, of)) = matches.subcommand() else {
        return Err(Failure::Usage("name a command; see `--help`".to_owned()));
    };
    let text = |id: &str| of.get_one::<String>(id).map(String::as_str);
    match name {
        "completion" => {
            let shell = of.get_one::<clap_complete::Shell>("shell");
            if let Some(shell) = shell {
                let mut out = Vec::new();
                clap_complete::generate(*shell, &mut commands::command(), "tenantry", &mut out);
                std::io::stdout().write_all(&out)?;
            }
            return Ok(DONE);
        }
        "operations" => {
            operations::list(text("word"))?;
            return Ok(DONE);
        }
        // It needs no store but the one that it makes.
        "restore" => {
            let store = Store::in_memory()?;
            let request = json!({"backup": text("from"), "to": text("to"),
                "edited": of.get_flag("edited")});
            return show(&store.call("store.restore", &request)?, is_json);
        }
        _ => {}
    }
    let address = match name {
        "verify" | "repair" => of.get_one::<String>("address"),
        _ => None,
    };
    let store = Store::open(matches, address)?;
    let code = ask(&store, name, of, is_json)?;
    store.close()?;
    Ok(code)
}

/// Asks an open store.
fn ask(store: &Store, name: &str, of: &ArgMatches, is_json: bool) -> Result<u8, Failure> {
    let text = |id: &str| of.get_one::<String>(id).map(String::as_str);
    let to = || json!({"to": text("to")});
    match name {
        "backup" => show(&store.call("store.backup", &to())?, is_json),
        "copy" => show(&store.call("store.copy", &to())?, is_json),
        "stats" => show(&store.call("store.stats", &json!({}))?, is_json),
        "compact" => show(&store.call("store.compact", &json!({}))?, is_json),
        "verify" => Ok(or(findings::verify(store, is_json)?, FINDINGS)),
        "repair" => {
            let is_whole = findings::repair(store, of.get_flag("dry-run"), is_json)?;
            Ok(or(is_whole, FINDINGS))
        }
        "usage" => {
            let is_shown = usage::show(store, text("account").unwrap_or_default(), is_json)?;
            Ok(or(is_shown, REFUSED))
        }
        "top" => Ok(or(top::show(store, of, is_json)?, REFUSED)),
        "why" => Ok(or(why::show(store, of, is_json)?, REFUSED)),
        "outbox" => match of.subcommand() {
            Some(("tail", of)) => Ok(or(tail::follow(store, of, is_json)?, REFUSED)),
            _ => Err(Failure::Usage("name a command: `outbox tail`".to_owned())),
        },
        operation => {
            let request = operations::request(operation, of)?;
            show(&store.call(operation, &request)?, is_json)
        }
    }
}

fn show(answer: &Value, is_json: bool) -> Result<u8, Failure> {
    answers::print(answer, is_json)?;
    Ok(DONE)
}

/// The code for something that is so, or this other one.
fn or(is_so: bool, otherwise: u8) -> u8 {
    if is_so { DONE } else { otherwise }
}
