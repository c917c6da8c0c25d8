//! The way in for every call: closed, forked and poisoned handles are refused here, and panics are
//! caught.

use crate::access::state::Engine;
use crate::api::operation::Effect;
use crate::error::{Code, Error};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a handle shares with everything that was prepared from it.
pub(crate) struct Guard {
    closed: AtomicBool,
    pub(crate) engine: Arc<Engine>,
}

impl Guard {
    pub(crate) fn new(engine: Arc<Engine>) -> Guard {
        Guard {
            closed: AtomicBool::new(false),
            engine,
        }
    }

    /// Marks the handle as closed; answers whether it was open until now.
    pub(crate) fn close(&self) -> bool {
        !self.closed.swap(true, Ordering::AcqRel)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Runs a call. A panic is answered with `internal`, and the handle can no longer write.
    #[inline]
    pub(crate) fn enter<T>(
        &self,
        effect: Effect,
        call: impl FnOnce(&Engine) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let has_more = self.needs_check();
        if has_more {
            self.refuse_unusable(effect)?;
        }
        let call = || {
            if has_more {
                self.engine.catch_up()?;
            }
            self.engine.carry_out_due()?;
            self.engine.maintain_inline()?;
            let answer = call(&self.engine)?;
            // A process may be stopped at any instant, for longer than it counts as one of those
            // that have the store.
            if has_more && effect != Effect::Write {
                self.engine.kernel.refuse_stale()?;
            }
            Ok(answer)
        };
        contain(call, || self.engine.kernel.poison())
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
        let has_more = self.needs_check();
        if has_more {
            self.refuse_unusable(effect)?;
            if self.engine.kernel.is_behind() {
                return Ok(None);
            }
        }
        let call = || {
            if self.engine.has_due() {
                Ok(None)
            } else {
                let answer = call(&self.engine)?;
                if has_more {
                    self.engine.kernel.refuse_stale()?;
                }
                Ok(Some(answer))
            }
        };
        contain(call, || self.engine.kernel.poison())
    }

    /// Whether there is more to look at than what is asked for.
    #[inline]
    fn needs_check(&self) -> bool {
        self.closed.load(Ordering::Acquire)
            || self.engine.kernel.is_forked()
            || self.engine.kernel.needs_check()
    }

    fn refuse_unusable(&self, effect: Effect) -> Result<(), Error> {
        // Forked comes first: in a child even closing is the parent's business.
        if self.engine.kernel.is_forked() {
            return Err(Error::new(
                Code::Forked,
                "The store was opened before this process was forked; open it after the fork.",
            ));
        }
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::new(
                Code::Closed,
                "The handle was closed; open the store again.",
            ));
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
