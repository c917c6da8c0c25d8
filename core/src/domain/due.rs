//! What becomes due by itself: an account gets another package (R-PKG-6), a reservation expires
//! (R-QTA-5). And what the clock has to tell (R-QTA-13): it is told before anything else.
//!
//! No thread waits for it. Every call looks at the clock first, where anything is scheduled at all,
//! and carries out what is due before it does anything else: nobody sees the state before. Until
//! somebody calls, nobody can tell the difference.
//!
//! Very many reservations may expire at once. A call brings back what so many of them hold, those
//! that expired first; the others come back [beside the calls](crate::kernel::background). Each of
//! them has expired at its instant all the same, and until it comes back it only counts as used.
//!
//! What is remembered for a time is not among it: whoever looks something up compares its instant
//! with the clock. It is erased [beside the calls](crate::kernel::background), a part at a time.

use crate::access::request::Ctx;
use crate::access::state::Engine;
use crate::domain::accounts::package;
use crate::domain::members::until;
use crate::domain::{pruning, reservations};
use crate::error::Error;
use crate::kernel::due;
use crate::kernel::keys::due::Kind;
use crate::kernel::keys::{self, Prefix};
use crate::kernel::table::id;
use crate::model::{Actor, ClockJump, ClockRecord, OutboxKind, OutboxMessage};
use crate::tables::idempotency;
use std::sync::atomic::Ordering;

/// How many are carried out in one commit.
const BATCH: usize = 500;
/// How many reservations come back in a call at most.
const EXPIRED_BY_A_CALL: usize = 100;
/// How many records are forgotten in one commit.
pub(crate) const FORGOTTEN_AT_ONCE: usize = 256;
/// What the audit calls it.
const OPERATION: &str = "schedule";

impl Engine {
    /// Carries out what is due by now. One load where nothing is scheduled.
    #[inline]
    pub(crate) fn carry_out_due(&self) -> Result<(), Error> {
        if self.has_due() {
            self.carry_out()?;
            self.leave_the_rest();
        }
        Ok(())
    }

    /// Whether something is due by now, which a write of the store carries out.
    #[inline]
    pub(crate) fn has_due(&self) -> bool {
        let next_ms = self.kernel.clock.next_due_ms.load(Ordering::Acquire);
        next_ms != due::NEVER && self.kernel.clock.now_ms() >= next_ms
    }

    /// Where more reservations have expired than a call brings back, others go on.
    #[cold]
    fn leave_the_rest(&self) {
        if self.has_due() {
            self.wake_background();
        }
    }

    /// Carries out all that acts, and brings back a part of what has expired.
    #[cold]
    pub(crate) fn carry_out(&self) -> Result<(), Error> {
        // What can only be read is read as it is.
        if self.kernel.is_poisoned() || self.kernel.is_shut() {
            return Ok(());
        }
        let _guard = self.lock_writer()?;
        if let Some((record, unreported)) = self.kernel.clock.news() {
            self.commit(&Actor::System, None, |ctx| {
                tell_of_clock(ctx, &record, unreported)
            })?;
            self.kernel.clock.is_known(record, unreported);
        }
        while self.carry_out_some(keys::DUE, BATCH)? {}
        self.carry_out_some(keys::EXPIRE, EXPIRED_BY_A_CALL)?;
        self.kernel
            .clock
            .next_due_ms
            .store(due::next(&mut self.kernel.tx())?, Ordering::Release);
        Ok(())
    }

    /// Carries out a part of what is due; whether there may be more. Whoever calls has the lock of
    /// the writer.
    fn carry_out_some(&self, prefix: Prefix, most: usize) -> Result<bool, Error> {
        let committed = self.commit(&Actor::System, Some(OPERATION), |ctx| {
            run_some(ctx, prefix, most)
        })?;
        // Not synced by itself where nothing comes back and nobody is to be told: what a power loss
        // takes back is due again at the next opening.
        if committed.returned.is_empty() && committed.lowered.is_empty() {
            Ok(committed.answer)
        } else {
            self.complete(committed)
        }
    }

    /// Erases a part of what is to be forgotten by now. Not synced by itself: what a power loss
    /// takes back is forgotten once more.
    pub(crate) fn forget_some(&self) -> Result<(), Error> {
        let _guard = self.lock_writer()?;
        self.commit(&Actor::System, Some(OPERATION), |ctx| {
            run_some(ctx, keys::FORGET, FORGOTTEN_AT_ONCE)
        })?;
        let next_ms = due::first(&mut self.kernel.tx(), keys::FORGET)?;
        self.background.next_ms.store(next_ms, Ordering::Release);
        // Another process may have begun some and be no more.
        if self.kernel.is_shared() && self.background.is_under_way() {
            self.cut_off();
        }
        Ok(())
    }
}

