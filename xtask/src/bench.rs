//! `cargo xtask bench` and `cargo xtask soak`: what takes long and is not part of the tests.

mod fingerprint;
mod readme;
mod report;

use crate::setup::{self, Profile};
use anyhow::{Context, Result};
use report::Figures;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// The runner of the instruction counts; as the library in `benches/Cargo.toml`.
const GUNGRAUN: &str = "0.20.0";

/// How large the platforms of a short run are.
const QUICK: [(&str, &str); 3] = [
    ("TENANTRY_BENCH_ACCOUNTS", "10000"),
    ("TENANTRY_BENCH_USERS", "10000"),
    ("TENANTRY_BENCH_IMPORT", "10000"),
];

/// How a run is done.
#[derive(Clone, Copy, Default)]
pub struct Options {
    /// Short measurements on small platforms, to see that all of it works.
    pub quick: bool,
    /// Writes `docs/benchmarks.md` and `.svg` and the tables of the README as well.
    pub write: bool,
}

/// The benchmarks in Rust with their peers, then the cost of a call from C, Python and Node, and
/// one table of all.
pub fn run(root: &Path, options: Options) -> Result<()> {
    let began = Instant::now();
    // Of what is built now, whatever is edited meanwhile.
    let code = fingerprint::of_hot_path(root)?;
    let mut figures = Figures::default();
    rust(root, options, &mut figures)?;
    instructions(root, &mut figures)?;
    other_languages(root, &mut figures)?;

    let text = report::markdown(&figures);
    println!("\n{text}");
    let text = format!("{}\n{text}", fingerprint::begin(&code));
    let mut folders = vec![root.join("target/bench")];
    folders.extend(options.write.then(|| root.join("docs")));
    for folder in folders {
        fs::write(folder.join("benchmarks.md"), &text)?;
        fs::write(folder.join("benchmarks.svg"), report::chart(&figures))?;
        println!("written: {}", folder.join("benchmarks.md").display());
    }
    if options.write {
        let path = root.join("README.md");
        let tables = readme::tables(&figures, options.quick);
        let renewed = fingerprint::renewed(&fs::read_to_string(&path)?, &code, &tables)
            .context("README.md has no marks between which figures stand")?;
        fs::write(&path, renewed)?;
        println!("written: {}", path.display());
    }
    println!(
        "it took {:.1} minutes",
        began.elapsed().as_secs_f64() / 60.0
    );
    Ok(())
}

/// The benchmarks in Rust, with their peers.
fn rust(root: &Path, options: Options, figures: &mut Figures) -> Result<()> {
    let raw = root.join("target/bench/criterion");
    if raw.exists() {
        fs::remove_dir_all(&raw)?;
    }
    for name in ["sending", "hot_path", "axes", "scale"] {
        let mut bench = setup::cargo(&["bench", "-p", "tenantry-benches", "--bench", name, "--"]);
        bench.arg("--noplot").env("CRITERION_HOME", &raw);
        if options.quick {
            bench.args(["--warm-up-time", "0.2", "--measurement-time", "0.5"]);
            bench.args(["--sample-size", "10"]);
            for (variable, value) in QUICK {
                bench.env(variable, value);
            }
        } else {
            bench.args(["--warm-up-time", "1", "--measurement-time", "2"]);
        }
        let heard = setup::heard(&format!("benchmark: {name}"), root, &mut bench)?;
        figures.read_notes(&heard);
        figures.read_figures(&heard);
    }
    figures.read_criterion(&raw)
}

/// What a call costs from C, Python and Node.
fn other_languages(root: &Path, figures: &mut Figures) -> Result<()> {
    let library = setup::library(root, Profile::Release)?;
    let program = root.join("target/bench_c");
    let mut gcc = Command::new("gcc");
    gcc.args(["-std=c11", "-O2", "-Iinclude", "tests/c/bench.c", "-o"])
        .arg(&program)
        .arg(library.join("libtenantry.a"));
    gcc.args(["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl"]);
    setup::run("compile the C benchmark", root, &mut gcc)?;
    figures.read_lines(
        "C",
        &setup::heard("calls from C", root, &mut Command::new(program))?,
    );
    let python = setup::python(root, Profile::Release)?;
    figures.read_lines(
        "Python",
        &setup::heard(
            "calls from Python",
            root,
            Command::new(python).arg("benches/python_calls.py"),
        )?,
    );
    setup::node(root, Profile::Release)?;
    figures.read_lines(
        "Node",
        &setup::heard(
            "calls from Node",
            root,
            Command::new("node").arg("benches/node_calls.mjs"),
        )?,
    );
    Ok(())
}

/// Counts instructions under valgrind, where there is one.
fn instructions(root: &Path, figures: &mut Figures) -> Result<()> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("\n== instructions: skipped, there is no valgrind");
        return Ok(());
    }
    let runner = setup::tool(root, "gungraun-runner", GUNGRAUN, &[])?;
    let mut bench = setup::cargo(&["bench", "-p", "tenantry-benches", "--bench", "instructions"]);
    bench
        .env("GUNGRAUN_RUNNER", runner)
        .env("GUNGRAUN_COLOR", "never");
    figures.read_instructions(&setup::heard("instructions", root, &mut bench)?);
    Ok(())
}

/// The crash tests, ten times as long, those of several processes thirty times and more, ten times
/// as many histories of quotas, and fifty times as many orders of threads.
pub fn soak(root: &Path) -> Result<()> {
    let mut histories = in_core(&["simulation_tests", "holders_tests"]);
    setup::run(
        "histories of quotas",
        root,
        histories.env("TENANTRY_HISTORIES", "5000"),
    )?;
    let mut orders = in_core(&["interleaving_tests"]);
    setup::run(
        "orders of threads",
        root,
        orders.env("TENANTRY_SCHEDULES", "50000"),
    )?;
    let mut serial = in_core(&["serial_tests"]);
    setup::run(
        "several processes in the order of their log",
        root,
        serial.env("TENANTRY_SERIAL", "200000"),
    )?;
    let mut tests = of_tests(&["kill", "power_loss", "damaged"]);
    tests
        .env("TENANTRY_KILLS", "2000")
        .env("TENANTRY_IMAGES", "1000")
        .env("TENANTRY_FLIPS", "2000");
    setup::run("crash tests", root, &mut tests)?;
    let mut many = of_tests(&["many"]);
    many.args(["--", "--nocapture"])
        .env("TENANTRY_CHANGES", "10000")
        .env("TENANTRY_ROUNDS", "2000")
        .env("TENANTRY_CRASHES", "5000")
        .env("TENANTRY_WINDOWS", "300");
    setup::run("several processes", root, &mut many)?;
    let mut isolation = of_tests(&["isolation"]);
    isolation.args(["--", "--nocapture"]);
    setup::run(
        "calls about another team",
        root,
        isolation.env("TENANTRY_CALLS", "2000000"),
    )?;
    let mut times = of_tests(&["security"]);
    times.args(["--", "--nocapture", "--ignored"]);
    setup::run("times of log-ins that fail", root, &mut times)
}

/// The command for some tests of the core, which print what they find.
fn in_core(names: &[&str]) -> Command {
    let mut tests = setup::cargo(&["test", "--release", "-p", "tenantry", "--lib", "--"]);
    tests.args(names).arg("--nocapture");
    tests
}

/// The command for some of the tests in `tests/tests`.
fn of_tests(names: &[&str]) -> Command {
    let mut tests = setup::cargo(&["test", "--release", "-p", "tenantry-tests"]);
    for name in names {
        tests.args(["--test", name]);
    }
    tests
}
