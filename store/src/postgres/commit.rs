//! Commits: one transaction each, one at a time over all processes.
//!
//! Whoever writes has locked the row of the table `writer`: for one commit, in the transaction that
//! makes it; to be alone for longer, in a transaction of its own, beside which the threads of this
//! process commit. A process that is stopped meanwhile loses the lock with that transaction, which
//! the server ends; it finds out by the number of the last commit, which is no longer its own.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use parking_lot::MutexGuard;

use super::pool;
use super::rows::{
    self, BEGIN, BEGIN_READING, COMMIT, ROLLBACK, STATE, STATE_TO_CHANGE, State, WRITER,
};
use super::shared::Shared;
use super::touch;
use super::trouble::{self, Trouble};
use super::wire::{Connection, Rows, Value};
use super::writer_lock::{Acquired, Held, Writing};
use crate::backend::{Batch, CommitError, StoreError, UnlockWriter, WriterGuard};
use crate::record::{self, Write, count};

/// How often others may be in the way of one commit.
const ROUNDS: usize = 16;
/// How long to wait before what was lost is asked for again.
const PAUSE: Duration = Duration::from_millis(50);

impl Shared {
    fn timeout(&self) -> Duration {
        self.server.timeout
    }

    fn locked(&self) -> StoreError {
        StoreError::Locked {
            folder: self.place.clone(),
            pid: None,
        }
    }

    /// A connection that does not stay in a transaction when this process is stopped.
    fn connect(&self) -> Result<Connection, Trouble> {
        pool::open(&self.address, self.timeout() / 2, self.timeout())
    }

    /// Begins a transaction with these questions; where the connection was lost since it was used,
    /// on another.
    fn begin(
        &self,
        kept: Option<Connection>,
        asked: &[super::wire::Ask<'_>],
    ) -> Result<(Connection, Vec<Rows>), StoreError> {
        let mut kept = kept;
        for _ in 0..ROUNDS {
            let is_new = kept.is_none();
            let connection = kept.take().map_or_else(|| self.connect(), Ok);
            let mut connection = connection.map_err(|trouble| self.error(trouble))?;
            match connection.ask(asked) {
                Ok(answers) => return Ok((connection, answers)),
                Err(trouble) if rows::is_to_be_tried_again(&trouble) => {}
                Err(Trouble::Lost(_)) if !is_new => trouble::tell_lost(&self.place),
                Err(trouble) => return Err(self.error(trouble)),
            }
        }
        Err(self.locked())
    }

    pub(super) fn lock_writer(&self) -> Result<WriterGuard<'_>, StoreError> {
        self.go_on()?;
        let taken = self.writer_lock.acquire(false, self.timeout());
        let taken = taken
            .map(|_| Acquired(&self.writer_lock))
            .ok_or_else(|| self.locked())?;
        let kept = self.writing.lock().locker.take();
        let (connection, answers) = self.begin(kept, &[BEGIN, WRITER, STATE, touch::COUNT])?;
        let [_, _, state, processes] = &answers[..] else {
            return Err(StoreError::failed("the server gave an unexpected answer"));
        };
        let state = rows::state(state)?;
        let counted = self.touch.count(processes);
        counted.map_err(|trouble| self.error(trouble))?;
        self.publish_state(&state);
        let mut writing = self.writing.lock();
        writing.locker = Some(connection);
        writing.last = Some(state.head.commit);
        self.writer_lock.set(Held::ForAll);
        std::mem::forget(taken);
        Ok(WriterGuard::locked(self))
    }

    pub(super) fn commit(&self, batch: &Batch) -> Result<u64, CommitError> {
        self.go_on()?;
        let writes = record::sorted(batch)?;
        if writes.is_empty() && batch.note.is_empty() {
            return self.only_check(batch);
        }
        loop {
            let joins = self.writer_lock.acquire(true, self.timeout());
            let joins = joins.ok_or_else(|| self.locked())?;
            let taken = (!joins).then(|| Acquired(&self.writer_lock));
            let writing = self.writing.lock();
            // Whoever closes the store has waited for nobody else.
            self.go_on()?;
            if joins && !self.writer_lock.is_for_all() {
                // Who was alone is not any more.
                continue;
            }
            let committed = self.write(writing, batch, &writes);
            drop(taken);
            return committed;
        }
    }

