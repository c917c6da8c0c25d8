//! What the catalogue has of an operation, made from its request type.

use crate::access::operation::Operation;
use crate::access::state::Engine;
use crate::api::operation::{Access, Effect, Gates};
use crate::error::Error;
use crate::json;
use crate::model::Actor;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};

/// An operation of the catalogue.
pub struct Entry {
    /// The name, such as `accounts.create`.
    pub name: &'static str,
    /// What it does to the store.
    pub effect: Effect,
    /// Who may call it.
    pub access: Access,
    /// Under which circumstances those who may call it may do so.
    pub gates: Gates,
    pub(crate) run_json: fn(&Engine, &Actor, &[u8]) -> Result<String, Error>,
    /// The JSON schema of the request.
    pub request: fn() -> Schema,
    /// The JSON schema of the answer.
    pub answer: fn() -> Schema,
}

/// A visitor of operations with their types; see [`visit`](super::visit).
pub trait Visitor {
    /// The result of a visit.
    type Output;
    /// Called with the operation.
    fn operation<O: Operation>(self) -> Self::Output;
}

/// The entry of a row. The row names the answer for its readers; a type that is not the operation's
/// answer does not build.
pub(super) const fn entry<O, A>() -> Entry
where
    O: Operation<Answer = A>,
    A: JsonSchema,
{
    Entry {
        name: O::CONTRACT.name,
        effect: O::CONTRACT.effect,
        access: O::CONTRACT.access,
        gates: O::CONTRACT.gates,
        run_json: run_json::<O>,
        request: schema::<O>,
        answer: schema::<A>,
    }
}

fn run_json<O: Operation>(engine: &Engine, actor: &Actor, request: &[u8]) -> Result<String, Error> {
    let request: O = json::read(request)?;
    let answer = engine.run(actor, request)?;
    // Room for an answer with a token: what grows leaves copies behind.
    let mut text = Vec::with_capacity(1024);
    let unwritten = |error: &dyn std::fmt::Display| {
        Error::internal(format!(
            "This is a defect to report: the answer cannot be written ({error})."
        ))
    };
    serde_json::to_writer(&mut text, &answer).map_err(|error| unwritten(&error))?;
    String::from_utf8(text).map_err(|error| unwritten(&error))
}

fn schema<T: JsonSchema>() -> Schema {
    SchemaGenerator::new(SchemaSettings::draft2020_12()).into_root_schema_for::<T>()
}
