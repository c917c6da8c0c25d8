//! Libraries that stand between a host and the disk (`powerloss/`), and hosts that are looked at.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long somebody who looks at a store may take.
const LONGEST: Duration = Duration::from_secs(60);

/// Compiles a library of `powerloss/`, to be preloaded; `folder` is that of the build.
pub fn shim(source: &str, folder: &Path) -> PathBuf {
    let library = folder.join(source).with_extension("so");
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("powerloss");
    let mut compiler = Command::new("cc");
    compiler
        .args([
            "-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o",
        ])
        .arg(&library)
        .arg(sources.join(source));
    assert!(
        compiler.status().expect("a C compiler").success(),
        "the shim does not compile"
    );
    library
}

/// What a host finds that looks at a store (`crash_host check`), in a process of its own: sled's
/// threads may panic or hang on what they read.
pub fn look(host: &mut Command) -> Value {
    let mut child = host
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let until = Instant::now() + LONGEST;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > until {
            child.kill().unwrap();
            child.wait().unwrap();
            return Value::from("hangs");
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    let output = child.wait_with_output().unwrap();
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| Value::from(format!("ends with {}", output.status)))
}
