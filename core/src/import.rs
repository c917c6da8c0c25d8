//! The import of a whole file of users: in parts, with progress (R-USR-5).

use crate::api::user_csv::{ImportCsv, UserImport};
use crate::domain::user_csv::{self, MOST_BYTES, MOST_ROWS};
use crate::error::Error;
use crate::handle::{Tenantry, read_caller};
use crate::json;
use crate::model::{Actor, Count, Id};
use crate::rules::user_csv::{Columns, CsvSeparator, Row, Rows, broken};
use tenantry_macros::request;

/// How many rows one commit has: enough to be fast, and few enough that other calls wait only
/// briefly.
const ROWS_AT_ONCE: u64 = 500;
/// The most refused rows that the answer about a file lists.
const MOST_REFUSED: usize = 10_000;

/// How to import a file of users; the fields are those of [`ImportCsv`].
///
/// ```
/// # use tenantry::{OpenOptions, Tenantry};
/// # let t = Tenantry::open(":memory:", OpenOptions::default())?;
/// # for (operation, request) in [
/// #     ("packages.create", r#"{"id":"small","name":"Small","limits":{"email_per_day":2}}"#),
/// #     ("accounts.create", r#"{"id":"acme","name":"Acme","package":"small",
/// #         "owner":{"user":"ann","email":"ann@acme.example"}}"#),
/// # ] {
/// #     t.call_json(b"", operation.as_bytes(), request.as_bytes())?;
/// # }
/// use tenantry::{Actor, Id, ImportUsers};
///
/// let import = ImportUsers::new(Id::new("acme")?).atomic(true);
/// let csv = b"email,first_name\nbob@acme.example,Bob\n";
/// let answer = t.import_users(&Actor::System, import, csv, &mut |_| true)?;
/// assert_eq!(answer.rows, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[request]
#[derive(PartialEq, Eq)]
pub struct ImportUsers {
    /// The account for rows that name no account. A row may name this account or one below it.
    pub account: Id,
    /// The role for rows that name no role; the default role of the account when absent.
    pub role: Option<Id>,
    /// Whether all rows are imported or none: if one row is refused, none is imported. This is
    /// possible only for files of at most 1,000 rows and 900 KiB, which are imported in one commit.
    #[serde(default)]
    pub atomic: bool,
}

/// How far an import has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportProgress {
    /// How many rows were read.
    pub rows: u64,
    /// How many bytes of the file were read.
    pub bytes: u64,
    /// How many bytes the file has.
    pub bytes_total: u64,
}

impl Tenantry {
    /// Imports a file of users, as [`users.import_csv`](ImportCsv) does, in parts of at most 500
    /// rows.
    ///
    /// Each part is a commit of its own. After each part, the import calls `progress` with how far
    /// it has come; `progress` may call this library. If `progress` answers `false` before the end,
    /// the import stops, and the answer says so. After an error, `details.rows_done` says how many
    /// rows were read before the error; the users and memberships from these rows stay.
    pub fn import_users(
        &self,
        actor: &Actor,
        request: ImportUsers,
        csv: &[u8],
        progress: &mut dyn FnMut(ImportProgress) -> bool,
    ) -> Result<UserImport, Error> {
        self.usable()?;
        let whole = text(csv)?;
        let body = whole.strip_prefix('\u{feff}').unwrap_or(whole);
        let separator = CsvSeparator::of_header(body);
        let mut rows = Rows::new(body, 1, separator);
        // Refused before anything is imported, however large the file is.
        let columns = read_header(&mut rows)?;
        let mut file = File {
            store: self,
            actor,
            request,
            columns,
            separator,
            body,
            bytes_total: csv.len(),
            answer: UserImport::default(),
        };
        let rest = file.import_full_parts(&mut rows, progress)?;
        if file.answer.stopped {
            return Ok(file.answer);
        }
        // Also where there is no row at all: whether the actor may import is asked in every case.
        file.import(&rest.unwrap_or(Part {
            line: 1,
            start: body.len(),
            end: body.len(),
            rows: 0,
        }))?;
        progress(file.progress_at(csv.len()));
        Ok(file.answer)
    }

