//! The exceptions of today, in `ratchets.json`: they may only become fewer and smaller.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Sizes by name: the lines of a function, the names that one file imports from another.
pub type Sizes = BTreeMap<String, usize>;

/// What does not hold yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lists {
    /// `file -> file on a higher floor`: how many names it imports.
    pub upward_imports: Sizes,
    /// Files that import each other in a circle.
    pub circles: Vec<BTreeSet<String>>,
    /// `file: function`: its lines.
    pub long_functions: Sizes,
    /// Files, and their lines without tests.
    pub long_files: Sizes,
    /// Files, and how many of their lines are too wide.
    pub wide_lines: Sizes,
}

/// What differs from the lists.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// What is new, or worse than listed: by list, what it is about, and how it is.
    pub worse: Vec<(&'static str, String, String)>,
    /// What is listed and has become better.
    pub better: Vec<String>,
}

impl Lists {
    fn sizes(&self) -> [(&'static str, &Sizes); 4] {
        [
            ("upward_imports", &self.upward_imports),
            ("long_functions", &self.long_functions),
            ("long_files", &self.long_files),
            ("wide_lines", &self.wide_lines),
        ]
    }

    /// Compares what was found with these lists.
    pub fn compare(&self, found: &Lists) -> Differences {
        let mut differences = Differences::default();
        for ((list, listed), (_, found)) in self.sizes().into_iter().zip(found.sizes()) {
            for (name, size) in found {
                match listed.get(name) {
                    Some(before) if before >= size => {}
                    before => differences.worse.push((
                        list,
                        name.clone(),
                        before.map_or(String::from("is not listed"), |before| {
                            format!("{size}, and {before} are listed")
                        }),
                    )),
                }
            }
            for (name, before) in listed {
                match found.get(name) {
                    Some(size) if size >= before => {}
                    Some(size) => {
                        let now = format!("{list}: {name}: {before} are listed, and now {size}");
                        differences.better.push(now);
                    }
                    None => differences
                        .better
                        .push(format!("{list}: {name}: is no longer so")),
                }
            }
        }
        for circle in &found.circles {
            let likest = self
                .circles
                .iter()
                .max_by_key(|listed| listed.intersection(circle).count());
            let no_files = BTreeSet::new();
            let new: Vec<_> = circle
                .difference(likest.unwrap_or(&no_files))
                .cloned()
                .collect();
            if let Some(first) = new.first() {
                let now = format!("{} files that no listed circle has", new.len());
                differences.worse.push(("circles", first.clone(), now));
            }
        }
        for circle in &self.circles {
            if !found.circles.contains(circle) && differences.worse.iter().all(|w| w.0 != "circles")
            {
                let size = circle.len();
                differences
                    .better
                    .push(format!("circles: {size} files no longer make one circle"));
            }
        }
        differences
    }

    /// These lists after files have moved: `moves` says what each place was, and what it is now.
    /// The longest place that a file lies in decides.
    pub fn moved(&self, moves: &[(String, String)]) -> Lists {
        let file = |file: &str| {
            let of = moves
                .iter()
                .filter(|(old, _)| crate::floors::lies_in(file, old));
            match of.max_by_key(|(old, _)| old.len()) {
                Some((old, new)) => format!("{new}{}", &file[old.len()..]),
                None => file.to_string(),
            }
        };
        let sizes = |sizes: &Sizes, name: &dyn Fn(&str) -> String| {
            sizes.iter().map(|(old, size)| (name(old), *size)).collect()
        };
        let circle = |circle: &BTreeSet<String>| circle.iter().map(|f| file(f)).collect();
        Lists {
            upward_imports: sizes(
                &self.upward_imports,
                &|pair| match pair.split_once(" -> ") {
                    Some((from, to)) => format!("{} -> {}", file(from), file(to)),
                    None => pair.to_string(),
                },
            ),
            circles: self.circles.iter().map(circle).collect(),
            long_functions: sizes(&self.long_functions, &|name| match name.split_once(": ") {
                Some((of, function)) => format!("{}: {function}", file(of)),
                None => name.to_string(),
            }),
            long_files: sizes(&self.long_files, &file),
            wide_lines: sizes(&self.wide_lines, &file),
        }
    }
}

/// Reads `old=new,old=new`.
pub fn moves(text: &str) -> Result<Vec<(String, String)>, String> {
    let pairs = text
        .split(',')
        .map(str::trim)
        .filter(|pair| !pair.is_empty());
    let moves = pairs.map(|pair| match pair.split_once('=') {
        Some((old, new)) if !old.is_empty() && !new.is_empty() => {
            Ok((old.to_string(), new.to_string()))
        }
        _ => Err(format!("`{pair}` is not `old=new`")),
    });
    moves.collect()
}
