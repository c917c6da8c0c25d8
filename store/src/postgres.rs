//! A store in a PostgreSQL database, for any number of processes of any number of machines. See the
//! crate's documentation for what it promises.
//!
//! A commit is a transaction of the server, durable when it returns. What has to be known of other
//! processes, a thread asks for again and again: `maintenance.rs`, `touch.rs`.

mod address;
mod commit;
mod login;
mod maintenance;
mod notes;
mod pool;
mod rows;
mod shared;
mod snapshot;
mod tls;
mod touch;
mod trouble;
mod wire;
mod writer_lock;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

pub use address::Address;

use crate::backend::{
    Backend, Batch, CommitError, Kind, Notes, Options, Order, Record, SharedStore, Snapshot,
    Standing, StoreError, Verification, WriterGuard, random_id,
};
use crate::layers::PAGE;
use crate::{record, verify};
use maintenance::Maintenance;
use pool::Pool;
use rows::State;
use shared::Shared;
use snapshot::AtOneState;
use trouble::Trouble;
use wire::{Connection, Rows, Value};

/// How often it is tried to make the tables while others make them.
const ROUNDS: usize = 16;

pub(crate) struct PostgresStore {
    shared: Arc<Shared>,
    maintenance: Mutex<Option<JoinHandle<()>>>,
}

impl PostgresStore {
    pub(crate) fn open(address: &Address, options: &Options) -> Result<PostgresStore, StoreError> {
        let server = options.server;
        let pool = Pool::new(address, server.timeout);
        let error = |trouble| rows::store_error(&address.place(), trouble);
        let mut connection = pool.open().map_err(error)?;
        let state = begin(&mut connection, address, options.create)?;
        pool.keep(connection);
        let shared = Arc::new(Shared::new(address, server, &state, pool));
        shared.join()?;
        let store = PostgresStore {
            maintenance: Mutex::default(),
            shared,
        };
        let maintenance = Maintenance::new(&store.shared);
        let handle = std::thread::Builder::new()
            .name("tenantry-pg".into())
            .spawn(move || maintenance.run())
            .map_err(|error| StoreError::io("cannot start a thread", &error))?;
        *store.maintenance.lock() = Some(handle);
        Ok(store)
    }
}

/// The state of the store, which is made where there is none.
fn begin(
    connection: &mut Connection,
    address: &Address,
    create: bool,
) -> Result<State, StoreError> {
    let error = |trouble| rows::store_error(&address.place(), trouble);
    let id = random_id()?;
    for _ in 0..ROUNDS {
        match connection.ask(&[rows::STATE]) {
            Ok(answers) => match answers.first() {
                Some(rows) if !rows.is_empty() => return rows::state(rows),
                _ if !create => return Err(StoreError::Missing),
                _ => {}
            },
            Err(trouble) if rows::is_missing(&trouble) && !create => {
                return Err(StoreError::Missing);
            }
            Err(trouble) if rows::is_missing(&trouble) => {}
            Err(trouble) => return Err(error(trouble)),
        }
        match rows::create(connection, &address.schema, &id) {
            Err(trouble) if rows::is_made_by_another(&trouble) => {}
            Err(trouble) if rows::is_to_be_tried_again(&trouble) => {}
            made => made.map_err(error)?,
        }
    }
    Err(StoreError::failed("others keep making the same tables"))
}

impl Shared {
    fn verify(self: &Arc<Shared>) -> Result<Verification, StoreError> {
        let at = AtOneState::begin(self)?;
        let page = |from: &[u8]| {
            let asked = rows::range(from, &[record::OWN], Order::Ascending, PAGE);
            let Some(asked) = asked else {
                return Ok(Vec::new());
            };
            let rows = at.read(asked)?;
            let one = |row| {
                let (key, stored) = rows::stored(row).map_err(|trouble| self.error(trouble))?;
                let size = |stored: rows::Stored| (stored.checksum, stored.record.value.len());
                Ok((key, stored.map(size)))
            };
            rows.iter().map(one).collect()
        };
        let head = &at.state().head;
        let mut found = verify::nothing(head);
        verify::pages(&mut found, head, || self.go_on(), page)?;
        Ok(found)
    }

    fn close(&self, maintenance: Option<JoinHandle<()>>) {
        self.is_closed.store(true, Ordering::Release);
        self.touch.end();
        self.wake_listeners();
        if let Some(maintenance) = maintenance {
            // A panic of it is no concern of who closes the store.
            let _ = maintenance.join();
        }
        // After the commit that another thread is just making.
        self.writing.lock().end();
        // Nothing is lost where this is not heard: it counts as gone a little later.
        let owner = self.owner.read().clone();
        let _ = self.pool.ask(&[touch::leave(&owner)]);
        self.pool.end();
    }

    /// Waits until all processes know of all notes that there are now; the names of those that do
    /// not after so long.
    fn barrier(&self, most: Duration) -> Result<Vec<String>, StoreError> {
        let until = Instant::now() + most;
        let error = |trouble| self.error(trouble);
        let wanted = ("SELECT noted FROM head WHERE id = 1", Vec::new());
        let wanted = self.pool.ask(&[wanted]).map_err(error)?;
        let wanted = rows::only(wanted.first().unwrap_or(&Rows::new()))
            .and_then(|row| row.number(0))
            .map_err(error)?;
        let raise = "UPDATE barrier SET wanted = $1 WHERE wanted < $1";
        let raised = self.pool.ask(&[(raise, vec![Value::Number(wanted)])]);
        raised.map_err(error)?;
        loop {
            self.go_on()?;
            self.touch.hurry();
            let answers = self.pool.ask(&[touch::behind(wanted)]).map_err(error)?;
            let rows = answers.into_iter().next().unwrap_or_default();
            let names: Result<Vec<_>, Trouble> = rows.iter().map(|row| row.text(0)).collect();
            let names = names.map_err(error)?;
            let left = until.saturating_duration_since(Instant::now());
            if names.is_empty() || left.is_zero() {
                return Ok(names);
            }
            std::thread::sleep(left.min(self.server.poll / 4));
        }
    }
}

