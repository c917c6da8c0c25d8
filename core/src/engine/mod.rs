//! Joins the rules and the store: loads facts, asks the rules, commits one batch, keeps the read
//! model, owns the clock.

pub(crate) mod alerts;
pub(crate) mod allowance;
mod audit;
pub(crate) mod authority;
pub(crate) mod background;
mod chores;
mod drawer;
mod due;
mod future;
mod gone;
#[cfg(test)]
mod holders_tests;
mod indexes;
#[cfg(test)]
mod interleaving_tests;
pub(crate) mod meters;
pub(crate) mod operation;
#[cfg(test)]
mod phantom_tests;
mod pruning;
#[cfg(test)]
mod readers_tests;
#[cfg(test)]
mod reads_tests;
#[cfg(test)]
mod scale_tests;
pub(crate) mod sessions;
#[cfg(test)]
mod simulation_tests;
#[cfg(test)]
mod steps_tests;
#[cfg(test)]
mod tests;
pub(crate) mod trials;
pub(crate) mod view;
pub(crate) mod views;

use crate::api::operation::Effect;
use crate::auth::Auth;
use crate::auth::token::TokenKey;
use crate::domain::reservations;
use crate::engine::background::Background;
use crate::engine::drawer::Drawer;
use crate::engine::meters::Team;
use crate::engine::operation::Operation;
use crate::engine::trials::Trials;
use crate::engine::view::AccountCell;
use crate::engine::views::Views;
use crate::error::{Code, Error};
use crate::kernel::page::Reader;
use crate::kernel::{Kernel, Lowered, Tx, keys, tx};
use crate::model::{
    Actor, AuditActor, Edition, EffectivePolicies, Id, OutboxMessage, PermissionTree, PolicyRecord,
    Reservation,
};
use crate::options::OpenOptions;
use crate::tables::accounts::account_line;
use crate::tables::roles::permission_tree;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use tenantry_store::{Backend, CommitError};

/// How often an operation runs again when others changed what it read.
const ROUNDS: usize = 16;

/// One open store. Handles share it.
pub(crate) struct Engine {
    pub(crate) kernel: Kernel,
    pub(crate) auth: Auth,
    pub(crate) views: Views,
    pub(crate) trials: Trials,
    drawer: Drawer,
    pub(crate) background: Background,
    /// Whether messages may be reserved: then what comes back is in the store alone.
    pub(crate) has_reserved: AtomicBool,
    /// Whether the store has it planned that what is over is cleared away.
    prunes: AtomicBool,
    /// Itself, for the thread that draws in the background.
    this: Weak<Engine>,
}

/// What an operation has written.
struct Committed<T> {
    answer: T,
    /// The number of the commit; where nothing was written, that of the last one before.
    version: u64,
    /// Whether something was written.
    is_new: bool,
    /// Reservations of which so many come back.
    returned: Vec<(Reservation, u64)>,
    /// Whose limits may be lower.
    lowered: BTreeSet<Lowered>,
    /// Accounts that are erased in further commits.
    jobs: BTreeSet<Id>,
}

/// What an operation runs with.
pub struct Ctx<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) actor: &'a Actor,
    pub(crate) now_ms: u64,
    pub(crate) tx: Tx<'a>,
    /// Who asked for what is done here, where that was another call.
    pub(crate) on_behalf: Option<AuditActor>,
}

impl<'a> Reader<'a> for Ctx<'a> {
    fn tx(&mut self) -> &mut Tx<'a> {
        &mut self.tx
    }
}

