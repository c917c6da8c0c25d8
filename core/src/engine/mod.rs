//! Joins the rules and the store: loads facts, asks the rules, commits one batch, keeps the read
//! model, owns the clock.

mod audit;
mod bound;
#[cfg(test)]
mod common_store;
#[cfg(test)]
mod delegated;
#[cfg(test)]
mod holders_tests;
#[cfg(test)]
mod interleaving_tests;
mod logs;
mod maintenance;
mod meter_store;
mod owners;
mod peers;
#[cfg(test)]
mod peers_meter_tests;
#[cfg(test)]
mod peers_tests;
#[cfg(test)]
mod phantom_tests;
#[cfg(test)]
mod readers_tests;
#[cfg(test)]
mod reads_tests;
#[cfg(test)]
mod replacing_tests;
#[cfg(test)]
pub(crate) mod room_tests;
#[cfg(test)]
mod scale_tests;
#[cfg(test)]
mod serial_tests;
#[cfg(test)]
mod simulation_tests;
#[cfg(test)]
mod steps_tests;
#[cfg(test)]
mod tests;

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::access::state::Engine;
use crate::access::trials::Trials;
use crate::access::views::Views;
use crate::api::operation::Effect;
use crate::auth::Auth;
use crate::auth::token::TokenKey;
use crate::error::Error;
use crate::kernel::background::Background;
use crate::kernel::{Job, Kernel, Lowered, Tx, keys};
use crate::meters::drawer::Drawer;
use crate::meters::{self, Team};
use crate::model::{Actor, Reservation};
use crate::options::OpenOptions;
use crate::tables::reservations;
use crate::tables::roles::permission_tree;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tenantry_store::{At, Backend, CommitError, StoreError};

/// How often an operation runs again when others changed what it read.
const ROUNDS: usize = 16;

/// What an operation has written.
pub(crate) struct Committed<T> {
    pub(crate) answer: T,
    /// The number of the commit; where nothing was written, that of the last one before.
    version: u64,
    /// Whether something was written.
    is_new: bool,
    /// Reservations of which so many come back.
    pub(crate) returned: Vec<(Reservation, u64)>,
    /// Whose limits may be lower.
    pub(crate) lowered: BTreeSet<Lowered>,
    /// What goes on in further commits.
    pub(crate) jobs: BTreeSet<Job>,
}

impl Engine {
    pub(crate) fn open(path: &Path, options: &OpenOptions) -> Result<Arc<Engine>, Error> {
        let (at, began) = (At::new(path), Instant::now());
        let opened = Engine::open_at(&at, path, options);
        logs::opened(&at, began, &opened);
        opened
    }

    fn open_at(at: &At, path: &Path, options: &OpenOptions) -> Result<Arc<Engine>, Error> {
        let ms = Duration::from_millis;
        let how = tenantry_store::Options {
            cache_bytes: options.cache_mib << 20,
            create: options.create,
            server: tenantry_store::Server {
                timeout: ms(options.store_timeout_ms),
                poll: ms(options.poll_ms),
                stale: ms(options.stale_ms),
            },
        };
        let backend = tenantry_store::open(at, &how)?;
        Engine::on(backend, path, options)
    }

    pub(crate) fn on(
        backend: Box<dyn Backend>,
        path: &Path,
        options: &OpenOptions,
    ) -> Result<Arc<Engine>, Error> {
        let tokens = token_key(path, options, &*backend)?;
        let kernel = Kernel::new(backend, options)?;
        let views = Views::new(
            permission_tree(&mut kernel.tx())?,
            meters::TRIED + 1,
            options.cache_mib << 20,
        );
        let engine = Arc::new_cyclic(|this| Engine {
            trials: Trials::new(kernel.clock.now_ms()),
            kernel,
            auth: Auth::new(tokens, options.peppers.clone(), options.cache_mib << 20),
            views,
            drawer: Drawer::default(),
            background: Background::default(),
            has_reserved: AtomicBool::new(false),
            prunes: AtomicBool::new(false),
            this: this.clone(),
        });
        engine.resume()?;
        engine.has_reserved.store(
            reservations::are_open(&mut engine.kernel.tx())?,
            Ordering::Release,
        );
        Ok(engine)
    }

    /// Runs an operation as an actor, counts it, and tells the log what is to be told.
    pub(crate) fn run<O: Operation>(&self, actor: &Actor, request: O) -> Result<O::Answer, Error> {
        let began = Instant::now();
        let outcome = self.run_uncounted(actor, request);
        logs::operation(self, O::NAME, began, &outcome);
        match &outcome {
            Ok(_) => self.kernel.metrics.count_done(),
            Err(error) => self.kernel.metrics.count_refused(error.code()),
        }
        outcome
    }

