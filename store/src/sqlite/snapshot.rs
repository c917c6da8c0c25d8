//! Reading at one state of the store, on a connection that is in a transaction meanwhile.

use std::mem::forget;
use std::sync::Arc;

use rusqlite::Connection;

use super::forking::Inside;
use super::rows::{self, State};
use super::shared::{Held, Shared};
use crate::backend::{Order, Record, Snapshot, StoreError};
use crate::record;

pub(super) struct AtOneState {
    shared: Arc<Shared>,
    number: u64,
    held: Held,
    state: State,
    /// The connection cannot be closed meanwhile, and so the process does not fork.
    _inside: Inside,
}

impl AtOneState {
    pub(super) fn begin(shared: &Arc<Shared>) -> Result<AtOneState, StoreError> {
        shared.process.check()?;
        let inside = shared.here.gate.enter();
        let _not_closed_meanwhile = shared.open.read();
        shared.go_on()?;
        let connection = shared.take_connection()?;
        let state = rows::begin_reading(&connection).map_err(|error| shared.named(error))?;
        shared.peers.publish_state(&state);
        let (number, held) = shared.snapshots.lock().add(connection);
        Ok(AtOneState {
            shared: shared.clone(),
            number,
            held,
            state,
            _inside: inside,
        })
    }

    fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.shared.process.check()?;
        let held = self.held.lock();
        let connection = held.as_ref().ok_or(StoreError::Closed)?;
        read(connection).map_err(|error| self.shared.named(error))
    }
}

impl Snapshot for AtOneState {
    fn get(&self, key: &[u8]) -> Result<Option<Record>, StoreError> {
        record::check_key(key)?;
        self.read(|connection| Ok(rows::get(connection, key)?.map(|found| found.record)))
    }

    fn range(
        &self,
        from: &[u8],
        until: &[u8],
        order: Order,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Record)>, StoreError> {
        self.read(|connection| rows::range(connection, (from, until), order, limit))
    }

    fn last_commit(&self) -> u64 {
        self.state.head.commit
    }

    fn noted(&self) -> u64 {
        self.state.noted
    }
}

impl Drop for AtOneState {
    fn drop(&mut self) {
        if self.shared.process.check().is_err() {
            // A forked child closes no connection, and waits for no lock.
            forget((self.shared.clone(), self.held.clone()));
            return;
        }
        let _not_closed_meanwhile = self.shared.open.read();
        self.shared.snapshots.lock().held.remove(&self.number);
        let Some(connection) = self.held.lock().take() else {
            return;
        };
        if rows::end_reading(&connection).is_ok() {
            self.shared.keep_connection(connection);
        }
    }
}
