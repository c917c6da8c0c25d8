//! The command `tenantry` as a program of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(tenantry_cli::run(std::env::args_os()))
}