    fn run_uncounted<O: Operation>(&self, actor: &Actor, request: O) -> Result<O::Answer, Error> {
        match O::EFFECT {
            Effect::Read => {
                let (answer, version) = self.read(actor, request)?;
                self.kernel.wait_until_read_is_durable(version)?;
                Ok(answer)
            }
            Effect::Send => {
                let mut ctx = self.ctx(actor);
                self.authorise(&mut ctx, O::CONTRACT, request.account())?;
                request.run(&mut ctx)
            }
            Effect::Write => {
                let mut committed = self.write(actor, request)?;
                let jobs = std::mem::take(&mut committed.jobs);
                let answer = self.complete(committed)?;
                if jobs.is_empty() {
                    return Ok(answer);
                }
                let erased = self.finish_jobs(&jobs)?;
                Ok(O::done(answer, &erased))
            }
        }
    }

    /// Runs an operation that reads, in one snapshot; answers the last commit that it could see.
    fn read<O: Operation>(&self, actor: &Actor, request: O) -> Result<(O::Answer, u64), Error> {
        let _reading = self.kernel.begin_reading();
        // What it sees in the store it sees in memory.
        self.catch_up()?;
        let mut ctx = self.reading(actor);
        self.authorise(&mut ctx, O::CONTRACT, request.account())?;
        let answer = request.run(&mut ctx)?;
        Ok((answer, ctx.tx.last_commit()))
    }

    /// Runs an operation that writes.
    fn write<O: Operation>(
        &self,
        actor: &Actor,
        request: O,
    ) -> Result<Committed<O::Answer>, Error> {
        let _guard = self.lock_writer()?;
        self.commit(actor, Some(O::NAME), |ctx| {
            self.authorise(ctx, O::CONTRACT, request.account())?;
            let answer = request.clone().run(ctx)?;
            let most = self.background.at_once() * bound::KEYS_OF_A_STEP;
            bound::refuse_beyond(most, ctx.tx.written_count(), O::NAME)?;
            Ok(answer)
        })
    }

