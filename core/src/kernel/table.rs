//! A kind of record, declared once: where it lies, what follows from it, and what it needs.
//!
//! Index lines and counts are never written by hand: [`Tx::save`] and [`Tx::erase`] write those
//! that differ, and `store.verify` compares every record with its lines and every line with its
//! record.

use crate::error::Error;
use crate::kernel::check::Look;
use crate::kernel::keys::{self, Prefix};
use crate::kernel::page::Span;
use crate::kernel::{Tx, decode};
use crate::model::{AuditKind, Id, Replaceable};
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use std::collections::BTreeMap;

/// What an index line holds whose key says all.
pub(crate) const MARK: &[u8] = b"null";

/// An id that is a part of a key.
pub(crate) fn id(text: &str) -> Option<Id> {
    Id::new(text).ok()
}

/// An id that is the value of an index line.
pub(crate) fn led_to(value: &[u8]) -> Option<Id> {
    serde_json::from_slice(value).ok()
}

/// A kind of record that knows its own key.
pub(crate) trait Table {
    /// What is stored.
    type Record: Serialize + DeserializeOwned + Clone + 'static;
    /// The two letters that its keys begin with.
    const PREFIX: Prefix;
    /// As what the audit remembers its changes; none where it does not.
    const AUDIT: Option<AuditKind>;
    /// Whose record it is: it is erased with them.
    const OWNER: Owner;
    /// Its index lines.
    const LINES: &'static [Index] = &[];
    /// Its counts.
    const COUNTS: &'static [Count] = &[];

    fn key(record: &Self::Record) -> Vec<u8>;

    /// What follows from a record; what else that depends on, such as the accounts above its own,
    /// is read from `tx`.
    fn lines(tx: &mut Tx<'_>, record: &Self::Record, lines: &mut Lines) -> Result<(), Error>;

    /// What is to be checked of a record that does not follow from its lines.
    fn check(_record: &Self::Record, _look: &mut Look<'_>) -> Result<(), Error> {
        Ok(())
    }
}

/// Whose a kind of record is. Its keys begin with the id of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Account,
    /// The platform has some of its own, under no id.
    AccountOrPlatform,
    User,
    /// Nobody's whose going takes it along.
    Nobody,
}

/// Index lines of one kind: how the record is found that a line is of.
pub(crate) struct Index {
    pub(crate) prefix: Prefix,
    /// The key of the record, from the parts of the line's key and its value; none where a line of
    /// this prefix is of another table.
    pub(crate) source: fn(&[&str], &[u8]) -> Option<Vec<u8>>,
}

/// Counts of one kind: what is counted.
pub(crate) struct Count {
    /// The span of the keys that are counted, from the parts of the count's key; none where it is
    /// the count of something else.
    pub(crate) counted: fn(&[&str]) -> Option<Span>,
}

/// What follows from a record.
#[derive(Default)]
pub(crate) struct Lines {
    /// Index lines: key and value.
    pub(crate) entries: BTreeMap<Vec<u8>, Vec<u8>>,
    /// What the record adds to counts.
    pub(crate) counts: BTreeMap<Vec<u8>, u64>,
    /// Records that have to be there.
    pub(crate) needs: Vec<Need>,
}

/// What a record needs.
pub(crate) enum Need {
    Record(Vec<u8>),
    /// A role, be it built in or stored, or what took its place.
    Role(Id),
    /// A package, or what took its place.
    Package(Id),
}

impl Lines {
    /// An index line: its key says all.
    pub(crate) fn index(&mut self, key: Vec<u8>) {
        self.entries.insert(key, MARK.to_vec());
    }

    /// An index line that leads to an id.
    pub(crate) fn leads(&mut self, key: Vec<u8>, id: &Id) {
        let value = serde_json::Value::from(id.as_str()).to_string();
        self.entries.insert(key, value.into_bytes());
    }

    /// The record is counted there.
    pub(crate) fn count(&mut self, key: Vec<u8>) {
        *self.counts.entry(key).or_default() += 1;
    }

    /// The record makes no sense without another.
    pub(crate) fn needs(&mut self, key: Vec<u8>) {
        self.needs.push(Need::Record(key));
    }

    /// The record makes no sense without a package.
    pub(crate) fn needs_package(&mut self, package: &Id) {
        self.needs.push(Need::Package(package.clone()));
    }

