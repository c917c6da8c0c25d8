//! Users as CSV: out of an account or a team, and in again (R-USR-5): requests and answers.

use crate::error::Code;
use crate::model::{Count, Cursor, Id};
use crate::rules::user_csv::CsvSeparator;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Writes users with their accounts as CSV, a page at a time: one row for each membership, with the
/// columns `email`, `first_name`, `last_name`, `account`, `role`, `group`, `owner` and `disabled`
/// (R-USR-5).
///
/// The pages one after the other are the file. A field that a spreadsheet would take for a formula
/// has an apostrophe before it; `users.import_csv` takes it away again.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportCsv {
    /// The account. A top account gives its whole team to those who manage that (`accounts.team`);
    /// in every other case it is the members of this one account.
    pub account: Id,
    /// Whether the text begins with the names of the columns; absent, the first page alone does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<bool>,
    /// Go on here: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// At most this many rows (1 to 1,000, 1,000 when absent). A page may be shorter, and even
    /// empty, while there is a `next`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Count>,
}

/// Makes users and memberships from CSV, in one commit: at most 900 KiB and 1,000 rows. Larger
/// files go in part by part, which is what the function of each language does that imports a whole
/// file.
///
/// The first line names the columns, those of `users.export_csv` in any order, without regard to
/// case and spaces; `email` alone is needed. Comma, semicolon and tab part the fields, whichever
/// the first line has. Spaces around a field are not part of it, and an address may be pasted with
/// a name: `Ann Lee <ann@x.example>`. A row makes a user and their membership; a user of the same
/// team who is there already gets the membership alone, and keeps their name. A bad row is reported
/// with its line and column, and the others go in (R-USR-5).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportCsv {
    /// The account that rows go to which name none. A row may name this one or one below it.
    pub account: Id,
    /// The rows.
    pub csv: String,
    /// The columns, where the first line of `csv` does not name them: a later part of a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// What stands between the fields; found from the first row when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub separator: Option<CsvSeparator>,
    /// The number that the first line of `csv` has in its file; 1 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_line: Option<Count>,
    /// The role for rows that name none; absent, the default role of the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Id>,
    /// Whether one bad row keeps all of them out; the answer says what is wrong, and nothing was
    /// changed.
    #[serde(default)]
    pub atomic: bool,
}

/// Users as CSV.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UserCsv {
    /// The rows, each ended by CR and LF.
    pub csv: String,
    /// How many there are, without the names of the columns.
    pub rows: u64,
    /// Where to go on; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Cursor>,
}

/// What became of the rows that were imported.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UserImport {
    /// How many rows were read, without the names of the columns.
    pub rows: u64,
    /// How many users were made.
    pub added: u64,
    /// How many memberships were made, those of new users included.
    pub members: u64,
    /// How many rows are bad.
    pub rejected: u64,
    /// What is wrong with them, in the order of the file. Of a whole file the first 10,000 are
    /// kept.
    pub problems: Vec<UserImportProblem>,
    /// Whether a file was not read to its end, since its progress function said so; what was read
    /// until then is in.
    pub stopped: bool,
}

/// Why a row was not imported.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UserImportProblem {
    /// The line of the file that the row begins on.
    pub line: u64,
    /// The column; absent where the row as a whole is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// The code that the row is refused with.
    pub code: Code,
    /// A sentence a person can act on.
    pub message: String,
}
