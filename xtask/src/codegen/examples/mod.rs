//! The examples: `examples/domains.json` holds a few calls for each domain. They are run here,
//! against a store in memory, and what is true is written in every language: as a file that runs,
//! and into the pages of the reference.

mod c;
mod node;
mod python;
mod rust;
mod typed;

use super::ir::{Catalogue, Field, Op, TypeDef, TypeRef};
use super::python::wrapped_text;
use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;
use tenantry::catalogue::visit;
use tenantry::{OpenOptions, Tenantry};
use typed::Typed;

const SOURCE: &str = "examples/domains.json";
/// When every example begins: noon of a day in June.
const START_MS: u64 = 1_781_524_800_000;
const SEED: u64 = 1;
/// The width of a comment, without its mark and the margin of the function that it stands in.
const COMMENT: usize = 92;

/// What is written about the examples.
pub struct Examples {
    /// The programs, by path.
    pub files: Vec<(String, String)>,
    /// The set-up that all examples begin with, for the reference.
    pub platform: String,
    /// The example of each domain, for the reference.
    pub domains: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    /// What the platform is, in words.
    about: String,
    platform: Vec<Step>,
    domains: BTreeMap<String, Vec<Step>>,
}

/// A call as it stands in the source.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    /// A comment in front of it.
    say: Option<String>,
    /// Who calls; absent, the host itself.
    #[serde(rename = "as")]
    actor: Option<Actor>,
    /// The operation.
    call: String,
    /// The request. `$mail.messages.0.token` is what stands there in the answer `mail`.
    #[serde(default)]
    with: Map<String, Value>,
    /// The name of the answer.
    #[serde(rename = "let")]
    name: Option<String>,
    /// What the answer holds, by path.
    #[serde(default)]
    shows: Map<String, Value>,
    /// The code that it is refused with.
    refused: Option<String>,
}

#[derive(Clone, PartialEq, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Actor {
    User { user: String, account: String },
    Operator { operator: String },
}

impl Actor {
    /// The variable that holds it.
    fn name(&self) -> &str {
        match self {
            Actor::User { user, .. } => user,
            Actor::Operator { operator } => operator,
        }
    }

    fn json(&self) -> Value {
        match self {
            Actor::User { user, account } => {
                json!({"kind": "user", "user": user, "account": account})
            }
            Actor::Operator { operator } => json!({"kind": "operator", "user": operator}),
        }
    }
}

/// A call that was run: what each language writes.
struct Call<'a> {
    step: Step,
    op: &'a Op,
    /// Whether its actor calls for the first time.
    introduces: bool,
    /// The fields of the request, in the order of their declaration.
    request: Vec<(&'a Field, Argument<'a>)>,
    /// The request in Rust.
    rust: String,
    /// What the answer holds.
    shows: Vec<Shown<'a>>,
}

/// A value of a request.
enum Argument<'a> {
    Value(Value),
    /// What stands in an earlier answer.
    From(Place<'a>),
}

/// A place in an answer.
struct Place<'a> {
    /// The name of the answer.
    answer: String,
    hops: Vec<Hop<'a>>,
}

/// One step into an answer.
enum Hop<'a> {
    Item(usize),
    /// A field, and all fields of its struct.
    Field(&'a Field, &'a [Field]),
}

struct Shown<'a> {
    place: Place<'a>,
    value: Value,
    /// The place and the value in Rust.
    rust: (String, Typed),
}

type Domains<'a> = BTreeMap<String, Vec<Call<'a>>>;

/// Reads, runs and writes the examples below `root`.
pub fn read(root: &Path, catalogue: &Catalogue) -> Result<Examples> {
    let text =
        fs::read_to_string(root.join(SOURCE)).with_context(|| format!("reading {SOURCE}"))?;
    let document: Document = serde_json::from_str(&text).with_context(|| format!("in {SOURCE}"))?;
    let known: BTreeSet<&str> = catalogue
        .ops
        .iter()
        .map(|op| op.namespace.as_str())
        .collect();
    let given: BTreeSet<&str> = document.domains.keys().map(String::as_str).collect();
    if let Some(missing) = known.difference(&given).next() {
        bail!("{SOURCE} has no example of `{missing}`");
    }
    if let Some(unknown) = given.difference(&known).next() {
        bail!("{SOURCE} has an example of `{unknown}`, of which the catalogue has no operations");
    }
    ensure!(
        document.platform.iter().all(|step| step.actor.is_none()),
        "the host itself sets the platform of the examples up"
    );
    let requests: Vec<(String, Map<String, Value>)> = document
        .platform
        .iter()
        .map(|step| (step.call.clone(), step.with.clone()))
        .collect();
    let platform = Run::new(catalogue)?
        .calls(document.platform)
        .context("in the platform of the examples")?;
    let mut domains = Domains::new();
    for (namespace, steps) in document.domains {
        let run = Run::new(catalogue)?;
        for (operation, request) in &requests {
            run.store.call_json(
                b"",
                operation.as_bytes(),
                json!(request).to_string().as_bytes(),
            )?;
        }
        let calls = run
            .calls(steps)
            .with_context(|| format!("in the example of `{namespace}`"))?;
        ensure!(
            calls.iter().any(|call| call.op.namespace == namespace),
            "the example of `{namespace}` calls none of its operations"
        );
        domains.insert(namespace, calls);
    }
    write(root, catalogue, &document.about, &platform, &domains)
}

