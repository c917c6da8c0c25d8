//! The rounds of the thread: what was committed, a sign of life, and old notes.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use tracing::{info, warn};

use super::notes;
use super::rows::{self, only};
use super::shared::Shared;
use super::touch::{self, POLL, WANTED};
use super::trouble::Trouble;
use super::wire::{Connection, Rows, Value};
use crate::backend::StoreError;
use crate::event::in_ms;

pub(super) struct Maintenance {
    shared: Arc<Shared>,
    connection: Option<Connection>,
    beat_at: Option<Instant>,
    /// Since when the database has not answered.
    silent_since: Option<Instant>,
    /// What others were told that this process knows.
    applied: u64,
    /// The last commit when old notes were looked for.
    pruned_at: u64,
}

impl Maintenance {
    pub(super) fn new(shared: &Arc<Shared>) -> Maintenance {
        Maintenance {
            shared: shared.clone(),
            connection: None,
            beat_at: None,
            silent_since: None,
            applied: 0,
            pruned_at: shared.commit_seen(),
        }
    }

    pub(super) fn run(mut self) {
        let shared = self.shared.clone();
        shared.touch.make_rounds(|| {
            let outcome = self.round();
            self.tell(outcome.is_ok());
            outcome.inspect_err(|_| {
                self.connection = None;
                self.beat_at = None;
            })
        });
        self.connection.into_iter().for_each(Connection::end);
    }

    /// The log is told once that the database does not answer, and once that it does again.
    fn tell(&mut self, is_answered: bool) {
        let server = &*self.shared.place;
        match (self.silent_since, is_answered) {
            (None, false) => {
                self.silent_since = Some(Instant::now());
                warn!(target: "tenantry::store", server, "The database does not answer.");
            }
            (Some(since), true) => {
                self.silent_since = None;
                let silent_ms = in_ms(since.elapsed());
                info!(
                    target: "tenantry::store",
                    server, silent_ms, "The database answers again."
                );
            }
            _ => {}
        }
    }

    fn round(&mut self) -> Result<(), StoreError> {
        let shared = self.shared.clone();
        let error = |trouble| shared.error(trouble);
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => shared.pool.open().map_err(error)?,
        };
        let every = shared.touch.beat_every();
        let is_due = self.beat_at.is_none_or(|at| at.elapsed() >= every);
        if is_due || shared.touch.is_stale() {
            self.beat(&mut connection).map_err(error)?;
        }
        self.poll(&mut connection)?;
        self.prune(&mut connection).map_err(error)?;
        self.connection = Some(connection);
        Ok(())
    }

    /// Whoever is fresh has polled after its sign of life was answered.
    fn beat(&mut self, connection: &mut Connection) -> Result<(), Trouble> {
        let shared = &self.shared;
        let (owner, sent_at_ms, began) =
            (shared.owner.read().clone(), touch::now_ms(), Instant::now());
        let applied = shared.noted().load(Ordering::Acquire);
        let mut asked = touch::beat(&owner, shared.server.stale, applied).to_vec();
        asked.push(rows::STATE);
        let answers = connection.ask(&asked)?;
        let [mine, _, _, count, state] = &answers[..] else {
            return Err(Trouble::Lost(
                "the server gave an unexpected answer".to_owned(),
            ));
        };
        shared.touch.count(count)?;
        if let Ok(state) = rows::state(state) {
            shared.publish_state(&state);
        }
        // It may have begun anew meanwhile, and then this is of no account.
        let current = shared.owner.read();
        if *current == owner {
            match mine.is_empty() {
                true => shared.touch.expel(),
                false => shared.touch.is_fresh_since(sent_at_ms),
            }
            (self.applied, self.beat_at) = (applied, Some(began));
        }
        Ok(())
    }

    fn poll(&mut self, connection: &mut Connection) -> Result<(), StoreError> {
        let shared = self.shared.clone();
        let error = |trouble| shared.error(trouble);
        let known = shared.commit_seen();
        let answers = connection.ask(&[POLL]).map_err(error)?;
        let nothing = Rows::new();
        let answer = answers.first().unwrap_or(&nothing);
        let state = rows::state(answer)?;
        let is_own = crate::backend::hex(&state.head.id) == shared.id;
        if !is_own || state.head.commit < known {
            let what = "the database has lost commits that it had acknowledged";
            let failure = StoreError::failed(what);
            return Err(shared.failure.get_or_init(|| failure).clone());
        }
        shared.publish_state(&state);
        let wanted = only(answer).and_then(|row| row.number(WANTED));
        let wanted = wanted.map_err(error)?.cast_unsigned();
        if self.applied < wanted && wanted <= state.noted {
            self.tell_applied(connection, state.noted).map_err(error)?;
        }
        Ok(())
    }

    /// Somebody waits until all know of a note.
    fn tell_applied(&mut self, connection: &mut Connection, noted: u64) -> Result<(), Trouble> {
        let owner = self.shared.owner.read().clone();
        connection.ask(&[(
            "UPDATE owner SET applied = $2 WHERE id = $1",
            vec![Value::Text(&owner), Value::Number(noted.cast_signed())],
        )])?;
        self.applied = noted;
        Ok(())
    }

    fn prune(&mut self, connection: &mut Connection) -> Result<(), Trouble> {
        let commit = self.shared.commit_seen();
        if commit - self.pruned_at >= crate::notes::LOOK_FOR_OLD {
            self.pruned_at = commit;
            connection.ask(&[notes::prune(crate::notes::KEPT)])?;
        }
        Ok(())
    }
}