    /// Like [`import_users`](Tenantry::import_users), with the actor, the request and the answer as
    /// JSON.
    pub fn import_users_json(
        &self,
        actor: &[u8],
        request: &[u8],
        csv: &[u8],
        progress: &mut dyn FnMut(ImportProgress) -> bool,
    ) -> Result<String, Error> {
        let actor = self.actor(&read_caller(actor)?)?;
        let answer = self.import_users(&actor, json::read(request)?, csv, progress)?;
        serde_json::to_string(&answer).map_err(|error| {
            Error::internal(format!(
                "This is a defect to report: the answer cannot be written ({error})."
            ))
        })
    }
}

/// A file that is being imported.
struct File<'a> {
    store: &'a Tenantry,
    actor: &'a Actor,
    request: ImportUsers,
    columns: Vec<String>,
    separator: CsvSeparator,
    body: &'a str,
    bytes_total: usize,
    answer: UserImport,
}

/// The rows that are imported together.
struct Part {
    line: u64,
    start: usize,
    end: usize,
    rows: u64,
}

impl Part {
    fn beginning_with(row: Row) -> Part {
        Part {
            line: row.line,
            start: row.start,
            end: row.end,
            rows: 1,
        }
    }
}

impl File<'_> {
    /// Imports all rows but those of the last part, which it answers. Where `progress` stops the
    /// import, the answer of the file says so.
    fn import_full_parts(
        &mut self,
        rows: &mut Rows<'_>,
        progress: &mut dyn FnMut(ImportProgress) -> bool,
    ) -> Result<Option<Part>, Error> {
        let rows_at_once = if self.request.atomic {
            MOST_ROWS
        } else {
            ROWS_AT_ONCE
        };
        let bytes_before = self.bytes_total - self.body.len();
        let mut part: Option<Part> = None;
        while let Some(row) = rows.next()? {
            if row.end - row.start > MOST_BYTES {
                self.refuse_parts()?;
                if let Some(full) = part.take() {
                    self.import(&full)?;
                }
                self.leave_out(rows, row);
                continue;
            }
            match &mut part {
                Some(part) if part.rows < rows_at_once && row.end - part.start <= MOST_BYTES => {
                    part.rows += 1;
                    part.end = row.end;
                }
                _ => {
                    let Some(full) = part.replace(Part::beginning_with(row)) else {
                        continue;
                    };
                    self.refuse_parts()?;
                    self.import(&full)?;
                    if !progress(self.progress_at(bytes_before + full.end)) {
                        self.answer.stopped = true;
                        return Ok(None);
                    }
                }
            }
        }
        Ok(part)
    }

    /// How far the import has come, with so many bytes of the file read.
    fn progress_at(&self, bytes: usize) -> ImportProgress {
        ImportProgress {
            rows: self.answer.rows,
            bytes: bytes as u64,
            bytes_total: self.bytes_total as u64,
        }
    }

    fn import(&mut self, part: &Part) -> Result<(), Error> {
        let request = ImportCsv {
            account: self.request.account.clone(),
            csv: self
                .body
                .get(part.start..part.end)
                .unwrap_or_default()
                .to_owned(),
            columns: Some(self.columns.clone()),
            separator: Some(self.separator),
            first_line: Some(Count::new(part.line).map_err(|error| Error::invalid("/csv", error))?),
            role: self.request.role.clone(),
            atomic: self.request.atomic,
        };
        let done = self
            .store
            .call(self.actor, request)
            .map_err(|error| error.with("rows_done", self.answer.rows))?;
        self.answer.rows += done.rows;
        self.answer.created += done.created;
        self.answer.members += done.members;
        self.answer.refused += done.refused;
        let refused = done.results.into_iter().filter(|row| row.problem.is_some());
        let room = MOST_REFUSED.saturating_sub(self.answer.results.len());
        self.answer.results.extend(refused.take(room));
        Ok(())
    }

    /// Refuses `atomic` for a file that needs more than one commit.
    fn refuse_parts(&self) -> Result<(), Error> {
        let most = || {
            format!(
                "The file has more than {MOST_ROWS} rows or {MOST_BYTES} bytes and is imported in \
                 parts; leave out `atomic`."
            )
        };
        if self.request.atomic {
            Err(Error::invalid("/atomic", most()))
        } else {
            Ok(())
        }
    }

    /// Records a row that is too large for any call.
    fn leave_out(&mut self, rows: &Rows<'_>, row: Row) {
        let why = if rows.is_unclosed(row) {
            "A quote is opened in this row and never closed, so the rest of the text is one field; \
             close it."
                .to_owned()
        } else {
            format!(
                "The row has {} bytes, and a row has at most {MOST_BYTES}; shorten it.",
                row.end - row.start
            )
        };
        self.answer.rows += 1;
        self.answer.refused += 1;
        if self.answer.results.len() < MOST_REFUSED {
            let refused = user_csv::refused(row.line, &broken(row.line, why));
            self.answer.results.push(refused);
        }
    }
}

