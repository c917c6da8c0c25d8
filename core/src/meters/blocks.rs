//! How much a counter draws from the store at once, and with how little left the next block is
//! drawn ahead (ADR 5, ADR 45).

use crate::error::Error;
use crate::meters::counter::{Cold, Hot};
use crate::meters::prepared::Prepared;
use crate::meters::team::Meters;

/// A counter draws at most this much ahead of an unlimited window.
const BLOCK_MAX: u64 = 1 << 20;
/// The blocks of all processes are together at most this part of their limit: what crashes can
/// cost.
const BLOCK_PART: u64 = 50;
/// A counter that drew less than this ago draws twice as much.
const DRAW_AGAIN_MS: u64 = 2500;
/// Whoever sends quickly drew the last block less than this ago: a few commits later all of it may
/// be used.
const AT_ONCE_MS: u64 = 20;
/// What is drawn ahead of a limit is at least this part of its largest block, and twice that where
/// draws come quickly; but not more than is soon used again.
const AHEAD_PART: u64 = 8;
const AHEAD_MOST: u64 = 32;
/// Smaller blocks of those who send seldom are not drawn ahead.
const DRAWN_AHEAD_FROM: u64 = 8;

impl Cold {
    /// How much to draw so that `count` fit: more when draws come quickly, and never beyond the
    /// limit.
    pub(super) fn draw_size(&mut self, hot: &Hot, count: u64, processes: u64, now_ms: u64) -> u64 {
        let since_ms = now_ms.saturating_sub(self.drawn_at_ms);
        let is_quick = since_ms < DRAW_AGAIN_MS;
        let used = self.filled.saturating_sub(hot.unspent);
        self.used_of_block = self.used_of_block.saturating_add(used);
        if self.drawn_at_ms > 0 && !is_quick {
            (self.block, self.used_of_block) = (self.block / 2, 0);
        } else if is_quick && self.used_of_block >= self.block / 2 {
            // What is drawn ahead is drawn while most of the last block is still there: it grows
            // with what goes out, not with how often it is drawn.
            (self.block, self.used_of_block) = (self.block.saturating_mul(2), 0);
        }
        self.block = self.block.clamp(1, self.largest_block(processes));
        self.low = if since_ms < AT_ONCE_MS {
            self.block - self.block / 8
        } else if is_quick || self.drawn_at_ms == 0 {
            // Who begins to send is taken to go on.
            (self.block / 2).max(1)
        } else if self.block >= DRAWN_AHEAD_FROM {
            self.block / 2
        } else {
            0
        };
        self.drawn_at_ms = now_ms;
        let open = self
            .most()
            .saturating_sub(hot.used.saturating_add(hot.unspent));
        let size = self.block.max(count).saturating_sub(hot.unspent).min(open);
        self.filled = hot.unspent.saturating_add(size);
        size
    }

    /// The first block is at least so large.
    pub(super) fn start_with(&mut self, along: u64) {
        if self.drawn_at_ms == 0 {
            self.block = self.block.max(along);
        }
    }

    /// How much to draw ahead, when nobody waits for it: blocks of a limit need not grow from one.
    pub(super) fn ahead_size(
        &mut self,
        hot: &mut Hot,
        least: u64,
        processes: u64,
        now_ms: u64,
    ) -> u64 {
        self.block = self.block.max(least);
        let size = self.draw_size(hot, 0, processes, now_ms);
        if size == 0 {
            self.set_low(hot);
        }
        size
    }

    /// Sets with how little left the next block is to be drawn. Where all of the limit is drawn
    /// there is none.
    pub(super) fn set_low(&self, hot: &mut Hot) {
        let is_all_drawn = hot.used.saturating_add(hot.unspent) >= self.most();
        hot.low = if is_all_drawn { 0 } else { self.low };
    }

    /// How much is drawn at once at least, ahead of a limit.
    fn least_ahead(&self, processes: u64) -> u64 {
        match self.most() {
            u64::MAX => 0,
            _ => (self.largest_block(processes) / AHEAD_PART).min(AHEAD_MOST),
        }
    }

    fn largest_block(&self, processes: u64) -> u64 {
        let parts = BLOCK_PART.saturating_mul(processes.max(1));
        (self.most() / parts).clamp(1, BLOCK_MAX)
    }
}