/// Keeps what is known of the clock, and tells the host of a jump (R-QTA-13).
fn tell_of_clock(
    ctx: &mut Ctx<'_>,
    record: &ClockRecord,
    jump: Option<ClockJump>,
) -> Result<(), Error> {
    ctx.tx.put(keys::clock(), record)?;
    match jump {
        Some(_) => ctx.enqueue_message(&OutboxMessage {
            jump,
            ..OutboxMessage::about(OutboxKind::ClockJumped, None, ctx.now_ms)
        }),
        None => Ok(()),
    }
}

/// Does what is due at an instant, of what the parts of its key name; none where they are no parts
/// of such a key.
type Job = fn(&mut Ctx<'_>, &[&str]) -> Option<Result<(), Error>>;

/// What is done of each kind.
const JOBS: &[(Kind, Job)] = &[
    (keys::due::PACKAGE, |ctx, parts| match parts {
        [account] => Some(package::take_next_package(ctx, &id(account)?)),
        _ => None,
    }),
    (keys::due::MEMBERSHIP, |ctx, parts| match parts {
        [account, user] => Some(until::end_membership(ctx, &id(account)?, &id(user)?)),
        _ => None,
    }),
    (keys::due::ROLE, |ctx, parts| match parts {
        [account, user] => Some(until::end_role(ctx, &id(account)?, &id(user)?)),
        _ => None,
    }),
    (keys::due::RESERVATION, |ctx, parts| match parts {
        [account, reservation] => Some(reservations::expire(ctx, &id(account)?, &id(reservation)?)),
        _ => None,
    }),
    (keys::due::ENDED_RESERVATION, |ctx, parts| match parts {
        [account, reservation] => Some(reservations::forget(ctx, &id(account)?, &id(reservation)?)),
        _ => None,
    }),
    (keys::due::ANSWER, |ctx, parts| match parts {
        [account, actor, name] => {
            idempotency::forget(&mut ctx.tx, &id(account)?, actor, &id(name)?);
            Some(Ok(()))
        }
        _ => None,
    }),
    (keys::due::METERS, |ctx, parts| match parts {
        [] => Some(pruning::clear_some(ctx)),
        _ => None,
    }),
];

/// Does a part of what is due, or of what is to be forgotten; whether there may be more.
fn run_some(ctx: &mut Ctx<'_>, prefix: Prefix, most: usize) -> Result<bool, Error> {
    let (from, _) = keys::range(prefix, &[]);
    let until = keys::due::after(prefix, ctx.now_ms);
    let rows = ctx.tx.range::<serde::de::IgnoredAny>(&from, &until, most)?;
    let more = rows.len() == most;
    for (key, _) in rows {
        ctx.tx.delete(key.clone());
        run(ctx, &key)?;
    }
    Ok(more)
}

/// Does what is due at a key. What nobody knows is never left out: it may be what the answers after
/// it depend on.
fn run(ctx: &mut Ctx<'_>, key: &[u8]) -> Result<(), Error> {
    let broken = || {
        let kind = keys::part(key, 2).unwrap_or_default();
        Error::corrupt(format!(
            "The due key `{}` has the unknown kind `{kind}`; restore a backup.",
            key.escape_ascii()
        ))
    };
    let (_, parts) = keys::split(key).ok_or_else(broken)?;
    let (kind, job) = JOBS
        .iter()
        .find(|(kind, _)| kind.has(key))
        .ok_or_else(broken)?;
    let done = kind.of(&parts).and_then(|parts| job(ctx, parts));
    done.unwrap_or_else(|| Err(broken()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tenantry;
    use crate::error::Code;
    use serde_json::json;

    const NOON_MS: u64 = 1_781_524_800_000;

    fn store() -> Tenantry {
        let options = json!({"clock": {"manual_ms": NOON_MS}, "seed": 1});
        Tenantry::open_json(":memory:", options.to_string().as_bytes()).unwrap()
    }

    /// A kind that this version does not know, a key of a known kind that names nothing, and a kind
    /// in the index of the others: each is told at every call, and none is gone then.
    #[test]
    fn what_nobody_knows_is_named_and_not_left_out() {
        let at = keys::sortable(NOON_MS);
        for (prefix, parts) in [
            (keys::DUE, ["later", "acme"]),
            (keys::DUE, ["package", ""]),
            (keys::DUE, ["answer", "acme"]),
            (keys::FORGET, ["later", "acme"]),
            (keys::FORGET, ["reservation", "acme"]),
        ] {
            let store = store();
            let engine = &store.guard_for_tests().engine;
            let key = keys::key(prefix, &[&at, parts[0], parts[1]]);
            let committed = engine.commit(&Actor::System, None, |ctx| {
                ctx.tx.mark(key.clone());
                match prefix {
                    keys::DUE => ctx.tx.schedule_due(NOON_MS),
                    _ => ctx.tx.schedule_forget(NOON_MS),
                }
                Ok(())
            });
            committed.unwrap();
            for _ in 0..2 {
                let refused = store.call_json(b"", b"roles.list", b"{}").unwrap_err();
                assert_eq!(refused.code(), Code::StoreCorrupt, "{refused}");
                for named in [parts[0].to_owned(), key.escape_ascii().to_string()] {
                    assert!(
                        refused.message().contains(&format!("`{named}`")),
                        "{refused}"
                    );
                }
            }
            assert!(engine.kernel.backend.get(&key).unwrap().is_some());
        }
    }

    fn call(store: &Tenantry, operation: &str, request: serde_json::Value) -> serde_json::Value {
        let answer = store
            .call_json(b"", operation.as_bytes(), request.to_string().as_bytes())
            .unwrap();
        serde_json::from_str(&answer).unwrap()
    }

    /// `acme`, all of whose messages of a day are reserved, one by one, for a second.
    fn reserved(store: &Tenantry, count: u64) -> Vec<serde_json::Value> {
        let owner = json!({"user": "olga", "email": "olga@acme.example"});
        let account = json!({"id": "acme", "name": "Acme", "owner": owner,
            "limits": {"email_per_day": count}});
        call(store, "accounts.create", account);
        let one = json!({"account": "acme", "count": 1, "life_ms": 1000});
        let reserve = || call(store, "reservations.create", one.clone())["reservation"].clone();
        (0..count).map(|_| reserve()).collect()
    }

    /// A call brings back a bounded part of what very many reservations hold that expire at once;
    /// the next go on. Each of them has expired at its instant (20.5).
    #[test]
    fn very_many_reservations_come_back_a_part_at_a_time() {
        let store = store();
        let most = EXPIRED_BY_A_CALL as u64;
        let all = reserved(&store, 3 * most);
        let sender = store.sender("acme", None).unwrap();
        assert_eq!(sender.admit(1).unwrap().granted, 0);
        let engine = &store.guard_for_tests().engine;
        engine.kernel.clock.set(NOON_MS + 1000).unwrap();
        let refused = sender.admit(3 * most).unwrap();
        let retry_at_ms = refused.refusal.as_ref().unwrap().retry_at_ms;
        assert_eq!(
            (refused.remaining, retry_at_ms),
            (Some(most), Some(NOON_MS + 1001))
        );
        let last = json!({"account": "acme", "reservation": all.last().unwrap()});
        let commit = json!({"account": "acme", "reservation": all.last().unwrap(), "count": 1});
        let late = store
            .call_json(b"", b"reservations.commit", commit.to_string().as_bytes())
            .unwrap_err();
        assert_eq!(late.code(), Code::ReservationOver);
        assert_eq!(call(&store, "reservations.get", last)["state"], "expired");
        assert_eq!(sender.admit(3 * most).unwrap().granted, 3 * most);
        assert_eq!(
            engine.kernel.clock.next_due_ms.load(Ordering::Acquire),
            due::NEVER
        );
    }

    /// With the time of the system a thread goes on with what one call has left.
    #[test]
    fn what_a_call_leaves_comes_back_beside_the_calls() {
        let store = Tenantry::open_json(":memory:", b"{}").unwrap();
        let count = 5 * EXPIRED_BY_A_CALL as u64;
        reserved(&store, count);
        std::thread::sleep(std::time::Duration::from_millis(1100));
        let sender = store.sender("acme", None).unwrap();
        let next = &store.guard_for_tests().engine.kernel.clock.next_due_ms;
        let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while next.load(Ordering::Acquire) != due::NEVER {
            assert!(std::time::Instant::now() < until, "nobody goes on");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert_eq!(sender.admit(count).unwrap().granted, count);
    }
}
