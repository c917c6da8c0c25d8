//! Where every call comes in: closed, forked and poisoned handles end here, and so do panics.

use crate::api::operation::Effect;
use crate::engine::Engine;
use crate::error::{Code, Error};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a handle and everything that was prepared from it share.
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

    /// Marks the handle as closed; whether it was open until now.
    pub(crate) fn close(&self) -> bool {
        !self.closed.swap(true, Ordering::AcqRel)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Runs a call. A panic becomes `internal` and leaves the handle without the right to write.
    #[inline]
    pub(crate) fn enter<T>(
        &self,
        effect: Effect,
        call: impl FnOnce(&Engine) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.refuse_unusable(effect)?;
        let call = || {
            self.engine.carry_out_due()?;
            self.engine.help_out()?;
            call(&self.engine)
        };
        contain(call, || self.engine.kernel.poison())
    }

    /// As [`enter`](Guard::enter) for a call that does not wait for the disk; none where something
    /// is due, which another call is to carry out.
    #[inline]
    pub(crate) fn enter_at_once<T>(
        &self,
        effect: Effect,
        call: impl FnOnce(&Engine) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        self.refuse_unusable(effect)?;
        let call = || {
            if self.engine.has_due() {
                Ok(None)
            } else {
                call(&self.engine).map(Some)
            }
        };
        contain(call, || self.engine.kernel.poison())
    }

    #[inline]
    fn refuse_unusable(&self, effect: Effect) -> Result<(), Error> {
        if self.closed.load(Ordering::Acquire)
            || self.engine.kernel.is_forked()
            || self.engine.kernel.is_poisoned()
        {
            self.refuse(effect)?;
        }
        Ok(())
    }

    #[cold]
    fn refuse(&self, effect: Effect) -> Result<(), Error> {
        // Forked comes first: in a child even closing is the parent's business.
        if self.engine.kernel.is_forked() {
            return Err(Error::new(
                Code::Forked,
                "the store was opened before a fork; open it after forking, not before",
            ));
        }
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::new(Code::Closed, "the handle was closed"));
        }
        if self.engine.kernel.is_poisoned() && effect != Effect::Read {
            return Err(Error::new(
                Code::Poisoned,
                "the handle refuses writes after a panic or a failure of the store; open the store \
                 anew",
            ));
        }
        Ok(())
    }
}

/// Runs a call that has no handle yet, or none any more. A panic becomes `internal`.
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
            Err(Error::new(
                Code::Internal,
                "a defect in tenantry stopped the call; open the store anew",
            ))
        }
    }
}
