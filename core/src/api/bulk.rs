//! What is answered where one thing is asked for many (R-ACC-5): the same for whatever it is done
//! to.
//!
//! # Example
//!
//! [`invitations`](crate::api::invitations#example) shows what is answered for two addresses, one
//! of which is none.

use crate::error::{Code, Error};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tenantry_macros::answer;

/// What was done to many.
///
/// With `atomic`, it was done to all of them, or to none where one was refused. That is no error:
/// the answer says which one was in the way.
// The attribute is for types without parameters. What is generated has none either: each has the
// name of what it is done to. So the places of the fields, for the generators, are written by hand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "{T}Results")]
#[non_exhaustive]
pub struct BulkResults<T> {
    /// One result for each, in the order of the request.
    #[schemars(extend("x-order" = 0))]
    pub results: Vec<BulkResult<T>>,
    /// How many were refused: those that have a `problem`.
    #[schemars(extend("x-order" = 1))]
    pub refused: u64,
}

/// What was done to one of many.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "{T}Result", extend("x-yes" = "done"))]
#[non_exhaustive]
pub struct BulkResult<T> {
    /// What it was done to.
    #[serde(flatten)]
    pub subject: T,
    /// Whether it was done.
    // Behind the fields of the subject, which are numbered from 0.
    #[schemars(extend("x-order" = 100))]
    pub done: bool,
    /// Why it was refused. It is absent when it was done, and when it was not done only because
    /// another one was refused and `atomic` was set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-order" = 101))]
    pub problem: Option<Problem>,
}

/// Why something would be refused, or was.
#[answer]
pub struct Problem {
    /// The code of the refusal.
    pub code: Code,
    /// A sentence that a person can act on.
    pub message: String,
    /// The JSON pointer of the field that is wrong, in a request for this one alone; for a row of
    /// CSV, its column.
    pub field: Option<String>,
}

impl<T> BulkResult<T> {
    /// It was done, or was refused for this.
    pub(crate) fn new(subject: T, done: Result<(), &Error>) -> BulkResult<T> {
        BulkResult {
            subject,
            done: done.is_ok(),
            problem: done.err().map(Problem::of),
        }
    }
}

impl Problem {
    /// What a refusal says.
    pub(crate) fn of(error: &Error) -> Problem {
        Problem {
            code: error.code(),
            message: error.message().to_owned(),
            field: error.field().map(str::to_owned),
        }
    }
}
