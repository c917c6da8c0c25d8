//! The answer of every operation that does one thing to many accounts, members, addresses or rows
//! (R-ACC-5).
//!
//! # Example
//!
//! [`invitations`](crate::api::invitations#example) shows the answer for two addresses, one of
//! which is not an e-mail address.

use crate::error::{Code, Error};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tenantry_macros::answer;

/// The results of an operation that does one thing to many.
///
/// With `atomic`, nothing is done if one of them is refused. A refusal is not an error: the answer
/// says which of them were refused.
// The attribute is for types without parameters. What is generated has none either: each has the
// name of what it is done to. So the places of the fields, for the generators, are written by hand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "{T}Results")]
#[non_exhaustive]
pub struct BulkResults<T> {
    /// One result for each of them, in the order of the request.
    #[schemars(extend("x-order" = 0))]
    pub results: Vec<BulkResult<T>>,
    /// How many were refused: those that have a `problem`.
    #[schemars(extend("x-order" = 1))]
    pub refused: u64,
}

/// The result for one of many.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "{T}Result", extend("x-yes" = "done"))]
#[non_exhaustive]
pub struct BulkResult<T> {
    /// The account, the member or whatever else the result is for.
    #[serde(flatten)]
    pub subject: T,
    /// Whether the operation was carried out for it.
    // Behind the fields of the subject, which are numbered from 0.
    #[schemars(extend("x-order" = 100))]
    pub done: bool,
    /// Why it was refused. Absent if the operation was carried out, or if it was not carried out
    /// only because `atomic` was set and another one was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-order" = 101))]
    pub problem: Option<Problem>,
}

/// Why something was refused, or would be refused.
#[answer]
pub struct Problem {
    /// The code of the refusal.
    pub code: Code,
    /// A sentence that a person can act on.
    pub message: String,
    /// The JSON pointer of the field that is wrong, as in a request for this one alone; for a row
    /// of CSV, the name of the column.
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
