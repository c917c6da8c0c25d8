//! The C library that the tests link with.

use std::path::PathBuf;
use std::process::Command;

/// The folder with `libtenantry.so` and `libtenantry.a`: the one that `TENANTRY_LIB_DIR` names, or
/// that of these tests, where the library is built with their profile.
pub fn folder() -> PathBuf {
    if let Some(folder) = std::env::var_os("TENANTRY_LIB_DIR") {
        return PathBuf::from(folder);
    }
    // The tests run in `target/PROFILE/deps`.
    let tests = std::env::current_exe().expect("a program knows its path");
    let folder = tests.ancestors().nth(2).expect("it is two folders deep");
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") => "dev",
        Some(name) => name,
        None => panic!("{} names no profile", folder.display()),
    };
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["build", "--quiet", "--package", "tenantry-ffi"])
        .args(["--profile", profile, "--target-dir"])
        .arg(folder.parent().expect("a profile is in a folder"));
    let status = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status();
    assert!(
        status.expect("cargo").success(),
        "the library does not build"
    );
    folder.to_owned()
}
