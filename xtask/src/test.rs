//! `cargo xtask test`: all tests in all languages, from nothing.

use crate::{codegen, deny, package, setup};
use anyhow::{Context, Result, anyhow, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// The packages with Rust tests. Benchmarks stay out: their peers are heavy. The bindings have
/// their tests in their language.
const TESTED: [&str; 10] = [
    "tenantry-store",
    "tenantry-macros",
    "tenantry",
    "tenantry-fork",
    "tenantry-pulse",
    "tenantry-logs",
    "tenantry-ffi",
    "tenantry-cli",
    "tenantry-tests",
    "xtask",
];
const LINTED: [&str; 12] = [
    "tenantry-store",
    "tenantry-macros",
    "tenantry",
    "tenantry-fork",
    "tenantry-pulse",
    "tenantry-logs",
    "tenantry-ffi",
    "tenantry-python",
    "tenantry-node",
    "tenantry-cli",
    "tenantry-tests",
    "xtask",
];

/// What somebody reads who calls tenantry from Rust, or works on it.
const DOCUMENTED: [&str; 6] = [
    "tenantry-store",
    "tenantry-macros",
    "tenantry",
    "tenantry-fork",
    "tenantry-pulse",
    "tenantry-logs",
];

/// Runs everything, and stops at the first thing that fails.
pub fn run(root: &Path) -> Result<()> {
    let began = Instant::now();
    setup::run(
        "formatting",
        root,
        &mut setup::cargo(&["fmt", "--all", "--check"]),
    )?;
    println!("\n== generated files");
    codegen::run(root, true)?;

    setup::postgresql(root)?;
    setup::programs(root, &["pkg-config", "cmake"])?;
    let library = setup::library(root)?;
    let python = setup::python(root)?;
    setup::node(root)?;
    let c_driver = c_driver(root, &library)?;

    // The tests in other languages wait for disks and processes while the processors compile.
    let (checked, in_languages) = std::thread::scope(|scope| {
        let in_languages = scope.spawn(|| {
            languages(root, &python)?;
            package::of_built(root, &library)
        });
        let checked = lints(root)
            .and_then(|()| document(root))
            .and_then(|()| deny::run(root))
            .and_then(|()| build_tests(root));
        (checked, in_languages.join())
    });
    checked?;

    // One run names all that fails.
    let mut rust = setup::cargo(&["test", "--release", "--no-fail-fast"]);
    packages(&mut rust, &TESTED)
        .env("TENANTRY_LIB_DIR", &library)
        .env("TENANTRY_DRIVER_C", c_driver)
        .env(
            "TENANTRY_DRIVER_PYTHON",
            format!(
                "{} {}",
                python.display(),
                root.join("tests/python/driver.py").display()
            ),
        )
        .env(
            "TENANTRY_DRIVER_NODE",
            format!("node {}", root.join("tests/node/driver.mjs").display()),
        );
    let rust = setup::run("Rust, C and conformance tests", root, &mut rust);
    in_languages.map_err(|_| anyhow!("the tests in other languages panicked"))??;
    rust?;

    crate::demo::run(root, true)?;

    println!(
        "\nall tests passed in {:.0} s",
        began.elapsed().as_secs_f64()
    );
    Ok(())
}

/// The tests in Python and Node, and those of the hosts in these languages.
fn languages(root: &Path, python: &Path) -> Result<()> {
    let hosts = Path::new("examples/hosts");
    for host in fs::read_dir(root.join(hosts))? {
        let file = hosts.join(host?.file_name()).join("requirements.txt");
        if root.join(&file).exists() {
            setup::requirements(root, python, &file)?;
        }
    }
    let mut pytest = Command::new(python);
    pytest.args([
        "-m",
        "pytest",
        "-q",
        "-c",
        "bindings/python/pyproject.toml",
        "--rootdir",
        ".",
        "tests/python",
    ]);
    setup::run_beside("Python tests", root, &mut pytest)?;
    setup::run_beside(
        "Node tests",
        &root.join("bindings/node"),
        Command::new("npm").args(["test", "--silent"]),
    )
}

fn build_tests(root: &Path) -> Result<()> {
    let mut build = setup::cargo(&["test", "--release", "--no-run", "--quiet"]);
    setup::run("build the Rust tests", root, packages(&mut build, &TESTED))
}

/// What clippy says of every package, and of the store without databases.
fn lints(root: &Path) -> Result<()> {
    let mut all = setup::cargo(&["clippy", "--release", "--all-targets", "--quiet"]);
    setup::run(
        "lints",
        root,
        packages(&mut all, &LINTED).args(["--", "-D", "warnings"]),
    )?;
    setup::run(
        "lints of the store without databases",
        root,
        setup::cargo(&["clippy", "--release", "--quiet", "--no-default-features"]).args([
            "-p",
            "tenantry-store",
            "--lib",
            "--",
            "-D",
            "warnings",
        ]),
    )
}

/// The pages of the Rust packages, without a warning.
fn document(root: &Path) -> Result<()> {
    let mut pages = setup::cargo(&["doc", "--release", "--no-deps", "--quiet"]);
    packages(&mut pages, &DOCUMENTED).env("RUSTDOCFLAGS", "-D warnings");
    setup::run("pages of the Rust packages", root, &mut pages)
}

fn packages<'c>(command: &'c mut Command, names: &[&str]) -> &'c mut Command {
    for name in names {
        command.args(["-p", name]);
    }
    command
}

