//! What the tests look at in a page: blocks of code, anchors, and parts of files.

use std::collections::{BTreeMap, BTreeSet};

/// A block of code between fences.
#[derive(Debug, PartialEq, Eq)]
pub struct Block<'p> {
    /// The line of the page on which it begins.
    pub line: usize,
    /// What stands after the fence, such as `python`.
    pub info: &'p str,
    /// The lines between the fences.
    pub lines: Vec<&'p str>,
}

/// The blocks of code of a page.
pub fn blocks(page: &str) -> Vec<Block<'_>> {
    let mut found: Vec<Block> = Vec::new();
    let mut is_open = false;
    for (number, line) in (1..).zip(page.lines()) {
        match (line.trim_start().strip_prefix("```"), found.last_mut()) {
            (Some(_), Some(_)) if is_open => is_open = false,
            (Some(info), _) => {
                is_open = true;
                found.push(Block {
                    line: number,
                    info,
                    lines: Vec::new(),
                });
            }
            (None, Some(block)) if is_open => block.lines.push(line),
            (None, _) => {}
        }
    }
    found
}

/// The anchors to which a link can lead: those of headings, and those that are named in HTML.
pub fn anchors(page: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    let mut is_code = false;
    for line in page.lines() {
        is_code ^= line.trim_start().starts_with("```");
        if is_code {
            continue;
        }
        for rest in line.split("<a id=\"").skip(1) {
            found.extend(rest.split_once('"').map(|(id, _)| id.to_owned()));
        }
        let title = line.trim_start_matches('#');
        if title.len() < line.len() && title.starts_with(' ') {
            let name = anchor_of(title.trim());
            let before = times.entry(name.clone()).or_default();
            found.insert(match *before {
                0 => name,
                number => format!("{name}-{number}"),
            });
            *before += 1;
        }
    }
    found
}

/// The anchor of a heading.
fn anchor_of(title: &str) -> String {
    let kept = title.chars().filter_map(|c| match c {
        ' ' => Some('-'),
        c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
        _ => None,
    });
    kept.flat_map(char::to_lowercase).collect()
}

/// Whether a file has a part of this name: it begins once, and ends after that.
pub fn has_part(file: &str, anchor: &str) -> bool {
    let at = |mark: &str| -> Vec<usize> {
        let name = |line: &str| {
            let (_, rest) = line.split_once(mark)?;
            Some(
                rest.split_whitespace()
                    .next()?
                    .trim_end_matches("-->")
                    .to_owned(),
            )
        };
        let lines = file.lines().enumerate();
        lines
            .filter(|(_, line)| name(line).as_deref() == Some(anchor))
            .map(|(number, _)| number)
            .collect()
    };
    let (begins, ends) = (at("ANCHOR: "), at("ANCHOR_END: "));
    matches!((begins.as_slice(), ends.as_slice()), ([begin], [end]) if begin < end)
}
