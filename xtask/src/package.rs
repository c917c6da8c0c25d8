//! `cargo xtask package`: what is published for this platform, made in `target/packages`, and each
//! installed in an empty environment and used there.

use crate::install;
use crate::setup::{self, Profile};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Builds everything that the packages hold, makes them, and tries them.
pub fn run(root: &Path) -> Result<()> {
    let library = setup::library(root, Profile::Release)?;
    setup::python(root, Profile::Release)?;
    setup::node(root, Profile::Release)?;
    of_built(root, &library)
}

/// Makes the packages of what was built, and tries them.
pub fn of_built(root: &Path, library: &Path) -> Result<()> {
    let packages = root.join("target/packages");
    if packages.exists() {
        fs::remove_dir_all(&packages)?;
    }
    fs::create_dir_all(&packages)?;
    archive(root, library, &packages)?;
    let wheel = wheel(root, &packages)?;
    let npm = npm(root, &packages)?;
    println!("\n== packages");
    for entry in fs::read_dir(&packages)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            let mib = entry.metadata()?.len() as f64 / f64::from(1 << 20);
            println!("{} {mib:.1} MiB", entry.file_name().display());
        }
    }
    try_wheel(root, &packages, &wheel)?;
    try_npm(root, &packages, &npm)
}

/// The C library as `cargo xtask install` has it, to be unpacked wherever it is wanted.
fn archive(root: &Path, library: &Path, packages: &Path) -> Result<()> {
    let name = format!("tenantry-{VERSION}-{}", platform());
    install::install(root, library, &packages.join(&name))?;
    let mut tar = Command::new("tar");
    tar.args(["-czf", &format!("{name}.tar.gz"), &name]);
    setup::run("pack the C library", packages, &mut tar)
}

fn platform() -> String {
    format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH)
}

/// The wheel that was built last.
fn wheel(root: &Path, packages: &Path) -> Result<PathBuf> {
    let built = setup::only_file(&root.join("target/wheels"), "whl")?;
    let wheel = packages.join(built.file_name().context("a wheel has a name")?);
    fs::copy(built, &wheel)?;
    Ok(wheel)
}

/// The package `tenantry`, which is the same everywhere, and the native library for this platform
/// as a package of its own, on which the first depends where it fits.
fn npm(root: &Path, packages: &Path) -> Result<[PathBuf; 2]> {
    let source = root.join("bindings/node");
    let manifest: Value = serde_json::from_str(&fs::read_to_string(source.join("package.json"))?)?;
    let library = setup::only_file(&source, "node")?;
    let file = library.file_name().and_then(|name| name.to_str());
    let platform = file
        .and_then(|name| name.strip_prefix("tenantry.")?.strip_suffix(".node"))
        .with_context(|| format!("{} names no platform", library.display()))?;
    let name = format!("tenantry-{platform}");
    let mut parts = platform.split('-');
    let (os, cpu, libc) = (parts.next(), parts.next(), parts.next());

    let native = staged(root, packages, &name)?;
    let mut strip = Command::new("strip");
    strip.arg("--strip-unneeded").arg("-o");
    strip.arg(native.join("tenantry.node")).arg(&library);
    setup::run(&format!("strip {name}"), root, &mut strip)?;
    let mut own = json!({
        "name": name,
        "version": VERSION,
        "description": format!("The native library of tenantry for {platform}"),
        "license": manifest["license"],
        "engines": manifest["engines"],
        "os": [os],
        "cpu": [cpu],
        "main": "tenantry.node",
    });
    match libc {
        Some("gnu") => own["libc"] = json!(["glibc"]),
        Some("musl") => own["libc"] = json!(["musl"]),
        _ => {}
    }

    let main = staged(root, packages, "tenantry")?;
    fs::copy(source.join("README.md"), main.join("README.md"))?;
    fs::create_dir(main.join("lib"))?;
    for file in fs::read_dir(source.join("lib"))? {
        let file = file?;
        fs::copy(file.path(), main.join("lib").join(file.file_name()))?;
    }
    let mut published = manifest;
    if let Some(fields) = published.as_object_mut() {
        fields.remove("devDependencies");
        fields.remove("scripts");
        fields.insert("files".into(), json!(["lib"]));
        fields.insert("optionalDependencies".into(), json!({ &name: VERSION }));
    }

    let packed = |folder: &Path, manifest: &Value| -> Result<PathBuf> {
        let text = format!("{}\n", serde_json::to_string_pretty(manifest)?);
        fs::write(folder.join("package.json"), text)?;
        let mut pack = Command::new("npm");
        pack.args(["pack", "--silent", "--pack-destination", ".."]);
        setup::run(&format!("pack {}", folder.display()), folder, &mut pack)?;
        let name = manifest["name"].as_str().context("a package has a name")?;
        Ok(packages.join(format!("{name}-{VERSION}.tgz")))
    };
    Ok([packed(&native, &own)?, packed(&main, &published)?])
}

/// A folder for the files of an npm package.
fn staged(root: &Path, packages: &Path, name: &str) -> Result<PathBuf> {
    let folder = packages.join(name);
    fs::create_dir(&folder)?;
    for licence in ["LICENSE-MIT", "LICENSE-APACHE"] {
        fs::copy(root.join(licence), folder.join(licence))?;
    }
    Ok(folder)
}

fn try_wheel(root: &Path, packages: &Path, wheel: &Path) -> Result<()> {
    let venv = packages.join("venv");
    let mut make = Command::new("python3");
    make.args(["-m", "venv"]).arg(&venv);
    setup::run("an empty virtual environment", packages, &mut make)?;
    let bin = venv.join("bin");
    let mut pip = setup::pip(&bin.join("python"));
    pip.args(["install", "--no-index"]).arg(wheel);
    setup::run("install the wheel in it", packages, &mut pip)?;
    let mut start = Command::new(bin.join("python"));
    start.arg(root.join("examples/python/quickstart.py"));
    setup::run("the quickstart with it", packages, &mut start)?;
    let version = said(Command::new(bin.join("tenantry")).arg("--version"))?;
    ensure!(version.contains(VERSION), "`tenantry --version`: {version}");
    Ok(())
}

fn try_npm(root: &Path, packages: &Path, archives: &[PathBuf; 2]) -> Result<()> {
    let folder = packages.join("project");
    fs::create_dir(&folder)?;
    fs::write(folder.join("package.json"), "{ \"private\": true }\n")?;
    let mut npm = Command::new("npm");
    npm.args([
        "install",
        "--offline",
        "--silent",
        "--no-audit",
        "--no-fund",
    ]);
    setup::run("install the npm packages", &folder, npm.args(archives))?;
    for file in ["quickstart.mjs", "quickstart.cjs"] {
        let example = folder.join(file);
        fs::copy(root.join("examples/node").join(file), &example)?;
        let what = format!("{file} with them");
        setup::run(&what, &folder, Command::new("node").arg(&example))?;
    }
    let mut npx = Command::new("npx");
    npx.args(["--offline", "tenantry", "--version"]);
    let version = said(npx.current_dir(&folder))?;
    ensure!(
        version.contains(VERSION),
        "`npx tenantry --version`: {version}"
    );
    Ok(())
}

fn said(command: &mut Command) -> Result<String> {
    let output = command.output()?;
    ensure!(output.status.success(), "{command:?}: {}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
