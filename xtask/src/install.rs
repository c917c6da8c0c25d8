//! `cargo xtask install --prefix FOLDER`: the C library with what a compiler, pkg-config, CMake and
//! man look for, in a folder that can be moved.

use crate::setup::{self, Profile};
use anyhow::{Context, Result};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

const VERSION: &str = env!("CARGO_PKG_VERSION");
const MAJOR: &str = env!("CARGO_PKG_VERSION_MAJOR");
const MINOR: &str = env!("CARGO_PKG_VERSION_MINOR");
/// What the static library needs from the system.
const SYSTEM_LIBRARIES: [&str; 6] = ["gcc_s", "util", "rt", "pthread", "m", "dl"];

/// Files of the repository, and where they belong.
const FILES: [(&str, &str); 6] = [
    ("include/tenantry.h", "include"),
    ("include/tenantry.hpp", "include"),
    ("include/tenantry.json", "share/tenantry"),
    ("LICENSE-MIT", "share/licenses/tenantry"),
    ("LICENSE-APACHE", "share/licenses/tenantry"),
    ("CHANGELOG.md", "share/doc/tenantry"),
];
/// Templates in `ffi/install`, where they belong, and how a list of libraries is written there.
const TEMPLATES: [(&str, &str); 4] = [
    ("tenantry.pc", "lib/pkgconfig"),
    ("tenantry-config.cmake", "lib/cmake/tenantry"),
    ("tenantry-config-version.cmake", "lib/cmake/tenantry"),
    ("tenantry.3", "share/man/man3"),
];

/// Builds the library and installs it.
pub fn run(root: &Path, prefix: &Path) -> Result<()> {
    let library = setup::library(root, Profile::Release)?;
    install(root, &library, prefix)?;
    println!("tenantry {VERSION} is installed in {}.", prefix.display());
    Ok(())
}

/// Installs the library that was built into the folder `library`.
pub fn install(root: &Path, library: &Path, prefix: &Path) -> Result<()> {
    for (file, to) in FILES {
        let from = root.join(file);
        let to = made(prefix, to)?.join(from.file_name().context("a file has a name")?);
        fs::copy(&from, &to).with_context(|| format!("installing {}", to.display()))?;
    }
    for (name, to) in TEMPLATES {
        let template = root.join("ffi/install").join(format!("{name}.in"));
        let text = fs::read_to_string(&template)
            .with_context(|| format!("reading {}", template.display()))?;
        fs::write(made(prefix, to)?.join(name), filled(&text, name))?;
    }
    install_libraries(library, &made(prefix, "lib")?)
}

fn made(prefix: &Path, folder: &str) -> Result<PathBuf> {
    let folder = prefix.join(folder);
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    Ok(folder)
}

fn soname() -> String {
    format!("libtenantry.so.{MAJOR}")
}

fn filled(template: &str, name: &str) -> String {
    let libraries = match name.ends_with(".pc") {
        true => SYSTEM_LIBRARIES.map(|name| format!("-l{name}")).join(" "),
        false => SYSTEM_LIBRARIES.join(";"),
    };
    [
        ("@VERSION@", VERSION),
        ("@MAJOR@", MAJOR),
        ("@MINOR@", MINOR),
        ("@SONAME@", &soname()),
        ("@SYSTEM_LIBRARIES@", &libraries),
    ]
    .iter()
    .fold(template.to_owned(), |text, (mark, value)| {
        text.replace(mark, value)
    })
}

