//! Users as CSV: the columns, the rows and where they begin, and fields that a spreadsheet would
//! read as formulas (R-USR-5).

use crate::error::{Code, Error, excerpt};
use crate::model::trimmed;
use csv::{ReaderBuilder, StringRecord};
use std::borrow::Cow;
use tenantry_macros::answer;

/// The character between the fields of a row. Spreadsheets write the one that is usual in their
/// language.
#[answer]
pub enum CsvSeparator {
    /// A comma.
    Comma,
    /// A semicolon.
    Semicolon,
    /// A tab.
    Tab,
}

impl CsvSeparator {
    const ALL: [CsvSeparator; 3] = [
        CsvSeparator::Comma,
        CsvSeparator::Semicolon,
        CsvSeparator::Tab,
    ];

    const fn byte(self) -> u8 {
        match self {
            CsvSeparator::Comma => b',',
            CsvSeparator::Semicolon => b';',
            CsvSeparator::Tab => b'\t',
        }
    }

    /// The separator of a text whose first row names the columns.
    pub(crate) fn of_header(text: &str) -> CsvSeparator {
        CsvSeparator::of(text, |row| Columns::read(row.iter(), 1).is_ok())
    }

    /// The separator of a text whose rows have so many fields.
    pub(crate) fn of_rows(text: &str, columns: usize) -> CsvSeparator {
        CsvSeparator::of(text, |row| row.len() == columns)
    }

    /// The first separator with which the first row fits; if it fits with none, the separator that
    /// makes the most fields of it.
    fn of(text: &str, fits: impl Fn(&StringRecord) -> bool) -> CsvSeparator {
        let row_by = |separator| {
            let mut rows = Rows::new(text, 1, separator);
            matches!(rows.next(), Ok(Some(_))).then_some(rows.fields)
        };
        let rows =
            CsvSeparator::ALL.map(|separator| (separator, row_by(separator).unwrap_or_default()));
        let fitting = rows.iter().find(|(_, row)| fits(row));
        let most = || rows.iter().rev().max_by_key(|(_, row)| row.len());
        fitting
            .or_else(most)
            .map_or(CsvSeparator::Comma, |(separator, _)| *separator)
    }
}

/// A column of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Email,
    FirstName,
    LastName,
    Account,
    Role,
    Group,
    Owner,
    Disabled,
}

impl Column {
    /// All columns, in the order of an export.
    pub(crate) const ALL: [Column; 8] = [
        Column::Email,
        Column::FirstName,
        Column::LastName,
        Column::Account,
        Column::Role,
        Column::Group,
        Column::Owner,
        Column::Disabled,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Column::Email => "email",
            Column::FirstName => "first_name",
            Column::LastName => "last_name",
            Column::Account => "account",
            Column::Role => "role",
            Column::Group => "group",
            Column::Owner => "owner",
            Column::Disabled => "disabled",
        }
    }

    /// The column that a header names; case, spaces and signs do not matter: `First Name` is
    /// `first_name`.
    fn named(header: &str) -> Option<Column> {
        let letters = |name: &str| {
            name.chars()
                .filter(|c| c.is_alphanumeric())
                .flat_map(char::to_lowercase)
                .collect::<String>()
        };
        let wanted = letters(header);
        Column::ALL
            .into_iter()
            .find(|column| letters(column.name()) == wanted)
    }

    /// The column that a refusal concerns, by the field that it names.
    pub(crate) fn of_field(field: &str) -> Option<Column> {
        match field.strip_prefix('/')? {
            "user" => Some(Column::Email),
            name => Column::ALL.into_iter().find(|column| column.name() == name),
        }
    }
}

/// The columns of a file, in the order of the file.
#[derive(Debug)]
pub(crate) struct Columns(Vec<Column>);

