//! One record that `store.verify` looks at, and what a table asks of it.
//!
//! What follows from records is told apart from records: a finding about an index line or a count
//! carries the write that puts it right, and `store.repair` makes just these writes.

use super::Tx;
use super::keys::{self, Prefix};
use super::page::Span;
use super::replaced::{self, Replacement};
use super::snapshot::Reads;
use crate::api::store::{StoreFinding, StoreFindingKind as Kind, StoreRemedy};
use crate::error::Error;
use crate::model::{BuiltIn, Id, Replaceable, Role, User};
use serde::de::DeserializeOwned;
use tenantry_store::Order;

/// How many records are read at once.
pub(crate) const STEP: usize = 500;
/// What a record is called that is of no known kind.
const NO_KIND: &str = "record of an unknown kind";

/// A key and what it is to hold; none where it is to hold nothing.
pub(crate) type Write = (Vec<u8>, Option<Vec<u8>>);

/// What does not fit, and the write that puts it right where that follows from records.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Found {
    pub(crate) finding: StoreFinding,
    pub(crate) mend: Option<Write>,
}

/// What an index line has to hold, from its key and what it holds.
pub(crate) type LineAt = fn(&mut Look<'_>, &[u8], &[u8]) -> Result<Option<Vec<u8>>, Error>;

/// What follows from records, as all tables together declare it.
pub(crate) struct Derived {
    /// The span of the keys that a count counts, from the parts of its key, where it is of one.
    pub(crate) counted: fn(&[&str]) -> Option<Span>,
    /// What the count at a key has to be; none where the key is that of no such count.
    pub(crate) count: fn(&mut Look<'_>, &[u8]) -> Result<Option<u64>, Error>,
    /// What the index line at a key, which holds this, has to hold; none where it follows from no
    /// record.
    pub(crate) line: LineAt,
}

/// One record that is looked at.
pub(crate) struct Look<'a> {
    pub(crate) reads: Reads<'a>,
    pub(crate) tx: Tx<'a>,
    pub(crate) key: &'a [u8],
    /// Its bytes.
    pub(crate) value: &'a [u8],
    pub(crate) derived: &'static Derived,
    /// What does not fit.
    pub(crate) found: Vec<Found>,
    /// What is wrong where the look ends with an error.
    pub(crate) wrong: Kind,
}

pub(crate) fn broken(what: impl Into<String>) -> Error {
    Error::corrupt(what)
}

/// The kind of record at a key and the parts of the key, as people read them.
fn subject(key: &[u8]) -> (Option<String>, Vec<String>) {
    if key.is_empty() {
        return (None, Vec::new());
    }
    let kind = Prefix::of(key).and_then(|prefix| prefix.name());
    let parts = key
        .split(|byte| *byte == 0)
        .skip(usize::from(kind.is_some()));
    let text = |part: &[u8]| match std::str::from_utf8(part) {
        Ok(text) if kind.is_some() => text.to_owned(),
        _ => part.escape_ascii().to_string(),
    };
    let parts = parts.map(text).collect();
    (kind, parts)
}

/// A record as a sentence names it, such as ``member `acme/ann` ``.
pub(crate) fn named(key: &[u8]) -> String {
    let (kind, parts) = subject(key);
    let kind = kind.map_or_else(|| NO_KIND.to_owned(), |kind| kind.replace('_', " "));
    match parts.is_empty() {
        true => kind,
        false => format!("{kind} `{}`", parts.join("/")),
    }
}

/// A finding at a key.
pub(crate) fn finding(kind: Kind, key: &[u8], message: impl Into<String>) -> StoreFinding {
    let (record, parts) = subject(key);
    StoreFinding {
        kind,
        record,
        key: parts,
        message: message.into(),
        remedy: StoreRemedy::RestoreBackup,
    }
}

impl StoreFinding {
    /// The finding in one line.
    pub(crate) fn text(&self) -> String {
        let subject = self.record.iter().chain(&self.key);
        let subject: Vec<&str> = subject.map(String::as_str).collect();
        match subject.is_empty() {
            true => self.message.clone(),
            false => format!("{}: {}", subject.join("/"), self.message),
        }
    }
}

impl<'a> Look<'a> {
    pub(crate) fn new(
        reads: Reads<'a>,
        derived: &'static Derived,
        key: &'a [u8],
        value: &'a [u8],
    ) -> Look<'a> {
        Look {
            // What fits is the same at every instant.
            tx: Tx::on(reads.clone(), 0),
            reads,
            key,
            value,
            derived,
            found: Vec::new(),
            wrong: Kind::Contradiction,
        }
    }
}

