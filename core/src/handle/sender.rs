//! Prepared sending.

use crate::access::state::Engine;
use crate::access::view::AccountCell;
use crate::api::operation::Effect;
use crate::domain::sending::require_own_key;
use crate::error::Error;
use crate::guard::Guard;
use crate::handle::from_memory::{FromMemory, decide_from_memory};
use crate::meters::allowance::Allowance;
use crate::meters::{Ask, InCommon, Prepared, check_count};
use crate::model::{Channel, Decision, Id, MessageInput};
use crate::options::ActingSender;
use crate::sending::decide::decide;
use arc_swap::ArcSwapOption;
use std::path::Path;
use std::sync::{Arc, OnceLock};

/// Prepared sending.
///
/// ```
/// # use tenantry::{OpenOptions, Tenantry};
/// # let t = Tenantry::open(":memory:", OpenOptions::default())?;
/// # for (operation, request) in [
/// #     ("packages.create", r#"{"id":"small","name":"Small","limits":{"email_per_day":2}}"#),
/// #     ("accounts.create", r#"{"id":"acme","name":"Acme","package":"small",
/// #         "owner":{"user":"ann","email":"ann@acme.example"}}"#),
/// # ] {
/// #     t.call_json(b"", operation.as_bytes(), request.as_bytes())?;
/// # }
/// let gate = t.sender("acme", Some("ann"))?;
/// assert_eq!(gate.admit(2)?.granted, 2);
/// assert!(gate.admit(1)?.refusal.is_some());
/// # Ok::<(), tenantry::Error>(())
/// ```
pub struct Sender {
    guard: Arc<Guard>,
    pub(super) path: Arc<Path>,
    pub(super) cell: Arc<AccountCell>,
    pub(super) sends: Sends,
    prepared: ArcSwapOption<Prepared>,
    allowance: Arc<Allowance>,
    in_common: InCommon,
    /// In a forked child: the same, prepared anew.
    in_child: OnceLock<Box<Sender>>,
}

/// What somebody sends, and how.
#[derive(Clone)]
pub(super) struct Sends {
    pub(super) user: Option<Id>,
    pub(super) channel: Channel,
    pub(super) message: MessageInput,
    /// How the user sends themself; none when the host sends.
    pub(super) acting: Option<Box<ActingSender>>,
}

impl Sender {
    pub(super) fn prepare(
        guard: &Arc<Guard>,
        path: &Arc<Path>,
        account: &str,
        sends: Sends,
    ) -> Result<Sender, Error> {
        let guard = guard.here()?;
        guard.enter(Effect::Read, |engine| {
            let cell = engine.cell_by_text(account)?;
            // The key that somebody acts with is looked at whenever it sends.
            if sends.acting.is_none() {
                let Sends { user, message, .. } = &sends;
                require_own_key(&mut engine.kernel.tx(), &cell.id, user.as_ref(), message)?;
            }
            Ok(Sender {
                guard: guard.clone(),
                path: path.clone(),
                cell,
                sends,
                prepared: ArcSwapOption::empty(),
                allowance: Arc::default(),
                in_common: InCommon::default(),
                in_child: OnceLock::new(),
            })
        })
    }

    /// In a forked child: the same, prepared there with the first use.
    #[cold]
    fn in_child(&self) -> Result<Option<&Sender>, Error> {
        if self.guard.in_child()?.is_none() {
            return Ok(None);
        }
        if let Some(own) = self.in_child.get() {
            return Ok(Some(own));
        }
        let account = self.cell.id.as_str();
        let own = Sender::prepare(&self.guard, &self.path, account, self.sends.clone())?;
        Ok(Some(self.in_child.get_or_init(|| Box::new(own))))
    }

    #[cfg(test)]
    pub(crate) fn lent_for_tests(&self) -> u64 {
        self.allowance.unspent_for_tests()
    }

    #[cfg(test)]
    pub(crate) fn lent_in_common_for_tests(&self) -> u64 {
        let prepared = self.prepared.load();
        let in_common = prepared.as_ref().map(|prepared| prepared.lent_for_tests());
        in_common.unwrap_or_default()
    }

    /// Asks for `count` messages and charges them: all of them or none.
    #[inline]
    pub fn admit(&self, count: u64) -> Result<Decision, Error> {
        match self.try_admit(count)? {
            Some(decision) => Ok(decision),
            None => match self.in_child()? {
                Some(own) => own.admit(count),
                None => self.admit_by_store(count),
            },
        }
    }

    fn admit_by_store(&self, count: u64) -> Result<Decision, Error> {
        self.guard.enter(Effect::Send, |engine| {
            let prepare = || {
                let (stamp, now_ms) = (self.cell.stamp(engine), engine.kernel.clock.now_ms());
                match self.prepared(stamp, now_ms) {
                    Some(prepared) => Ok(prepared),
                    None => self.prepare_anew(engine),
                }
            };
            decide(engine, &self.cell, prepare, Ask::exact(check_count(count)?))
        })
    }

