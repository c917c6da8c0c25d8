//! The project's commands, `cargo xtask COMMAND`; without one it names them.

mod bench;
mod codegen;
mod demo;
mod deny;
mod guide;
mod install;
mod package;
mod setup;
mod test;

use anyhow::{Result, bail};
use setup::Profile;
use std::path::Path;

const USAGE: &str = "usage: cargo xtask COMMAND
  test [--release]   set up what is needed and run all tests in all languages; with
                     --release optimised as what is published, which takes longer
  deny               licences, bans and sources of all dependencies
  guide              the site of docs/guide, in target/guide/book
  demo [--short]     the mail host: thousands of messages, killed in the middle
  install --prefix FOLDER
                     the C library with headers, pkg-config, CMake and man page
  package            the packages for this platform, each tried in an empty environment
  codegen [--check]  write what follows from the catalogue, or compare
  bench [--quick] [--write]
                     the benchmarks with their peers, as one table: in target/bench,
                     with --write in docs and the README
  soak               the long versions of the crash tests, of the histories of quotas and of the
                     checks of security";

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["codegen"] => codegen::run(&root, false),
        ["codegen", "--check"] => codegen::run(&root, true),
        ["test"] => test::run(&root, Profile::Tests),
        ["test", "--release"] => test::run(&root, Profile::Release),
        ["deny"] => deny::run(&root),
        ["guide"] => guide::run(&root),
        ["demo"] => demo::run(&root, Profile::Tests, false),
        ["demo", "--short"] => demo::run(&root, Profile::Tests, true),
        ["package"] => package::run(&root),
        ["install", "--prefix", prefix] => install::run(&root, Path::new(prefix)),
        ["bench", flags @ ..]
            if flags
                .iter()
                .all(|flag| ["--quick", "--write"].contains(flag)) =>
        {
            bench::run(
                &root,
                bench::Options {
                    quick: flags.contains(&"--quick"),
                    write: flags.contains(&"--write"),
                },
            )
        }
        ["soak"] => bench::soak(&root),
        _ => bail!("{USAGE}"),
    }
}
