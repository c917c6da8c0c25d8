//! What a transaction makes out of date in memory, and what follows once it is committed.

use super::Tx;
use super::changes::Lowered;
use super::note::{self, Erased, Job};
use crate::model::{Id, Reservation};

impl Tx<'_> {
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

    /// The counters of this account are to be read anew once this is committed, and the host is
    /// told where that reaches a threshold.
    pub(crate) fn recount(&mut self, account: &Id) {
        self.changes.note.counted.insert(account.clone());
        // Whoever does not know of that prepares anew.
        self.invalidate_account(account);
        self.recheck_limits(Lowered::Counters(account.clone()));
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
}