impl Columns {
    /// Reads a header. `line` is the line on which it is.
    pub(crate) fn read<'a>(
        names: impl Iterator<Item = &'a str>,
        line: u64,
    ) -> Result<Columns, Error> {
        let mut columns = Vec::new();
        for name in names {
            let Some(column) = Column::named(name) else {
                let known: Vec<_> = Column::ALL.into_iter().map(Column::name).collect();
                let excerpt = excerpt(name);
                return Err(broken(
                    line,
                    format!(
                        "There is no column `{excerpt}`; the columns are {}.",
                        known.join(", ")
                    ),
                )
                .with("column", excerpt));
            };
            if columns.contains(&column) {
                let excerpt = excerpt(name);
                return Err(broken(
                    line,
                    format!("The column `{excerpt}` is there twice; leave one out."),
                )
                .with("column", excerpt));
            }
            columns.push(column);
        }
        if !columns.contains(&Column::Email) {
            return Err(
                broken(line, "The first line must name the column `email`; add it.")
                    .with("column", Column::Email.name()),
            );
        }
        Ok(Columns(columns))
    }

    /// Why a row does not fit these columns.
    pub(crate) fn check(&self, row: &StringRecord) -> Result<(), Error> {
        let (has, wants) = (row.len(), self.0.len());
        if has == wants {
            Ok(())
        } else {
            Err(Error::new(
                Code::CsvInvalid,
                format!(
                    "The row has {has} fields, and the header has {wants}; write one for each \
                     column."
                ),
            ))
        }
    }

    /// The field of a row in a column, without the spaces around it; none when the column is
    /// missing, or the field is empty.
    pub(crate) fn field<'a>(&self, row: &'a StringRecord, column: Column) -> Option<&'a str> {
        let at = self.0.iter().position(|one| *one == column)?;
        row.get(at)
            .map(|field| trimmed(restored(trimmed(field))))
            .filter(|text| !text.is_empty())
    }

    /// As [`field`](Columns::field), read as a value of its type.
    pub(crate) fn value<T>(
        &self,
        row: &StringRecord,
        column: Column,
        read: fn(String) -> Result<T, String>,
    ) -> Result<Option<T>, Error> {
        self.field(row, column)
            .map(|text| read(text.to_owned()))
            .transpose()
            .map_err(|error| Error::invalid(format!("/{}", column.name()), error))
    }

    /// As [`field`](Columns::field), read as yes or no; an empty field says no.
    pub(crate) fn flag(&self, row: &StringRecord, column: Column) -> Result<bool, Error> {
        let text = self.field(row, column).map(str::to_ascii_lowercase);
        match text.as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Error::invalid(
                format!("/{}", column.name()),
                format!("`{}` must be `true`, `false` or empty.", column.name()),
            )),
        }
    }
}

/// `csv_invalid`, with the line.
pub(crate) fn broken(line: u64, message: impl Into<String>) -> Error {
    Error::new(Code::CsvInvalid, message).with("line", line)
}

/// The rows of a CSV text one after the other, including the header; empty lines are left out.
pub(crate) struct Rows<'a> {
    text: &'a str,
    separator: CsvSeparator,
    reader: csv::Reader<&'a [u8]>,
    fields: StringRecord,
    line: u64,
    counted: usize,
}

/// Where a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// The line on which it begins.
    pub(crate) line: u64,
    /// The byte with which it begins.
    pub(crate) start: usize,
    /// The byte after its last one.
    pub(crate) end: usize,
}

impl<'a> Rows<'a> {
    /// `line` is the number of the text's first line.
    pub(crate) fn new(text: &'a str, line: u64, separator: CsvSeparator) -> Rows<'a> {
        // Whether a row has as many fields as the header is for `Columns::check` to say: here it
        // would end the reading.
        let reader = ReaderBuilder::new()
            .delimiter(separator.byte())
            .has_headers(false)
            .flexible(true)
            .from_reader(text.as_bytes());
        Rows {
            text,
            separator,
            reader,
            fields: StringRecord::new(),
            line,
            counted: 0,
        }
    }

    /// Goes to the next row; none after the last one.
    pub(crate) fn next(&mut self) -> Result<Option<Row>, Error> {
        let before = self.place();
        let there = self.reader.read_record(&mut self.fields).map_err(|error| {
            broken(
                self.line,
                format!("The row cannot be read ({error}); correct it."),
            )
        })?;
        if !there {
            return Ok(None);
        }
        let rest = self.text.get(before..).unwrap_or_default();
        let start = before + (rest.len() - rest.trim_start_matches(['\r', '\n']).len());
        self.line += line_breaks(self.text.get(self.counted..start).unwrap_or_default());
        self.counted = start;
        Ok(Some(Row {
            line: self.line,
            start,
            end: self.place(),
        }))
    }

    /// The fields of the row.
    pub(crate) fn fields(&self) -> &StringRecord {
        &self.fields
    }

    /// Whether this row has a quote that is never closed, which takes everything after it into one
    /// field.
    pub(crate) fn is_unclosed(&self, row: Row) -> bool {
        if row.end < self.text.len() {
            return false;
        }
        let probe = format!(
            "{}\nanother row",
            self.text.get(row.start..).unwrap_or_default()
        );
        let mut rows = Rows::new(&probe, 1, self.separator);
        matches!(rows.next(), Ok(Some(_))) && matches!(rows.next(), Ok(None))
    }

    fn place(&self) -> usize {
        usize::try_from(self.reader.position().byte())
            .unwrap_or(usize::MAX)
            .min(self.text.len())
    }
}

/// How many lines end in a text: by `\n`, by `\r`, or by both.
fn line_breaks(text: &str) -> u64 {
    let mut breaks = 0;
    let mut before = 0;
    for byte in text.bytes() {
        breaks += u64::from(byte == b'\r' || (byte == b'\n' && before != b'\r'));
        before = byte;
    }
    breaks
}

/// The field in the form that is written to a file: a spreadsheet reads it as text, whatever it
/// begins with.
pub(crate) fn neutralised(field: &str) -> Cow<'_, str> {
    if looks_like_formula(field) {
        Cow::Owned(format!("'{field}"))
    } else {
        Cow::Borrowed(field)
    }
}

