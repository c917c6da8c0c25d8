//! Sets up what tests and demo need: the shared library, a virtual environment with the wheel, the
//! Node package.
//!
//! Everything lands in `target/` or is ignored by git, and is made anew only where it changed.

use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// How what is built is optimised; a profile of `Cargo.toml`.
#[derive(Clone, Copy)]
pub enum Profile {
    /// Compiled soon: for the tests and the demo.
    Tests,
    /// As it is published and measured.
    Release,
}

impl Profile {
    /// The name for `--profile`, and of the folder in `target`.
    pub fn name(self) -> &'static str {
        match self {
            Profile::Tests => "tests",
            Profile::Release => "release",
        }
    }
}

/// Runs a command in a folder and shows what it prints. `what` is what fails when it does.
pub fn run(what: &str, folder: &Path, command: &mut Command) -> Result<()> {
    let began = Instant::now();
    println!("\n== {what}");
    let status = as_by_hand(command)
        .current_dir(folder)
        .status()
        .with_context(|| format!("{what}: {command:?} cannot be started"))?;
    if !status.success() {
        bail!("{what} failed: {command:?}, {status}");
    }
    println!("== {what}: {:.1} s", began.elapsed().as_secs_f64());
    Ok(())
}

/// As [`run`], beside another command: shows what it prints once it has ended.
pub fn run_beside(what: &str, folder: &Path, command: &mut Command) -> Result<()> {
    let began = Instant::now();
    let output = as_by_hand(command)
        .current_dir(folder)
        .output()
        .with_context(|| format!("{what}: {command:?} cannot be started"))?;
    let text =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    let took = began.elapsed().as_secs_f64();
    println!(
        "\n== {what}\n{}{}\n== {what}: {took:.1} s",
        text[0], text[1]
    );
    if !output.status.success() {
        bail!("{what} failed: {command:?}, {}", output.status);
    }
    Ok(())
}

/// As [`run`]; answers what was printed.
pub fn heard(what: &str, folder: &Path, command: &mut Command) -> Result<String> {
    println!("\n== {what}");
    let mut child = as_by_hand(command)
        .current_dir(folder)
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("{what}: {command:?} cannot be started"))?;
    let mut text = String::new();
    for line in BufReader::new(child.stdout.take().context("no output")?).lines() {
        let line = line?;
        println!("{line}");
        text += &line;
        text.push('\n');
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("{what} failed: {command:?}, {status}");
    }
    Ok(text)
}

/// Without what cargo tells of the package `xtask`: the build script of `ring` looks at it, and the
/// core would be compiled anew whenever somebody calls cargo by hand in between. What is built
/// lands in `target`, whatever else the caller's own calls of cargo use.
fn as_by_hand(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars_os() {
        let is_of_package = ["CARGO_PKG_", "CARGO_MANIFEST_"]
            .iter()
            .any(|start| name.to_string_lossy().starts_with(start));
        if is_of_package {
            command.env_remove(name);
        }
    }
    command.env_remove("CARGO_TARGET_DIR")
}

/// A cargo command with the cargo that runs this.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    command
}

/// Installs a program from the registry into `target/tools`, unless this version is there; answers
/// its path.
pub fn tool(root: &Path, name: &str, version: &str, options: &[&str]) -> Result<PathBuf> {
    let tools = root.join("target/tools");
    let program = tools.join("bin").join(name);
    let installed = Command::new(&program)
        .arg("--version")
        .output()
        .is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(version));
    if !installed {
        let mut install = cargo(&["install", "--quiet", "--locked", "--version", version, name]);
        install.args(options).arg("--root").arg(&tools);
        // Nobody debugs it, and without this it builds faster.
        install.env("CARGO_PROFILE_DEV_DEBUG", "0");
        run(&format!("install {name} {version}"), root, &mut install)?;
    }
    Ok(program)
}

/// PostgreSQL for the tests, which start servers of their own; from Debian, where it is missing.
pub fn postgresql(root: &Path) -> Result<()> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let is_there = |version: fs::DirEntry| version.path().join("bin/initdb").exists();
    if versions.flatten().any(is_there) {
        return Ok(());
    }
    from_debian(root, &["postgresql-common"])?;
    // The package would start a server that nobody asks for anything.
    fs::write(
        "/etc/postgresql-common/createcluster.conf",
        "create_main_cluster = false\n",
    )?;
    from_debian(root, &["postgresql", "openssl"])
}