impl Ctx<'_> {
    /// The id that the host gave, or a new one. An id that was ever used for the same kind of thing
    /// is `id_taken`.
    pub(crate) fn new_id(
        &mut self,
        given: Option<Id>,
        letter: u8,
        key_of: impl Fn(&Id) -> Vec<u8>,
        kind: &str,
    ) -> Result<Id, Error> {
        let ids = &self.engine.kernel.ids;
        let id = match given {
            Some(id) => id,
            None => {
                let id = ids.next(self.now_ms)?;
                if ids.are_new() {
                    self.tx.is_new(&id);
                }
                id
            }
        };
        if self.tx.has(&key_of(&id))? || self.tx.has(&keys::tombstone(letter, &id))? {
            return Err(Error::new(
                Code::IdTaken,
                format!("The id `{id}` is, or was, that of another {kind}; choose a new one."),
            )
            .at("/id"));
        }
        Ok(id)
    }

    /// The policies that count for an account, or for the platform (R-PLT-3).
    pub(crate) fn policies(&mut self, account: Option<&Id>) -> Result<EffectivePolicies, Error> {
        self.policy_levels(account)
            .map(|levels| crate::rules::policy::effective(&levels))
    }

    fn policy_levels(&mut self, account: Option<&Id>) -> Result<Vec<PolicyRecord>, Error> {
        let mut levels = Vec::new();
        if let Some(id) = account {
            for above in account_line(&mut self.tx, id)? {
                levels.extend(
                    self.tx
                        .get::<PolicyRecord>(&keys::policy(Some(&above.id)))?,
                );
            }
        }
        levels.extend(self.tx.get::<PolicyRecord>(&keys::policy(None))?);
        Ok(levels)
    }

    /// Whether credits and reserves are included for an account, or for the platform (R-PLT-1).
    pub(crate) fn includes_credits(&mut self, account: Option<&Id>) -> Result<bool, Error> {
        let edition = self.engine.kernel.edition;
        Ok(crate::rules::policy::includes_credits(
            edition,
            &self.policy_levels(account)?,
        ))
    }

    /// Refuses what belongs to credits where these are not included.
    pub(crate) fn require_credits(
        &mut self,
        account: Option<&Id>,
        field: &str,
    ) -> Result<(), Error> {
        if self.includes_credits(account)? {
            Ok(())
        } else {
            self.require_licence(field)
        }
    }

    /// What belongs to the commercial edition is refused under the standard one (R-PLT-1).
    pub(crate) fn require_licence(&self, field: &str) -> Result<(), Error> {
        match self.engine.kernel.edition {
            Edition::Commercial => Ok(()),
            Edition::Standard => Err(Error::new(
                Code::FeatureNotLicensed,
                format!(
                    "`{}` needs the commercial edition; leave it out, or open the store with that \
                     edition.",
                    field.trim_start_matches('/')
                ),
            )
            .at(field)),
        }
    }

    /// Puts a message into the outbox, in the same commit as its cause (R-OUT-1).
    pub(crate) fn tell_host(&mut self, message: &OutboxMessage) -> Result<(), Error> {
        self.tx.tell_host(message)
    }

    /// Who is remembered as having done it.
    pub(crate) fn audit_actor(&self) -> AuditActor {
        let asked = self.on_behalf.clone();
        asked.unwrap_or_else(|| AuditActor::from(self.actor))
    }

    pub(crate) fn tree(&self) -> Arc<PermissionTree> {
        self.engine.views.tree.load_full()
    }
}

impl Engine {
    pub(crate) fn open(path: &Path, options: &OpenOptions) -> Result<Arc<Engine>, Error> {
        let backend = if path.as_os_str() == ":memory:" {
            tenantry_store::memory()?
        } else {
            let sled = tenantry_store::SledOptions {
                cache_bytes: options.cache_mib << 20,
                create: options.create,
            };
            tenantry_store::sled(path, &sled)?
        };
        Engine::on(backend, path, options)
    }

    fn on(
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
        indexes::bring_up_to_date(&engine)?;
        engine.resume()?;
        engine.has_reserved.store(
            reservations::are_open(&mut engine.kernel.tx())?,
            Ordering::Release,
        );
        Ok(engine)
    }

