//! Of which code the figures in the README are. `cargo xtask bench --write` notes it beside them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The code of the hot path: what grants, refusals and checks run through, and what draws blocks
/// for them. A folder is all that lies in it.
pub const HOT_PATH: [&str; 15] = [
    "core/src/access/allowed.rs",
    "core/src/access/sending.rs",
    "core/src/access/view",
    "core/src/access/views.rs",
    "core/src/meters",
    "core/src/sending/counters.rs",
    "core/src/sending/decide.rs",
    "core/src/sending/pay.rs",
    "core/src/sending/prepare.rs",
    "core/src/guard.rs",
    "core/src/handle",
    "core/src/handle.rs",
    "core/src/kernel/clock.rs",
    "core/src/kernel/state.rs",
    "core/src/locks.rs",
];

/// What stands before the figures, and the code that they are of.
const BEGIN: &str = "<!-- bench: begin. `cargo xtask bench --write` wrote what follows, of code ";
const END: &str = "<!-- bench: end -->";

/// A number for the code of the hot path, in which comments, blank lines and tests do not count.
pub fn of_hot_path(root: &Path) -> io::Result<String> {
    let mut files = Vec::new();
    for path in HOT_PATH {
        add(&mut files, root.join(path))?;
    }
    files.sort();
    // FNV-1a: it tells apart what nobody wants to confuse.
    let mut sum = 0xcbf2_9ce4_8422_2325_u64;
    for file in files {
        for byte in code(&fs::read_to_string(file)?).bytes() {
            sum = (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    }
    Ok(format!("{sum:016x}"))
}

fn add(files: &mut Vec<PathBuf>, path: PathBuf) -> io::Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            add(files, entry?.path())?;
        }
    } else {
        files.push(path);
    }
    Ok(())
}

/// A file without its comments, its spaces and its tests, which stand at the end.
pub fn code(text: &str) -> String {
    let text = text
        .split_once("\n#[cfg(test)]\nmod tests {")
        .map_or(text, |(code, _)| code);
    text.lines()
        .map(str::trim)
        .filter(|line| !line.starts_with("//"))
        .flat_map(str::split_whitespace)
        .collect()
}

/// The code that the figures in a document are of.
pub fn noted(document: &str) -> Option<&str> {
    let (_, rest) = document.split_once(BEGIN)?;
    rest.split_once(" -->").map(|(code, _)| code)
}

/// What stands before figures of this code.
pub fn begin(code: &str) -> String {
    format!("{BEGIN}{code} -->")
}

/// A document with other figures between its marks; none where it has no marks.
pub fn renewed(document: &str, code: &str, figures: &str) -> Option<String> {
    let (before, rest) = document.split_once(&begin(noted(document)?))?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{}\n{figures}{END}{after}", begin(code)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 20.11: the figures are written by the bench, and are not older than the code.
    #[test]
    fn the_figures_are_those_of_the_hot_path() {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        let code = of_hot_path(root).unwrap();
        for document in ["README.md", "docs/benchmarks.md"] {
            let text = fs::read_to_string(root.join(document)).unwrap_or_default();
            assert_eq!(
                noted(&text),
                Some(code.as_str()),
                "{document} has figures of other code: run `cargo xtask bench --write` with \
                 nothing beside it, and commit what it wrote"
            );
        }
    }

    /// The frequent calls have no time for a log (docs/adr/0062).
    #[test]
    fn the_hot_path_tells_the_log_nothing() {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        let mut files = Vec::new();
        for path in HOT_PATH {
            add(&mut files, root.join(path)).unwrap();
        }
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            assert!(!text.contains("tracing"), "{}", file.display());
        }
    }

    #[test]
    fn comments_spaces_and_tests_are_no_code() {
        let two = "fn two() -> u64 {\n    1 + 1\n}\n";
        let same = [
            "//! Two.\n\n/// It is two.\nfn two()\n",
            "    -> u64 {\n    // One and one.\n    1 + 1\n}\n",
            "\n#[cfg(test)]\nmod tests {\n    fn three() {}\n}\n",
        ];
        assert_eq!(code(&same.concat()), code(two));
        assert_ne!(code(two), code(&two.replace("1 + 1", "2")));
    }

    #[test]
    fn only_what_is_between_the_marks_is_written() {
        let first = begin("0123");
        let before = format!("# Title\n{first}\nold\n<!-- bench: end -->\nrest\n");
        let after = renewed(&before, "4567", "new\n").unwrap();
        assert_eq!(after, before.replace("old", "new").replace("0123", "4567"));
        assert_eq!(noted(&after), Some("4567"));
        assert_eq!(renewed("no marks", "4567", "new\n"), None);
    }
}