    /// Looks at one state of the store whether what the batch relies on is as it was.
    fn only_check(&self, batch: &Batch) -> Result<u64, CommitError> {
        let begun = self.pool.begin(&[BEGIN_READING, STATE]);
        let (connection, answers) = begun.map_err(|trouble| self.error(trouble))?;
        let state = rows::state(answers.get(1).unwrap_or(&Rows::new()))?;
        self.publish_state(&state);
        let connection = RefCell::new(connection);
        let found = self.versions(&connection, batch, &[])?;
        let holds = self.holds(&connection, batch, &state, &found);
        let mut connection = connection.into_inner();
        if connection.ask(&[ROLLBACK]).is_ok() {
            self.pool.keep(connection);
        }
        match holds? {
            true => Ok(state.head.commit),
            false => Err(CommitError::Conflict),
        }
    }

    fn versions(
        &self,
        connection: &RefCell<Connection>,
        batch: &Batch,
        writes: &[&Write],
    ) -> Result<Found, StoreError> {
        let keys = keys_of(batch, writes);
        let answers = connection.borrow_mut().ask(&[rows::versions(&keys)]);
        let answers = answers.map_err(|trouble| self.error(trouble))?;
        self.found(answers.first().unwrap_or(&Rows::new()))
    }

    fn found(&self, rows: &Rows) -> Result<Found, StoreError> {
        let one = |row: &super::wire::Row| {
            let checksum = u32::try_from(row.number(2)?).unwrap_or(0);
            Ok((
                row.bytes(0)?.to_vec(),
                (row.number(1)?.cast_unsigned(), checksum),
            ))
        };
        let found: Result<_, Trouble> = rows.iter().map(one).collect();
        found.map_err(|trouble| self.error(trouble))
    }

    /// Whether what the batch relies on is as it was, in the transaction of a connection.
    fn holds(
        &self,
        connection: &RefCell<Connection>,
        batch: &Batch,
        state: &State,
        found: &Found,
    ) -> Result<bool, StoreError> {
        if batch.read_since == Some(state.head.commit) {
            return Ok(true);
        }
        let version = |key: &[u8]| {
            record::check_key(key)?;
            Ok(found.get(key).map_or(0, |(version, _)| *version))
        };
        let count = |from: &[u8], until: &[u8], most: usize| {
            if from >= until {
                return Ok(0);
            }
            let answers = connection
                .borrow_mut()
                .ask(&[rows::count(from, until, most)]);
            let counted = answers
                .and_then(|answers| rows::only(answers.first().unwrap_or(&Rows::new()))?.number(0));
            let counted = counted.map_err(|trouble| self.error(trouble))?;
            Ok(usize::try_from(counted).unwrap_or(usize::MAX))
        };
        batch.holds::<StoreError>(version, count)
    }

    /// The commit, for whoever has the lock; beside one who is alone, as long as nobody else has
    /// written since.
    fn write(
        &self,
        mut writing: MutexGuard<'_, Writing>,
        batch: &Batch,
        writes: &[&Write],
    ) -> Result<u64, CommitError> {
        for _ in 0..ROUNDS {
            match self.write_once(&mut writing, batch, writes)? {
                Some(number) => return Ok(number),
                None => continue,
            }
        }
        Err(self.locked().into())
    }

    /// None where others were in the way, and it may be tried again.
    fn write_once(
        &self,
        writing: &mut Writing,
        batch: &Batch,
        writes: &[&Write],
    ) -> Result<Option<u64>, CommitError> {
        let keys = keys_of(batch, writes);
        let mut asked = vec![BEGIN, STATE_TO_CHANGE, rows::versions(&keys)];
        if writing.last.is_none() {
            asked.insert(1, WRITER);
        }
        let kept = writing.writer.take();
        let (connection, mut answers) = self.begin(kept, &asked)?;
        let found = self.found(&answers.pop().unwrap_or_default())?;
        let mut state = rows::state(&answers.pop().unwrap_or_default())?;
        self.publish_state(&state);
        self.must_be_own(&state)?;
        let connection = RefCell::new(connection);
        let is_still_alone = writing.last.is_none_or(|last| last == state.head.commit);
        let holds = is_still_alone && self.holds(&connection, batch, &state, &found)?;
        let mut connection = connection.into_inner();
        if !holds {
            let ended = connection.ask(&[ROLLBACK]);
            writing.writer = ended.is_ok().then_some(connection);
            return Err(match is_still_alone {
                true => CommitError::Conflict,
                false => unreachable("another process wrote meanwhile").into(),
            });
        }
        let before = state.noted;
        advance(&mut state, batch, writes, &found)?;
        writing.seq += 1;
        let owner = self.owner.read().clone();
        let asked = rows::writes(&owner, writing.seq, batch, writes, (before, &state));
        match connection.ask(&asked) {
            Ok(_) => writing.writer = Some(connection),
            Err(trouble @ Trouble::Refused { .. }) => {
                if connection.ask(&[ROLLBACK]).is_ok() {
                    writing.writer = Some(connection);
                }
                return self.refused(trouble);
            }
            Err(Trouble::Lost(what)) => {
                trouble::tell_lost(&self.place);
                drop(connection);
                if !self.has_written(&owner, writing.seq, &what)? {
                    return Err(unreachable(&format!("{what}, and nothing was written")).into());
                }
            }
        }
        if let Some(last) = &mut writing.last {
            *last = state.head.commit;
        }
        self.publish_state(&state);
        Ok(Some(state.head.commit))
    }

