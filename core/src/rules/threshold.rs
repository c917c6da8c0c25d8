//! At how much of a limit the host is told (R-QTA-8).

/// How much of a limit a percentage of it is, rounded up.
fn amount(limit: u64, percent: u64) -> u64 {
    u64::try_from((u128::from(limit) * u128::from(percent)).div_ceil(100))
        .unwrap_or(u64::MAX)
        .max(1)
}

/// The amount at which the next threshold lies, after the highest one that was told of; none where
/// no more follow.
pub fn next(percents: &[u64], limit: u64, alerted: u64) -> Option<u64> {
    if limit == u64::MAX {
        return None;
    }
    percents
        .iter()
        .filter(|percent| **percent > alerted)
        .min()
        .map(|percent| amount(limit, *percent))
}

/// The highest threshold that `used` has reached, where it is higher than the one that was told of.
pub fn crossed(percents: &[u64], limit: u64, used: u64, alerted: u64) -> Option<u64> {
    if limit == u64::MAX {
        return None;
    }
    percents
        .iter()
        .copied()
        .filter(|percent| *percent > alerted && used >= amount(limit, *percent))
        .max()
}

/// The highest threshold that `used` reaches; 0 for none.
pub fn reached(percents: &[u64], limit: u64, used: u64) -> u64 {
    crossed(percents, limit, used, 0).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_of_each_threshold() {
        let percents = [100, 80];
        assert_eq!(next(&percents, 10, 0), Some(8));
        assert_eq!(next(&percents, 10, 80), Some(10));
        assert_eq!(next(&percents, 10, 100), None);
        assert_eq!(next(&percents, 3, 0), Some(3));
        assert_eq!(crossed(&percents, 10, 7, 0), None);
        assert_eq!(crossed(&percents, 10, 8, 0), Some(80));
        assert_eq!(crossed(&percents, 10, 9, 80), None);
        assert_eq!(crossed(&percents, 10, 12, 0), Some(100));
        assert_eq!(crossed(&percents, 10, 12, 100), None);
        assert_eq!(
            (
                next(&percents, u64::MAX, 0),
                crossed(&percents, u64::MAX, 5, 0)
            ),
            (None, None)
        );
        assert_eq!(crossed(&percents, u64::MAX - 1, u64::MAX - 1, 0), Some(100));
        assert_eq!(crossed(&[], 10, 10, 0), None);
        assert_eq!(
            [7, 8, 9, 10].map(|used| reached(&percents, 10, used)),
            [0, 80, 80, 100]
        );
    }

    /// A limit of nothing is reached by the first that is refused, not before.
    #[test]
    fn a_limit_of_nothing() {
        assert_eq!(
            (next(&[80], 0, 0), crossed(&[80], 0, 0, 0)),
            (Some(1), None)
        );
    }
}
