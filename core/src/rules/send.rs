//! How many messages may go out now, which limit stops a send, and until when (R-QTA-2, R-QTA-3).

use crate::error::Code;
use crate::model::OverLimit;

/// A counter that a send would charge, as it stands and as it will if nothing happens but time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The largest amount of the window for who sends, without what is kept apart for others;
    /// `u64::MAX` for unlimited.
    pub limit: u64,
    /// How much of it is used.
    pub used: u64,
    /// What happens beyond it.
    pub over: OverLimit,
    /// Whether credits pay for what goes beyond it (R-CRD-2).
    pub lifted: bool,
    /// From when on they do, or do no longer, in order.
    pub lifts: Vec<(u64, bool)>,
    /// When what is used counts no longer: instants in order, and how much each frees. A calendar
    /// window frees all at its end.
    pub frees: Vec<(u64, u64)>,
    /// What the limit will be from an instant on, in order: a warm-up grows, a planned package
    /// comes into force.
    pub limits: Vec<(u64, u64)>,
}

impl Reading {
    /// One of which nothing is used, with no limit yet.
    pub fn plain(over: OverLimit) -> Reading {
        Reading {
            limit: 0,
            used: 0,
            over,
            lifted: false,
            lifts: Vec::new(),
            frees: Vec::new(),
            limits: Vec::new(),
        }
    }

    /// What is left; of what nothing limits, `u64::MAX` whatever was used.
    pub fn left(&self) -> u64 {
        if self.limit == u64::MAX {
            u64::MAX
        } else {
            self.limit.saturating_sub(self.used)
        }
    }

    /// How it stands at an instant.
    pub fn go_to(&mut self, now_ms: u64) {
        let over = self
            .frees
            .iter()
            .take_while(|(at_ms, _)| *at_ms <= now_ms)
            .count();
        let freed: u64 = self.frees.drain(..over).map(|(_, freed)| freed).sum();
        self.used = self.used.saturating_sub(freed);
        let over = self
            .limits
            .iter()
            .take_while(|(at_ms, _)| *at_ms <= now_ms)
            .count();
        self.limit = self
            .limits
            .drain(..over)
            .next_back()
            .map_or(self.limit, |(_, limit)| limit);
        let over = self
            .lifts
            .iter()
            .take_while(|(at_ms, _)| *at_ms <= now_ms)
            .count();
        self.lifted = self
            .lifts
            .drain(..over)
            .next_back()
            .map_or(self.lifted, |(_, lifted)| lifted);
    }

    /// When it helps to try again: the first instant at which more fits than now, or where nothing
    /// is limited, at which less is used. Where more never fits, the instant at which all that is
    /// used counts no longer; none where nothing is used.
    pub fn helps_at_ms(&self) -> Option<u64> {
        let mut used = self.used;
        let frees = self.frees.iter().find(|(_, freed)| {
            used = used.saturating_sub(*freed);
            used < self.used.min(self.limit)
        });
        frees.or(self.frees.last()).map(|(at_ms, _)| *at_ms)
    }

    /// Whether credits ever pay for what goes beyond it.
    fn is_lifted_sometime(&self) -> bool {
        self.lifted || self.lifts.iter().any(|(_, lifted)| *lifted)
    }

    /// What fits with so many credits.
    fn fits(&self, credits: u64) -> u64 {
        self.left()
            .saturating_add(if self.lifted { credits } else { 0 })
    }

    /// The instants at which more or less fits than before.
    pub fn changes_at(&self) -> impl Iterator<Item = u64> + '_ {
        self.frees
            .iter()
            .chain(&self.limits)
            .map(|(at_ms, _)| *at_ms)
            .chain(self.lifts.iter().map(|(at_ms, _)| *at_ms))
    }
}

/// The credits that pay for what exceeds the limits that they lift, as they stand and as they will
/// if none are spent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credits {
    /// What grants have left, in the order in which they pay.
    pub grants: Vec<Part>,
    /// From when on credits pay, or pay no longer, as packages have it; before that they do not.
    pub pays: Vec<(u64, bool)>,
}

/// What a grant has left, from an instant on and before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// How many credits.
    pub amount: u64,
    /// From when on: what a reservation holds may come back.
    pub from_ms: u64,
    /// Before when.
    pub until_ms: u64,
}

