//! `cargo xtask deny`: licences, bans and sources of all dependencies, as `deny.toml` has them.

use crate::setup;
use anyhow::Result;
use std::path::Path;
use std::process::Command;

const VERSION: &str = "0.20.2";

/// Checks licences, bans and sources, and published advisories where their database can be fetched.
pub fn run(root: &Path) -> Result<()> {
    let program = setup::tool(root, "cargo-deny", VERSION, &["--debug"])?;
    let mut check = deny(&program);
    check.args(["check", "licenses", "bans", "sources"]);
    setup::run("licences, bans and sources", root, &mut check)?;

    let fetched = deny(&program)
        .args(["fetch", "db"])
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_HTTP_LOW_SPEED_LIMIT", "1000")
        .env("GIT_HTTP_LOW_SPEED_TIME", "20")
        .current_dir(root)
        .output()?;
    if !fetched.status.success() {
        println!("== advisories: skipped, their database cannot be fetched from here");
        return Ok(());
    }
    let mut check = deny(&program);
    check.args(["check", "--disable-fetch", "advisories"]);
    setup::run("advisories", root, &mut check)
}

fn deny(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(["--locked", "--log-level", "error"]);
    command
}