/// The field as it was before [`neutralised`].
pub(crate) fn restored(field: &str) -> &str {
    field
        .strip_prefix('\'')
        .filter(|rest| looks_like_formula(rest))
        .unwrap_or(field)
}

/// Whether a spreadsheet would calculate the field. Apostrophes before that count as well;
/// otherwise restoring the field would remove one too many.
fn looks_like_formula(field: &str) -> bool {
    // The wide forms are taken for the narrow ones by spreadsheets in East Asian languages.
    field
        .trim_start_matches('\'')
        .starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S15
    #[test]
    fn a_formula_becomes_a_text_and_is_itself_again() {
        for (field, written) in [
            ("=1+1", "'=1+1"),
            ("+49", "'+49"),
            ("-", "'-"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\tx", "'\tx"),
            ("\rx", "'\rx"),
            ("\nx", "'\nx"),
            ("＝1", "'＝1"),
            ("＋1", "'＋1"),
            ("－1", "'－1"),
            ("＠x", "'＠x"),
            ("'=1", "''=1"),
            ("''=1", "'''=1"),
            ("'n Sync", "'n Sync"),
            ("'", "'"),
            ("a=1", "a=1"),
            ("", ""),
        ] {
            assert_eq!(neutralised(field), written);
            assert_eq!(restored(written), field);
        }
        assert_eq!(
            restored("=1+1"),
            "=1+1",
            "a file that nobody neutralised is taken as it is"
        );
    }

    #[test]
    fn rows_know_their_lines_whatever_ends_them() {
        let text = "email\r\n\r\na@b.example\r\"c\r\nd\"\n\n\ne\nf";
        let mut rows = Rows::new(text, 10, CsvSeparator::Comma);
        let mut seen = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            assert!(
                text[row.start..row.end].contains(rows.fields().get(0).unwrap()),
                "{row:?}"
            );
            assert!(!rows.is_unclosed(row));
            seen.push((row.line, rows.fields().get(0).unwrap().to_owned()));
        }
        let expected = [
            (10, "email"),
            (12, "a@b.example"),
            (13, "c\r\nd"),
            (17, "e"),
            (18, "f"),
        ];
        assert_eq!(seen, expected.map(|(line, field)| (line, field.to_owned())));
    }

    /// 17.18, R-USR-5
    #[test]
    fn the_separator_is_found_from_the_first_row() {
        use CsvSeparator::{Comma, Semicolon, Tab};
        for (text, separator) in [
            ("email,role\na;b@x.example,author", Comma),
            ("email;role\na,b@x.example;author", Semicolon),
            ("\r\nE-Mail\tFirst Name\r\n", Tab),
            ("\"email\";\"role\"\n", Semicolon),
            ("email\n", Comma),
            ("email;phone\n", Semicolon),
            ("email;a,b\n", Comma),
            ("", Comma),
        ] {
            assert_eq!(CsvSeparator::of_header(text), separator, "{text:?}");
        }
        assert_eq!(
            CsvSeparator::of_rows("a@x.example;\"Max, M.\";author\n", 3),
            Semicolon
        );
        assert_eq!(CsvSeparator::of_rows("a@x.example", 1), Comma);
    }

    #[test]
    fn a_quote_that_is_never_closed_is_noticed() {
        for (text, unclosed) in [
            ("a\n\"b\nc\nd", true),
            ("a\n\"b\nc\"", false),
            ("a\n\"b", true),
            ("a\n\"b\"\n", false),
            ("a\nb\"", false),
        ] {
            let mut rows = Rows::new(text, 1, CsvSeparator::Comma);
            rows.next().unwrap();
            let row = rows.next().unwrap().unwrap();
            assert_eq!(rows.is_unclosed(row), unclosed, "{text:?}");
        }
    }

    #[test]
    fn a_header_names_known_columns_once_and_the_address() {
        let read = |header: &str| Columns::read(header.split(','), 1).map(|columns| columns.0);
        assert_eq!(read("role,email").unwrap(), [Column::Role, Column::Email]);
        assert_eq!(
            read("E-Mail, First Name ,LAST_NAME,lastname")
                .unwrap_err()
                .details()["column"],
            "lastname"
        );
        assert_eq!(
            read("E-Mail, First Name ,LAST_NAME").unwrap(),
            [Column::Email, Column::FirstName, Column::LastName]
        );
        for (header, column) in [
            ("email,=x", "=x"),
            ("mail", "mail"),
            ("role", "email"),
            ("email,role,role", "role"),
            ("", ""),
        ] {
            let error = read(header).unwrap_err();
            assert_eq!(
                (
                    error.code(),
                    &error.details()["line"],
                    &error.details()["column"]
                ),
                (Code::CsvInvalid, &1.into(), &column.into())
            );
        }
    }
}