impl Look<'_> {
    /// A key of this kind has other parts.
    pub(crate) fn no_such_key(&mut self) -> Result<(), Error> {
        self.wrong = Kind::UnknownKey;
        Err(broken("No key of this kind has these parts."))
    }

    pub(crate) fn id(&self, text: &str) -> Result<Id, Error> {
        Id::new(text).map_err(|_| broken(format!("`{text}` in the key is not an id.")))
    }

    /// The bytes at a key.
    pub(crate) fn stored(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.tx.stored(key)
    }

    /// The record itself.
    pub(crate) fn record<T: DeserializeOwned>(&mut self) -> Result<T, Error> {
        serde_json::from_slice(self.value).map_err(|error| {
            self.wrong = Kind::UnreadableRecord;
            broken(format!("The record cannot be read ({error})."))
        })
    }

    /// What is wrong is told, and the look goes on.
    pub(crate) fn tell(&mut self, kind: Kind, message: impl Into<String>) {
        let finding = finding(kind, self.key, message);
        self.found.push(Found {
            finding,
            mend: None,
        });
    }

    /// The same of what follows from records: it can be put right.
    fn tell_derived(&mut self, kind: Kind, mend: Write, message: impl Into<String>) {
        let finding = StoreFinding {
            remedy: StoreRemedy::Repair,
            ..finding(kind, &mend.0, message)
        };
        self.found.push(Found {
            finding,
            mend: Some(mend),
        });
    }

    pub(crate) fn user(&mut self, id: &Id) -> Result<Option<User>, Error> {
        self.tx.get(&keys::user(id))
    }

    pub(crate) fn must(&mut self, fits: bool, what_if_not: &str) {
        if !fits {
            self.tell(Kind::Contradiction, what_if_not);
        }
    }

    pub(crate) fn must_lie_at(&mut self, key: &[u8]) {
        if key != self.key {
            self.tell(
                Kind::Contradiction,
                format!("The record says that it is the {}.", named(key)),
            );
        }
    }

    /// The record needs another one, or is counted in another.
    pub(crate) fn must_have(&mut self, key: Vec<u8>) -> Result<(), Error> {
        if self.tx.has(&key)? {
            return Ok(());
        }
        match (self.derived.count)(self, &key)? {
            Some(there) => self.must_count_at(key, None, there),
            None => self.tell(
                Kind::MissingRecord,
                format!("It needs the {}, which does not exist.", named(&key)),
            ),
        }
        Ok(())
    }

    /// The index line at a key has to hold this, or has to be gone.
    pub(crate) fn must_be_line(
        &mut self,
        key: Vec<u8>,
        right: Option<Vec<u8>>,
    ) -> Result<(), Error> {
        let stored = self.stored(&key)?;
        let (kind, message) = match (&stored, &right) {
            _ if stored == right => return Ok(()),
            (None, _) => (
                Kind::MissingLine,
                format!("The index line of the {} is missing.", named(self.key)),
            ),
            (_, None) => (
                Kind::SuperfluousLine,
                "The index line follows from no record: its record has changed, or is gone."
                    .to_owned(),
            ),
            (Some(other), _) => {
                // Two records may ask for the same line: which of them is right, nothing says.
                if (self.derived.line)(self, &key, other)?.as_ref() == Some(other) {
                    let what = format!("Another record has its place as {}.", named(&key));
                    self.tell(Kind::Contradiction, what);
                    return Ok(());
                }
                (
                    Kind::WrongLine,
                    "The index line holds another value than the one that follows from its record."
                        .to_owned(),
                )
            }
        };
        self.tell_derived(kind, (key, right), message);
        Ok(())
    }

    /// What took the place of something that is gone, or the thing itself.
    pub(crate) fn now(&mut self, kind: Replaceable, id: &Id) -> Result<Id, Error> {
        let replaced: Option<Replacement> = self.tx.get(&replaced::key(kind, id))?;
        Ok(replaced.map_or_else(|| id.clone(), |replaced| replaced.new))
    }

    /// The account whose own a role is, or what took its place, and whether it is one of
    /// administrators.
    pub(crate) fn role_kind(&mut self, id: &Id) -> Result<Option<(Option<Id>, bool)>, Error> {
        let id = &self.now(Replaceable::Role, id)?;
        match BuiltIn::named(id.as_str()) {
            Some(role) => Ok(Some((None, role.is_administrator()))),
            None => Ok(self
                .tx
                .get::<Role>(&keys::role(id))?
                .map(|role| (role.account, role.administrator))),
        }
    }

    pub(crate) fn must_be_role(&mut self, role: &Id) -> Result<(), Error> {
        if self.role_kind(role)?.is_none() {
            let message = format!(
                "It needs the {}, which does not exist.",
                named(&keys::role(role))
            );
            self.tell(Kind::MissingRecord, message);
        }
        Ok(())
    }

    /// What a field of a record counts must be what is there.
    pub(crate) fn must_count(&mut self, counted: u64, there: u64, what: &str) {
        if counted != there {
            self.tell(
                Kind::WrongCount,
                format!("The record counts {counted} {what}, but there are {there}."),
            );
        }
    }

    /// The record is a count: it must be of what is there, and is not kept where there is nothing.
    pub(crate) fn must_be_count(&mut self, there: u64) {
        self.must_count_at(self.key.to_vec(), Some(self.value), there);
    }

    /// The same of the count at a key, which holds this.
    pub(crate) fn must_count_at(&mut self, key: Vec<u8>, stored: Option<&[u8]>, there: u64) {
        let counted = stored.map(|bytes| serde_json::from_slice::<u64>(bytes).ok());
        let message = match counted {
            None if there == 0 => return,
            Some(Some(counted)) if counted == there && there > 0 => return,
            None => format!("The count is missing; it must be {there}."),
            Some(None) => format!("The count is no number; it must be {there}."),
            Some(Some(counted)) => format!("The count is {counted}; it must be {there}."),
        };
        let right = (there > 0).then(|| there.to_string().into_bytes());
        self.tell_derived(Kind::WrongCount, (key, right), message);
    }

    /// How many records there are below these ids.
    pub(crate) fn count(&mut self, prefix: Prefix, parts: &[&str]) -> Result<u64, Error> {
        self.count_in(keys::range(prefix, parts))
    }

    pub(crate) fn count_in(&mut self, span: Span) -> Result<u64, Error> {
        let mut counted = 0;
        self.each(span, |_, _, _| {
            counted += 1;
            Ok(())
        })?;
        Ok(counted)
    }

    pub(crate) fn is_empty(&self, (from, until): Span) -> Result<bool, Error> {
        let first = self.reads.range(&from, &until, Order::Ascending, 1)?;
        Ok(first.is_empty())
    }

    /// Looks at each record of a span, by key and bytes.
    pub(crate) fn each(
        &self,
        (mut from, until): Span,
        mut look: impl FnMut(&mut Tx<'_>, &[u8], &[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        loop {
            let rows = self.reads.range(&from, &until, Order::Ascending, STEP)?;
            for (key, record) in &rows {
                // Each with a transaction of its own, which remembers what it read.
                look(
                    &mut Tx::on(self.reads.clone(), self.tx.now_ms),
                    key,
                    &record.value,
                )?;
            }
            match rows.last() {
                Some((last, _)) if rows.len() == STEP => from = [last.as_slice(), &[0]].concat(),
                _ => return Ok(()),
            }
        }
    }
}
