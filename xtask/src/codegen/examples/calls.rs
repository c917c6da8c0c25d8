//! The calls of an example, as they stand in the source and as they were run.

use super::typed::Typed;
use crate::codegen::ir::{Field, Op};
use crate::codegen::python::wrapped_text;
use anyhow::Result;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The width of a comment, without its mark and the margin of the function that it stands in.
const COMMENT: usize = 92;

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

    /// The actor as JSON.
    pub(super) fn json(&self) -> String {
        match self {
            Actor::User { user, account } => {
                format!(r#"{{"kind": "user", "user": {user:?}, "account": {account:?}}}"#)
            }
            Actor::Operator { operator } => {
                format!(r#"{{"kind": "operator", "user": {operator:?}}}"#)
            }
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
    Given(Given<'a>),
    /// What stands in an earlier answer.
    From(Place<'a>),
}

/// A value that the source gives. The fields of its objects stand in the order of their
/// declaration, which a `Value` does not keep.
pub(super) enum Given<'a> {
    Single(Value),
    List(Vec<Given<'a>>),
    Struct {
        given: Vec<(&'a Field, Given<'a>)>,
        /// All fields of the struct.
        all: &'a [Field],
    },
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
