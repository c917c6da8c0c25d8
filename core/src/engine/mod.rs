//! Joins the rules and the store: loads facts, asks the rules, commits one batch, keeps the read
//! model, owns the clock.

pub(crate) mod alerts;
pub(crate) mod allowance;
pub(crate) mod at_hand;
mod audit;
pub(crate) mod authority;
mod bell;
mod drawer;
mod due;
mod future;
pub(crate) mod guesses;
pub(crate) mod hasher;
#[cfg(test)]
mod holders_tests;
mod indexes;
#[cfg(test)]
mod interleaving_tests;
pub(crate) mod meters;
#[cfg(test)]
mod phantom_tests;
#[cfg(test)]
mod scale_tests;
pub(crate) mod second_factor;
pub(crate) mod sessions;
#[cfg(test)]
mod simulation_tests;
#[cfg(test)]
mod tests;
mod throttle;
mod token;
pub(crate) mod trials;
pub(crate) mod view;

pub use crate::kernel::Tx;

pub(crate) use crate::kernel::{decode, keys};
pub(crate) use token::{SecretToken, ShownToken, Token, hash_bytes};

use crate::error::{Code, Error};
pub(crate) use crate::kernel::clock::check_instant;
use crate::kernel::clock::{Clock, IdSource};
use crate::kernel::{Lowered, tx};
use crate::model::{
    Actor, ApiKey, Edition, EffectivePolicies, Id, OutboxMessage, PermissionTree, PolicyRecord,
    Reservation, Session,
};
use crate::ops::{self, Effect, Operation};
use crate::options::{Durability, OpenOptions};
use crate::store::{Backend, Batch, CommitError};
use arc_swap::ArcSwap;
use at_hand::AtHand;
use bell::Bell;
use drawer::Drawer;
use hasher::Hasher;
use meters::Team;
use parking_lot::{Mutex, RecursiveRwLock};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use throttle::Throttle;
use token::TokenKey;
use trials::Trials;
use view::{AccountCell, Cells};

/// How often an operation runs again when others changed what it read.
const ROUNDS: usize = 16;

/// One open store. Handles share it.
pub(crate) struct Engine {
    pub(crate) backend: Box<dyn Backend>,
    pub(crate) clock: Clock,
    pub(crate) ids: IdSource,
    durability: Durability,
    pub(crate) edition: Edition,
    pub(crate) tokens: TokenKey,
    /// One operation writes at a time.
    writer: Mutex<()>,
    /// Held while a batch becomes visible, so that a reader sees all of it or nothing. Recursive: a
    /// reader that holds it builds views, which take it too.
    pub(crate) commits: RecursiveRwLock<()>,
    pub(crate) tree: ArcSwap<PermissionTree>,
    /// Raised by changes that any account may depend on: roles, packages, accounts with children.
    pub(crate) epoch: AtomicU64,
    pub(crate) cells: Cells,
    pub(crate) hasher: Hasher,
    pub(crate) throttle: Throttle,
    pub(crate) sessions: AtHand<Session>,
    pub(crate) api_keys: AtHand<ApiKey>,
    /// How long a session lasts that is not used, with the epoch that this was read at.
    session_idle: ArcSwap<(Option<u64>, u64)>,
    pub(crate) trials: Trials,
    drawer: Drawer,
    /// Whether messages may be reserved: then what comes back is in the store alone.
    pub(crate) has_reserved: AtomicBool,
    /// Wakes who waits for messages of the outbox.
    bell: Bell,
    /// Itself, for the thread that draws in the background.
    this: Weak<Engine>,
    shut: AtomicBool,
    poisoned: AtomicBool,
    fork_generation: u64,
}

/// What an operation has written.
struct Committed<T> {
    answer: T,
    /// The number of the commit; 0 where nothing was written.
    version: u64,
    /// Reservations of which so many come back.
    returned: Vec<(Reservation, u64)>,
    /// Whose limits may be lower.
    lowered: BTreeSet<Lowered>,
}