fn write(
    root: &Path,
    catalogue: &Catalogue,
    about: &str,
    platform: &[Call],
    domains: &Domains,
) -> Result<Examples> {
    let programs = [
        rust::program(root, platform, domains)?,
        c::program(platform, domains)?,
        python::program(platform, domains)?,
        node::program(catalogue, platform, domains)?,
    ];
    let mut sections = BTreeMap::new();
    for namespace in domains.keys() {
        let mut section = String::new();
        for program in &programs {
            section.push_str(&program.fenced(&program.body(namespace)?));
        }
        sections.insert(namespace.clone(), section);
    }
    let mut setup = format!("{about}\n");
    for program in &programs {
        let functions = program
            .setup
            .iter()
            .map(|head| program.function(head))
            .collect::<Result<Vec<_>>>()?;
        setup.push_str(&program.fenced(&functions.join("\n")));
    }
    let files = programs
        .into_iter()
        .map(|program| (program.path.to_owned(), program.text))
        .collect();
    Ok(Examples {
        files,
        platform: setup,
        domains: sections,
    })
}

/// A program in one language, and how to quote from it.
struct Program {
    language: &'static str,
    fence: &'static str,
    path: &'static str,
    /// How the functions begin that set the platform up.
    setup: &'static [&'static str],
    /// How the function of a domain begins, up to its namespace.
    domain: &'static str,
    /// What stands before every line of a function.
    margin: &'static str,
    text: String,
}

impl Program {
    fn fenced(&self, code: &str) -> String {
        format!(
            "\n[{}](../../{}):\n\n```{}\n{}\n```\n",
            self.language,
            self.path,
            self.fence,
            code.trim_end()
        )
    }