impl Backend for PostgresStore {
    fn get(&self, key: &[u8]) -> Result<Option<Record>, StoreError> {
        record::check_key(key)?;
        let rows = self.shared.read(rows::get_many(&[key]))?;
        Ok(self.shared.records(&rows)?.pop().map(|(_, record)| record))
    }

    fn get_many(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Record>>, StoreError> {
        keys.iter().try_for_each(|key| record::check_key(key))?;
        let asked: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        let rows = self.shared.read(rows::get_many(&asked))?;
        self.shared.in_order(keys, &rows)
    }

    fn range(
        &self,
        from: &[u8],
        until: &[u8],
        order: Order,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Record)>, StoreError> {
        match rows::range(from, until, order, limit) {
            Some(asked) => self.shared.records(&self.shared.read(asked)?),
            None => self.shared.go_on().map(|()| Vec::new()),
        }
    }

    fn commit(&self, batch: &Batch) -> Result<u64, CommitError> {
        self.shared.commit(batch)
    }

    fn sync(&self, commit: u64) -> Result<(), StoreError> {
        self.shared.process.check()?;
        match commit > self.last_commit() {
            true => Err(StoreError::invalid(format!(
                "There is no commit {commit} yet; name one that there is."
            ))),
            // Whatever the server has acknowledged is durable.
            false => Ok(()),
        }
    }

    fn last_commit(&self) -> u64 {
        self.shared.commit_seen()
    }

    fn kind(&self) -> Kind {
        Kind::Postgres
    }

    fn shared(&self) -> Option<&dyn SharedStore> {
        Some(self)
    }

    fn snapshot(&self) -> Result<Option<Box<dyn Snapshot>>, StoreError> {
        Ok(Some(Box::new(AtOneState::begin(&self.shared)?)))
    }

    fn goes_on_after(&self, error: &StoreError) -> bool {
        // The server has taken back what it did not do, and can be asked again.
        let is_final = matches!(
            error,
            StoreError::Corrupt { .. } | StoreError::Format { .. }
        );
        !is_final && self.shared.failure.get().is_none()
    }

    fn store_id(&self) -> String {
        self.shared.id.clone()
    }

    fn verify(&self) -> Result<Verification, StoreError> {
        self.shared.verify()
    }

    fn close(&self) -> Result<(), StoreError> {
        self.shared.process.check()?;
        let mut maintenance = self.maintenance.lock();
        if !self.shared.is_closed.load(Ordering::Acquire) {
            self.shared.close(maintenance.take());
        }
        Ok(())
    }

    fn abandon(&self) {
        self.shared.process.abandon();
        std::mem::forget(Arc::clone(&self.shared));
    }
}

impl SharedStore for PostgresStore {
    fn noted(&self) -> &AtomicU64 {
        self.shared.noted()
    }

    fn notes_after(&self, commit: u64, most: usize) -> Result<Notes, StoreError> {
        self.shared.go_on()?;
        let error = |trouble| self.shared.error(trouble);
        let answers = self
            .shared
            .pool
            .ask(&[rows::STATE, notes::after(commit, most)]);
        let answers = answers.map_err(error)?;
        let [state, notes] = &answers[..] else {
            return Err(StoreError::failed("the server gave an unexpected answer"));
        };
        let state = rows::state(state)?;
        self.shared.publish_state(&state);
        notes::of(notes, &state, commit, most).map_err(error)
    }

    fn lock_writer(&self) -> Result<WriterGuard<'_>, StoreError> {
        self.shared.lock_writer()
    }

    fn processes(&self) -> u64 {
        self.shared.touch.processes()
    }

    fn count_processes(&self) -> Result<u64, StoreError> {
        self.shared.count_processes()
    }

    fn wait_for_note(&self, after: u64, most: Duration) {
        let mut wakeups = self.shared.wakeups.lock();
        let before = *wakeups;
        let is_there = self.noted().load(Ordering::SeqCst) > after;
        if !is_there && self.shared.go_on().is_ok() {
            let sleeps = |wakeups: &mut u64| *wakeups == before;
            self.shared.woken.wait_while_for(&mut wakeups, sleeps, most);
        }
    }

    fn wake_waiting(&self) {
        self.shared.wake_listeners();
    }

    fn is_bounded(&self) -> bool {
        true
    }

    fn is_stale(&self) -> bool {
        self.shared.touch.is_stale()
    }

    fn ask(&self) -> Result<Standing, StoreError> {
        self.shared.ask()
    }

    fn rejoin(&self) -> Result<(), StoreError> {
        self.shared.go_on()?;
        self.shared.join()
    }

    fn barrier(&self, most: Duration) -> Result<Vec<String>, StoreError> {
        self.shared.go_on()?;
        self.shared.barrier(most)
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        if self.close().is_err() {
            // A forked child closes nothing that its parent uses.
            std::mem::forget(Arc::clone(&self.shared));
        }
    }
}
