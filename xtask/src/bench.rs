//! `cargo xtask bench` and `cargo xtask soak`: what takes long and is not part of the tests.

use crate::setup;
use anyhow::Result;
use std::path::Path;
use std::process::Command;

/// The benchmarks in Rust with their peers, then the cost of a call from C, Python and Node.
pub fn run(root: &Path) -> Result<()> {
    setup::run("benchmarks", root, &mut setup::cargo(&["bench", "-p", "tenantry-benches"]))?;
    let library = setup::library(root)?;
    let program = root.join("target/bench_c");
    let mut gcc = Command::new("gcc");
    gcc.args(["-std=c11", "-O2", "-Iinclude", "tests/c/bench.c", "-o"]).arg(&program).arg(library.join("libtenantry.a"));
    gcc.args(["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl"]);
    setup::run("compile the C benchmark", root, &mut gcc)?;
    setup::run("calls from C", root, &mut Command::new(program))?;
    let python = setup::python(root)?;
    setup::run("calls from Python", root, Command::new(python).arg("benches/python_calls.py"))?;
    setup::node(root)?;
    setup::run("calls from Node", root, Command::new("node").arg("benches/node_calls.mjs"))
}

/// The crash tests, ten times as long.
pub fn soak(root: &Path) -> Result<()> {
    let mut tests = setup::cargo(&["test", "--release", "-p", "tenantry-tests", "--test", "kill", "--test", "power_loss", "--test", "damaged"]);
    tests.env("TENANTRY_KILLS", "2000").env("TENANTRY_IMAGES", "1000").env("TENANTRY_FLIPS", "2000");
    setup::run("crash tests", root, &mut tests)
}
