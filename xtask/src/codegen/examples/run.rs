//! Runs the calls of the examples against a store in memory.

use super::calls::{Actor, Argument, Call, Given, Hop, Place, Shown, Step};
use super::program::{SEED, START_MS};
use super::rust;
use super::typed::{self, Typed};
use crate::codegen::ir::{Catalogue, Field, Op, TypeDef, TypeRef};
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use tenantry::catalogue::visit;
use tenantry::{OpenOptions, Tenantry};

/// Runs the calls of one example.
pub(super) struct Run<'a> {
    catalogue: &'a Catalogue,
    pub(super) store: Tenantry,
    actors: Vec<Actor>,
    /// The answers that have a name, with their operation.
    answers: BTreeMap<String, (&'a Op, Value)>,
}

impl<'a> Run<'a> {
    pub(super) fn new(catalogue: &'a Catalogue) -> Result<Run<'a>> {
        let options: OpenOptions =
            serde_json::from_value(json!({"clock": {"manual_ms": START_MS}, "seed": SEED}))?;
        Ok(Run {
            catalogue,
            store: Tenantry::open(":memory:", options)?,
            actors: Vec::new(),
            answers: BTreeMap::new(),
        })
    }

    pub(super) fn calls(mut self, steps: Vec<Step>) -> Result<Vec<Call<'a>>> {
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
        for (field, value) in given_fields(&op.fields, &step.with, &op.name)? {
            let (argument, value) = self.argument(value, &field.ty)?;
            if let Argument::From(place) = &argument {
                borrowed.push((value.clone(), self.typed_place(place)?));
            }
            request.push((field, argument));
            sent.insert(field.name.clone(), value);
        }
        let sent = Value::Object(sent);
        let typed = visit(&op.name, typed::Request(&sent)).context("no such operation")??;
        let mut rust = typed.root()?.code.clone();
        for (value, (place, found)) in borrowed {
            rust = rust::borrow(&rust, &value, &place, &found)?;
        }

        let actor = step.actor.as_ref().map_or_else(String::new, Actor::json);
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
    fn argument(&self, value: &Value, ty: &'a TypeRef) -> Result<(Argument<'a>, Value)> {
        match value.as_str().and_then(|text| text.strip_prefix('$')) {
            None => Ok((Argument::Given(self.given(value, ty)?), value.clone())),
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

    /// A value of this type.
    fn given(&self, value: &Value, ty: &'a TypeRef) -> Result<Given<'a>> {
        Ok(match (value, ty) {
            (Value::Array(items), TypeRef::List(ty)) => {
                let items = items.iter().map(|item| self.given(item, ty));
                Given::List(items.collect::<Result<_>>()?)
            }
            (Value::Object(fields), TypeRef::Named(name)) => {
                let all = self.fields(name)?;
                let given = given_fields(all, fields, name)?
                    .into_iter()
                    .map(|(field, value)| Ok((field, self.given(value, &field.ty)?)))
                    .collect::<Result<_>>()?;
                Given::Struct { given, all }
            }
            (value, _) => Given::Single(value.clone()),
        })
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

/// The values of an object with their fields, in the order in which `owner` declares these.
fn given_fields<'a, 'v>(
    all: &'a [Field],
    given: &'v Map<String, Value>,
    owner: &str,
) -> Result<Vec<(&'a Field, &'v Value)>> {
    if let Some(name) = given
        .keys()
        .find(|name| all.iter().all(|field| field.name != **name))
    {
        bail!("`{owner}` has no field `{name}`");
    }
    Ok(all
        .iter()
        .filter_map(|field| Some((field, given.get(&field.name)?)))
        .collect())
}