/// Programs for the tests; from the packages of the same name in Debian, where one is missing.
pub fn programs(root: &Path, names: &[&str]) -> Result<()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = |name: &&&str| std::env::split_paths(&path).any(|dir| dir.join(name).exists());
    let missing: Vec<&str> = names
        .iter()
        .filter(|name| !is_there(name))
        .copied()
        .collect();
    match missing.is_empty() {
        true => Ok(()),
        false => from_debian(root, &missing),
    }
}

fn from_debian(root: &Path, packages: &[&str]) -> Result<()> {
    let what = format!("install {}", packages.join(" and "));
    let apt = |arguments: &[&str]| {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive").args(arguments);
        run(&what, root, &mut apt)
    };
    apt(&["update", "--quiet"])?;
    let install = ["install", "--yes", "--quiet", "--no-install-recommends"];
    apt(&[&install[..], packages].concat())
}

/// Builds libtenantry.so and libtenantry.a; answers their folder.
pub fn library(root: &Path, profile: Profile) -> Result<PathBuf> {
    run(
        "build the C library",
        root,
        cargo(&["build", "-p", "tenantry-ffi", "--profile"]).arg(profile.name()),
    )?;
    Ok(root.join("target").join(profile.name()))
}

/// A virtual environment with the tenantry wheel and the development tools; answers its Python.
pub fn python(root: &Path, profile: Profile) -> Result<PathBuf> {
    let venv = root.join("target/venv");
    let python = venv.join("bin/python");
    if !python.exists() {
        run(
            "make the virtual environment",
            root,
            Command::new("python3").args(["-m", "venv"]).arg(&venv),
        )?;
    }
    requirements(
        root,
        &python,
        Path::new("bindings/python/requirements-dev.txt"),
    )?;
    let wheels = root.join("target/wheels");
    if wheels.exists() {
        fs::remove_dir_all(&wheels)?;
    }
    let mut maturin = Command::new(venv.join("bin/maturin"));
    maturin
        .args(["build", "--quiet", "--profile", profile.name(), "--out"])
        .arg(&wheels);
    run(
        "build the Python wheel",
        &root.join("bindings/python"),
        &mut maturin,
    )?;
    let wheel = only_file(&wheels, "whl")?;
    let mut pip = pip(&python);
    pip.args(["install", "--force-reinstall", "--no-deps", "--no-index"])
        .arg(wheel);
    run("install the Python wheel", root, &mut pip)?;
    Ok(python)
}

/// Installs a file of pinned requirements, unless this very file was installed before.
pub fn requirements(root: &Path, python: &Path, file: &Path) -> Result<()> {
    let wanted = fs::read_to_string(root.join(file))
        .with_context(|| format!("reading {}", file.display()))?;
    let name = file
        .components()
        .map(|part| part.as_os_str().to_string_lossy())
        .collect::<Vec<_>>()
        .join("-");
    let stamp = root.join("target/venv").join(name);
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    run(
        &format!("install {}", file.display()),
        root,
        pip(python).args(["install", "-r"]).arg(file),
    )?;
    fs::write(stamp, wanted)?;
    Ok(())
}

pub fn pip(python: &Path) -> Command {
    let mut command = Command::new(python);
    command.args(["-m", "pip", "--quiet", "--disable-pip-version-check"]);
    command
}

/// Builds the Node package in place, with its development tools and what the example hosts need.
pub fn node(root: &Path, profile: Profile) -> Result<()> {
    let folder = root.join("bindings/node");
    npm_packages("install the Node tools", &folder)?;
    npm_packages(
        "install the hosts in JavaScript",
        &root.join("examples/hosts"),
    )?;
    run(
        "build the Node package",
        &folder,
        Command::new("npm").args(["run", "--silent", "build", "--", profile.name()]),
    )
}

/// Installs the packages that the lock file of a folder names, unless these very ones were
/// installed before.
fn npm_packages(what: &str, folder: &Path) -> Result<()> {
    let lock = fs::read_to_string(folder.join("package-lock.json"))?;
    let stamp = folder.join("node_modules/.tenantry-lock");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    run(
        what,
        folder,
        Command::new("npm").args(["ci", "--no-audit", "--no-fund"]),
    )?;
    fs::write(stamp, lock)?;
    Ok(())
}

pub fn only_file(folder: &Path, extension: &str) -> Result<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension() == Some(OsStr::new(extension)) {
            found.push(path);
        }
    }
    match found.as_slice() {
        [only] => Ok(only.clone()),
        _ => bail!(
            "{} should hold one .{extension} file, holds {}",
            folder.display(),
            found.len()
        ),
    }
}