impl Part {
    fn counts(&self, now_ms: u64) -> bool {
        (self.from_ms..self.until_ms).contains(&now_ms)
    }
}

impl Credits {
    /// How many there are to pay with at an instant.
    pub fn left(&self, now_ms: u64) -> u64 {
        let pays = self.pay(now_ms);
        let left = self
            .grants
            .iter()
            .filter(|part| pays && part.counts(now_ms))
            .map(|part| part.amount);
        left.fold(0, u64::saturating_add)
    }

    /// Whether they pay at an instant, if there are any.
    pub fn pay(&self, now_ms: u64) -> bool {
        self.pays
            .iter()
            .rfind(|(from_ms, _)| *from_ms <= now_ms)
            .is_some_and(|(_, pays)| *pays)
    }

    /// Takes so many of those that pay at an instant.
    pub fn take(&mut self, count: u64, now_ms: u64) {
        let mut open = count;
        for part in self.grants.iter_mut().filter(|part| part.counts(now_ms)) {
            let paid = open.min(part.amount);
            part.amount -= paid;
            open -= paid;
        }
    }

    /// The instants at which there are more or fewer than before.
    pub fn changes_at(&self) -> impl Iterator<Item = u64> + '_ {
        self.grants
            .iter()
            .flat_map(|part| [part.from_ms, part.until_ms])
            .chain(self.pays.iter().map(|(at_ms, _)| *at_ms))
    }
}

/// How many fit under every reading, with so many credits.
pub fn most(readings: &[Reading], credits: u64) -> u64 {
    readings
        .iter()
        .map(|reading| reading.fits(credits))
        .min()
        .unwrap_or(u64::MAX)
}

/// How many of `count` credits are to pay for: the excess is charged once, at the largest
/// (R-CRD-2).
pub fn excess(readings: &[Reading], count: u64) -> u64 {
    readings
        .iter()
        .filter(|reading| reading.lifted)
        .map(|reading| count.saturating_sub(reading.left()))
        .max()
        .unwrap_or(0)
}

/// The first instant after `now_ms` at which, with no event but the clock, `count` fit; none where
/// they never do.
pub fn fits_at_ms(readings: &[Reading], credits: &Credits, count: u64, now_ms: u64) -> Option<u64> {
    let mut instants: Vec<u64> = readings
        .iter()
        .flat_map(Reading::changes_at)
        .chain(credits.changes_at())
        .filter(|at_ms| *at_ms > now_ms)
        .collect();
    instants.sort_unstable();
    instants.dedup();
    let mut then = readings.to_vec();
    instants.into_iter().find(|at_ms| {
        then.iter_mut().for_each(|reading| reading.go_to(*at_ms));
        most(&then, credits.left(*at_ms)) >= count
    })
}

/// A send that is refused by the reading at `index`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Which reading binds.
    pub index: usize,
    /// `exceeds_limit`, `quota_exceeded`, or `credits_exhausted` where credits would lift the limit
    /// and are not enough.
    pub code: Code,
    /// The first instant at which, with no event but the clock, the send is let through.
    pub retry_at_ms: Option<u64>,
    /// The strictest of what happens beyond the limits that bind (R-QTA-7).
    pub over: OverLimit,
}

/// What stands in the way of a send: one reading, or all that credits would lift together.
struct Bar {
    index: usize,
    limit: u64,
    by_credits: bool,
    opens_at_ms: Option<u64>,
}

/// All that stands in the way of a send now, each with the instant from which on it does not.
fn bars(readings: &[Reading], credits: &Credits, count: u64, now_ms: u64) -> Vec<Bar> {
    let left = credits.left(now_ms);
    let is_lifted = |reading: &Reading| reading.is_lifted_sometime() && !credits.pays.is_empty();
    let mut bars = Vec::new();
    for (index, reading) in readings
        .iter()
        .enumerate()
        .filter(|(_, reading)| !is_lifted(reading) && reading.left() < count)
    {
        let opens_at_ms = fits_at_ms(
            std::slice::from_ref(reading),
            &Credits::default(),
            count,
            now_ms,
        );
        bars.push(Bar {
            index,
            limit: reading.limit,
            by_credits: false,
            opens_at_ms,
        });
    }
    let lifted: Vec<_> = readings
        .iter()
        .filter(|reading| is_lifted(reading))
        .cloned()
        .collect();
    let largest = readings
        .iter()
        .enumerate()
        .filter(|(_, reading)| is_lifted(reading))
        .min_by_key(|(_, reading)| reading.fits(left));
    if let Some((index, reading)) = largest.filter(|_| most(&lifted, left) < count) {
        bars.push(Bar {
            index,
            limit: reading.limit,
            by_credits: reading.lifted,
            opens_at_ms: fits_at_ms(&lifted, credits, count, now_ms),
        });
    }
    bars
}

