//! The C ABI as C programs see it: the header in every standard, the programs of `tests/c` and
//! `examples` against the shared and the static library, under valgrind and under the sanitizers,
//! and the exported symbols against the header.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

const C_STANDARDS: [&str; 3] = ["c99", "c11", "c17"];
const CPP_STANDARDS: [&str; 2] = ["c++17", "c++20"];
const STRICT: [&str; 5] = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wconversion"];
const STRICT_C: [&str; 2] = ["-Wstrict-prototypes", "-Wmissing-prototypes"];
const STRICT_CPP: [&str; 2] = ["-Wold-style-cast", "-Wnon-virtual-dtor"];
/// What the static library needs from the system.
const STATIC_LIBRARIES: [&str; 6] = ["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl"];

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests are in a folder of the repository")
}

/// A fresh folder for what a test builds.
fn workshop(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("c_abi")
        .join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// The folder with libtenantry.so, libtenantry.a and the soname's link.
fn library() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let built = tenantry_tests::library::folder();
        let folder = workshop("lib");
        for file in ["libtenantry.so", "libtenantry.a"] {
            let file_built = built
                .join(file)
                .canonicalize()
                .unwrap_or_else(|error| panic!("{file}: {error}"));
            std::os::unix::fs::symlink(&file_built, folder.join(file)).unwrap();
        }
        std::os::unix::fs::symlink("libtenantry.so", folder.join("libtenantry.so.0")).unwrap();
        folder
    })
}

fn run(command: &mut Command) -> String {
    let output = command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(
        output.status.success(),
        "{command:?}: {}\n{out}{err}",
        output.status
    );
    out.into_owned()
}

/// Runs a program with a time limit, since what these tests fear most is a hang.
fn run_within(limit: Duration, command: &mut Command, log: &Path) -> String {
    let (out, err) = (log.with_extension("out"), log.with_extension("err"));
    command
        .stdin(Stdio::null())
        .stdout(File::create(&out).unwrap())
        .stderr(File::create(&err).unwrap());
    let mut child = command
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break Some(status);
        }
        if started.elapsed() > limit {
            child.kill().unwrap();
            child.wait().unwrap();
            break None;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let read = |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
    match status {
        Some(status) if status.success() => read(&out),
        Some(status) => panic!("{command:?}: {status}\n{}{}", read(&out), read(&err)),
        None => panic!(
            "{command:?}: not done after {limit:?}\n{}{}",
            read(&out),
            read(&err)
        ),
    }
}

fn compiler(standard: &str) -> Command {
    let cpp = standard.starts_with("c++");
    let mut compiler = Command::new(if cpp { "g++" } else { "gcc" });
    compiler
        .arg(format!("-std={standard}"))
        .args(STRICT)
        .args(if cpp { STRICT_CPP } else { STRICT_C });
    compiler.arg("-I").arg(repository().join("include"));
    compiler
}

/// Every C and C++ program in a folder of the repository.
fn sources(folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut sources: Vec<PathBuf> = fs::read_dir(repository().join(folder))
        .unwrap_or_else(|error| panic!("{folder}: {error}"))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension() == Some(OsStr::new(extension)))
        .collect();
    sources.sort();
    assert!(!sources.is_empty(), "no .{extension} files in {folder}");
    sources
}

enum Link {
    Shared,
    Static,
}

/// Compiles and links a program, with more arguments for the compiler.
fn build(source: &str, link: Link, more: &[&str], folder: &Path) -> PathBuf {
    let source = repository().join(source);
    let standard = if source.extension() == Some(OsStr::new("cpp")) {
        "c++17"
    } else {
        "c11"
    };
    let program = folder.join(source.file_stem().unwrap());
    let mut compiler = compiler(standard);
    compiler
        .args(["-g", "-O1"])
        .args(more)
        .arg(&source)
        .arg("-o")
        .arg(&program);
    match link {
        Link::Shared => {
            let path = format!("-Wl,-rpath,{}", library().display());
            compiler
                .arg("-L")
                .arg(library())
                .args(["-ltenantry", "-lpthread"])
                .arg(path)
        }
        Link::Static => compiler
            .arg(library().join("libtenantry.a"))
            .args(STATIC_LIBRARIES),
    };
    run(&mut compiler);
    program
}

