//! Which limit stops a send, and until when (R-QTA-3).

use crate::error::Code;

/// A counter that a send would charge, as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The largest amount of the window; `u64::MAX` for unlimited.
    pub limit: u64,
    /// How much of it is used.
    pub used: u64,
    /// When the window ends.
    pub ends_at_ms: u64,
}

impl Reading {
    /// What is left.
    pub fn left(&self) -> u64 {
        self.limit.saturating_sub(self.used)
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
}

/// Whether `count` fit under every reading, and if not which of them binds.
///
/// More than a limit itself is "never" and binds before all else. Otherwise the one whose window ends last binds.
pub fn refusal(readings: &[Reading], count: u64) -> Option<Refused> {
    let short = || readings.iter().enumerate().filter(|(_, reading)| count > reading.left());
    if let Some((index, _)) = short().filter(|(_, reading)| count > reading.limit).min_by_key(|(_, reading)| reading.limit) {
        return Some(Refused { index, code: Code::ExceedsLimit, retry_at_ms: None });
    }
    let (index, reading) = short().max_by_key(|(index, reading)| (reading.ends_at_ms, std::cmp::Reverse(*index)))?;
    Some(Refused { index, code: Code::QuotaExceeded, retry_at_ms: Some(reading.ends_at_ms) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_of_each_boundary() {
        let hour = Reading { limit: 10, used: 7, ends_at_ms: 100 };
        let day = Reading { limit: 20, used: 18, ends_at_ms: 900 };
        let open = Reading { limit: u64::MAX, used: 5, ends_at_ms: 5_000 };
        let code = |count, readings: &[Reading]| refusal(readings, count).map(|refused| (refused.index, refused.code, refused.retry_at_ms));
        assert_eq!(code(2, &[hour, day, open]), None);
        assert_eq!(code(3, &[hour, day, open]), Some((1, Code::QuotaExceeded, Some(900))));
        assert_eq!(code(3, &[hour]), None);
        assert_eq!(code(4, &[hour, open]), Some((0, Code::QuotaExceeded, Some(100))));
        assert_eq!(code(4, &[hour, day]), Some((1, Code::QuotaExceeded, Some(900))));
        assert_eq!(code(10, &[hour, open]), Some((0, Code::QuotaExceeded, Some(100))));
        assert_eq!(code(11, &[hour, day]), Some((0, Code::ExceedsLimit, None)));
        assert_eq!(code(1, &[Reading { limit: 0, used: 0, ends_at_ms: 100 }]), Some((0, Code::ExceedsLimit, None)));
        assert_eq!(code(5, &[Reading { limit: 10, used: 30, ends_at_ms: 100 }]), Some((0, Code::QuotaExceeded, Some(100))));
    }
}
