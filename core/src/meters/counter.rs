//! One counter: what every send reads and writes of it, and the rest.

use crate::meters::guaranteed::Kept;
use crate::meters::id::MeterId;
use crate::model::{LimitAlert, Meter, OutboxKind, OutboxMessage, OverLimit, Reservation, Window};
use crate::rules::limit::Source;
use crate::rules::window::{self, Calendar};
use crate::rules::{send, threshold};
use std::sync::Arc;

#[derive(Clone, Copy, Debug)]
pub(super) struct Hot {
    pub(super) ends_at_ms: u64,
    /// Charged in the store and not yet used.
    pub(super) unspent: u64,
    pub(super) used: u64,
    /// Without what is kept apart for accounts below that are guaranteed a part of it.
    pub(super) limit: u64,
    /// Beyond this more is to be looked at than these numbers: the limit, or the next threshold
    /// that the host is told of.
    pub(super) stop: u64,
    /// With less than this unspent the next block is drawn ahead.
    pub(super) low: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Cold {
    pub(super) id: Arc<MeterId>,
    pub(super) window: Window,
    pub(super) source: Source,
    pub(super) over: OverLimit,
    /// The limit as it is meant, also where nothing is refused beyond it.
    pub(super) limit: u64,
    pub(super) calendar: Arc<Calendar>,
    /// The counters of the accounts below that are guaranteed a part of it, and their parts
    /// (R-TEA-9).
    pub(super) guaranteed: Arc<[Kept]>,
    /// The stamp of the view that they were taken from.
    pub(super) guaranteed_by: Option<u64>,
    /// Whether they fit into it now: together, or they are best effort.
    pub(super) keeps_apart: bool,
    /// Percentages of it at which the host is told.
    pub(super) alert_at: Arc<[u64]>,
    /// The stamp of the view that the limit was taken from; an older view changes nothing.
    pub(super) stamp: u64,
    /// The window that is drawn from: `drawn` is what is used in it, or in this part of a rolling
    /// one, and what is unspent.
    pub(super) meter: Meter,
    /// The last window that was charged, without what is unspent where it is over. One that nobody
    /// charged moves none after it (ADR 30).
    pub(super) charged: Meter,
    /// What nobody uses and the store counts all the same, until this counter is written again: an
    /// instant of the window, or of the part of a rolling one, and how many.
    pub(super) unwritten: Vec<(u64, u64)>,
    /// The version of the stored record. Another that draws from the same store may have written a
    /// later one.
    pub(super) version: u64,
    /// When it was held against that record.
    pub(super) read_at_ms: u64,
    pub(super) block: u64,
    /// What was unspent once the last block was drawn.
    pub(super) filled: u64,
    /// How much was used since the block became as large as it is.
    pub(super) used_of_block: u64,
    /// With less than this unspent the next block is drawn ahead.
    pub(super) low: u64,
    pub(super) drawn_at_ms: u64,
}

impl Hot {
    #[inline]
    pub(super) fn covers(&self, count: u64, now_ms: u64) -> bool {
        now_ms < self.ends_at_ms
            && count <= self.unspent
            && count <= self.stop.saturating_sub(self.used)
    }

    /// Whether so many more are below its limit.
    pub(super) fn fits(&self, count: u64) -> bool {
        self.limit == u64::MAX || count <= self.limit.saturating_sub(self.used)
    }

    /// How many can be charged before the next block is to be asked for, where it `is_asked` not
    /// yet, or somebody to be told of a threshold.
    pub(super) fn before_a_look(&self, is_asked: bool) -> u64 {
        let low = if is_asked { 0 } else { self.low };
        self.unspent
            .saturating_sub(low)
            .min(self.stop.saturating_sub(self.used))
    }
}

impl Cold {
    /// The largest amount of all who send.
    pub(super) fn most(&self) -> u64 {
        if self.over.refuses() {
            self.limit
        } else {
            u64::MAX
        }
    }

    /// Sets where the next threshold lies.
    pub(super) fn set_stop(&self, hot: &mut Hot) {
        hot.stop = threshold::next(&self.alert_at, self.limit, self.meter.alerted)
            .map_or(u64::MAX, |amount| amount - 1)
            .min(hot.limit);
    }

    /// The last window that was charged, as it is used.
    pub(super) fn without_unspent(&self, hot: &Hot) -> Meter {
        match self.meter.is_charged() {
            false => self.charged.clone(),
            true => Meter {
                drawn: self.meter.drawn - hot.unspent,
                ..self.meter.clone()
            },
        }
    }

    /// Tells of a threshold that `reading` reaches, and when it helps to try again.
    pub(super) fn alert(
        &self,
        percent: u64,
        reading: &send::Reading,
        now_ms: u64,
    ) -> OutboxMessage {
        let alert = LimitAlert {
            limit: self.id.name().to_owned(),
            scope: self.id.own_scope_name().to_owned(),
            subject: self.id.subject().to_owned(),
            percent,
            value: self.limit,
            used: reading.used,
            resets_at_ms: reading.helps_at_ms().unwrap_or_else(|| self.counts_until()),
        };
        OutboxMessage {
            alert: Some(alert),
            ..OutboxMessage::about(OutboxKind::LimitAlert, self.id.account.clone(), now_ms)
        }
    }

    /// Until when what is used now counts.
    fn counts_until(&self) -> u64 {
        window::resets_at_ms(self.window, self.meter.ends_at_ms, None)
    }