    /// Runs an operation as an actor.
    pub(crate) fn run<O: Operation>(&self, actor: &Actor, request: O) -> Result<O::Answer, Error> {
        match O::EFFECT {
            Effect::Read => {
                let (answer, version) = self.read(actor, request)?;
                self.kernel.wait_until_shown_is_durable(version)?;
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
                let answer = self.settle(committed)?;
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
        let (_reading, snapshot) = self.kernel.begin_reading();
        let mut ctx = self.reading(actor);
        self.authorise(&mut ctx, O::CONTRACT, request.account())?;
        Ok((request.run(&mut ctx)?, snapshot.version()))
    }

    pub(crate) fn ctx<'a>(&'a self, actor: &'a Actor) -> Ctx<'a> {
        self.with(actor, self.kernel.tx())
    }

    /// What only reads, all of it after the same commit.
    pub(crate) fn reading<'a>(&'a self, actor: &'a Actor) -> Ctx<'a> {
        self.with(actor, self.kernel.reading())
    }

    fn with<'a>(&'a self, actor: &'a Actor, tx: Tx<'a>) -> Ctx<'a> {
        Ctx {
            engine: self,
            actor,
            now_ms: tx.now_ms,
            tx,
            on_behalf: None,
        }
    }

    /// Runs an operation that writes.
    fn write<O: Operation>(
        &self,
        actor: &Actor,
        request: O,
    ) -> Result<Committed<O::Answer>, Error> {
        let _alone = self.kernel.writer.lock();
        self.commit(actor, Some(O::NAME), |ctx| {
            self.authorise(ctx, O::CONTRACT, request.account())?;
            request.clone().run(ctx)
        })
    }

