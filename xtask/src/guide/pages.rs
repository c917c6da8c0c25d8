//! What a page of Markdown leads to: by links, and by the files that it includes.

/// A file, or a part of it between two anchors, that mdBook puts in the place of
/// `{{#include path:anchor}}`.
#[derive(Debug, PartialEq, Eq)]
pub struct Include<'p> {
    /// The path, relative to the page.
    pub path: &'p str,
    /// The name of the part.
    pub anchor: Option<&'p str>,
}

/// The lines of a page outside of its blocks of code, each with its number; what is code within a
/// line is left out.
fn prose(page: &str) -> Vec<(usize, String)> {
    let mut is_code = false;
    let mut found = Vec::new();
    for (number, line) in (1..).zip(page.lines()) {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            let outside = line.split('`').step_by(2).collect::<Vec<_>>();
            found.push((number, outside.join("`")));
        }
    }
    found
}

/// Where the links and pictures of a page lead to, each with its line.
pub fn links(page: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in prose(page) {
        for rest in line.split("](").skip(1) {
            if let Some((target, _)) = rest.split_once(')') {
                found.push((number, target.to_owned()));
            }
        }
    }
    found
}

/// Whether a link leads to another place than the files of the repository.
pub fn is_outside(target: &str) -> bool {
    target.contains("://") || target.starts_with("mailto:")
}

/// The files that a page includes, each with its line.
pub fn includes(page: &str) -> Vec<(usize, Include<'_>)> {
    let lines = (1..).zip(page.lines());
    lines
        .filter_map(|(number, line)| Some((number, include(line)?)))
        .collect()
}

/// What a line includes.
pub fn include(line: &str) -> Option<Include<'_>> {
    let inside = line
        .trim()
        .strip_prefix("{{#include ")?
        .strip_suffix("}}")?;
    Some(match inside.split_once(':') {
        Some((path, anchor)) => Include {
            path,
            anchor: Some(anchor),
        },
        None => Include {
            path: inside,
            anchor: None,
        },
    })
}

/// The path of the file to which `target` leads from the file `from`, below the root of the
/// repository; none when it leads out of it.
pub fn resolve(from: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}
