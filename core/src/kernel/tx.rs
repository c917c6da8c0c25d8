//! One operation's view of the store: reads with what it wrote itself on top, and the batch that
//! comes out.

use super::keys;
use super::note::{self, Erased, Job, Note};
use super::replaced::{self, Replaced, Replacement};
use super::snapshot::Reads;
use crate::error::Error;
use crate::model::{Id, OutboxMessage, Reservation};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use tenantry_store::{Backend, Batch, Order, Record};

/// So many records at most are kept as they were parsed: an operation asks for the same few over
/// and over, and one that walks through many asks for each once.
const MOST_PARSED: usize = 64;
/// What is shorter is parsed as fast as it is found.
const SHORT: usize = 32;

/// The reads and writes of one operation.
pub struct Tx<'a> {
    reads: Reads<'a>,
    /// The instant of the request that it belongs to, in unix milliseconds.
    pub(crate) now_ms: u64,
    /// The last commit before the first read.
    began_at: u64,
    writes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    seen: BTreeMap<Vec<u8>, Seen>,
    /// What was made of bytes, until others are written to the key.
    parsed: BTreeMap<Vec<u8>, Box<dyn Any>>,
    /// Read whole, from the first key until the second: what is put there meanwhile was not seen.
    ranges: BTreeSet<(Vec<u8>, Vec<u8>)>,
    /// Ids that were made in this operation.
    new: BTreeSet<Id>,
    changes: Changes,
    /// Whether accounts that are being erased are there for it.
    finds_leaving: bool,
    /// What took the places of what records name, where they are read as if they named that.
    replaced: Replaced,
    /// What the keys held before, since the last [`begin_savepoint`](Tx::begin_savepoint).
    journal: Option<Journal>,
}

/// What was found at a key first.
struct Seen {
    /// 0 where there was no record.
    version: u64,
    /// What was read at this key alone: a range keeps no values. Operations ask for the same few
    /// records over and over.
    value: Option<Option<Vec<u8>>>,
}

/// A key and what was written to it before; none where nothing was, and none within where it was
/// deleted.
type Written = (Vec<u8>, Option<Option<Vec<u8>>>);

/// What is taken back when a part of an operation is refused.
#[derive(Default)]
pub(crate) struct Journal {
    written: Vec<Written>,
    /// How many reservations had come back before.
    returned: usize,
}

/// Whose limits may be lower.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lowered {
    /// Those of an account, and of those below it, which may inherit.
    Account(Id),
    /// Those of all accounts that have a package.
    Package(Id),
    /// The caps of the platform.
    Platform,
    /// Those of every account.
    Everybody,
}

/// What the commit changes in memory, and what whoever commits does then.
#[derive(Default)]
pub(crate) struct Changes {
    /// What everybody applies who has the store open.
    pub(crate) note: Note,
    /// Reservations of which so many come back.
    pub(crate) returned: Vec<(Reservation, u64)>,
    /// Whose limits may be lower.
    pub(crate) lowered: BTreeSet<Lowered>,
    /// What goes on in further commits.
    pub(crate) jobs: BTreeSet<Job>,
}

impl<'a> Tx<'a> {
    pub(crate) fn new(backend: &'a dyn Backend, now_ms: u64) -> Tx<'a> {
        Tx::on(Reads::newest(backend), now_ms)
    }

    /// The last commit that can be seen.
    pub(crate) fn last_commit(&self) -> u64 {
        self.reads.last_commit()
    }

    pub(crate) fn on(reads: Reads<'a>, now_ms: u64) -> Tx<'a> {
        Tx {
            now_ms,
            began_at: reads.last_commit(),
            reads,
            writes: BTreeMap::new(),
            seen: BTreeMap::new(),
            parsed: BTreeMap::new(),
            ranges: BTreeSet::new(),
            new: BTreeSet::new(),
            changes: Changes::default(),
            finds_leaving: false,
            replaced: Replaced::Nothing,
            journal: None,
        }
    }

    /// The same, which reads records as if what is [replaced](super::replaced) had been replaced in
    /// each of them already.
    pub(super) fn with_replacements(self) -> Tx<'a> {
        Tx {
            replaced: Replaced::Unread,
            ..self
        }
    }

    /// Whether records are read otherwise than they are stored.
    pub(super) fn reads_as_replaced(&mut self) -> Result<bool, Error> {
        if matches!(self.replaced, Replaced::Unread) {
            self.replaced = Replaced::Nothing;
            let (from, until) = keys::range(keys::REPLACEMENT, &[]);
            let rows = self.range::<Replacement>(&from, &until, usize::MAX)?;
            if !rows.is_empty() {
                self.replaced = Replaced::Known(rows.into_iter().map(|(_, one)| one).collect());
            }
        }
        Ok(matches!(self.replaced, Replaced::Known(_)))
    }

    /// The record at a key as it is stored, whatever took the place of what it names.
    pub(super) fn get_stored<T: DeserializeOwned + Clone + 'static>(
        &mut self,
        key: &[u8],
    ) -> Result<Option<T>, Error> {
        if !self.reads_as_replaced()? {
            return self.get(key);
        }
        self.bytes(key)?.map(|bytes| decode(key, bytes)).transpose()
    }