    fn refused(&self, trouble: Trouble) -> Result<Option<u64>, CommitError> {
        if rows::is_to_be_tried_again(&trouble) {
            return Ok(None);
        }
        if rows::is_expelled(&trouble) {
            self.touch.expel();
            let why = "this process was silent for too long, and has to register again";
            return Err(unreachable(why).into());
        }
        Err(self.error(trouble).into())
    }

    /// The answer to a write was lost: whether it was made. From here on it never will be, where it
    /// was not, however long its messages are still under way.
    fn has_written(&self, owner: &str, seq: u64, lost: &str) -> Result<bool, StoreError> {
        let until = Instant::now() + self.timeout();
        let settle = (
            "UPDATE owner SET seq = $2 WHERE id = $1 AND seq < $2 RETURNING n",
            vec![Value::Text(owner), Value::Number(seq.cast_signed())],
        );
        loop {
            let settled = self.connect().and_then(|mut connection| {
                let answers = connection.ask(std::slice::from_ref(&settle))?;
                Ok(answers.first().is_none_or(Vec::is_empty))
            });
            match settled {
                Ok(has_written) => return Ok(has_written),
                Err(_) if Instant::now() < until => std::thread::sleep(PAUSE),
                Err(trouble) => {
                    return Err(StoreError::Unknown {
                        what: format!("{lost}; {trouble}"),
                    });
                }
            }
        }
    }

    fn must_be_own(&self, state: &State) -> Result<(), StoreError> {
        match crate::backend::hex(&state.head.id) == self.id {
            true => Ok(()),
            false => Err(StoreError::failed("the database holds another store now")),
        }
    }
}

/// Of keys that are there: version and checksum.
type Found = HashMap<Vec<u8>, (u64, u32)>;

fn keys_of<'a>(batch: &'a Batch, writes: &[&'a Write]) -> Vec<&'a [u8]> {
    let expected = batch.expected.iter().map(|(key, _)| &**key);
    let mut keys: Vec<&[u8]> = writes
        .iter()
        .map(|(key, _)| &**key)
        .chain(expected)
        .collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// The state after the commit.
fn advance(
    state: &mut State,
    batch: &Batch,
    writes: &[&Write],
    found: &Found,
) -> Result<(), StoreError> {
    let head = &mut state.head;
    let next = head.commit.checked_add(1);
    head.commit = next.ok_or_else(|| StoreError::failed("no commit number is left"))?;
    for (key, value) in writes {
        let old = found.get(key).map(|(_, checksum)| *checksum);
        let new = value
            .as_ref()
            .map(|value| record::checksum_whole(key, head.commit, value));
        count(&mut head.records, &mut head.sum, old, new);
    }
    if !batch.note.is_empty() {
        state.noted = state.head.commit;
    }
    Ok(())
}

fn unreachable(what: &str) -> StoreError {
    StoreError::Unreachable {
        what: what.to_owned(),
    }
}

impl UnlockWriter for Shared {
    fn unlock(&self) {
        // In a forked child the lock is not ours, and whoever has the mutex may be gone.
        if self.process.check().is_err() {
            return;
        }
        // After the commit that another thread is just making.
        let mut writing = self.writing.lock();
        writing.last = None;
        if let Some(mut locker) = writing.locker.take() {
            let ended = locker.ask(&[COMMIT]);
            let is_kept = ended.is_ok() && !self.is_closed.load(Ordering::Acquire);
            writing.locker = is_kept.then_some(locker);
        }
        self.writer_lock.set(Held::ByNobody);
    }
}
