//! `cargo xtask demo`: a mail host in Python with tenantry inside, under load, and killed in the
//! middle.

use crate::setup::{self, Profile};
use anyhow::Result;
use std::path::Path;
use std::process::Command;

/// How many messages the test run sends; `TENANTRY_DEMO_MESSAGES` says how many a full one sends.
const SHORT: &str = "300";

/// Builds and installs what the demo needs, and plays it.
pub fn run(root: &Path, profile: Profile, short: bool) -> Result<()> {
    let folder = Path::new("examples/mailhost");
    let python = setup::python(root, profile)?;
    setup::requirements(root, &python, &folder.join("requirements.txt"))?;
    let mut demo = Command::new(python);
    demo.arg(folder.join("demo.py"));
    if short {
        demo.args(["--messages", SHORT]);
    }
    setup::run("the mail host", root, &mut demo)
}