/// Whether `count` fit under every reading, and if not which of them binds.
///
/// What will never be let through binds before all else. Otherwise what lets the send through last
/// binds.
pub fn refusal(
    readings: &[Reading],
    credits: &Credits,
    count: u64,
    now_ms: u64,
) -> Option<Refused> {
    if most(readings, credits.left(now_ms)) >= count {
        return None;
    }
    let bars = bars(readings, credits, count, now_ms);
    let over = bars
        .iter()
        .filter_map(|bar| readings.get(bar.index))
        .map(|reading| reading.over)
        .min()?;
    let never = bars
        .iter()
        .filter(|bar| bar.opens_at_ms.is_none())
        .min_by_key(|bar| bar.limit);
    let binding = never.or_else(|| {
        bars.iter()
            .max_by_key(|bar| (bar.opens_at_ms, std::cmp::Reverse(bar.index)))
    })?;
    // One limit may have grown too small again by the time at which another opens.
    let retry_at_ms = never
        .is_none()
        .then(|| fits_at_ms(readings, credits, count, now_ms))
        .flatten();
    let code = match retry_at_ms {
        _ if binding.by_credits && credits.pay(now_ms) => Code::CreditsExhausted,
        Some(_) => Code::QuotaExceeded,
        None => Code::ExceedsLimit,
    };
    Some(Refused {
        index: binding.index,
        code,
        retry_at_ms,
        over,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Reading = Reading {
        limit: 0,
        used: 0,
        over: OverLimit::Reject,
        lifted: false,
        lifts: Vec::new(),
        frees: Vec::new(),
        limits: Vec::new(),
    };

    fn window(limit: u64, used: u64, ends_at_ms: u64) -> Reading {
        Reading {
            limit,
            used,
            frees: vec![(ends_at_ms, used)],
            ..ONE
        }
    }

    #[test]
    fn where_nothing_ever_fits_it_helps_when_all_that_is_used_counts_no_longer() {
        let rolling = |limit| Reading {
            limit,
            used: 27,
            frees: vec![(100, 26), (200, 1)],
            ..ONE
        };
        assert_eq!(rolling(27).helps_at_ms(), Some(100));
        assert_eq!(rolling(1).helps_at_ms(), Some(200));
        assert_eq!(rolling(0).helps_at_ms(), Some(200));
        assert_eq!(ONE.helps_at_ms(), None);
    }

    fn answer(
        readings: &[&Reading],
        credits: &Credits,
        count: u64,
    ) -> Option<(usize, Code, Option<u64>)> {
        let readings: Vec<_> = readings.iter().map(|one| (*one).clone()).collect();
        refusal(&readings, credits, count, 0)
            .map(|refused| (refused.index, refused.code, refused.retry_at_ms))
    }

    #[test]
    fn both_sides_of_each_boundary() {
        let (hour, day, open) = (
            window(10, 7, 100),
            window(20, 18, 900),
            window(u64::MAX, 5, 5_000),
        );
        let code = |count, readings: &[&Reading]| answer(readings, &Credits::default(), count);
        assert_eq!(code(2, &[&hour, &day, &open]), None);
        assert_eq!(
            code(3, &[&hour, &day, &open]),
            Some((1, Code::QuotaExceeded, Some(900)))
        );
        assert_eq!(code(3, &[&hour]), None);
        assert_eq!(
            code(4, &[&hour, &open]),
            Some((0, Code::QuotaExceeded, Some(100)))
        );
        assert_eq!(
            code(4, &[&hour, &day]),
            Some((1, Code::QuotaExceeded, Some(900)))
        );
        assert_eq!(
            code(10, &[&hour, &open]),
            Some((0, Code::QuotaExceeded, Some(100)))
        );
        assert_eq!(
            code(11, &[&hour, &day]),
            Some((0, Code::ExceedsLimit, None))
        );
        assert_eq!(
            code(1, &[&window(0, 0, 100)]),
            Some((0, Code::ExceedsLimit, None))
        );
        assert_eq!(
            code(5, &[&window(10, 30, 100)]),
            Some((0, Code::QuotaExceeded, Some(100)))
        );
    }

    /// R-QTA-4: what was used minute by minute comes back minute by minute.
    #[test]
    fn a_rolling_window_frees_in_steps() {
        let hour = Reading {
            limit: 10,
            used: 9,
            frees: vec![(100, 4), (160, 2), (220, 3)],
            ..ONE
        };
        let retry = |count| {
            answer(&[&hour], &Credits::default(), count).and_then(|(_, _, retry_at_ms)| retry_at_ms)
        };
        assert_eq!(
            [1, 2, 5, 6, 8, 10].map(retry),
            [None, Some(100), Some(100), Some(160), Some(220), Some(220)]
        );
    }

    /// R-QTA-14: what is more than the limit of today fits once it has grown so far.
    #[test]
    fn a_limit_that_grows_lets_through_what_it_did_not() {
        let day = Reading {
            limits: vec![(300, 30)],
            ..window(10, 6, 100)
        };
        let answer = |count| {
            answer(&[&day], &Credits::default(), count)
                .map(|(_, code, retry_at_ms)| (code, retry_at_ms))
        };
        assert_eq!(answer(10), Some((Code::QuotaExceeded, Some(100))));
        assert_eq!(answer(11), Some((Code::QuotaExceeded, Some(300))));
        assert_eq!(answer(31), Some((Code::ExceedsLimit, None)));
    }

    /// 18.5, R-QTA-3: a package that is planned may give less: what fits before it does not fit
    /// after it, nor the other way round.
    #[test]
    fn a_limit_that_changes_lets_through_before_or_after() {
        let (less, more) = (
            Reading {
                limits: vec![(200, 5)],
                ..window(10, 6, 100)
            },
            Reading {
                limits: vec![(200, 50)],
                ..window(10, 6, 300)
            },
        );
        let code = |readings: &[&Reading], count| {
            answer(readings, &Credits::default(), count)
                .map(|(_, code, retry_at_ms)| (code, retry_at_ms))
        };
        assert_eq!(code(&[&less], 8), Some((Code::QuotaExceeded, Some(100))));
        assert_eq!(
            code(&[&less, &window(10, 9, 250)], 8),
            Some((Code::ExceedsLimit, None))
        );
        assert_eq!(code(&[&more], 20), Some((Code::QuotaExceeded, Some(200))));
        assert_eq!(code(&[&more], 50), Some((Code::QuotaExceeded, Some(300))));
    }

    /// 18.3, 18.12, R-CRD-2: what credits lift does not bind; where they are not enough, that is
    /// said.
    #[test]
    fn credits_lift_and_run_out() {
        let (own, ancestor) = (
            Reading {
                lifted: true,
                ..window(10, 8, 100)
            },
            window(20, 18, 900),
        );
        let part = |amount, until_ms| Part {
            amount,
            from_ms: 0,
            until_ms,
        };
        let credits = Credits {
            grants: vec![part(3, 50), part(2, u64::MAX)],
            pays: vec![(0, true)],
        };
        assert_eq!(
            (
                most(&[own.clone(), ancestor.clone()], 5),
                most(std::slice::from_ref(&own), 5)
            ),
            (2, 7)
        );
        assert_eq!(excess(std::slice::from_ref(&own), 6), 4);
        let code = |readings: &[&Reading], count| answer(readings, &credits, count);
        assert_eq!(code(&[&own], 7), None);
        assert_eq!(
            code(&[&own, &ancestor], 7),
            Some((1, Code::QuotaExceeded, Some(900)))
        );
        assert_eq!(
            code(&[&own], 8),
            Some((0, Code::CreditsExhausted, Some(100)))
        );
        // At 50 a part of them expires.
        assert_eq!(code(&[&own], 13), Some((0, Code::CreditsExhausted, None)));
        let soon = Credits {
            pays: vec![(0, false), (60, true)],
            ..credits.clone()
        };
        assert_eq!(
            answer(&[&own], &soon, 4),
            Some((0, Code::QuotaExceeded, Some(60)))
        );
    }
}