    /// A whole function, by how its first line begins.
    fn function(&self, head: &str) -> Result<String> {
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
    fn body(&self, namespace: &str) -> Result<String> {
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

/// Runs the calls of one example.
struct Run<'a> {
    catalogue: &'a Catalogue,
    store: Tenantry,
    actors: Vec<Actor>,
    /// The answers that have a name, with their operation.
    answers: BTreeMap<String, (&'a Op, Value)>,
}

impl<'a> Run<'a> {
    fn new(catalogue: &'a Catalogue) -> Result<Run<'a>> {
        let options: OpenOptions =
            serde_json::from_value(json!({"clock": {"manual_ms": START_MS}, "seed": SEED}))?;
        Ok(Run {
            catalogue,
            store: Tenantry::open(":memory:", options)?,
            actors: Vec::new(),
            answers: BTreeMap::new(),
        })
    }

    fn calls(mut self, steps: Vec<Step>) -> Result<Vec<Call<'a>>> {
        steps
            .into_iter()
            .enumerate()
            .map(|(at, step)| {
                self.call(step)
                    .with_context(|| format!("in call {}", at + 1))
            })
            .collect()
    }

    fn call(&mut self, step: Step) -> Result<Call<'a>> {
        let op = self
            .catalogue
            .ops
            .iter()
            .find(|op| op.name == step.call)
            .with_context(|| format!("no operation `{}`", step.call))?;
        let introduces = self.introduces(step.actor.as_ref())?;
        let mut request = Vec::new();
        let mut sent = Map::new();
        let mut borrowed = Vec::new();
        for (name, value) in &step.with {
            let field = op
                .fields
                .iter()
                .find(|field| field.name == *name)
                .with_context(|| format!("`{}` has no field `{name}`", op.name))?;
            let (argument, value) = self.argument(value)?;
            if let Argument::From(place) = &argument {
                borrowed.push((value.clone(), self.typed_place(place)?));
            }
            request.push((field, argument));
            sent.insert(name.clone(), value);
        }
        let sent = Value::Object(sent);
        let typed = visit(&op.name, typed::Request(&sent)).context("no such operation")??;
        request.sort_by_key(|(field, _)| typed.order.iter().position(|name| *name == field.name));
        let mut rust = typed.root()?.code.clone();
        for (value, (place, found)) in borrowed {
            rust = rust::borrow(&rust, &value, &place, &found)?;
        }

        let actor = step
            .actor
            .as_ref()
            .map_or(String::new(), |actor| actor.json().to_string());
        let answer = self.store.call_json(
            actor.as_bytes(),
            op.name.as_bytes(),
            sent.to_string().as_bytes(),
        );
        let answer: Value = match (answer, &step.refused) {
            (Ok(answer), None) => serde_json::from_str(&answer)?,
            (Err(error), Some(code)) if error.code().name() == code => Value::Null,
            (Ok(answer), Some(code)) => bail!(
                "`{}` is not refused with `{code}` but answers {answer}",
                op.name
            ),
            (Err(error), _) => bail!(
                "`{}` is refused with `{}`: {error}",
                op.name,
                error.code().name()
            ),
        };
        let shows = match &step.name {
            None if step.shows.is_empty() => Vec::new(),
            None => bail!("an answer that is shown needs a name: `let`"),
            Some(name) => self.keep(name, op, answer, &step.shows)?,
        };
        Ok(Call {
            introduces,
            request,
            rust,
            shows,
            op,
            step,
        })
    }

    /// Whether this actor is new; two of one name would be one variable.
    fn introduces(&mut self, actor: Option<&Actor>) -> Result<bool> {
        let Some(actor) = actor else { return Ok(false) };
        if self.actors.contains(actor) {
            return Ok(false);
        }
        self.claim(actor.name())?;
        self.actors.push(actor.clone());
        Ok(true)
    }

    fn claim(&self, name: &str) -> Result<()> {
        ensure!(
            name != "t"
                && !self.answers.contains_key(name)
                && self.actors.iter().all(|actor| actor.name() != name),
            "two things are called `{name}`"
        );
        Ok(())
    }

    fn keep(
        &mut self,
        name: &str,
        op: &'a Op,
        answer: Value,
        shows: &Map<String, Value>,
    ) -> Result<Vec<Shown<'a>>> {
        self.claim(name)?;
        self.answers.insert(name.to_owned(), (op, answer));
        let mut all = Vec::new();
        for (path, expected) in shows {
            let place = self.place(name, path)?;
            let found = self.found(name, path)?;
            ensure!(
                found == expected,
                "`{name}.{path}` is {found}, not {expected}"
            );
            let rust = self.typed_place(&place)?;
            all.push(Shown {
                place,
                value: expected.clone(),
                rust,
            });
        }
        Ok(all)
    }

    /// The argument that a value stands for, and the value that is sent.
    fn argument(&self, value: &Value) -> Result<(Argument<'a>, Value)> {
        match value.as_str().and_then(|text| text.strip_prefix('$')) {
            None => Ok((Argument::Value(value.clone()), value.clone())),
            Some(reference) => {
                let (name, path) = reference
                    .split_once('.')
                    .with_context(|| format!("`${reference}` names no place in an answer"))?;
                Ok((
                    Argument::From(self.place(name, path)?),
                    self.found(name, path)?.clone(),
                ))
            }
        }
    }

    fn found(&self, name: &str, path: &str) -> Result<&Value> {
        let (_, answer) = self
            .answers
            .get(name)
            .with_context(|| format!("no answer is called `{name}`"))?;
        answer
            .pointer(&format!("/{}", path.replace('.', "/")))
            .with_context(|| format!("the answer has no `{path}`: {answer}"))
    }

    /// The place in the answer as the catalogue knows it.
    fn place(&self, name: &str, path: &str) -> Result<Place<'a>> {
        let (op, _) = self
            .answers
            .get(name)
            .with_context(|| format!("no answer is called `{name}`"))?;
        let answer = TypeRef::Named(op.answer.clone());
        let (mut hops, mut at) = (Vec::new(), &answer);
        for word in path.split('.') {
            at = match at {
                TypeRef::List(item) => {
                    hops.push(Hop::Item(word.parse()?));
                    item
                }
                TypeRef::Named(name) => {
                    let fields = self.fields(name)?;
                    let field = fields
                        .iter()
                        .find(|field| field.name == word)
                        .with_context(|| format!("`{name}` has no field `{word}`"))?;
                    hops.push(Hop::Field(field, fields));
                    &field.ty
                }
                _ => bail!("`{path}` goes further than the answer"),
            };
        }
        Ok(Place {
            answer: name.to_owned(),
            hops,
        })
    }

    fn fields(&self, name: &str) -> Result<&'a [Field]> {
        match self.catalogue.types.iter().find(|def| def.name() == name) {
            Some(TypeDef::Struct { fields, .. }) => Ok(fields),
            _ => bail!("the catalogue has no struct `{name}`"),
        }
    }

    /// The place and the value in Rust.
    fn typed_place(&self, place: &Place) -> Result<(String, Typed)> {
        let (op, answer) = self
            .answers
            .get(&place.answer)
            .with_context(|| format!("no answer is called `{}`", place.answer))?;
        let typed = visit(&op.name, typed::Answer(answer)).context("no such operation")??;
        rust::place(place, &typed)
    }
}

impl Call<'_> {
    /// The lines of its comment.
    fn comment(&self, mark: &str) -> String {
        self.step
            .say
            .iter()
            .flat_map(|say| wrapped_text(say, COMMENT))
            .map(|line| format!("{mark} {line}\n"))
            .collect()
    }

    /// Who calls: the variable, `t` for the host itself.
    fn caller(&self) -> &str {
        self.step.actor.as_ref().map_or("t", Actor::name)
    }
}

/// The lines with a margin in front; empty ones stay empty.
fn indented(lines: &str, margin: &str) -> String {
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
fn body(
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