    /// Runs and commits, for whoever holds the lock of the writer; another that changed the same
    /// records first makes it run again. What it changed is remembered as the work of an operation,
    /// where one is named.
    fn commit<T>(
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
            let (batch, touched) = ctx.tx.finish();
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
            let committed = self.kernel.commit_batch(&batch);
            match committed {
                Ok(version) => {
                    self.look_again_at(&touched)?;
                    return Ok(Committed {
                        answer,
                        version,
                        is_new: true,
                        returned: touched.returned,
                        lowered: touched.lowered,
                        jobs: touched.jobs,
                    });
                }
                Err(CommitError::Conflict) => {}
                Err(CommitError::Store(error)) => {
                    return Err(self.kernel.store_failure(error.into()));
                }
            }
        }
        Err(Error::busy(
            "Others keep changing the same records; try again.",
        ))
    }

    /// Commits something beside an operation that charges meters or hashes passwords. What happens
    /// with every send is not remembered: it names no operation.
    pub(crate) fn commit_beside<T>(
        &self,
        actor: &Actor,
        operation: Option<&str>,
        run: impl Fn(&mut Ctx<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let committed = {
            let _alone = self.kernel.writer.lock();
            self.commit(actor, operation, run)?
        };
        self.settle(committed)
    }

    /// Waits until a commit is durable. Only then what it ended comes back: after a crash it would
    /// come back once more.
    fn settle<T>(&self, committed: Committed<T>) -> Result<T, Error> {
        if committed.is_new {
            self.kernel.wait_until_durable(committed.version)?;
        } else {
            self.kernel.wait_until_shown_is_durable(committed.version)?;
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

    pub(crate) fn look_again_at(&self, touched: &tx::Touched) -> Result<(), Error> {
        if touched.permission_tree {
            self.views
                .tree
                .store(Arc::new(permission_tree(&mut self.kernel.tx())?));
        }
        self.auth.sessions.forget(&touched.sessions);
        self.auth.api_keys.forget(&touched.api_keys);
        for (role, candidate) in &touched.trials {
            self.trials
                .begin(role, candidate.as_ref(), self.kernel.clock.now_ms());
        }
        for account in &touched.accounts {
            self.views.cells.touch(account);
        }
        if touched.everything {
            self.views.touch_everything();
        }
        if touched.meters {
            self.views
                .cells
                .teams()
                .iter()
                .try_for_each(|team| self.give_blocks_back(team))?;
        }
        if !touched.jobs.is_empty() {
            self.background.begins();
        }
        for account in &touched.gone {
            // The accounts that were below it may go on in a tree of their own, which knows nothing
            // of these blocks.
            let cell = self.views.cells.get(account.as_str());
            self.views.cells.remove(account);
            if let Some(view) = cell.and_then(|cell| cell.last_view()) {
                self.give_blocks_back(&view.team)?;
            }
        }
        if let Some(at_ms) = touched.due_ms {
            self.kernel
                .clock
                .next_due_ms
                .fetch_min(at_ms, Ordering::AcqRel);
            self.kernel.notifier.notify();
        }
        if let Some(at_ms) = touched.forget_ms {
            self.forget_at(at_ms);
        }
        Ok(())
    }

    /// The account in memory.
    pub(crate) fn cell(&self, id: &Id) -> Result<Arc<AccountCell>, Error> {
        match self.views.cells.get(id.as_str()) {
            Some(cell) => Ok(cell),
            None if self.is_leaving(id)? => Err(Error::not_found("account", id.as_str())),
            None if self.kernel.backend.get(&keys::account(id))?.is_some() => {
                Ok(self.views.cells.get_or_insert(self, id))
            }
            // It was deleted since the snapshot that is read here, and nobody else needs it.
            None if self.kernel.seen_here().get(&keys::account(id))?.is_some() => {
                Ok(self.views.cells.apart(id))
            }
            None => Err(Error::not_found("account", id.as_str())),
        }
    }

    /// The account in memory, by a text that may not even be an id.
    pub(crate) fn cell_by_text(&self, id: &str) -> Result<Arc<AccountCell>, Error> {
        match self.views.cells.get(id) {
            Some(cell) => Ok(cell),
            None => self.cell(&Id::new(id).map_err(|error| Error::invalid("/account", error))?),
        }
    }

    /// Whether what only the memory of a team knew is in the store, so that it can go.
    pub(crate) fn puts_down(&self, team: &Team) -> bool {
        (team.is_idle() && !team.has_paces())
            || (!self.kernel.is_poisoned() && self.give_blocks_back(team).is_ok())
    }

    /// Gives unspent blocks back and closes the store. A poisoned engine writes nothing more: its
    /// blocks count as spent.
    pub(crate) fn shut_down(&self) -> Result<(), Error> {
        if self.kernel.shut() {
            return Ok(());
        }
        self.kernel.notifier.notify();
        self.drawer.end();
        self.background.end();
        let _alone = self.kernel.writer.lock();
        let kept = if self.kernel.is_poisoned() {
            Ok(())
        } else {
            self.keep_at_the_end()
        };
        let closed = self.kernel.backend.close().map_err(Error::from);
        kept.and(closed)
    }
}

impl Engine {
    /// What was drawn and is not spent, and what time it is.
    fn keep_at_the_end(&self) -> Result<(), Error> {
        self.views
            .cells
            .teams()
            .iter()
            .try_for_each(|team| self.give_blocks_back(team))?;
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
    let known = tx
        .get::<indexes::About>(&keys::token_key())?
        .map(|about| about.token_key);
    let key = match (&options.token_key, options.seed) {
        (Some(given), _) => TokenKey::new(given.bytes()),
        // Whatever the seed is: a store that is opened again needs new ids, and the tokens that it
        // had.
        (None, Some(_)) => TokenKey::of_tests(),
        (None, None) if path.as_os_str() == ":memory:" => TokenKey::random()?,
        (None, None) => TokenKey::new(tenantry_store::token_key(path, known.is_none())?),
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
            tx.put(
                keys::token_key(),
                &indexes::About {
                    token_key: key.fingerprint(),
                    indexes: indexes::VERSION,
                },
            )?;
            if let (Some(batch), _) = tx.finish() {
                let version = backend.commit(&batch).map_err(|error| match error {
                    CommitError::Conflict => {
                        Error::busy("Another process opens the store; try again.")
                    }
                    CommitError::Store(error) => error.into(),
                })?;
                backend.sync(version).map_err(Error::from)?;
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
