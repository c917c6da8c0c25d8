//! The way in for every call: closed, forked and poisoned handles are refused here, and panics are
//! caught.

use crate::access::state::Engine;
use crate::api::operation::Effect;
use crate::error::{Code, Error};
use crate::model::Count;
use crate::options::{ManualClock, OpenOptions};
use crate::registry;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use tenantry_store::At;

/// What a handle shares with everything that was prepared from it.
pub(crate) struct Guard {
    closed: AtomicBool,
    pub(crate) engine: Arc<Engine>,
    /// How the store was opened; the path does not depend on the current folder.
    path: PathBuf,
    options: OpenOptions,
    /// In a forked child: the same store, opened anew.
    in_child: OnceLock<Arc<Guard>>,
}

impl Guard {
    pub(crate) fn open(path: &Path, options: &OpenOptions) -> Result<Guard, Error> {
        let engine = contained(|| registry::open(path, options))?;
        // Where there is no current folder only a relative path cannot be made absolute, and such
        // a path has just been opened.
        let path = At::new(path).absolute().unwrap_or_else(|_| path.into());
        Ok(Guard::new(engine, path, options))
    }

    #[cfg(test)]
    pub(crate) fn of_engine_for_tests(engine: Arc<Engine>) -> Guard {
        Guard::new(engine, ":memory:".into(), &OpenOptions::default())
    }

    fn new(engine: Arc<Engine>, path: PathBuf, options: &OpenOptions) -> Guard {
        Guard {
            closed: AtomicBool::new(false),
            engine,
            path,
            options: options.clone(),
            in_child: OnceLock::new(),
        }
    }