/// What an operation runs with.
pub struct Ctx<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) actor: &'a Actor,
    pub(crate) now_ms: u64,
    pub(crate) tx: Tx<'a>,
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
        let id = match given {
            Some(id) => id,
            None => self.engine.ids.next(self.now_ms)?,
        };
        if self.tx.has(&key_of(&id))? || self.tx.has(&keys::tombstone(letter, &id))? {
            return Err(Error::new(
                Code::IdTaken,
                format!("the id `{id}` is, or was, that of another {kind}"),
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
            for above in view::account_line(&mut self.tx, id)? {
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
        let edition = self.engine.edition;
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
        match self.engine.edition {
            Edition::Commercial => Ok(()),
            Edition::Standard => Err(Error::new(
                Code::FeatureNotLicensed,
                "this needs the commercial edition",
            )
            .at(field)),
        }
    }

    /// Puts a message into the outbox, in the same commit as its cause (R-OUT-1).
    pub(crate) fn tell_host(&mut self, message: &OutboxMessage) -> Result<(), Error> {
        self.tx.tell_host(message)
    }

    pub(crate) fn tree(&self) -> Arc<PermissionTree> {
        self.engine.tree.load_full()
    }
}

impl Engine {
    pub(crate) fn open(path: &Path, options: &OpenOptions) -> Result<Arc<Engine>, Error> {
        let backend = if path.as_os_str() == ":memory:" {
            crate::store::memory()?
        } else {
            let sled = crate::store::SledOptions {
                cache_bytes: options.cache_mib << 20,
                create: options.create,
            };
            crate::store::sled(path, &sled)?
        };
        Engine::on(backend, path, options)
    }

    fn on(
        backend: Box<dyn Backend>,
        path: &Path,
        options: &OpenOptions,
    ) -> Result<Arc<Engine>, Error> {
        let tokens = token_key(path, options, &*backend)?;
        let tree = view::permission_tree(&mut Tx::new(&*backend))?;
        let next_due_ms = due::first(&mut Tx::new(&*backend))?;
        let clock = match options.manual_clock_ms() {
            Some(now_ms) => Clock::manual(now_ms, next_due_ms),
            None => Clock::system(Tx::new(&*backend).get(&keys::clock())?, next_due_ms),
        };
        let engine = Arc::new_cyclic(|this| Engine {
            backend,
            trials: Trials::new(clock.now_ms()),
            clock,
            ids: match options.seed {
                Some(seed) => IdSource::Seeded(AtomicU64::new(seed)),
                None => IdSource::Random,
            },
            durability: options.durability,
            edition: options.edition,
            tokens,
            writer: Mutex::new(()),
            commits: RecursiveRwLock::new(()),
            tree: ArcSwap::from_pointee(tree),
            epoch: AtomicU64::new(meters::TRIED + 1),
            cells: Cells::new(options.cache_mib << 20),
            hasher: Hasher::new(options.peppers.clone()),
            throttle: Throttle::default(),
            sessions: AtHand::default(),
            api_keys: AtHand::default(),
            session_idle: ArcSwap::default(),
            drawer: Drawer::default(),
            has_reserved: AtomicBool::new(false),
            bell: Bell::default(),
            this: this.clone(),
            shut: AtomicBool::new(false),
            poisoned: AtomicBool::new(false),
            fork_generation: tenantry_fork::generation(),
        });
        indexes::bring_up_to_date(&engine)?;
        engine.has_reserved.store(
            ops::reservations::are_open(&mut Tx::new(&*engine.backend))?,
            Ordering::Release,
        );
        Ok(engine)
    }

    /// Runs an operation as an actor.
    pub(crate) fn run<O: Operation>(&self, actor: &Actor, request: O) -> Result<O::Answer, Error> {
        match O::EFFECT {
            Effect::Read => {
                let _whole = self.commits.read();
                let mut ctx = self.ctx(actor);
                self.authorise(&mut ctx, &request)?;
                request.run(&mut ctx)
            }
            Effect::Send => {
                let mut ctx = self.ctx(actor);
                self.authorise(&mut ctx, &request)?;
                request.run(&mut ctx)
            }
            Effect::Write => {
                let committed = self.write(actor, request)?;
                self.settle(committed)
            }
        }
    }

    pub(crate) fn ctx<'a>(&'a self, actor: &'a Actor) -> Ctx<'a> {
        Ctx {
            engine: self,
            actor,
            now_ms: self.clock.now_ms(),
            tx: Tx::new(&*self.backend),
        }
    }

    /// Runs an operation that writes.
    fn write<O: Operation>(
        &self,
        actor: &Actor,
        request: O,
    ) -> Result<Committed<O::Answer>, Error> {
        let _alone = self.writer.lock();
        self.commit(actor, Some(O::NAME), |ctx| {
            self.authorise(ctx, &request)?;
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
            self.refuse_when_shut()?;
            let mut ctx = self.ctx(actor);
            let answer = run(&mut ctx)?;
            if let Some(operation) = operation {
                audit::remember(&mut ctx, operation)?;
            }
            let (batch, touched) = ctx.tx.finish();
            let Some(batch) = batch else {
                return Ok(Committed {
                    answer,
                    version: 0,
                    returned: Vec::new(),
                    lowered: BTreeSet::new(),
                });
            };
            let committed = {
                let _visible_at_once = self.commits.write();
                self.commit_batch(&batch)
            };
            match committed {
                Ok(version) => {
                    self.look_again_at(&touched)?;
                    return Ok(Committed {
                        answer,
                        version,
                        returned: touched.returned,
                        lowered: touched.lowered,
                    });
                }
                Err(CommitError::Conflict) => {}
                Err(CommitError::Store(error)) => return Err(self.store_failure(error.into())),
            }
        }
        Err(Error::new(
            Code::Busy,
            "others keep changing the same records",
        ))
    }

    /// Commits, and wakes who waits for messages where there are some in it.
    fn commit_batch(&self, batch: &Batch) -> Result<u64, CommitError> {
        let committed = self.backend.commit(batch);
        if committed.is_ok()
            && batch
                .writes
                .iter()
                .any(|(key, _)| key.first() == Some(&keys::OUTBOX_NEXT))
        {
            self.bell.ring();
        }
        committed
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
            let _alone = self.writer.lock();
            self.commit(actor, operation, run)?
        };
        self.settle(committed)
    }

    /// Waits until a commit is durable. Only then what it ended comes back: after a crash it would
    /// come back once more.
    fn settle<T>(&self, committed: Committed<T>) -> Result<T, Error> {
        self.wait_until_durable(committed.version)?;
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
            self.tree.store(Arc::new(view::permission_tree(&mut Tx::new(
                &*self.backend,
            ))?));
        }
        self.sessions.forget(&touched.sessions);
        self.api_keys.forget(&touched.api_keys);
        for (role, candidate) in &touched.trials {
            self.trials
                .begin(role, candidate.as_ref(), self.clock.now_ms());
        }
        for account in &touched.accounts {
            self.cells.touch(account);
        }
        if touched.everything {
            self.epoch.fetch_add(1, Ordering::AcqRel);
        }
        if touched.meters {
            self.cells
                .teams()
                .iter()
                .try_for_each(|team| self.give_blocks_back(team))?;
        }
        for account in &touched.gone {
            // The accounts that were below it may go on in a tree of their own, which knows nothing
            // of these blocks.
            if let Some(view) = self
                .cells
                .get(account.as_str())
                .and_then(|cell| cell.last_view())
            {
                self.give_blocks_back(&view.team)?;
            }
            self.cells.remove(account);
        }
        if let Some(at_ms) = touched.due_ms {
            self.clock.next_due_ms.fetch_min(at_ms, Ordering::AcqRel);
            self.bell.ring();
        }
        Ok(())
    }

    /// The account in memory.
    pub(crate) fn cell(&self, id: &Id) -> Result<Arc<AccountCell>, Error> {
        match self.cells.get(id.as_str()) {
            Some(cell) => Ok(cell),
            None if self.backend.get(&keys::account(id))?.is_some() => {
                Ok(self.cells.get_or_insert(self, id))
            }
            None => Err(Error::not_found("account", id.as_str())),
        }
    }

    /// The account in memory, by a text that may not even be an id.
    pub(crate) fn cell_by_text(&self, id: &str) -> Result<Arc<AccountCell>, Error> {
        match self.cells.get(id) {
            Some(cell) => Ok(cell),
            None => self.cell(
                &Id::new(id)
                    .map_err(|error| Error::invalid("/account", format!("`account` {error}")))?,
            ),
        }
    }

    /// With full durability, returns once the commit survives a power loss.
    pub(crate) fn wait_until_durable(&self, version: u64) -> Result<(), Error> {
        if version == 0 || self.durability == Durability::Relaxed {
            return Ok(());
        }
        self.backend
            .sync(version)
            .map_err(|error| self.store_failure(error.into()))
    }

    /// After a failure of the store nothing more is written through this engine.
    pub(crate) fn store_failure(&self, error: Error) -> Error {
        self.poison();
        error
    }

    pub(crate) fn poison(&self) {
        self.poisoned.store(true, Ordering::Release);
    }

    #[inline]
    pub(crate) fn is_forked(&self) -> bool {
        self.fork_generation != tenantry_fork::generation()
    }

    #[inline]
    pub(crate) fn is_poisoned(&self) -> bool {
        self.poisoned.load(Ordering::Acquire)
    }

    pub(crate) fn is_shut(&self) -> bool {
        self.shut.load(Ordering::Acquire)
    }

    pub(crate) fn has_manual_clock(&self) -> bool {
        self.clock.is_manual()
    }

    pub(crate) fn refuse_when_shut(&self) -> Result<(), Error> {
        if self.is_shut() {
            Err(Error::new(Code::Closed, "the store was closed"))
        } else {
            Ok(())
        }
    }

    /// Whether what only the memory of a team knew is in the store, so that it can go.
    pub(crate) fn puts_down(&self, team: &Team) -> bool {
        !team.has_paces() || (!self.is_poisoned() && self.give_blocks_back(team).is_ok())
    }

    /// Gives unspent blocks back and closes the store. A poisoned engine writes nothing more: its
    /// blocks count as spent.
    pub(crate) fn shut_down(&self) -> Result<(), Error> {
        if self.shut.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.bell.ring();
        self.drawer.end();
        let _alone = self.writer.lock();
        let kept = if self.is_poisoned() {
            Ok(())
        } else {
            self.keep_at_the_end()
        };
        let closed = self.backend.close().map_err(Error::from);
        kept.and(closed)
    }
}

impl Engine {
    /// What was drawn and is not spent, and what time it is.
    fn keep_at_the_end(&self) -> Result<(), Error> {
        self.cells
            .teams()
            .iter()
            .try_for_each(|team| self.give_blocks_back(team))?;
        let Some(record) = self.clock.last_record() else {
            return Ok(());
        };
        let mut tx = Tx::new(&*self.backend);
        tx.put(keys::clock(), &record)?;
        match tx.finish().0.map(|batch| self.backend.commit(&batch)) {
            Some(Err(CommitError::Store(error))) => Err(error.into()),
            // Another process knows it as well.
            _ => Ok(()),
        }
    }
}

/// The key of the tokens. The store remembers its fingerprint: with another key every link that was
/// sent would be dead.
fn token_key(path: &Path, options: &OpenOptions, backend: &dyn Backend) -> Result<TokenKey, Error> {
    let mut tx = Tx::new(backend);
    let known = tx
        .get::<indexes::About>(&keys::token_key())?
        .map(|about| about.token_key);
    let key = match (&options.token_key, options.seed) {
        (Some(given), _) => TokenKey::new(given.bytes()),
        // Whatever the seed is: a store that is opened again needs new ids, and the tokens that it
        // had.
        (None, Some(_)) => TokenKey::of_tests(),
        (None, None) if path.as_os_str() == ":memory:" => TokenKey::random()?,
        (None, None) => TokenKey::new(crate::store::token_key(path, known.is_none())?),
    };
    match known {
        Some(known) if known == key.fingerprint() => {}
        Some(_) if options.token_key.is_some() || options.seed.is_some() => {
            return Err(Error::invalid(
                "/token_key",
                "the store was made with another token key",
            ));
        }
        Some(_) => {
            return Err(Error::new(
                Code::StoreCorrupt,
                "the token key beside the store is not the one that it was made with",
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
                        Error::new(Code::Busy, "another process opens the store")
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
        if self.is_forked() {
            // The threads of sled do not exist here: dropping it would wait for them for ever.
            self.backend.abandon();
        } else {
            self.drawer.end();
        }
    }
}