    /// Like [`admit`](Sender::admit), but answers `None` and charges nothing if the decision would
    /// need the disk, or if a role on trial would refuse the send. In these cases,
    /// [`admit`](Sender::admit) decides, and counts for the trial (R-QTA-15).
    ///
    /// The disk is needed for the first send of an account that is not in memory, for the next
    /// block of a limit, and when something is due. After a change of the account, data that was
    /// read before is looked up again, without waiting for a writer.
    #[inline]
    pub fn try_admit(&self, count: u64) -> Result<Option<Decision>, Error> {
        let Some((engine, now_ms)) = self.guard.plain() else {
            return self.try_with_checks(count);
        };
        let (count, stamp) = (check_count(count)?, self.cell.stamp(engine));
        match self.take_lent(stamp, count, now_ms) {
            Some(left) => Ok(Some(Decision::granted(count, left))),
            None => self.try_beyond_lent(engine, stamp, count, now_ms),
        }
    }

    /// Takes `count` out of what is lent to this sender, and says how many are left; none where
    /// the counters are to be looked at.
    #[inline]
    fn take_lent(&self, stamp: u64, count: u64, now_ms: u64) -> Option<u64> {
        self.allowance
            .take(stamp, count, now_ms)
            .or_else(|| self.in_common.take(stamp, count, now_ms))
    }

    #[inline(never)]
    fn try_beyond_lent(
        &self,
        engine: &Engine,
        stamp: u64,
        count: u64,
        now_ms: u64,
    ) -> Result<Option<Decision>, Error> {
        let call = || self.without_allowance(engine, stamp, count, now_ms);
        Ok(self.guard.contained(call)?.decision(count))
    }

    /// As [`try_admit`](Sender::try_admit), where more is to be looked at than what is asked for.
    #[inline(never)]
    fn try_with_checks(&self, count: u64) -> Result<Option<Decision>, Error> {
        if let Some(own) = self.in_child()? {
            return own.try_admit(count);
        }
        let answer = self.guard.enter_at_once(Effect::Send, |engine| {
            let count = check_count(count)?;
            let (stamp, now_ms) = (self.cell.stamp(engine), engine.kernel.clock.now_ms());
            match self.take_lent(stamp, count, now_ms) {
                Some(left) => Ok(FromMemory::Granted { left }),
                None => self.without_allowance(engine, stamp, count, now_ms),
            }
        })?;
        Ok(answer.and_then(|answer| answer.decision(count)))
    }

    fn without_allowance(
        &self,
        engine: &Engine,
        stamp: u64,
        count: u64,
        now_ms: u64,
    ) -> Result<FromMemory, Error> {
        let charge = |prepared: &Arc<Prepared>| {
            prepared
                .take_shared(count, now_ms)
                .or_else(|| prepared.charge_meters(engine, &self.allowance, count, now_ms))
        };
        let prepared = self.prepared.load();
        let is_good =
            |prepared: &&Arc<Prepared>| prepared.stamp == stamp && now_ms < prepared.until_ms;
        if let Some(prepared) = prepared.as_ref().filter(is_good) {
            return decide_from_memory(engine, prepared, count, now_ms, charge);
        }
        if prepared.is_none() && !self.is_cached(engine) {
            return Ok(FromMemory::Unknown);
        }
        let fresh = self.prepare_anew(engine)?;
        decide_from_memory(engine, &fresh, count, now_ms, charge)
    }

    /// Whether somebody has sent the same before, so that preparing it finds it in memory.
    fn is_cached(&self, engine: &Engine) -> bool {
        let user = self.sends.user.as_ref().map(Id::as_str);
        self.sends.acting.is_none()
            && self.sends.message == MessageInput::default()
            && self
                .cell
                .look_at_sending(engine, user, self.sends.channel, |_| ())
                .is_some()
    }

    fn prepared(&self, stamp: u64, now_ms: u64) -> Option<Arc<Prepared>> {
        self.prepared
            .load_full()
            .filter(|prepared| prepared.stamp == stamp && now_ms < prepared.until_ms)
    }

    fn prepare_anew(&self, engine: &Engine) -> Result<Arc<Prepared>, Error> {
        let fresh = self.prepared_by(engine)?;
        self.in_common.follow(&fresh);
        self.prepared.store(Some(fresh.clone()));
        Ok(fresh)
    }

    fn prepared_by(&self, engine: &Engine) -> Result<Arc<Prepared>, Error> {
        match (&self.sends.acting, &self.sends.user) {
            (Some(acting), Some(user)) => Ok(Arc::new(self.cell.sending_themself(
                engine,
                user,
                self.sends.channel,
                &self.sends.message,
                acting,
            )?)),
            _ => self.cell.sending(
                engine,
                self.sends.user.as_ref().map(Id::as_str),
                self.sends.channel,
                &self.sends.message,
            ),
        }
    }
}
