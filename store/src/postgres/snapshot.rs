//! Reading at one state of the store, on a connection that is in a transaction meanwhile.

use std::mem::forget;
use std::sync::Arc;

use parking_lot::Mutex;

use super::rows::{self, BEGIN_READING, ROLLBACK, STATE, State};
use super::shared::Shared;
use super::wire::{Ask, Connection, Rows};
use crate::backend::{Order, Record, Snapshot, StoreError};
use crate::record;

pub(super) struct AtOneState {
    shared: Arc<Shared>,
    connection: Mutex<Option<Connection>>,
    state: State,
}

impl AtOneState {
    pub(super) fn begin(shared: &Arc<Shared>) -> Result<AtOneState, StoreError> {
        shared.go_on()?;
        let begun = shared.pool.begin(&[BEGIN_READING, STATE]);
        let (connection, answers) = begun.map_err(|trouble| shared.error(trouble))?;
        let state = rows::state(answers.get(1).unwrap_or(&Rows::new()))?;
        shared.publish_state(&state);
        Ok(AtOneState {
            shared: shared.clone(),
            connection: Mutex::new(Some(connection)),
            state,
        })
    }

    pub(super) fn state(&self) -> &State {
        &self.state
    }

    pub(super) fn read(&self, asked: Ask<'_>) -> Result<Rows, StoreError> {
        self.shared.go_on()?;
        let mut connection = self.connection.lock();
        let connection = connection.as_mut().ok_or(StoreError::Closed)?;
        let answers = connection.ask(&[asked]);
        let mut answers = answers.map_err(|trouble| self.shared.error(trouble))?;
        Ok(answers.pop().unwrap_or_default())
    }
}

impl Snapshot for AtOneState {
    fn get(&self, key: &[u8]) -> Result<Option<Record>, StoreError> {
        let mut found = self.get_many(&[key.to_vec()])?;
        Ok(found.pop().flatten())
    }

    fn get_many(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Record>>, StoreError> {
        keys.iter().try_for_each(|key| record::check_key(key))?;
        let asked: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        let rows = self.read(rows::get_many(&asked))?;
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
            Some(asked) => self.shared.records(&self.read(asked)?),
            None => self.shared.go_on().map(|()| Vec::new()),
        }
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
        let Some(mut connection) = self.connection.lock().take() else {
            return;
        };
        if self.shared.process.check().is_err() {
            // The parent goes on using it.
            forget((self.shared.clone(), connection));
            return;
        }
        if connection.ask(&[ROLLBACK]).is_ok() && self.shared.go_on().is_ok() {
            self.shared.pool.keep(connection);
        }
    }
}
