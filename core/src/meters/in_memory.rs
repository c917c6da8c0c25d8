//! Counters and paces are charged in memory: all that a send is charged to, or none.

use crate::error::Error;
use crate::meters::allowance::Allowance;
use crate::meters::ask::Ask;
use crate::meters::paid::Lifted;
use crate::meters::prepared::Prepared;
use crate::meters::team::{Locked, Meters};
use crate::model::LimitName;
use crate::rules::send;
use std::sync::Arc;

impl Meters {
    /// Every counter and pace as it stands for who sends; not what becomes of it.
    pub(super) fn readings_now(
        &self,
        prepared: &Prepared,
        ask: Ask,
        now_ms: u64,
    ) -> Result<Vec<send::Reading>, Error> {
        let mut readings = Vec::with_capacity(prepared.places.len());
        for (place, wanted) in prepared.places.iter().zip(&prepared.wanted) {
            let (hot, cold) = self.pair(*place)?;
            let limit = hot
                .limit
                .saturating_add(self.kept_for(&prepared.promised, *place));
            let lifted = prepared.lifts(wanted);
            readings.push(send::Reading {
                limit,
                used: hot.used,
                lifted,
                ..send::Reading::plain(cold.over)
            });
        }
        if ask.later.is_none() {
            readings.extend(
                self.paces_of(prepared)?
                    .iter()
                    .map(|pace| pace.reading(now_ms)),
            );
        }
        Ok(readings)
    }

    /// The windows of the account's own limits that credits pay beyond.
    pub(super) fn lifted(&self, prepared: &Prepared) -> Result<Vec<Lifted>, Error> {
        let lifted = prepared
            .places
            .iter()
            .zip(&prepared.wanted)
            .filter(|(_, wanted)| prepared.lifts(wanted));
        let windows = lifted.map(|(place, wanted)| {
            Ok(LimitName::find(wanted.id.limit).zip(Some(self.pair(*place)?.1.meter.starts_at_ms)))
        });
        windows.filter_map(Result::transpose).collect()
    }

    /// Charges `count` to every counter, or to none; none where one of them does not cover it. How
    /// many are left then, with so many `credits`, and whether a counter runs low. So many are
    /// `paid` for otherwise, and not charged to the account's own limits.
    #[inline]
    pub(super) fn charge(
        &mut self,
        prepared: &Prepared,
        count: u64,
        paid: u64,
        credits: u64,
        now_ms: u64,
    ) -> Option<(u64, bool)> {
        for place in &prepared.pace_places {
            if !self.paces.get(*place)?.lets_through(count, now_ms) {
                return None;
            }
        }
        self.charge_for_later(prepared, count, paid, credits, now_ms)
    }

    /// As [`charge`](Meters::charge), whatever the paces let through now.
    #[inline]
    pub(super) fn charge_for_later(
        &mut self,
        prepared: &Prepared,
        count: u64,
        paid: u64,
        credits: u64,
        now_ms: u64,
    ) -> Option<(u64, bool)> {
        // As a case of its own it is half of the work: nothing is to be told apart.
        if paid == 0 && credits == 0 && prepared.promised.is_empty() {
            return self.charge_each(prepared, count, |_| count, |_| 0, now_ms);
        }
        self.charge_otherwise(prepared, count, paid, credits, now_ms)
    }

    #[inline(never)]
    fn charge_otherwise(
        &mut self,
        prepared: &Prepared,
        count: u64,
        paid: u64,
        credits: u64,
        now_ms: u64,
    ) -> Option<(u64, bool)> {
        let part = |at| {
            if at < prepared.lifted {
                count - paid
            } else {
                count
            }
        };
        let more = |at| if at < prepared.lifted { credits } else { 0 };
        self.for_promised(&prepared.promised, |meters| {
            meters.charge_each(prepared, count, part, more, now_ms)
        })
    }

    #[inline]
    fn charge_each(
        &mut self,
        prepared: &Prepared,
        count: u64,
        part: impl Fn(usize) -> u64,
        more: impl Fn(usize) -> u64,
        now_ms: u64,
    ) -> Option<(u64, bool)> {
        for (at, place) in prepared.places.iter().enumerate() {
            if !self.hot.get(*place)?.covers(part(at), now_ms) {
                return None;
            }
        }
        let mut left = u64::MAX;
        let mut low = false;
        for (at, place) in prepared.places.iter().enumerate() {
            let hot = self.hot.get_mut(*place)?;
            hot.unspent -= part(at);
            hot.used += part(at);
            low |= hot.unspent < hot.low;
            if hot.limit != u64::MAX {
                left = left.min(hot.limit.saturating_sub(hot.used).saturating_add(more(at)));
            }
        }
        for place in &prepared.pace_places {
            let pace = self.paces.get_mut(*place)?;
            pace.take(count, now_ms);
            left = left.min(pace.left(now_ms));
        }
        Some((left, low))
    }
}

impl<'t> Locked<'t> {
    /// Charges what memory covers, and lends; what it does not cover changes nothing.
    #[inline]
    pub(super) fn charge_or_leave(
        &mut self,
        prepared: &Prepared,
        allowance: &Arc<Allowance>,
        count: u64,
        now_ms: u64,
    ) -> Option<(u64, bool)> {
        let (left, low) = self
            .meters
            .charge(prepared, count, 0, prepared.credits, now_ms)?;
        self.count_change();
        self.meters.lend(prepared, allowance, left);
        Some((left, low))
    }
}