#[test]
fn the_header_and_the_programs_compile_in_every_standard() {
    for (standards, extension, folders) in [
        (
            &C_STANDARDS[..],
            "c",
            ["tests/c", "examples/c", "examples/guide/c"],
        ),
        (
            &CPP_STANDARDS[..],
            "cpp",
            ["tests/c", "examples/cpp", "examples/guide/cpp"],
        ),
    ] {
        for source in folders
            .into_iter()
            .flat_map(|folder| sources(folder, extension))
        {
            for standard in standards {
                run(compiler(standard).arg("-fsyntax-only").arg(&source));
            }
        }
    }
    // A C header is C++ too.
    for standard in CPP_STANDARDS {
        run(compiler(standard)
            .args(["-fsyntax-only", "-x", "c++"])
            .arg(repository().join("include/tenantry.h")));
    }
}

/// The functions that the header declares: every `tenantry_` name before a parenthesis, outside of
/// comments.
fn declared() -> BTreeSet<String> {
    let header = fs::read_to_string(repository().join("include/tenantry.h")).unwrap();
    let mut code = String::new();
    let mut rest = header.as_str();
    while let Some(start) = rest.find("/*") {
        code.push_str(&rest[..start]);
        rest = &rest[start..];
        rest = &rest[rest.find("*/").expect("comments end") + 2..];
    }
    code.push_str(rest);
    let code: String = code
        .lines()
        .map(|line| line.split("//").next().unwrap_or("").to_owned() + "\n")
        .collect();
    let is_name = |byte: char| byte.is_ascii_alphanumeric() || byte == '_';
    code.match_indices('(')
        .map(|(end, _)| {
            code[..end]
                .rsplit(|byte| !is_name(byte))
                .next()
                .unwrap_or("")
        })
        .filter(|name| name.starts_with("tenantry_"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_library_exports_what_the_header_declares_and_nothing_else() {
    let exported: BTreeSet<String> = run(Command::new("nm")
        .args(["-D", "--defined-only"])
        .arg(library().join("libtenantry.so")))
    .lines()
    .map(|line| line.split_whitespace().last().expect("a symbol").to_owned())
    .collect();
    let declared = declared();
    assert!(
        declared.len() >= 15,
        "the header was read wrongly: {declared:?}"
    );
    assert_eq!(exported, declared);

    let in_archive: BTreeSet<String> = run(Command::new("nm")
        .args(["-g", "--defined-only"])
        .arg(library().join("libtenantry.a")))
    .lines()
    // Address, kind, name; the lines between name the objects.
    .filter_map(|line| line.split_whitespace().nth(2))
    .filter(|name| name.starts_with("tenantry_"))
    .map(str::to_owned)
    .collect();
    assert_eq!(in_archive, declared);
}

/// S19: nothing of the system's that waits for connections or starts a process is as much as
/// linked, and only the store that is on a server connects to anything.
#[test]
fn the_library_listens_to_nobody_and_starts_no_process() {
    let needed = run(Command::new("nm")
        .args(["-D", "--undefined-only"])
        .arg(library().join("libtenantry.so")));
    let needed: BTreeSet<&str> = needed
        .lines()
        .filter_map(|line| line.split_whitespace().last()?.split('@').next())
        .collect();
    assert!(
        needed.contains("open64") || needed.contains("open"),
        "nm was read wrongly: {needed:?}"
    );
    for forbidden in [
        "socketpair",
        "bind",
        "listen",
        "accept",
        "accept4",
        "sendto",
        "sendmsg",
        "recvfrom",
        "recvmsg",
        "gethostbyname",
        "res_query",
        "fork",
        "vfork",
        "clone",
        "execve",
        "execv",
        "execvp",
        "execvpe",
        "fexecve",
        "posix_spawn",
        "posix_spawnp",
        "system",
        "popen",
        "dlopen",
        "ptrace",
    ] {
        assert!(
            !needed.contains(forbidden),
            "the library uses `{forbidden}`"
        );
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let found = run(Command::new("grep")
        .args(["-rlE", "--include=*.rs", "--exclude=tests.rs"])
        .arg("TcpStream|UnixStream|ToSocketAddrs|UdpSocket|Listener")
        .args(["core/src", "store/src", "ffi"])
        .current_dir(root));
    let others: Vec<_> = found
        .lines()
        .filter(|file| !file.starts_with("store/src/postgres/"))
        .collect();
    assert!(others.is_empty(), "{others:?}");
}

/// S18
#[test]
fn no_secret_is_left_in_memory() {
    let folder = workshop("secrets");
    for (link, name) in [(Link::Shared, "shared"), (Link::Static, "static")] {
        let folder = folder.join(name);
        fs::create_dir_all(&folder).unwrap();
        let built = build("tests/c/secrets_test.c", link, &[], &folder);
        run_within(
            Duration::from_secs(60),
            Command::new(&built).current_dir(&folder),
            &built,
        );
    }
}

#[test]
fn the_shared_library_has_its_soname_and_stays_loaded() {
    let dynamic = run(Command::new("readelf")
        .arg("-d")
        .arg(library().join("libtenantry.so")));
    assert!(dynamic.contains("[libtenantry.so.0]"), "{dynamic}");
    assert!(dynamic.contains("NODELETE"), "{dynamic}");
}

#[test]
fn the_programs_run_with_either_library() {
    let folder = workshop("run");
    for program in [
        "tests/c/header.c",
        "tests/c/header.cpp",
        "tests/c/abi_test.c",
        "tests/c/log_test.c",
        "examples/c/quickstart.c",
        "examples/c/domains.c",
        "examples/cpp/quickstart.cpp",
    ] {
        for (link, name) in [(Link::Shared, "shared"), (Link::Static, "static")] {
            let folder = folder.join(name);
            fs::create_dir_all(&folder).unwrap();
            let built = build(program, link, &[], &folder);
            run_within(
                Duration::from_secs(120),
                Command::new(&built).current_dir(&folder),
                &built,
            );
        }
    }
}

/// Every program that the guide shows.
#[test]
fn the_programs_of_the_guide_run() {
    let folder = workshop("guide");
    let in_c = sources("examples/guide/c", "c");
    let programs = in_c.into_iter().chain(sources("examples/guide/cpp", "cpp"));
    for (number, source) in programs.enumerate() {
        let folder = folder.join(number.to_string());
        fs::create_dir_all(&folder).unwrap();
        let source = source.to_str().unwrap();
        let built = build(source, Link::Shared, &[], &folder);
        run_within(
            Duration::from_secs(120),
            Command::new(&built).current_dir(&folder),
            &built,
        );
    }
}

#[test]
fn valgrind_finds_nothing() {
    let folder = workshop("valgrind");
    for program in [
        "tests/c/header.cpp",
        "tests/c/abi_test.c",
        "tests/c/log_test.c",
        "examples/c/quickstart.c",
        "examples/c/domains.c",
        "examples/cpp/quickstart.cpp",
    ] {
        let built = build(program, Link::Shared, &[], &folder);
        let mut valgrind = Command::new("valgrind");
        valgrind.args([
            "--error-exitcode=99",
            "--leak-check=full",
            "--errors-for-leak-kinds=definite,indirect",
        ]);
        // One thread at a time runs under valgrind; without this the busy ones starve the one that
        // forks.
        valgrind.arg("--fair-sched=try");
        // Forked children leak on purpose what they inherit; their own verdict reaches the parent
        // otherwise.
        valgrind.args([
            "--child-silent-after-fork=yes",
            "--show-leak-kinds=definite,indirect",
        ]);
        valgrind.arg(format!(
            "--suppressions={}",
            repository().join("tests/c/valgrind.supp").display()
        ));
        valgrind
            .arg(&built)
            .current_dir(&folder)
            .env("RUST_BACKTRACE", "0");
        run_within(Duration::from_secs(600), &mut valgrind, &built);
    }
}

#[test]
fn the_sanitizers_find_nothing() {
    let folder = workshop("sanitizers");
    let flags = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
    for program in [
        "tests/c/abi_test.c",
        "tests/c/log_test.c",
        "examples/c/quickstart.c",
        "examples/c/domains.c",
        "examples/cpp/quickstart.cpp",
    ] {
        let built = build(program, Link::Shared, &flags, &folder);
        let mut program = Command::new(&built);
        program
            .current_dir(&folder)
            .env("ASAN_OPTIONS", "detect_leaks=1")
            .env("RUST_BACKTRACE", "0");
        run_within(Duration::from_secs(300), &mut program, &built);
    }
}
