//! Which limit stops a send, and until when (R-QTA-3).

use crate::error::Code;
use crate::model::OverLimit;

/// A counter that a send would charge, as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The largest amount of the window; `u64::MAX` for unlimited.
    pub limit: u64,
    /// How much of it is used.
    pub used: u64,
    /// What happens beyond it.
    pub over: OverLimit,
    /// When what is used counts no longer: instants in order, and how much each frees. A calendar window frees all at its end.
    pub frees: Vec<(u64, u64)>,
    /// When the limit will have grown, and by how much, as in a warm-up: as far as it takes for what is asked.
    pub grows: Vec<(u64, u64)>,
}

impl Reading {
    /// What is left.
    pub fn left(&self) -> u64 {
        self.limit.saturating_sub(self.used)
    }

    /// Frees what counts no longer at an instant.
    pub fn go_to(&mut self, now_ms: u64) {
        let over = self.frees.iter().take_while(|(at_ms, _)| *at_ms <= now_ms).count();
        let freed: u64 = self.frees.drain(..over).map(|(_, freed)| freed).sum();
        self.used = self.used.saturating_sub(freed);
    }

    /// The first instant at which, with no event but the clock, `count` fit; none where they never do.
    pub fn fits_at_ms(&self, count: u64) -> Option<u64> {
        let mut left = i128::from(self.limit) - i128::from(self.used);
        let mut steps: Vec<_> = self.frees.iter().chain(&self.grows).collect();
        steps.sort_unstable();
        steps.into_iter().find_map(|(at_ms, more)| {
            left += i128::from(*more);
            (left >= i128::from(count)).then_some(*at_ms)
        })
    }
}

/// A send that is refused by the reading at `index`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Which reading binds.
    pub index: usize,
    /// `exceeds_limit` or `quota_exceeded`.
    pub code: Code,
    /// The first instant at which, with no event but the clock, the send is let through.
    pub retry_at_ms: Option<u64>,
    /// The strictest of what happens beyond the limits that bind (R-QTA-7).
    pub over: OverLimit,
}

/// Whether `count` fit under every reading, and if not which of them binds.
///
/// More than a limit itself will ever be is "never" and binds before all else. Otherwise the one that lets the send through last binds.
pub fn refusal(readings: &[Reading], count: u64) -> Option<Refused> {
    let short = || readings.iter().enumerate().filter(|(_, reading)| count > reading.left());
    let over = short().map(|(_, reading)| reading.over).min()?;
    if let Some((index, _)) = short().filter(|(_, reading)| reading.fits_at_ms(count).is_none()).min_by_key(|(_, reading)| reading.limit) {
        return Some(Refused { index, code: Code::ExceedsLimit, retry_at_ms: None, over });
    }
    let (retry_at_ms, std::cmp::Reverse(index)) = short().map(|(index, reading)| (reading.fits_at_ms(count), std::cmp::Reverse(index))).max()?;
    Some(Refused { index, code: Code::QuotaExceeded, retry_at_ms, over })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_of_each_boundary() {
        let window = |limit, used, ends_at_ms| Reading { limit, used, over: OverLimit::Reject, frees: vec![(ends_at_ms, used)], grows: vec![] };
        let (hour, day, open) = (window(10, 7, 100), window(20, 18, 900), window(u64::MAX, 5, 5_000));
        let code = |count, readings: &[&Reading]| {
            let readings: Vec<_> = readings.iter().map(|one| (*one).clone()).collect();
            refusal(&readings, count).map(|refused| (refused.index, refused.code, refused.retry_at_ms))
        };
        assert_eq!(code(2, &[&hour, &day, &open]), None);
        assert_eq!(code(3, &[&hour, &day, &open]), Some((1, Code::QuotaExceeded, Some(900))));
        assert_eq!(code(3, &[&hour]), None);
        assert_eq!(code(4, &[&hour, &open]), Some((0, Code::QuotaExceeded, Some(100))));
        assert_eq!(code(4, &[&hour, &day]), Some((1, Code::QuotaExceeded, Some(900))));
        assert_eq!(code(10, &[&hour, &open]), Some((0, Code::QuotaExceeded, Some(100))));
        assert_eq!(code(11, &[&hour, &day]), Some((0, Code::ExceedsLimit, None)));
        assert_eq!(code(1, &[&window(0, 0, 100)]), Some((0, Code::ExceedsLimit, None)));
        assert_eq!(code(5, &[&window(10, 30, 100)]), Some((0, Code::QuotaExceeded, Some(100))));
    }

    /// R-QTA-4: what was used minute by minute comes back minute by minute.
    #[test]
    fn a_rolling_window_frees_in_steps() {
        let hour = Reading { limit: 10, used: 9, over: OverLimit::Reject, frees: vec![(100, 4), (160, 2), (220, 3)], grows: vec![] };
        let retry = |count| refusal(std::slice::from_ref(&hour), count).and_then(|refused| refused.retry_at_ms);
        assert_eq!(retry(1), None);
        assert_eq!(retry(2), Some(100));
        assert_eq!(retry(5), Some(100));
        assert_eq!(retry(6), Some(160));
        assert_eq!(retry(8), Some(220));
        assert_eq!(retry(10), Some(220));
    }
    /// R-QTA-14: what is more than the limit of today fits once it has grown so far.
    #[test]
    fn a_limit_that_grows_lets_through_what_it_did_not() {
        let day = Reading { limit: 10, used: 6, over: OverLimit::Reject, frees: vec![(100, 6)], grows: vec![(300, 20)] };
        let answer = |count| refusal(std::slice::from_ref(&day), count).map(|refused| (refused.code, refused.retry_at_ms));
        assert_eq!(answer(10), Some((Code::QuotaExceeded, Some(100))));
        assert_eq!(answer(11), Some((Code::QuotaExceeded, Some(300))));
        assert_eq!(answer(31), Some((Code::ExceedsLimit, None)));
        let hour = Reading { frees: vec![(280, 2), (340, 4)], grows: vec![(300, 1)], ..day };
        assert_eq!([5, 6, 7, 8, 11].map(|count| hour.fits_at_ms(count)), [Some(280), Some(280), Some(300), Some(340), Some(340)]);
    }
}