    /// Runs and commits, for whoever holds the lock of the writer; another that changed the same
    /// records first makes it run again. What it changed is remembered as the work of an operation,
    /// where one is named.
    pub(crate) fn commit<T>(
        &self,
        actor: &Actor,
        operation: Option<&str>,
        run: impl Fn(&mut Ctx<'_>) -> Result<T, Error>,
    ) -> Result<Committed<T>, Error> {
        for _ in 0..ROUNDS {
            self.kernel.refuse_when_shut()?;
            let mut ctx = self.ctx(actor);
            let answer = run(&mut ctx)?;
            if let Some(operation) = operation {
                audit::remember(&mut ctx, operation)?;
            }
            let (batch, changes) = ctx.tx.finish();
            let Some(batch) = batch else {
                // The answer may tell what another has just committed, such as the answer to the
                // same request before: that is durable first as well.
                return Ok(Committed {
                    answer,
                    version: self.kernel.backend.last_commit(),
                    is_new: false,
                    returned: Vec::new(),
                    lowered: BTreeSet::new(),
                    jobs: BTreeSet::new(),
                });
            };
            let batch = self.kernel.with_note(Cow::Owned(batch), &changes.note)?;
            match self.kernel.commit_batch(&batch) {
                Ok(version) => {
                    self.has_changed(&changes.note, &batch)?;
                    return Ok(Committed {
                        answer,
                        version,
                        is_new: true,
                        returned: changes.returned,
                        lowered: changes.lowered,
                        jobs: changes.jobs,
                    });
                }
                Err(CommitError::Conflict) => {}
                Err(CommitError::Store(error)) => {
                    return Err(self.kernel.store_failure(error));
                }
            }
        }
        Err(Error::busy(
            "Other callers keep changing the same records; try again.",
        ))
    }

    /// Commits something beside an operation that charges meters or hashes passwords. What happens
    /// with every send is not remembered: it names no operation.
    pub(crate) fn commit_durably<T>(
        &self,
        actor: &Actor,
        operation: Option<&str>,
        run: impl Fn(&mut Ctx<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let committed = {
            let _guard = self.lock_writer()?;
            self.commit(actor, operation, run)?
        };
        self.complete(committed)
    }

    /// Waits until a commit is durable. Only then what it ended comes back: after a crash it would
    /// come back once more.
    pub(crate) fn complete<T>(&self, committed: Committed<T>) -> Result<T, Error> {
        if committed.is_new {
            self.kernel.wait_until_durable(committed.version)?;
        } else {
            self.kernel.wait_until_read_is_durable(committed.version)?;
        }
        for (reservation, count) in &committed.returned {
            self.return_reserved(reservation, *count)?;
        }
        committed
            .lowered
            .iter()
            .try_for_each(|lowered| self.alert(lowered))?;
        Ok(committed.answer)
    }

    /// Whether what only the memory of a team knew is in the store, so that it can go.
    pub(crate) fn puts_down(&self, team: &Team) -> bool {
        (team.is_idle() && !team.has_paces())
            || (!self.kernel.is_poisoned() && team.give_blocks_back(&self.kernel).is_ok())
    }

    /// Gives unspent blocks back and closes the store. A poisoned engine writes nothing more: its
    /// blocks count as spent.
    pub(crate) fn shut_down(&self) -> Result<(), Error> {
        if self.kernel.shut() {
            return Ok(());
        }
        let began = Instant::now();
        let closed = self.end();
        logs::closed(self, began, &closed);
        closed
    }
}

impl Engine {
    /// Ends what runs, keeps what is to be kept, and closes the store.
    fn end(&self) -> Result<(), Error> {
        self.kernel.notifier.notify();
        if let Some(shared) = self.kernel.backend.shared() {
            shared.wake_waiting();
        }
        self.drawer.end();
        self.background.end();
        // Other processes may go on: what is given back relies on the versions of its records
        // alone.
        let _guard = self.kernel.writer.lock();
        let kept = if self.kernel.is_poisoned() {
            Ok(())
        } else {
            self.keep_at_the_end()
        };
        let closed = self.kernel.backend.close().map_err(Error::from);
        kept.and(closed)
    }

    /// What was drawn and is not spent, and what time it is.
    fn keep_at_the_end(&self) -> Result<(), Error> {
        self.views
            .cells
            .teams()
            .iter()
            .try_for_each(|team| team.give_blocks_back(&self.kernel))?;
        let Some(record) = self.kernel.clock.last_record() else {
            return Ok(());
        };
        let mut tx = self.kernel.tx();
        tx.put(keys::clock(), &record)?;
        match tx.finish().0.map(|batch| self.kernel.commit_batch(&batch)) {
            Some(Err(CommitError::Store(error))) => Err(error.into()),
            // Another process knows it as well.
            _ => Ok(()),
        }
    }
}

/// The key of the tokens. The store remembers its fingerprint: with another key every link that was
/// sent would be dead.
fn token_key(path: &Path, options: &OpenOptions, backend: &dyn Backend) -> Result<TokenKey, Error> {
    // A key depends on no instant.
    let mut tx = Tx::new(backend, 0);
    if tx.has(&keys::copying())? {
        return Err(Error::corrupt(
            "The copy that was being made here was cut off; remove it, and copy the store again.",
        ));
    }
    let known: Option<String> = tx.get(&keys::token_key())?;
    let key = match (&options.token_key, options.seed) {
        (Some(given), _) => TokenKey::new(given.bytes()),
        // Whatever the seed is: a store that is opened again needs new ids, and the tokens that it
        // had.
        (None, Some(_)) => TokenKey::of_tests(),
        (None, None) => {
            let key = tenantry_store::token_key(&At::new(path), known.is_none());
            TokenKey::beside(key.map_err(|error| match error {
                error @ StoreError::Invalid { .. } => Error::from(error).at("/token_key"),
                error => error.into(),
            })?)
        }
    };
    match known {
        Some(known) if known == key.fingerprint() => {}
        Some(_) if options.token_key.is_some() || options.seed.is_some() => {
            return Err(Error::invalid(
                "/token_key",
                "The store was made with another token key; open it with that one.",
            ));
        }
        Some(_) => {
            return Err(Error::corrupt(
                "The token key beside the store is not the one that it was made with; restore that \
                 one.",
            ));
        }
        None => {
            tx.put(keys::token_key(), &key.fingerprint())?;
            if let (Some(batch), _) = tx.finish() {
                match backend.commit(&batch) {
                    Ok(version) => backend.sync(version).map_err(Error::from)?,
                    // Another process has opened it first: its key is known now.
                    Err(CommitError::Conflict) => return token_key(path, options, backend),
                    Err(CommitError::Store(error)) => return Err(error.into()),
                }
            }
        }
    }
    Ok(key)
}

impl Drop for Engine {
    fn drop(&mut self) {
        if self.kernel.is_forked() {
            // The threads of sled do not exist here: dropping it would wait for them for ever.
            self.kernel.backend.abandon();
        } else {
            self.drawer.end();
            self.background.end();
        }
    }
}