/// The columns that the first row names.
fn read_header(rows: &mut Rows<'_>) -> Result<Vec<String>, Error> {
    let header = rows.next()?;
    let columns: Vec<String> = rows.fields().iter().map(str::to_owned).collect();
    Columns::read(
        columns.iter().map(String::as_str),
        header.map_or(1, |row| row.line),
    )
    .map_err(|error| error.at("/csv"))?;
    Ok(columns)
}

fn text(csv: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(csv).map_err(|error| {
        let good = String::from_utf8_lossy(csv.get(..error.valid_up_to()).unwrap_or_default());
        let line = 1 + good.bytes().filter(|byte| *byte == b'\n').count() as u64;
        broken(
            line,
            format!("The file is not UTF-8 in line {line}; save it as `CSV UTF-8`."),
        )
        .at("/csv")
    })
}

#[cfg(test)]
mod tests {

    use crate::OpenOptions;
    use crate::api::user_csv::UserImport;
    use crate::error::Code;
    use crate::handle::Tenantry;
    use crate::import::{ImportProgress, ImportUsers};
    use crate::model::{Actor, Id};

    /// A store with the account `acme`, whose owner is in it.
    fn store() -> Tenantry {
        let store = Tenantry::open(":memory:", OpenOptions::default()).unwrap();
        let account =
            br#"{"id":"acme","name":"Acme","owner":{"user":"olga","email":"olga@acme.example"}}"#;
        store.call_json(b"", b"accounts.create", account).unwrap();
        store
    }

    fn request(atomic: bool) -> ImportUsers {
        ImportUsers {
            account: Id::new("acme").unwrap(),
            role: Some(Id::new("editor").unwrap()),
            atomic,
        }
    }

    fn import(store: &Tenantry, csv: &str) -> UserImport {
        store
            .import_users(&Actor::System, request(false), csv.as_bytes(), &mut |_| {
                true
            })
            .unwrap()
    }

    fn addresses(rows: std::ops::Range<u64>) -> String {
        rows.map(|row| format!("u{row}@acme.example\r\n")).collect()
    }

