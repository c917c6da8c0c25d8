//! Export of users as CSV, and import from CSV (R-USR-5): requests and answers.
//!
//! # Example
//!
//! [Users as CSV](crate#users-as-csv) shows both directions.

use crate::api::bulk::BulkResult;
use crate::model::{Count, Cursor, Id};
use crate::rules::user_csv::CsvSeparator;
use tenantry_macros::{answer, request};

/// Exports users with their accounts as CSV, a page at a time: one row for each membership, with
/// the columns `email`, `first_name`, `last_name`, `account`, `role`, `group`, `owner` and
/// `disabled` (R-USR-5).
///
/// The pages, joined in their order, are the file. A field that a spreadsheet would read as a
/// formula gets an apostrophe in front; `users.import_csv` removes it again.
#[request]
pub struct ExportCsv {
    /// The account. For a top account, users who manage its team (`accounts.team`) get the whole
    /// team. In every other case, the members of this one account are exported.
    pub account: Id,
    /// Whether the text begins with a line of column names; when absent, only the first page has
    /// one.
    pub header: Option<bool>,
    /// Where the page begins: the `next` of the previous page.
    pub after: Option<Cursor>,
    /// How many rows the page has at most: 1 to 1,000; 1,000 when absent. A page may be shorter,
    /// and even empty, while there is a `next`.
    pub limit: Option<Count>,
}

/// Creates users and memberships from CSV in one commit: at most 900 KiB and 1,000 rows. Larger
/// files have to be imported in parts; each language has a function that does so for a whole file.
///
/// The first line names the columns: those of `users.export_csv`, in any order; case and spaces do
/// not matter, and only `email` is required. The fields are separated by commas, semicolons or
/// tabs, whichever the first line has. Spaces around a field are ignored, and an address may be
/// written with a name: `Ann Lee <ann@x.example>`. A row creates a user and their membership; a
/// user who is in the same team already gets only the membership, and keeps their name. A bad row
/// is reported with its line and column, and the other rows are imported (R-USR-5).
#[request]
pub struct ImportCsv {
    /// The account for rows that name no account. A row may name this account or one below it.
    pub account: Id,
    /// The rows.
    pub csv: String,
    /// The columns; needed when `csv` is a later part of a file, whose first line does not name
    /// them.
    pub columns: Option<Vec<String>>,
    /// The character between the fields. When absent, the first row shows which character it is.
    pub separator: Option<CsvSeparator>,
    /// The line number that the first line of `csv` has in its file; 1 when absent.
    pub first_line: Option<Count>,
    /// The role for rows that name no role; the default role of the account when absent.
    pub role: Option<Id>,
    /// Whether all rows are imported or none. If one row is refused, none is imported, and the
    /// answer says which row was refused.
    #[serde(default)]
    pub atomic: bool,
}

/// Users as CSV.
#[answer]
pub struct UserCsv {
    /// The rows, each ended by CR and LF.
    pub csv: String,
    /// How many rows there are, without the line of column names.
    pub rows: u64,
    /// The `after` of the next page; absent on the last page.
    pub next: Option<Cursor>,
}

/// The result of an import of rows.
#[answer]
#[derive(Default)]
pub struct UserImport {
    /// One result for each row, in the order of the file. For a whole file, only the rows that were
    /// refused are listed, at most the first 10,000.
    pub results: Vec<BulkResult<ImportedUser>>,
    /// How many rows were refused.
    pub refused: u64,
    /// How many rows were read, without the line of column names.
    pub rows: u64,
    /// How many memberships were created, including those of new users.
    pub members: u64,
    /// How many users were created.
    pub created: u64,
    /// Whether the import of a file stopped before its end because its progress function said so;
    /// the rows that were read until then are imported.
    pub stopped: bool,
}

/// One of many rows that are imported.
#[answer]
pub struct ImportedUser {
    /// The line of the file on which the row begins.
    pub line: u64,
    /// The user who became a member.
    pub user: Option<Id>,
    /// Whether the user was created for this row.
    pub created: bool,
}