/// Both libraries without what only a debugger reads, which is most of their size.
fn install_libraries(built: &Path, lib: &Path) -> Result<()> {
    let shared = format!("libtenantry.so.{VERSION}");
    for (from, option, to) in [
        ("libtenantry.so", "--strip-unneeded", shared.as_str()),
        ("libtenantry.a", "--strip-debug", "libtenantry.a"),
    ] {
        let mut strip = Command::new("strip");
        strip.arg(option).arg("-o").arg(lib.join(to));
        setup::run(&format!("strip {to}"), built, strip.arg(from))?;
    }
    for (link, to) in [(soname(), shared), ("libtenantry.so".into(), soname())] {
        let link = lib.join(link);
        if link.is_symlink() {
            fs::remove_file(&link)?;
        }
        symlink(to, &link).with_context(|| format!("linking {}", link.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CMAKE: &str = "cmake_minimum_required(VERSION 3.16)
project(host C)
find_package(tenantry @VERSION@ REQUIRED)
foreach(kind tenantry static)
  add_executable(${kind} @SOURCE@)
  target_link_libraries(${kind} PRIVATE tenantry::${kind})
endforeach()
";

    fn root() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
    }

    /// An empty folder with the library, which was moved after it was installed.
    fn installed() -> PathBuf {
        let folder = std::env::temp_dir().join(format!("tenantry-install-{}", std::process::id()));
        let library = match std::env::var_os("TENANTRY_LIB_DIR") {
            Some(built) => PathBuf::from(built),
            None => setup::library(root(), Profile::Tests).unwrap(),
        };
        install(root(), &library, &folder.join("first")).unwrap();
        // Anew over what is there.
        install(root(), &library, &folder.join("first")).unwrap();
        fs::rename(folder.join("first"), folder.join("moved")).unwrap();
        folder
    }

    fn said(command: &mut Command) -> String {
        let output = command.output().unwrap();
        let [out, err] = [output.stdout, output.stderr]
            .map(|text| String::from_utf8_lossy(&text).trim().to_owned());
        assert!(output.status.success(), "{command:?}: {out}\n{err}");
        out
    }

    /// What the quickstart says when it was linked with the library.
    fn assert_runs(program: &mut Command) {
        let out = said(program);
        assert!(
            out.contains("refused: quota_exceeded, email_per_day"),
            "{out}"
        );
    }

    #[test]
    fn a_program_finds_the_installed_library_by_pkg_config_and_by_cmake() {
        let folder = installed();
        let prefix = folder.join("moved");
        let source = root().join("examples/c/quickstart.c");

        let ask = |flag: &str| {
            let mut ask = Command::new("pkg-config");
            let ask = ask.env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig"));
            said(ask.args([flag, "tenantry"]))
        };
        assert_eq!(ask("--modversion"), VERSION);
        let flags = [ask("--cflags"), ask("--libs")].join(" ");
        let program = folder.join("by-pkg-config");
        let mut compile = Command::new("cc");
        compile.arg(&source).args(flags.split_whitespace());
        said(compile.arg("-o").arg(&program));
        assert_runs(Command::new(&program).env("LD_LIBRARY_PATH", prefix.join("lib")));
        let needed = said(Command::new("readelf").arg("-d").arg(&program));
        assert!(needed.contains(&format!("[{}]", soname())), "{needed}");

        let project = CMAKE
            .replace("@VERSION@", VERSION)
            .replace("@SOURCE@", &source.display().to_string());
        fs::create_dir(folder.join("project")).unwrap();
        fs::write(folder.join("project/CMakeLists.txt"), project).unwrap();
        let mut configure = Command::new("cmake");
        configure.args(["-S", "project", "-B", "built"]);
        let at = format!("-DCMAKE_PREFIX_PATH={}", prefix.display());
        said(configure.arg(at).current_dir(&folder));
        said(
            Command::new("cmake")
                .args(["--build", "built"])
                .current_dir(&folder),
        );
        for kind in ["tenantry", "static"] {
            assert_runs(&mut Command::new(folder.join("built").join(kind)));
        }
        assert_manual_is_right(&prefix);
        fs::remove_dir_all(folder).unwrap();
    }

    /// The page names only functions that the header declares, and has no mark left.
    fn assert_manual_is_right(prefix: &Path) {
        let page = fs::read_to_string(prefix.join("share/man/man3/tenantry.3")).unwrap();
        let header = fs::read_to_string(prefix.join("include/tenantry.h")).unwrap();
        assert!(!page.contains('@'.to_string().repeat(2).as_str()));
        let is_word = |at: char| !at.is_ascii_alphanumeric() && at != '_';
        let named = page
            .split(is_word)
            .filter(|word| word.starts_with("tenantry_"));
        for name in named {
            assert!(header.contains(name), "{name} is not in tenantry.h");
        }
    }
}