    #[test]
    fn a_file_goes_in_part_by_part_and_lines_are_those_of_the_file() {
        let store = store();
        let file = format!(
            "\u{feff}email\r\n\r\n{}u0@acme.example\r\nnobody\r\n",
            addresses(0..1200)
        );
        let mut seen = Vec::new();
        let mut progress = |at: ImportProgress| {
            // The callback may use the store.
            assert!(
                store
                    .call_json(b"", b"accounts.get", br#"{"account":"acme"}"#)
                    .is_ok()
            );
            seen.push(at);
            true
        };
        let answer = store
            .import_users(
                &Actor::System,
                request(false),
                file.as_bytes(),
                &mut progress,
            )
            .unwrap();
        assert_eq!(
            (
                answer.rows,
                answer.created,
                answer.members,
                answer.refused,
                answer.stopped
            ),
            (1202, 1200, 1200, 2, false)
        );
        let problems: Vec<_> = answer
            .results
            .iter()
            .map(|row| {
                let problem = row.problem.as_ref().unwrap();
                (row.subject.line, problem.field.as_deref(), problem.code)
            })
            .collect();
        assert_eq!(
            problems,
            [
                (1203, Some("/email"), Code::AlreadyMember),
                (1204, Some("/email"), Code::InvalidArgument)
            ]
        );
        assert_eq!(
            seen.iter().map(|at| at.rows).collect::<Vec<_>>(),
            [500, 1000, 1202]
        );
        let total = file.len() as u64;
        assert!(
            seen.iter().all(|at| at.bytes_total == total)
                && seen[0].bytes < seen[1].bytes
                && seen[2].bytes == total
        );
    }

    #[test]
    fn progress_can_stop_and_nothing_else_is_undone() {
        let store = store();
        let file = format!("email\n{}", addresses(0..600));
        let answer = store
            .import_users(&Actor::System, request(false), file.as_bytes(), &mut |_| {
                false
            })
            .unwrap();
        assert_eq!(
            (answer.rows, answer.members, answer.stopped),
            (500, 500, true)
        );
        let again = import(&store, &file);
        assert_eq!(
            (again.members, again.refused, again.stopped),
            (100, 500, false)
        );
    }

    #[test]
    fn all_or_nothing_is_one_call_or_none() {
        let store = store();
        let atomic = |file: String| {
            store.import_users(&Actor::System, request(true), file.as_bytes(), &mut |_| {
                true
            })
        };
        let error = atomic(format!("email\n{}", addresses(0..1001))).unwrap_err();
        assert_eq!(
            (error.code(), error.field()),
            (Code::InvalidArgument, Some("/atomic"))
        );
        let bad = atomic(format!("email\n{}nobody\n", addresses(0..999))).unwrap();
        assert_eq!(
            (bad.rows, bad.created, bad.members, bad.refused),
            (1000, 0, 0, 1)
        );
        assert_eq!(
            atomic(format!("email\n{}", addresses(0..1000)))
                .unwrap()
                .members,
            1000
        );
    }

    #[test]
    fn what_is_no_table_is_refused_before_anything_is_imported() {
        let store = store();
        let refused = |file: &[u8]| {
            store
                .import_users(&Actor::System, request(false), file, &mut |_| true)
                .unwrap_err()
        };
        for (file, line) in [
            (&b""[..], 1),
            (b"email,colour\na@b.example,red\n", 1),
            (b"\n\nname\n", 3),
            (b"email\na@b.example\n\xff\n", 3),
        ] {
            let error = refused(file);
            assert_eq!(
                (error.code(), &error.details()["line"]),
                (Code::CsvInvalid, &line.into()),
                "{}",
                file.escape_ascii()
            );
        }
        assert_eq!(import(&store, "email\n").rows, 0);
        store.close().unwrap();
        assert_eq!(refused(b"").code(), Code::Closed);
    }

    #[test]
    fn a_quote_that_is_never_closed_costs_the_rows_behind_it_and_says_so() {
        let store = store();
        for rest in [String::new(), addresses(2..60_000)] {
            let answer = import(
                &store,
                &format!("email,first_name\na@acme.example,Ann\nb@acme.example,\"Bob\n{rest}"),
            );
            assert_eq!(
                (answer.rows, answer.refused),
                (2, if rest.is_empty() { 1 } else { 2 })
            );
            let last = answer.results.last().unwrap();
            let problem = last.problem.as_ref().unwrap();
            assert!(
                last.subject.line == 3
                    && problem.code == Code::CsvInvalid
                    && problem.message.contains("never closed"),
                "{last:?}"
            );
        }
    }

    #[test]
    fn an_error_says_how_far_it_came() {
        let store = store();
        let file = format!("email\n{}", addresses(0..600));
        let mut closing = |_| store.close().is_ok();
        let error = store
            .import_users(
                &Actor::System,
                request(false),
                file.as_bytes(),
                &mut closing,
            )
            .unwrap_err();
        assert_eq!(
            (error.code(), &error.details()["rows_done"]),
            (Code::Closed, &500.into())
        );
    }
}