    /// The record names a role, which knows by whom it is used.
    pub(crate) fn uses_role(&mut self, role: &Id, kind: &str, parts: &[&str]) {
        self.index(keys::role_use(role, kind, parts));
        self.needs.push(Need::Role(role.clone()));
    }

    /// What follows from two records together.
    pub(crate) fn extend(&mut self, other: Lines) {
        self.entries.extend(other.entries);
        for (key, number) in other.counts {
            *self.counts.entry(key).or_default() += number;
        }
        self.needs.extend(other.needs);
    }
}

impl Tx<'_> {
    /// Writes a record in the place of what is there, with the lines and counts that differ.
    ///
    /// Where something else changes that [`Table::lines`] reads, use
    /// [`lines_now`](Tx::lines_now) before that, and [`replace_lines`](Tx::replace_lines) after it.
    pub(crate) fn save<T: Table>(&mut self, record: &T::Record) -> Result<(), Error> {
        let old = self.lines_stored::<T>(record)?;
        let new = self.lines_now::<T>(record)?;
        self.replace_lines(old, new)?;
        self.put_parsed(T::key(record), record)
    }

    /// Deletes a record with its lines, and takes it out of the counts.
    pub(crate) fn erase<T: Table>(&mut self, record: &T::Record) -> Result<(), Error> {
        let old = self.lines_stored::<T>(record)?;
        self.replace_lines(old, Lines::default())?;
        self.delete(T::key(record));
        Ok(())
    }

    /// Deletes the records of a table that begin with these ids, with their lines, at most so many;
    /// answers how many.
    pub(crate) fn erase_range<T: Table>(
        &mut self,
        parts: &[&str],
        most: usize,
    ) -> Result<usize, Error> {
        let (from, until) = keys::range(T::PREFIX, parts);
        let records = self.range::<T::Record>(&from, &until, most)?;
        for (_, record) in &records {
            self.erase::<T>(record)?;
        }
        Ok(records.len())
    }

    /// The lines of a record as things are.
    pub(crate) fn lines_now<T: Table>(&mut self, record: &T::Record) -> Result<Lines, Error> {
        let mut lines = Lines::default();
        T::lines(self, record, &mut lines)?;
        Ok(lines)
    }

    /// The lines that the store has of a record; none where it has no such record.
    pub(crate) fn lines_stored<T: Table>(&mut self, record: &T::Record) -> Result<Lines, Error> {
        let stored: Option<T::Record> = self.get_stored(&T::key(record))?;
        let lines = stored.map(|stored| self.lines_now::<T>(&stored));
        Ok(lines.transpose()?.unwrap_or_default())
    }

    /// The lines of the records of a table that begin with these ids.
    pub(crate) fn lines_in_range<T: Table>(&mut self, parts: &[&str]) -> Result<Lines, Error> {
        let (from, until) = keys::range(T::PREFIX, parts);
        let mut lines = Lines::default();
        for (_, record) in self.range::<T::Record>(&from, &until, usize::MAX)? {
            lines.extend(self.lines_now::<T>(&record)?);
        }
        Ok(lines)
    }

    /// Writes the lines `new` in the place of `old`.
    pub(crate) fn replace_lines(&mut self, old: Lines, new: Lines) -> Result<(), Error> {
        for key in old
            .entries
            .keys()
            .filter(|key| !new.entries.contains_key(*key))
        {
            self.delete(key.clone());
        }
        for (key, value) in &new.entries {
            if old.entries.get(key) != Some(value) {
                self.put_bytes(key.clone(), value.clone());
            }
        }
        let mut more: BTreeMap<Vec<u8>, i64> = BTreeMap::new();
        for (counts, sign) in [(old.counts, -1), (new.counts, 1)] {
            for (key, number) in counts {
                *more.entry(key).or_default() += sign * i64::try_from(number).unwrap_or(i64::MAX);
            }
        }
        more.into_iter()
            .filter(|(_, by)| *by != 0)
            .try_for_each(|(key, by)| self.add(key, by).map(drop))
    }

    /// A number that is counted on the side.
    pub(crate) fn count(&mut self, key: &[u8]) -> Result<u64, Error> {
        Ok(self.get::<u64>(key)?.unwrap_or(0))
    }

    /// Changes a number that is counted on the side; at zero its record goes. Answers the new one.
    pub(crate) fn add(&mut self, key: Vec<u8>, by: i64) -> Result<u64, Error> {
        let before = self.count(&key)?;
        let now = before.saturating_add_signed(by);
        if now == before {
            return Ok(now);
        }
        if now == 0 {
            self.delete(key);
        } else {
            self.put(key, &now)?;
        }
        Ok(now)
    }
}