    /// The record at a key.
    pub(crate) fn get<T: DeserializeOwned + Clone + 'static>(
        &mut self,
        key: &[u8],
    ) -> Result<Option<T>, Error> {
        let parsed = self.parsed.get(key);
        if let Some(record) = parsed.and_then(|record| record.downcast_ref::<T>()) {
            return Ok(Some(record.clone()));
        }
        let Some(bytes) = self.bytes(key)? else {
            return Ok(None);
        };
        let is_short = bytes.len() < SHORT;
        let mut record: T = decode(key, bytes)?;
        if self.reads_as_replaced()?
            && let Replaced::Known(known) = &self.replaced
        {
            replaced::apply(known, &mut record);
        }
        if !is_short {
            self.keep_parsed(key.to_vec(), record.clone());
        }
        Ok(Some(record))
    }

    fn keep_parsed<T: 'static>(&mut self, key: Vec<u8>, record: T) {
        if self.parsed.len() == MOST_PARSED {
            self.parsed.clear();
        }
        self.parsed.insert(key, Box::new(record));
    }

    /// The bytes of the record at a key.
    fn bytes(&mut self, key: &[u8]) -> Result<Option<&[u8]>, Error> {
        if self.writes.contains_key(key) {
            Ok(self.writes.get(key).and_then(Option::as_deref))
        } else {
            self.look_up(key)
        }
    }

    /// What the store has at a key; asked for once.
    fn look_up(&mut self, key: &[u8]) -> Result<Option<&[u8]>, Error> {
        if self.is_unread(key) {
            let record = match self.of_new(key) {
                Some(_) => None,
                None => self.reads.get(key)?,
            };
            self.keep(key.to_vec(), record);
        }
        let seen = self.seen.get(key);
        Ok(seen.and_then(|seen| seen.value.as_ref()?.as_deref()))
    }

    /// Reads the records of several keys at once, so that asking for each of them reads no more.
    pub(crate) fn fetch(&mut self, keys: impl IntoIterator<Item = Vec<u8>>) -> Result<(), Error> {
        let mut unknown: Vec<Vec<u8>> =
            keys.into_iter().filter(|key| self.is_unread(key)).collect();
        unknown.sort_unstable();
        unknown.dedup();
        if unknown.is_empty() {
            return Ok(());
        }
        let records = self.reads.get_many(&unknown)?;
        for (key, record) in unknown.into_iter().zip(records) {
            self.keep(key, record);
        }
        Ok(())
    }

    fn is_unread(&self, key: &[u8]) -> bool {
        self.seen.get(key).is_none_or(|seen| seen.value.is_none())
    }

    /// Keeps what was found at a key, and the version that was seen first.
    fn keep(&mut self, key: Vec<u8>, record: Option<Record>) {
        let version = record.as_ref().map_or(0, |record| record.version);
        let unread = Seen {
            version,
            value: None,
        };
        self.seen.entry(key).or_insert(unread).value = Some(record.map(|record| record.value));
    }

    /// The id was made just now: the store has nothing of it, and is not asked. The commit relies
    /// on that as on what was read.
    pub(crate) fn is_new(&mut self, id: &Id) {
        self.new.insert(id.clone());
    }

    /// The beginning of a key, up to an id that was made just now, where there is one in it.
    fn of_new<'k>(&self, key: &'k [u8]) -> Option<&'k [u8]> {
        if self.new.is_empty() {
            return None;
        }
        let mut end = 0;
        for part in key.split(|byte| *byte == 0) {
            end += part.len();
            if std::str::from_utf8(part).is_ok_and(|part| self.new.contains(part)) {
                return key.get(..end);
            }
            end += 1;
        }
        None
    }

    /// From here on accounts that are being erased are there.
    pub(crate) fn find_leaving(&mut self) {
        self.finds_leaving = true;
    }

    pub(crate) fn finds_leaving(&self) -> bool {
        self.finds_leaving
    }

    /// How many keys were written so far.
    pub(crate) fn written_count(&self) -> usize {
        self.writes.len()
    }

    /// What is committed here relies on what another transaction has read.
    pub(crate) fn rely_on(&mut self, read: Tx<'_>) {
        for (key, seen) in read.seen {
            self.seen.entry(key).or_insert(seen);
        }
    }

    /// The store that it reads, without what was written since.
    pub(crate) fn reads(&self) -> &Reads<'a> {
        &self.reads
    }

    /// Whether there is a record at a key.
    pub(crate) fn has(&mut self, key: &[u8]) -> Result<bool, Error> {
        Ok(self.bytes(key)?.is_some())
    }

    /// The keys that were written so far, as far as `wanted`, and what was written to them.
    pub(crate) fn written(
        &self,
        wanted: impl Fn(&[u8]) -> bool,
    ) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        self.writes
            .iter()
            .filter(|(key, _)| wanted(key))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    }

    /// What the store has at a key, whatever was written since.
    pub(crate) fn stored(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.look_up(key)?.map(<[u8]>::to_vec))
    }

    pub(crate) fn put<T: Serialize>(&mut self, key: Vec<u8>, record: &T) -> Result<(), Error> {
        let bytes = serde_json::to_vec(record).map_err(|error| {
            Error::internal(format!(
                "This is a defect to report: a record cannot be written ({error})."
            ))
        })?;
        self.write(key, Some(bytes));
        Ok(())
    }

    /// As [`put`](Tx::put), of a record that is asked for again: it is not parsed then.
    pub(super) fn put_parsed<T: Serialize + Clone + 'static>(
        &mut self,
        key: Vec<u8>,
        record: &T,
    ) -> Result<(), Error> {
        self.put(key.clone(), record)?;
        // Otherwise it may be read as another.
        if !self.reads_as_replaced()? {
            self.keep_parsed(key, record.clone());
        }
        Ok(())
    }

    /// Puts a message into the outbox (R-OUT-1).
    pub(crate) fn enqueue_message(&mut self, message: &OutboxMessage) -> Result<(), Error> {
        let number: u64 = self.get(&keys::outbox_next())?.unwrap_or(1);
        if let Some((kind, person)) = message.person() {
            self.mark(keys::outbox_person(kind, person, number));
        }
        self.put(keys::outbox(number), message)?;
        self.put(keys::outbox_next(), &(number + 1))
    }

    /// Takes the number of a message that is left out, so that the numbers of the others do not
    /// tell that it was.
    pub(crate) fn leave_out_message(&mut self) -> Result<(), Error> {
        let number: u64 = self.get(&keys::outbox_next())?.unwrap_or(1);
        self.put(keys::outbox_next(), &(number + 1))
    }

    /// Writes the bytes of a record.
    pub(crate) fn put_bytes(&mut self, key: Vec<u8>, bytes: Vec<u8>) {
        self.write(key, Some(bytes));
    }

    /// An index entry: its key says all.
    pub(crate) fn mark(&mut self, key: Vec<u8>) {
        self.write(key, Some(b"null".to_vec()));
    }

    pub(crate) fn delete(&mut self, key: Vec<u8>) {
        self.write(key, None);
    }

    fn write(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.parsed.remove(&key);
        let before = self.writes.insert(key.clone(), value);
        if let Some(journal) = &mut self.journal {
            journal.written.push((key, before));
        }
    }

    /// From here on what is written can be taken back; answers the journal that was kept until now.
    pub(crate) fn begin_savepoint(&mut self) -> Option<Journal> {
        self.journal.replace(Journal {
            written: Vec::new(),
            returned: self.changes.returned.len(),
        })
    }

    /// Goes back to keeping the journal `outer`; takes back what was written since unless it is to
    /// be kept.
    pub(crate) fn end_savepoint(&mut self, mut outer: Option<Journal>, keep: bool) {
        let Journal { written, returned } = std::mem::take(&mut self.journal).unwrap_or_default();
        if !keep {
            self.changes.returned.truncate(returned);
            for (key, before) in written.into_iter().rev() {
                self.parsed.remove(&key);
                match before {
                    Some(value) => self.writes.insert(key, value),
                    None => self.writes.remove(&key),
                };
            }
        } else if let Some(outer) = &mut outer {
            outer.written.extend(written);
        }
        self.journal = outer;
    }

    /// Up to `limit` records from a key until another, in order, what this operation wrote
    /// included.
    pub(crate) fn range<T: DeserializeOwned + 'static>(
        &mut self,
        from: &[u8],
        until: &[u8],
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, T)>, Error> {
        self.reads_as_replaced()?;
        let overlay = || {
            self.writes.range::<[u8], _>((
                std::ops::Bound::Included(from),
                std::ops::Bound::Excluded(until),
            ))
        };
        let asked = limit.saturating_add(overlay().count());
        let stored = match self.of_new(from) {
            Some(new) if until.starts_with(new) => Vec::new(),
            _ => self.reads.range(from, until, Order::Ascending, asked)?,
        };
        // Nothing is known of what lies behind a last record that was not the last of all.
        let seen_until = match stored.last() {
            Some((last, _)) if stored.len() == asked => [last.as_slice(), &[0]].concat(),
            _ => until.to_vec(),
        };
        self.ranges.insert((from.to_vec(), seen_until));
        let mut merged: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        for (key, record) in stored {
            self.seen.entry(key.clone()).or_insert(Seen {
                version: record.version,
                value: None,
            });
            merged.insert(key, record.value);
        }
        for (key, written) in overlay() {
            match written {
                Some(bytes) => merged.insert(key.clone(), bytes.clone()),
                None => merged.remove(key),
            };
        }
        merged
            .into_iter()
            .take(limit)
            .map(|(key, bytes)| {
                let mut record: T = decode(&key, &bytes)?;
                if let Replaced::Known(known) = &self.replaced {
                    replaced::apply(known, &mut record);
                }
                Ok((key, record))
            })
            .collect()
    }

    /// The read model of this account is out of date once this is committed.
    pub(crate) fn invalidate_account(&mut self, account: &Id) {
        self.changes.note.accounts.insert(account.clone());
    }

    /// The account is no more once this is committed.
    pub(crate) fn remove_account(&mut self, account: &Id) {
        self.changes.note.gone.insert(account.clone());
        self.changes.note.everything = true;
    }

    /// The read model of every account is out of date once this is committed.
    pub(crate) fn invalidate_all(&mut self) {
        self.changes.note.everything = true;
    }

    /// The read model of every account is out of date once this is committed, and what was drawn is
    /// to be drawn anew.
    pub(crate) fn invalidate_meters(&mut self) {
        self.changes.note.meters = true;
        self.changes.note.everything = true;
    }

    /// The permission tree is out of date once this is committed.
    pub(crate) fn invalidate_permission_tree(&mut self) {
        self.changes.note.permission_tree = true;
        self.changes.note.everything = true;
    }

    /// The session has changed or ended once this is committed.
    pub(crate) fn invalidate_session(&mut self, session: &Id) {
        self.changes.note.sessions.insert(session.clone());
    }

    /// The API key has changed or ended once this is committed.
    pub(crate) fn invalidate_api_key(&mut self, api_key: &Id) {
        self.changes.note.api_keys.insert(api_key.clone());
    }

    /// A trial of the role begins once this is committed, or is over: what is cached of its holders
    /// is out of date.
    pub(crate) fn change_trial(&mut self, role: &Id, candidate: Option<&Id>) {
        self.changes
            .note
            .trials
            .insert(role.clone(), candidate.cloned());
        self.changes.note.everything = true;
    }

    /// So many of a reservation come back once this is committed.
    pub(crate) fn give_back(&mut self, reservation: Reservation, count: u64) {
        self.changes.returned.push((reservation, count));
    }

    /// A limit of what happens in a window may be lower once this is committed: the host is told
    /// where that reaches a threshold.
    pub(crate) fn recheck_limits(&mut self, lowered: Lowered) {
        self.changes.lowered.insert(lowered);
    }

    /// Something becomes due at this instant once this is committed.
    pub(crate) fn schedule_due(&mut self, at_ms: u64) {
        let note = &mut self.changes.note;
        note.due_ms = note::first(note.due_ms, Some(at_ms));
    }

    /// Something is to be forgotten at this instant once this is committed.
    pub(crate) fn schedule_forget(&mut self, at_ms: u64) {
        let note = &mut self.changes.note;
        note.forget_ms = note::first(note.forget_ms, Some(at_ms));
    }

    /// This goes on in further commits once this one is made.
    pub(crate) fn schedule_job(&mut self, job: Job) {
        self.changes.note.jobs = true;
        self.changes.jobs.insert(job);
    }

    /// This is done once this is committed, an account with all below it.
    pub(crate) fn end_job(&mut self, job: Job, erased: Erased) {
        self.changes.note.ended.push((job, erased));
    }

    /// What to commit; none when nothing was written.
    pub(crate) fn finish(self) -> (Option<Batch>, Changes) {
        if self.writes.is_empty() {
            return (None, self.changes);
        }
        let expected = self
            .seen
            .into_iter()
            .map(|(key, seen)| (key, seen.version))
            .collect();
        let ranges = self.ranges.into_iter().collect();
        (
            Some(Batch {
                writes: self.writes.into_iter().collect(),
                expected,
                ranges,
                read_since: Some(self.began_at),
                ..Batch::default()
            }),
            self.changes,
        )
    }
}

pub(crate) fn decode<T: DeserializeOwned>(key: &[u8], bytes: &[u8]) -> Result<T, Error> {
    let broken = |error: &dyn std::fmt::Display| {
        Error::corrupt(format!(
            "The record at `{}` cannot be read ({error}); restore a backup.",
            key.escape_ascii()
        ))
    };
    // Looked at once, and not text by text.
    let text = std::str::from_utf8(bytes).map_err(|error| broken(&error))?;
    serde_json::from_str(text).map_err(|error| broken(&error))
}