/// Compiles the conformance driver in C against the shared library.
fn c_driver(root: &Path, library: &Path) -> Result<PathBuf> {
    let driver = root.join("target/conformance_driver_c");
    let mut gcc = Command::new("gcc");
    gcc.args([
        "-std=c11",
        "-O1",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-Iinclude",
        "tests/c/driver.c",
        "-o",
    ])
    .arg(&driver)
    .arg(
        library
            .join("libtenantry.so")
            .canonicalize()
            .context("the C library is not built")?,
    )
    .arg(format!("-Wl,-rpath,{}", library.canonicalize()?.display()));
    setup::run("compile the C driver", root, &mut gcc)?;
    let soname = library.join("libtenantry.so.0");
    if !soname.exists() {
        std::os::unix::fs::symlink("libtenantry.so", &soname).context("linking the soname")?;
    }
    if !driver.exists() {
        bail!("the C driver was not made");
    }
    Ok(driver)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// The packages that some others are built with, each with its features.
    fn built_with(names: &[&str]) -> BTreeSet<String> {
        let mut tree = setup::cargo(&["tree", "--offline", "-e", "normal,build,dev"]);
        packages(&mut tree, names).args(["-f", "{p} {f}", "--prefix", "none"]);
        let output = tree.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        let lines = text.lines().map(|line| line.trim_end_matches(" (*)"));
        lines.map(str::to_owned).collect()
    }

    /// With other features somewhere, the core and half of what it needs would be compiled once
    /// more, which takes minutes.
    #[test]
    fn what_the_core_needs_has_the_same_features_everywhere() {
        let name = |line: &str| line.split(' ').take(2).collect::<Vec<_>>().join(" ");
        let mut tree = setup::cargo(&["tree", "--offline", "-e", "normal,build"]);
        tree.args(["-p", "tenantry", "--prefix", "none"]);
        let text = String::from_utf8(tree.output().unwrap().stdout).unwrap();
        let needed: BTreeSet<String> = text.lines().map(name).collect();
        let library = built_with(&["tenantry-ffi"]);
        let library: Vec<_> = library
            .iter()
            .filter(|line| needed.contains(&name(line)))
            .collect();
        assert!(library.len() > 100, "{library:?}");
        let builds: [&[&str]; 5] = [
            &["tenantry-python"],
            &["tenantry-node"],
            &["xtask"],
            &TESTED,
            &LINTED,
        ];
        for build in builds {
            let built = built_with(build);
            let others: Vec<_> = library
                .iter()
                .filter(|line| !built.contains(**line))
                .collect();
            assert!(
                others.is_empty(),
                "{build:?} has other features of {others:?}"
            );
        }
    }
}