    /// How it stands once so many more are used, which come back at an instant where they are
    /// reserved until then.
    pub(super) fn reading_with(
        &self,
        hot: &Hot,
        more: u64,
        reserved_until_ms: Option<u64>,
        open: &[Reservation],
        takes_credits: bool,
    ) -> send::Reading {
        let mut frees = self.frees(hot, open, takes_credits);
        frees.push((
            reserved_until_ms.map_or(self.counts_until(), |at_ms| at_ms.min(self.counts_until())),
            more,
        ));
        frees.sort_unstable();
        send::Reading {
            limit: self.limit,
            used: hot.used.saturating_add(more),
            frees,
            ..send::Reading::plain(self.over)
        }
    }

    /// Whether the window of an instant is over and kept in the history: so are all windows of a
    /// counter that was cleared away.
    pub(super) fn is_kept(&self, at_ms: u64) -> bool {
        let last = if self.meter.is_charged() {
            &self.meter
        } else {
            &self.charged
        };
        self.window != Window::RollingHour && (at_ms < last.starts_at_ms || !last.is_charged())
    }

    /// Takes what was used at an instant out of the window that it counts in; answers how much of
    /// it was still there.
    pub(super) fn give_back(&mut self, hot: &mut Hot, count: u64, used_at_ms: u64) -> u64 {
        let is_over = !self.meter.holds(used_at_ms);
        let is_charged = self.meter.is_charged();
        let part = if is_charged {
            self.meter.part_at(used_at_ms)
        } else {
            self.charged.part_at(used_at_ms)
        };
        let of_charged = if is_charged {
            0
        } else {
            self.charged.take_out(count, used_at_ms, 0)
        };
        let back = self.meter.take_out(count, used_at_ms, hot.unspent);
        if is_over {
            self.note_unwritten(part, back.max(of_charged));
        } else {
            // It can be used again without a draw.
            self.meter.drawn += back;
            hot.unspent += back;
        }
        hot.used -= back;
        self.forget_alerts(hot.used);
        self.set_stop(hot);
        back
    }

    /// A rolling window is a new one once its use has been below a threshold (R-QTA-8).
    pub(super) fn forget_alerts(&mut self, used: u64) {
        if self.window == Window::RollingHour {
            let reached = threshold::reached(&self.alert_at, self.limit, used);
            self.meter.alerted = self.meter.alerted.min(reached);
        }
    }

    /// Remembers what the store counts and nobody uses.
    pub(super) fn note_unwritten(&mut self, part: Option<u64>, count: u64) {
        let Some(part) = part.filter(|_| count > 0) else {
            return;
        };
        match self.unwritten.iter_mut().find(|(at_ms, _)| *at_ms == part) {
            Some((_, sum)) => *sum += count,
            None => self.unwritten.push((part, count)),
        }
    }

    /// The part of the window, or the part of a rolling one, that an open reservation comes back
    /// to.
    fn is_part_of(&self, until_ms: u64, at_ms: u64) -> bool {
        let is_current = self.window != Window::RollingHour
            || until_ms == window::counts_until(self.meter.ends_at_ms);
        if is_current {
            self.meter.holds(at_ms)
        } else {
            window::is_of_part(at_ms, until_ms)
        }
    }

    /// When what is used counts no longer, and how much of it: the ends of windows, and of
    /// reservations before them. What credits paid for was not charged to a counter that takes
    /// them.
    pub(super) fn frees(
        &self,
        hot: &Hot,
        open: &[Reservation],
        takes_credits: bool,
    ) -> Vec<(u64, u64)> {
        let now_used = self.meter.drawn - hot.unspent;
        let mut parts: Vec<(u64, u64)> = match self.window {
            Window::RollingHour => {
                let current = (now_used > 0).then(|| (self.counts_until(), now_used));
                self.meter.past.iter().copied().chain(current).collect()
            }
            _ => vec![(self.meter.ends_at_ms, hot.used)],
        };
        if open.is_empty() {
            return parts;
        }
        let (text, mut back) = (self.id.text(), Vec::new());
        for reservation in open.iter().filter(|open| open.counters.contains(&text)) {
            let is_paid = takes_credits && self.id.is_own_of(&reservation.account);
            let charged = reservation.count
                - if is_paid {
                    reservation.paid_of(reservation.count)
                } else {
                    0
                };
            let of = parts
                .iter_mut()
                .find(|(until_ms, _)| self.is_part_of(*until_ms, reservation.reserved_at_ms));
            if let Some((_, left)) =
                of.filter(|(until_ms, _)| reservation.expires_at_ms < *until_ms)
            {
                let part = charged.min(*left);
                *left -= part;
                back.push((reservation.expires_at_ms, part));
            }
        }
        parts.extend(back);
        parts.sort_unstable();
        parts
    }

    /// Whether what is used here was used in the window of the counter above: that of another zone
    /// begins and ends beside it.
    pub(super) fn counts_in(&self, parent: &Cold) -> bool {
        self.counts_in_window(parent.meter.starts_at_ms, parent.meter.ends_at_ms)
    }

    pub(super) fn counts_in_window(&self, starts_at_ms: u64, ends_at_ms: u64) -> bool {
        self.window == Window::RollingHour
            || self.meter.ends_at_ms > starts_at_ms.midpoint(ends_at_ms)
    }

    /// The last window that was charged: it owns its boundaries.
    pub(super) fn last(&self) -> (u64, u64) {
        let last = if self.meter.is_charged() {
            &self.meter
        } else {
            &self.charged
        };
        (last.starts_at_ms, last.ends_at_ms)
    }

    /// The window of an instant from now on.
    pub(super) fn window_at(&self, at_ms: u64) -> (u64, u64) {
        let now = (self.meter.starts_at_ms, self.meter.ends_at_ms);
        if at_ms < self.meter.ends_at_ms {
            now
        } else {
            window::bounds_after(self.window, self.last(), at_ms, &self.calendar).unwrap_or(now)
        }
    }
}
