//! The examples: `examples/domains.json` holds a few calls for each domain. They are run here,
//! against a store in memory, and what is true is written in every language: as a file that runs,
//! and into the pages of the reference.

mod c;
mod call;
mod node;
mod python;
mod rust;
mod typed;

use super::ir::{Catalogue, Field, Op, TypeDef, TypeRef};
use anyhow::{Context, Result, bail, ensure};
use call::{Actor, Argument, Call, Domains, Hop, Place, SEED, START_MS, Shown, Step};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use tenantry::catalogue::visit;
use tenantry::{OpenOptions, Tenantry};
use typed::Typed;

const SOURCE: &str = "examples/domains.json";

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
