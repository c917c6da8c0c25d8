//! What was counted in a window, or in the parts of a rolling one, and the window after it.

use crate::error::Error;
use crate::model::{Meter, Window};
use crate::rules::window::{self, Calendar};

impl Meter {
    pub(super) fn holds(&self, at_ms: u64) -> bool {
        (self.starts_at_ms..self.ends_at_ms).contains(&at_ms)
    }

    /// An instant that stands for the window, or the part of a rolling one, that an instant counts
    /// in.
    pub(super) fn part_at(&self, at_ms: u64) -> Option<u64> {
        if self.holds(at_ms) {
            return Some(self.starts_at_ms);
        }
        self.past
            .iter()
            .find(|(until, _)| window::is_of_part(at_ms, *until))
            .map(|(until, _)| window::last_of_part(*until))
    }

    /// Takes out what was used at an instant, but nothing that is unspent; answers how much of it
    /// was there.
    pub(super) fn take_out(&mut self, count: u64, used_at_ms: u64, unspent: u64) -> u64 {
        let (used, unspent) = if self.holds(used_at_ms) {
            (&mut self.drawn, unspent)
        } else {
            match self
                .past
                .iter_mut()
                .find(|(until, _)| window::is_of_part(used_at_ms, *until))
            {
                Some((_, used)) => (used, 0),
                None => return 0,
            }
        };
        let back = count.min(*used - unspent);
        *used -= back;
        back
    }

    /// Takes out so much, the oldest first: what is still counted then counts no shorter than what
    /// was really used.
    pub(super) fn take_out_oldest(&mut self, mut count: u64) {
        for used in self
            .past
            .iter_mut()
            .map(|(_, used)| used)
            .chain([&mut self.drawn])
        {
            let back = count.min(*used);
            (*used, count) = (*used - back, count - back);
        }
    }

    pub(super) fn take_out_all(&mut self, parts: &[(u64, u64)]) {
        for (at_ms, count) in parts {
            self.take_out(*count, *at_ms, 0);
        }
    }
}

/// The window that is drawn from at `now_ms`, after the last one that was charged.
pub(crate) fn next_window(
    mut last: Meter,
    kind: Window,
    now_ms: u64,
    calendar: &Calendar,
) -> Result<Meter, Error> {
    let used_before = last.drawn + last.past.iter().map(|(_, used)| used).sum::<u64>();
    if kind == Window::RollingHour {
        last.past.retain(|(until, _)| now_ms < *until);
    }
    if now_ms < last.ends_at_ms {
        return Ok(last);
    }
    let (starts_at_ms, ends_at_ms) =
        window::bounds_after(kind, (last.starts_at_ms, last.ends_at_ms), now_ms, calendar)
            .ok_or_else(|| {
                Error::internal(format!(
                    "The time {now_ms} ms is outside the calendar; set the clock right."
                ))
            })?;
    let (mut past, mut alerted, mut before) = (Vec::new(), 0, None);
    if kind == Window::RollingHour {
        past = last.past;
        let until = window::counts_until(last.ends_at_ms);
        if last.drawn > 0 && now_ms < until {
            past.push((until, last.drawn));
        }
        // It is the same window as long as anything of it counts.
        (alerted, before) = match past.is_empty() && used_before > 0 {
            true => (0, Some((until, used_before))),
            false => (if past.is_empty() { 0 } else { last.alerted }, last.before),
        };
    }
    Ok(Meter {
        starts_at_ms,
        ends_at_ms,
        drawn: 0,
        past,
        before,
        alerted,
        paid: false,
    })
}
