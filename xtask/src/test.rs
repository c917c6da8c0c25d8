//! `cargo xtask test`: all tests in all languages, from nothing.

use crate::setup::{self, Profile};
use crate::{codegen, deny, package};
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
pub fn run(root: &Path, profile: Profile) -> Result<()> {
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
    let library = setup::library(root, profile)?;
    let python = setup::python(root, profile)?;
    setup::node(root, profile)?;
    let c_driver = c_driver(root, &library)?;

    // The tests in other languages wait for disks and processes while the processors compile.
    let (checked, in_languages) = std::thread::scope(|scope| {
        let in_languages = scope.spawn(|| languages(root, &library, &python));
        let checked = lints(root, profile)
            .and_then(|()| document(root, profile))
            .and_then(|()| deny::run(root))
            .and_then(|()| build_tests(root, profile));
        (checked, in_languages.join())
    });
    checked?;

    let rust = rust_tests(
        root,
        profile,
        &Built {
            library,
            python,
            c_driver,
        },
    );
    in_languages.map_err(|_| anyhow!("the tests in other languages panicked"))??;
    rust?;

    crate::demo::run(root, profile, true)?;

    println!(
        "\nall tests passed in {:.0} s",
        began.elapsed().as_secs_f64()
    );
    Ok(())
}

/// What the Rust tests use of the other languages.
struct Built {
    library: PathBuf,
    python: PathBuf,
    c_driver: PathBuf,
}

/// The tests of each crate by itself compute while those of the whole wait for disks and processes.
/// Each run names all that fails.
fn rust_tests(root: &Path, profile: Profile, built: &Built) -> Result<()> {
    let tests = |targets: &[&str]| {
        let mut tests = cargo("test", profile);
        let driver = |program: &str, file: &str| format!("{program} {}", root.join(file).display());
        let python = built.python.display().to_string();
        packages(&mut tests, &TESTED)
            .arg("--no-fail-fast")
            .args(targets)
            .env("TENANTRY_LIB_DIR", &built.library)
            .env("TENANTRY_DRIVER_C", &built.c_driver)
            .env(
                "TENANTRY_DRIVER_PYTHON",
                driver(&python, "tests/python/driver.py"),
            )
            .env(
                "TENANTRY_DRIVER_NODE",
                driver("node", "tests/node/driver.mjs"),
            );
        tests
    };
    let (of_crates, of_the_whole) = std::thread::scope(|scope| {
        let of_crates = scope.spawn(|| {
            let mut units = tests(&["--lib", "--bins"]);
            let units = setup::run_beside("tests of each crate", root, &mut units);
            let mut pages = tests(&["--doc"]);
            let pages = setup::run_beside("tests in documentation", root, &mut pages);
            units.and(pages)
        });
        let mut whole = tests(&["--test", "*"]);
        let whole = setup::run("tests of the whole, in all languages", root, &mut whole);
        (of_crates.join(), whole)
    });
    of_the_whole?;
    of_crates.map_err(|_| anyhow!("the tests of each crate panicked"))?
}

/// The tests in Python and Node with those of the hosts in these languages, and the packages; what
/// fails does not keep the others from running.
fn languages(root: &Path, library: &Path, python: &Path) -> Result<()> {
    let ran = [
        python_tests(root, python),
        node_tests(root),
        package::of_built(root, library),
    ];
    ran.into_iter().collect()
}

fn python_tests(root: &Path, python: &Path) -> Result<()> {
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
    setup::run_beside("Python tests", root, &mut pytest)
}

fn node_tests(root: &Path) -> Result<()> {
    setup::run_beside(
        "Node tests",
        &root.join("bindings/node"),
        Command::new("npm").args(["test", "--silent"]),
    )
}

/// A command of cargo that builds.
fn cargo(command: &str, profile: Profile) -> Command {
    setup::cargo(&[command, "--profile", profile.name()])
}

fn build_tests(root: &Path, profile: Profile) -> Result<()> {
    let mut build = cargo("test", profile);
    let build = packages(&mut build, &TESTED).args(["--no-run", "--quiet"]);
    setup::run("build the Rust tests", root, build)
}

/// What clippy says of every package, and of the store without databases.
fn lints(root: &Path, profile: Profile) -> Result<()> {
    let mut all = cargo("clippy", profile);
    let all =
        packages(&mut all, &LINTED).args(["--quiet", "--all-targets", "--", "-D", "warnings"]);
    setup::run("lints", root, all)?;
    let mut store = cargo("clippy", profile);
    let store = packages(&mut store, &["tenantry-store"]);
    store.args([
        "--quiet",
        "--no-default-features",
        "--lib",
        "--",
        "-D",
        "warnings",
    ]);
    setup::run("lints of the store without databases", root, store)
}

/// The pages of the Rust packages, without a warning.
fn document(root: &Path, profile: Profile) -> Result<()> {
    let mut pages = cargo("doc", profile);
    let pages = packages(&mut pages, &DOCUMENTED).args(["--quiet", "--no-deps"]);
    pages.env("RUSTDOCFLAGS", "-D warnings");
    setup::run("pages of the Rust packages", root, pages)
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
