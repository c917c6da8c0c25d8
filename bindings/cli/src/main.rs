//! The command `tenantry`: looks into a store, keeps it, and calls any operation.
//!
//! Answers are tables for people, or JSON with `--json`. The command ends with 0 where what was
//! asked is done or true, with 1 where it was refused or is not so, and with 2 where the command
//! line is wrong.

mod answers;
mod commands;
mod failure;
mod operations;
mod store;
mod tail;
mod usage;
mod why;

use std::io::Write;
use std::process::ExitCode;

use clap::ArgMatches;
use failure::Failure;
use serde_json::{Value, json};
use store::Store;

fn main() -> ExitCode {
    let matches = commands::command().get_matches();
    let is_json = matches.get_flag("json");
    match run(&matches, is_json) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(Failure::Refused(error)) => {
            if is_json {
                println!("{}", error.to_json());
            } else {
                eprintln!("tenantry: {} ({})", error.message(), error.code().name());
            }
            ExitCode::FAILURE
        }
        Err(Failure::Usage(what)) => {
            eprintln!("tenantry: {what}");
            ExitCode::from(2)
        }
        // As `head` ends a pipe.
        Err(Failure::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(Failure::Output(error)) => {
            eprintln!("tenantry: what was answered cannot be written: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Does what is asked; answers whether it is so.
fn run(matches: &ArgMatches, is_json: bool) -> Result<bool, Failure> {
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
            return Ok(true);
        }
        "operations" => {
            operations::list(text("word"))?;
            return Ok(true);
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
    let store = Store::open(matches)?;
    let is_so = ask(&store, name, of, is_json)?;
    store.close()?;
    Ok(is_so)
}

/// Asks an open store.
fn ask(store: &Store, name: &str, of: &ArgMatches, is_json: bool) -> Result<bool, Failure> {
    let text = |id: &str| of.get_one::<String>(id).map(String::as_str);
    let to = || json!({"to": text("to")});
    match name {
        "backup" => show(&store.call("store.backup", &to())?, is_json),
        "copy" => show(&store.call("store.copy", &to())?, is_json),
        "stats" => show(&store.call("store.stats", &json!({}))?, is_json),
        "compact" => show(&store.call("store.compact", &json!({}))?, is_json),
        "verify" => {
            let found = store.call("store.verify", &json!({}))?;
            show(&found, is_json)?;
            Ok(found["whole"] == true)
        }
        "usage" => usage::show(store, text("account").unwrap_or_default(), is_json),
        "why" => why::show(store, of, is_json),
        "outbox" => match of.subcommand() {
            Some(("tail", of)) => tail::follow(store, of, is_json),
            _ => Err(Failure::Usage("name a command: `outbox tail`".to_owned())),
        },
        operation => {
            let request = operations::request(operation, of)?;
            show(&store.call(operation, &request)?, is_json)
        }
    }
}

fn show(answer: &Value, is_json: bool) -> Result<bool, Failure> {
    answers::print(answer, is_json)?;
    Ok(true)
}
