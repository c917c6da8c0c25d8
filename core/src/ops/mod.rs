//! The operations: for each domain one file with its requests, its answers, and the calls into the engine.

pub mod access;
pub mod accounts;
pub mod catalogue;
pub mod clock;
pub mod limits;
pub mod members;
pub mod packages;
pub mod permissions;
pub mod roles;
pub mod sending;
pub mod store;
pub mod usage;
pub mod users;

use crate::engine::Ctx;
use crate::error::{Code, Error};
use crate::model::{Count, Id};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A request with a name in the catalogue.
///
/// Implemented by every request type of [`ops`](crate::ops); a host calls [`Tenantry::call`](crate::Tenantry::call).
pub trait Operation: Clone + Serialize + DeserializeOwned + JsonSchema + Send + 'static {
    /// The name, such as `accounts.create`.
    const NAME: &'static str;
    /// What it does to the store.
    const EFFECT: Effect;
    /// Who may call it.
    const ACCESS: Access;
    /// What it answers.
    type Answer: Serialize + DeserializeOwned + JsonSchema + Send;

    /// The account that it is about, where it is about one.
    fn account(&self) -> Option<&Id> {
        None
    }

    #[doc(hidden)]
    fn run(self, ctx: &mut Ctx<'_>) -> Result<Self::Answer, Error>;
}

/// What an operation does to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Reads one consistent state.
    Read,
    /// Commits one batch.
    Write,
    /// Charges meters, which have locks and commits of their own.
    Send,
}

/// Who may call an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The host alone.
    System,
    /// The host, and users who hold this permission in the account that they act in.
    Account(&'static str),
}

/// A stale `expected_rev` is `rev_conflict`.
fn check_rev(expected: Option<Count>, rev: u64) -> Result<(), Error> {
    match expected {
        Some(expected) if expected.get() != rev => {
            Err(Error::new(Code::RevConflict, format!("the record has rev {rev}, not {}", expected.get())).at("/expected_rev").with("rev", rev))
        }
        _ => Ok(()),
    }
}

/// How many items a page may have.
const PAGE_MAX: u64 = 500;
/// How many it has when nothing is said.
const PAGE_DEFAULT: u64 = 50;

fn page_size(asked: Option<Count>) -> Result<usize, Error> {
    let size = asked.map_or(PAGE_DEFAULT, Count::get);
    if !(1..=PAGE_MAX).contains(&size) {
        return Err(Error::invalid("/limit", format!("a page has 1 to {PAGE_MAX} items, not {size}")));
    }
    usize::try_from(size).map_err(|_| Error::invalid("/limit", "a page of this size does not fit into memory"))
}

/// The rows of a page, and the id to go on from when there are more.
type Page<T> = (Vec<(Id, T)>, Option<Id>);

/// One page below `from..until`: the records after the id `after`, and the id to go on from when there are more.
fn page<T: DeserializeOwned>(ctx: &mut Ctx<'_>, range: (Vec<u8>, Vec<u8>), after: Option<&Id>, limit: Option<Count>) -> Result<Page<T>, Error> {
    let size = page_size(limit)?;
    let (mut from, until) = range;
    if let Some(after) = after {
        from.extend_from_slice(after.as_str().as_bytes());
        from.push(0);
    }
    let mut rows = Vec::new();
    for (key, record) in ctx.tx.range::<T>(&from, &until, size + 1)? {
        let id = crate::engine::keys::last_id(&key)
            .ok_or_else(|| Error::new(Code::StoreCorrupt, format!("the key {} ends in no id", key.escape_ascii())))?;
        rows.push((id, record));
    }
    let more = rows.len() > size;
    rows.truncate(size);
    let next = if more { rows.last().map(|(id, _)| id.clone()) } else { None };
    Ok((rows, next))
}

pub(crate) fn unknown_permission(id: &str, field: &str) -> Error {
    Error::new(Code::PermissionUnknown, format!("the permission tree has no node `{}`", id.chars().take(64).collect::<String>())).at(field)
}
