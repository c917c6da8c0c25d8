//! A call of an example that was run, and the program of a language that is written of such calls.

use super::super::ir::{Field, Op};
use super::super::python::wrapped_text;
use super::typed::Typed;
use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;

/// When every example begins: noon of a day in June.
pub(super) const START_MS: u64 = 1_781_524_800_000;
pub(super) const SEED: u64 = 1;
/// The width of a comment, without its mark and the margin of the function that it stands in.
pub(super) const COMMENT: usize = 92;

/// A call as it stands in the source.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    /// A comment in front of it.
    pub(super) say: Option<String>,
    /// Who calls; absent, the host itself.
    #[serde(rename = "as")]
    pub(super) actor: Option<Actor>,
    /// The operation.
    pub(super) call: String,
    /// The request. `$mail.messages.0.token` is what stands there in the answer `mail`.
    #[serde(default)]
    pub(super) with: Map<String, Value>,
    /// The name of the answer.
    #[serde(rename = "let")]
    pub(super) name: Option<String>,
    /// What the answer holds, by path.
    #[serde(default)]
    pub(super) shows: Map<String, Value>,
    /// The code that it is refused with.
    pub(super) refused: Option<String>,
}

#[derive(Clone, PartialEq, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub(super) enum Actor {
    User { user: String, account: String },
    Operator { operator: String },
}

impl Actor {
    /// The variable that holds it.
    pub(super) fn name(&self) -> &str {
        match self {
            Actor::User { user, .. } => user,
            Actor::Operator { operator } => operator,
        }
    }

    pub(super) fn json(&self) -> Value {
        match self {
            Actor::User { user, account } => {
                json!({"kind": "user", "user": user, "account": account})
            }
            Actor::Operator { operator } => json!({"kind": "operator", "user": operator}),
        }
    }
}

/// A call that was run: what each language writes.
pub(super) struct Call<'a> {
    pub(super) step: Step,
    pub(super) op: &'a Op,
    /// Whether its actor calls for the first time.
    pub(super) introduces: bool,
    /// The fields of the request, in the order of their declaration.
    pub(super) request: Vec<(&'a Field, Argument<'a>)>,
    /// The request in Rust.
    pub(super) rust: String,
    /// What the answer holds.
    pub(super) shows: Vec<Shown<'a>>,
}

/// A value of a request.
pub(super) enum Argument<'a> {
    Value(Value),
    /// What stands in an earlier answer.
    From(Place<'a>),
}

/// A place in an answer.
pub(super) struct Place<'a> {
    /// The name of the answer.
    pub(super) answer: String,
    pub(super) hops: Vec<Hop<'a>>,
}

/// One step into an answer.
pub(super) enum Hop<'a> {
    Item(usize),
    /// A field, and all fields of its struct.
    Field(&'a Field, &'a [Field]),
}

pub(super) struct Shown<'a> {
    pub(super) place: Place<'a>,
    pub(super) value: Value,
    /// The place and the value in Rust.
    pub(super) rust: (String, Typed),
}

pub(super) type Domains<'a> = BTreeMap<String, Vec<Call<'a>>>;

impl Call<'_> {
    /// The lines of its comment.
    pub(super) fn comment(&self, mark: &str) -> String {
        self.step
            .say
            .iter()
            .flat_map(|say| wrapped_text(say, COMMENT))
            .map(|line| format!("{mark} {line}\n"))
            .collect()
    }

    /// Who calls: the variable, `t` for the host itself.
    pub(super) fn caller(&self) -> &str {
        self.step.actor.as_ref().map_or("t", Actor::name)
    }
}

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

/// The body of a function: a blank line in front of every comment but the first.
pub(super) fn body(
    calls: &[Call],
    mut each: impl FnMut(&Call) -> Result<String>,
    mark: &str,
) -> Result<String> {
    let mut body = String::new();
    for call in calls {
        if call.step.say.is_some() && !body.is_empty() {
            body.push('\n');
        }
        body.push_str(&call.comment(mark));
        body.push_str(&each(call)?);
    }
    Ok(body)
}