    /// Marks the handle as closed, and closes the store if it was the last handle of it. In a
    /// forked child it closes what was opened there, and leaves alone what is the parent's.
    pub(crate) fn close(&self) -> Result<(), Error> {
        let is_forked = self.engine.kernel.is_forked();
        if is_forked && !self.engine.kernel.is_shared() {
            return Err(forked());
        }
        let was_open = !self.closed.swap(true, Ordering::AcqRel);
        match self.in_child.get() {
            Some(own) if is_forked => own.close(),
            None if was_open && !is_forked => {
                self.engine.kernel.wake_waiting();
                contained(|| registry::close(&self.engine))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// This guard, or in a forked child that of the store as it is open there.
    pub(crate) fn here(self: &Arc<Guard>) -> Result<&Arc<Guard>, Error> {
        match self.in_child()? {
            Some(own) => own.here(),
            None => Ok(self),
        }
    }

    /// In a forked child: the same store, opened with the first call, as any other process would.
    /// Only one that several processes may have can be.
    #[cold]
    pub(crate) fn in_child(&self) -> Result<Option<&Arc<Guard>>, Error> {
        let kernel = &self.engine.kernel;
        if !kernel.is_forked() {
            return Ok(None);
        }
        if let Some(own) = self.in_child.get() {
            return Ok(Some(own));
        }
        if !kernel.is_shared() {
            return Err(forked());
        }
        if self.is_closed() {
            return Err(closed());
        }
        let own = Guard::open(&self.path, &self.options_in_child())?;
        if let Err(second) = self.in_child.set(Arc::new(own)) {
            // Another thread was faster.
            second.close()?;
        }
        Ok(self.in_child.get())
    }

    fn options_in_child(&self) -> OpenOptions {
        let mut options = self.options.clone();
        options.create = false;
        // The time that the host has set by now.
        if options.clock.is_some() {
            let now_ms = Count::new(self.engine.kernel.clock.now_ms());
            options.clock = now_ms.ok().map(ManualClock::new);
        }
        options
    }

    /// Runs a call. A panic is answered with `internal`, and the handle can no longer write. A
    /// forked child runs it on the store as it is open there.
    #[inline]
    pub(crate) fn enter<T>(
        &self,
        effect: Effect,
        call: impl FnOnce(&Engine) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let needs_check = self.needs_check();
        let guard = match needs_check {
            true => self.usable(effect)?,
            false => self,
        };
        let engine = &*guard.engine;
        let call = || {
            if needs_check {
                engine.catch_up()?;
            }
            engine.carry_out_due()?;
            engine.maintain_inline()?;
            let answer = call(engine)?;
            // A process may be stopped at any instant, for longer than it counts as one of those
            // that have the store.
            if needs_check && effect != Effect::Write {
                engine.kernel.refuse_stale()?;
            }
            Ok(answer)
        };
        contain(call, || engine.kernel.poison())
    }

    /// Like [`enter`](Guard::enter), for a call that does not wait for the disk; it answers none
    /// when something is due that another call has to carry out, or was committed by another
    /// process and is not applied here yet.
    #[inline]
    pub(crate) fn enter_at_once<T>(
        &self,
        effect: Effect,
        call: impl FnOnce(&Engine) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let needs_check = self.needs_check();
        let guard = match needs_check {
            true => self.usable(effect)?,
            false => self,
        };
        guard.run_at_once(needs_check, call)
    }

    /// Runs a call of this process that does not wait for the disk; whoever calls has looked
    /// whether it [needs a check](Guard::needs_check), and whether the store can be used.
    #[inline]
    pub(crate) fn run_at_once<T>(
        &self,
        needs_check: bool,
        call: impl FnOnce(&Engine) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let engine = &*self.engine;
        if needs_check && engine.kernel.is_behind() {
            return Ok(None);
        }
        let call = || {
            if engine.has_due() {
                return Ok(None);
            }
            let answer = call(engine)?;
            if needs_check {
                engine.kernel.refuse_stale()?;
            }
            Ok(Some(answer))
        };
        contain(call, || engine.kernel.poison())
    }

    /// The engine and the instant, where there is nothing to look at but what is asked for: nothing
    /// is due, and the store can be used.
    #[inline]
    pub(crate) fn plain(&self) -> Option<(&Engine, u64)> {
        if self.needs_check() {
            return None;
        }
        let clock = &self.engine.kernel.clock;
        let now_ms = clock.now_ms();
        (now_ms < clock.next_due_ms.load(Ordering::Acquire)).then_some((&*self.engine, now_ms))
    }

    /// Runs a call for which there is nothing to check.
    #[inline]
    pub(crate) fn contained<T>(&self, call: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        contain(call, || self.engine.kernel.poison())
    }

    /// The guard that runs a call in this process, where it may be run.
    #[cold]
    fn usable(&self, effect: Effect) -> Result<&Guard, Error> {
        match self.in_child()? {
            Some(own) => own.usable(effect),
            None => self.refuse_unusable(effect).map(|()| self),
        }
    }

    /// Whether there is more to look at than what is asked for.
    #[inline]
    pub(crate) fn needs_check(&self) -> bool {
        self.closed.load(Ordering::Acquire)
            || self.engine.kernel.is_forked()
            || self.engine.kernel.needs_check()
    }

    pub(crate) fn refuse_unusable(&self, effect: Effect) -> Result<(), Error> {
        // Forked comes first: in a child even closing is the parent's business.
        if self.engine.kernel.is_forked() {
            return Err(forked());
        }
        if self.is_closed() {
            return Err(closed());
        }
        if self.engine.kernel.is_poisoned() && effect != Effect::Read {
            return Err(Error::new(
                Code::Poisoned,
                "The handle refuses writes after a panic or a failure of the store; open the store \
                 again.",
            ));
        }
        Ok(())
    }
}

fn forked() -> Error {
    Error::new(
        Code::Forked,
        "The store was opened before this process was forked; open it after the fork.",
    )
}

fn closed() -> Error {
    Error::new(Code::Closed, "The handle was closed; open the store again.")
}

/// Runs a call that has no handle yet, or no handle any more. A panic is answered with `internal`.
pub(crate) fn contained<T>(call: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    contain(call, || ())
}

#[inline]
fn contain<T>(
    call: impl FnOnce() -> Result<T, Error>,
    when_it_panics: impl FnOnce(),
) -> Result<T, Error> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(answer) => answer,
        Err(panic) => {
            when_it_panics();
            // The payload may hold anything, so the error does not repeat it; dropping it may
            // itself panic.
            std::mem::forget(panic);
            Err(Error::internal(
                "A defect in tenantry stopped the call; open the store again, and report the \
                 defect.",
            ))
        }
    }
}