/// A kind of record as the list of all tables has it.
pub(crate) struct Declared {
    pub(crate) prefix: Prefix,
    pub(crate) audit: Option<AuditKind>,
    pub(crate) owner: Owner,
    /// Whether its records follow from those of other tables, and are index lines or counts.
    pub(crate) is_derived: bool,
    pub(crate) lines: &'static [Index],
    pub(crate) counts: &'static [Count],
    /// Checks the record at a key.
    pub(crate) check: Check,
    /// What a record has in a line.
    pub(crate) line: LineOf,
    /// Deletes the records whose keys begin with this prefix and these ids, at most so many;
    /// answers how many.
    pub(crate) erase_range: EraseRange,
}

/// The value that a record, by key and bytes, gives the line with this key; none where it has no
/// such line.
pub(crate) type LineOf = fn(&mut Tx<'_>, (&[u8], &[u8]), &[u8]) -> Result<Option<Vec<u8>>, Error>;

/// Deletes records with what follows from them.
pub(crate) type EraseRange = fn(&mut Tx<'_>, Prefix, &[&str], usize) -> Result<usize, Error>;

/// Checks the record at a key of these parts.
pub(crate) type Check = fn(&mut Look<'_>, &[u8], &[&str]) -> Result<(), Error>;

impl Declared {
    pub(crate) const fn of<T: Table>() -> Declared {
        Declared {
            prefix: T::PREFIX,
            audit: T::AUDIT,
            owner: T::OWNER,
            is_derived: false,
            lines: T::LINES,
            counts: T::COUNTS,
            check: check::<T>,
            line: line::<T>,
            erase_range: |tx, _, parts, most| tx.erase_range::<T>(parts, most),
        }
    }

    /// Records that do not tell where they lie, and from which nothing follows.
    pub(crate) const fn plain(
        prefix: Prefix,
        audit: Option<AuditKind>,
        owner: Owner,
        check: Check,
    ) -> Declared {
        Declared {
            prefix,
            audit,
            owner,
            is_derived: false,
            lines: &[],
            counts: &[],
            check,
            line: |_, _, _| Ok(None),
            erase_range: delete_range,
        }
    }
}

impl Declared {
    /// Index lines or counts that follow from records in ways of their own.
    pub(crate) const fn derived(prefix: Prefix, owner: Owner, check: Check) -> Declared {
        Declared {
            is_derived: true,
            ..Declared::plain(prefix, None, owner, check)
        }
    }
}

/// Deletes records from which nothing follows: the one of these ids, and those that begin with
/// them; at most so many.
pub(crate) fn delete_range(
    tx: &mut Tx<'_>,
    prefix: Prefix,
    parts: &[&str],
    most: usize,
) -> Result<usize, Error> {
    let (_, until) = keys::range(prefix, parts);
    let found = tx.range::<IgnoredAny>(&keys::key(prefix, parts), &until, most)?;
    let deleted = found.len();
    for (key, _) in found {
        tx.delete(key);
    }
    Ok(deleted)
}

fn check<T: Table>(look: &mut Look<'_>, _key: &[u8], _parts: &[&str]) -> Result<(), Error> {
    let record: T::Record = look.record()?;
    look.must_lie_at(&T::key(&record));
    let lines = look.tx.lines_now::<T>(&record)?;
    for (line, value) in lines.entries {
        look.must_be_line(line, Some(value))?;
    }
    for count in lines.counts.into_keys() {
        look.must_have(count)?;
    }
    for need in lines.needs {
        match need {
            Need::Record(key) => look.must_have(key)?,
            Need::Role(role) => look.must_be_role(&role)?,
            Need::Package(package) => {
                let package = look.now(Replaceable::Package, &package)?;
                look.must_have(keys::package(&package))?;
            }
        }
    }
    T::check(&record, look)
}

fn line<T: Table>(
    tx: &mut Tx<'_>,
    (key, bytes): (&[u8], &[u8]),
    line: &[u8],
) -> Result<Option<Vec<u8>>, Error> {
    let record: T::Record = decode(key, bytes)?;
    Ok(tx.lines_now::<T>(&record)?.entries.remove(line))
}
