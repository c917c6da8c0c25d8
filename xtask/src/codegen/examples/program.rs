//! A program of examples, and what the reference quotes from it.

use anyhow::{Context, Result};
use std::fmt::Write;

/// When every example begins: noon of a day in June.
pub(super) const START_MS: u64 = 1_781_524_800_000;
pub(super) const SEED: u64 = 1;

/// A program in one language, and how to quote from it.
pub(super) struct Program {
    pub(super) language: &'static str,
    pub(super) fence: &'static str,
    pub(super) path: &'static str,
    /// How the functions begin that set the platform up.
    pub(super) setup: &'static [&'static str],
    /// How the function of a domain begins, up to its namespace.
    pub(super) domain: &'static str,
    /// What stands before every line of a function.
    pub(super) margin: &'static str,
    pub(super) text: String,
}

impl Program {
    pub(super) fn fenced(&self, code: &str) -> String {
        format!(
            "\n[{}](../../{}):\n\n```{}\n{}\n```\n",
            self.language,
            self.path,
            self.fence,
            code.trim_end()
        )
    }

    /// A whole function, by how its first line begins.
    pub(super) fn function(&self, head: &str) -> Result<String> {
        let begins = |line: &&str| {
            line.strip_prefix(head).is_some_and(|rest| {
                !rest.starts_with(|next: char| next.is_ascii_alphanumeric() || next == '_')
            })
        };
        let mut lines = self.text.lines().skip_while(|line| !begins(line));
        let mut function = lines
            .next()
            .with_context(|| format!("{} has no `{head}`", self.path))?
            .to_owned()
            + "\n";
        for line in lines {
            let inside = line.is_empty() || line.starts_with(' ') || line == "{";
            if inside || line == "}" {
                writeln!(function, "{line}")?;
            }
            if !inside {
                break;
            }
        }
        Ok(function.trim_end().to_owned() + "\n")
    }

    /// What stands in the function of a domain.
    pub(super) fn body(&self, namespace: &str) -> Result<String> {
        let function = self.function(&format!("{}{namespace}", self.domain))?;
        let lines = function.lines().skip(1).filter_map(|line| {
            if line.is_empty() {
                Some("")
            } else {
                line.strip_prefix(self.margin)
            }
        });
        let body: Vec<&str> = lines.filter(|line| *line != "Ok(())").collect();
        Ok(body.join("\n"))
    }
}

/// The lines with a margin in front; empty ones stay empty.
pub(super) fn indented(lines: &str, margin: &str) -> String {
    lines
        .lines()
        .map(|line| {
            if line.is_empty() {
                "\n".to_owned()
            } else {
                format!("{margin}{line}\n")
            }
        })
        .collect()
}
