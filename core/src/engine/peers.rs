//! What a commit changes in memory: in this process, and in every other that has the store open.
//!
//! A commit carries a [note](Note). Where several processes have the store, each call first looks
//! whether there is a note that is not applied yet, and applies it before it does anything else: so
//! what one process has acknowledged, the next call in any other decides by. Whoever writes looks
//! once more when it has the lock.

use crate::access::state::Engine;
use crate::error::Error;
use crate::kernel::{Note, Writing, due, keys};
use crate::model::{Account, Id};
use crate::tables::roles::permission_tree;
use crate::tables::{deletions, replacements, reservations};
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tenantry_store::Batch;

/// So long after it was begun others see to work that may have been cut off.
const SEEN_TO_AFTER_MS: u64 = 60_000;
/// Longest that who listens sleeps, to look whether the store is still open.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

impl Engine {
    /// The lock of the writer; what others have committed before is applied.
    pub(crate) fn lock_writer(&self) -> Result<Writing<'_>, Error> {
        let writing = self.kernel.write()?;
        self.catch_up()?;
        Ok(writing)
    }

    /// Applies what other processes have committed so far. Whoever calls draws for no team.
    pub(crate) fn catch_up(&self) -> Result<(), Error> {
        if !self.kernel.is_behind() {
            return Ok(());
        }
        self.kernel.get_in_touch(|| {
            let teams = self.views.cells.teams();
            teams.iter().for_each(|team| team.burn_blocks());
            self.forget_everything()
        })?;
        self.kernel.apply_notes(|note| match note {
            Some(note) => self.apply(note),
            None => self.forget_everything(),
        })
    }

    /// Something was committed here.
    pub(super) fn has_changed(&self, note: &Note, batch: &Batch) -> Result<(), Error> {
        match batch.note.is_empty() {
            true => self.apply(note),
            // It is read as the others read it, after what they have committed meanwhile. It is
            // committed: where it cannot be read, the next call is told, and not whoever made it.
            false => {
                let _ = self.catch_up();
                Ok(())
            }
        }
    }

    /// What a note says holds from here on.
    pub(crate) fn apply(&self, note: &Note) -> Result<(), Error> {
        if note.permission_tree {
            let tree = permission_tree(&mut self.kernel.tx())?;
            self.views.tree.store(Arc::new(tree));
        }
        if note.replaces {
            self.kernel.begin_replacing();
        }
        self.apply_jobs(note);
        self.auth.sessions.forget(&note.sessions);
        self.auth.api_keys.forget(&note.api_keys);
        for (role, candidate) in &note.trials {
            self.trials
                .begin(role, candidate.as_ref(), self.kernel.clock.now_ms());
        }
        for account in &note.accounts {
            self.views.cells.invalidate(account);
        }
        if note.everything {
            self.views.invalidate_all();
        }
        if note.meters {
            self.give_all_blocks_back()?;
        }
        note.gone
            .iter()
            .try_for_each(|account| self.leave_account(account))?;
        self.plan(note);
        Ok(())
    }

    /// Work that takes more than one commit begins, or is done. Whoever has begun it makes its
    /// steps; others see to it later, where that one is no more.
    fn apply_jobs(&self, note: &Note) {
        if note.jobs {
            self.background.begins();
            if self.kernel.is_shared() {
                self.forget_at(self.kernel.clock.now_ms().saturating_add(SEEN_TO_AFTER_MS));
            }
        }
        if !note.ended.is_empty() {
            self.background.have_ended(&note.ended);
        }
    }

    /// What a note brings about.
    fn plan(&self, note: &Note) {
        if note.reserves {
            self.has_reserved.store(true, Ordering::Release);
        }
        if note.prunes {
            self.prunes.store(true, Ordering::Release);
        }
        if let Some(at_ms) = note.due_ms {
            self.kernel.due_at(at_ms);
        }
        if let Some(at_ms) = note.forget_ms {
            self.forget_at(at_ms);
        }
        if note.messages {
            self.kernel.notifier.notify();
        }
    }

    fn give_all_blocks_back(&self) -> Result<(), Error> {
        // Of an engine that has failed they count as spent.
        if self.kernel.is_poisoned() {
            return Ok(());
        }
        let teams = self.views.cells.teams();
        teams
            .iter()
            .try_for_each(|team| team.give_blocks_back(&self.kernel))
    }

    /// The account is no more.
    fn leave_account(&self, account: &Id) -> Result<(), Error> {
        // The accounts that were below it may go on in a tree of their own, which knows nothing of
        // these blocks.
        let cell = self.views.cells.get(account.as_str());
        self.views.cells.remove(account);
        match cell.and_then(|cell| cell.last_view()) {
            Some(view) if !self.kernel.is_poisoned() => view.team.give_blocks_back(&self.kernel),
            _ => Ok(()),
        }
    }

    /// Nobody can tell what was committed: nothing that is kept in memory is believed any more.
    fn forget_everything(&self) -> Result<(), Error> {
        let mut tx = self.kernel.tx();
        let note = Note {
            everything: true,
            permission_tree: true,
            meters: true,
            gone: self.accounts_gone()?,
            due_ms: Some(due::next(&mut tx)?),
            forget_ms: Some(due::first(&mut tx, keys::FORGET)?),
            jobs: deletions::are_under_way(&mut tx)? || replacements::are_under_way(&mut tx)?,
            messages: true,
            reserves: reservations::are_open(&mut tx)?,
            replaces: true,
            ..Note::default()
        };
        self.auth.sessions.forget_all();
        self.auth.api_keys.forget_all();
        self.trials.forget_all();
        self.apply(&note)
    }

    /// Which of the accounts in memory are no more.
    fn accounts_gone(&self) -> Result<BTreeSet<Id>, Error> {
        let mut gone = BTreeSet::new();
        for id in self.views.cells.ids() {
            let account: Option<Account> = self.kernel.tx().get(&keys::account(&id))?;
            if account.is_none_or(|account| account.leaving) {
                gone.insert(id);
            }
        }
        Ok(gone)
    }

    /// From here on messages that other processes commit wake those who wait for them.
    pub(crate) fn listen(&self) {
        let is_listening = &self.kernel.notifier.is_listening;
        if !self.kernel.is_shared() || is_listening.swap(true, Ordering::AcqRel) {
            return;
        }
        let this = self.this.clone();
        let started = std::thread::Builder::new()
            .name("tenantry-listen".to_owned())
            .spawn(move || listen(&this));
        is_listening.store(started.is_ok(), Ordering::Release);
    }
}

/// Wakes those who wait whenever there is a note; whoever wakes applies it.
fn listen(engine: &Weak<Engine>) {
    let mut heard = 0;
    // Gone when the last handle was dropped without closing.
    while let Some(engine) = engine.upgrade().filter(|engine| !engine.kernel.is_shut()) {
        let Some(shared) = engine.kernel.backend.shared() else {
            return;
        };
        shared.wait_for_note(heard, LONGEST_SLEEP);
        let noted = shared.noted().load(Ordering::Acquire);
        if noted > heard {
            heard = noted;
            engine.kernel.notifier.notify();
        }
    }
}