impl Meters {
    /// How much is drawn at once at least of each counter of a send: as much of those that nothing
    /// limits as of those that have a limit, so that one is not to be drawn before the others.
    pub(super) fn least_ahead(&self, prepared: &Prepared, processes: u64) -> Result<u64, Error> {
        prepared.places.iter().try_fold(0, |most, place| {
            Ok(self.pair(*place)?.1.least_ahead(processes).max(most))
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::Tenantry;
    use crate::access::state::Engine;
    use crate::meters::{Ask, Prepared, Team, draw_ahead};
    use crate::model::{Channel, Meter};
    use serde_json::{Value, json};
    use std::sync::Arc;
    use std::sync::atomic::Ordering;

    const PER_HOUR: u64 = 5_000;
    const PER_DAY: u64 = 50_000;

    fn call(store: &Tenantry, operation: &str, request: Value) {
        store
            .call_json(b"", operation.as_bytes(), request.to_string().as_bytes())
            .unwrap();
    }

    /// An account with ordinary limits, at noon of a day that does not end.
    fn acme() -> (Tenantry, Arc<Prepared>) {
        let options = json!({"clock": {"manual_ms": 1_781_524_800_000_u64}, "seed": 1});
        let store = Tenantry::open_json(":memory:", options.to_string().as_bytes()).unwrap();
        let limits = json!({"email_per_hour": PER_HOUR, "email_per_day": PER_DAY});
        let owner = json!({"user": "olga", "email": "olga@acme.example"});
        let request = json!({"id": "acme", "name": "Acme", "owner": owner, "limits": limits});
        call(&store, "accounts.create", request);
        let engine = &store.guard_for_tests().engine;
        let cell = engine.cell_by_text("acme").unwrap();
        let prepared = cell
            .sending(engine, None, Channel::Email, &Default::default())
            .unwrap();
        (store, prepared)
    }

    /// Sends one, draws ahead as soon as that is asked for, and says whether the disk was waited
    /// for; none once nothing is left.
    fn send(engine: &Engine, prepared: &Arc<Prepared>) -> Option<bool> {
        let from_memory = prepared.charge_in_memory(engine, 1).is_some();
        if !from_memory && prepared.charge(engine, Ask::exact(1)).unwrap().granted == 0 {
            return None;
        }
        if prepared.asked.load(Ordering::Acquire) {
            draw_ahead(engine, std::slice::from_ref(prepared)).unwrap();
        }
        Some(!from_memory)
    }

    /// What a crash would cost now of each counter that has a limit, and the limit.
    fn at_stake(engine: &Engine, prepared: &Prepared, sent: u64) -> Vec<(u64, u64)> {
        let of_each = prepared.wanted.iter().map(|wanted| {
            let key = wanted.id.key();
            let (_, stored) = Team::stored::<Meter>(&engine.kernel, &key).unwrap();
            (
                stored.unwrap().drawn - sent,
                wanted.resolved.limit.ceiling(),
            )
        });
        of_each.filter(|(_, limit)| *limit < u64::MAX).collect()
    }

    /// Of the hour, that 80 % and that all of it is used.
    const ALERTS: u64 = 2;

    /// 20.11, R-QTA-1: the first send of an account waits for the disk, those that the host is told
    /// of, and no other while the next block is drawn in time; a crash costs 2 % of each limit at
    /// most, and all is sold.
    #[test]
    fn only_the_first_send_waits_for_the_disk() {
        let (store, prepared) = acme();
        let engine = &store.guard_for_tests().engine;
        let (mut sent, mut waited) = (0, 0);
        while let Some(has_waited) = send(engine, &prepared) {
            sent += 1;
            waited += u64::from(has_waited);
            for (lost, limit) in at_stake(engine, &prepared, sent) {
                assert!(lost <= limit / 50, "{lost} of {limit} after {sent} sends");
            }
        }
        assert_eq!((sent, waited), (PER_HOUR, 1 + ALERTS));
    }

    /// Where all of a limit is drawn nobody is asked to draw more of it.
    #[test]
    fn what_is_all_drawn_is_not_asked_for() {
        let (store, prepared) = acme();
        let engine = &store.guard_for_tests().engine;
        let mut asked_at_end = 0;
        for sent in 1..=PER_HOUR {
            let from_memory = prepared.charge_in_memory(&**engine, 1).is_some();
            if !from_memory {
                prepared.charge(&**engine, Ask::exact(1)).unwrap();
            }
            if prepared.asked.load(Ordering::Acquire) {
                asked_at_end += u64::from(sent > PER_HOUR - PER_HOUR / 100);
                draw_ahead(&**engine, std::slice::from_ref(&prepared)).unwrap();
            }
        }
        // The day and the month have more: of each the next block may be asked for.
        assert!(asked_at_end <= 2, "{asked_at_end}");
    }
}
