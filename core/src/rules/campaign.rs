//! When a campaign is stopped for its bounces (R-QTA-11).

use crate::model::{BounceRate, CampaignOutcomes, Count};

/// The strictest of the rates that the outcomes have reached; none while they have reached none.
///
/// An outcome is a message that was delivered or bounced: whoever complains got theirs delivered.
/// Hard and soft bounces count alike.
pub fn rate_reached(
    outcomes: &CampaignOutcomes,
    rates: impl IntoIterator<Item = BounceRate>,
) -> Option<BounceRate> {
    let bounces = u128::from(outcomes.hard) + u128::from(outcomes.soft);
    let sample = bounces + u128::from(outcomes.delivered);
    let is_reached = |rate: &BounceRate| {
        let enough = sample >= u128::from(rate.sample.get());
        enough && bounces * 1000 >= sample * u128::from(rate.per_mille.get())
    };
    // A rate of nothing at all would be reached by nothing at all.
    rates
        .into_iter()
        .filter(|rate| sample > 0 && is_reached(rate))
        .min_by_key(|rate| rate.per_mille)
}

/// Both together; the name of a number that would be larger than every language can say.
pub fn sum(
    one: &CampaignOutcomes,
    other: &CampaignOutcomes,
) -> Result<CampaignOutcomes, &'static str> {
    let add = |one: u64, other: u64, name| {
        one.checked_add(other)
            .filter(|sum| *sum <= Count::MAX)
            .ok_or(name)
    };
    Ok(CampaignOutcomes {
        delivered: add(one.delivered, other.delivered, "delivered")?,
        hard: add(one.hard, other.hard, "hard")?,
        soft: add(one.soft, other.soft, "soft")?,
        complaints: add(one.complaints, other.complaints, "complaints")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(per_mille: u64, sample: u64) -> BounceRate {
        BounceRate {
            per_mille: Count::new(per_mille).unwrap(),
            sample: Count::new(sample).unwrap(),
        }
    }

    fn outcomes(delivered: u64, hard: u64, soft: u64, complaints: u64) -> CampaignOutcomes {
        CampaignOutcomes {
            delivered,
            hard,
            soft,
            complaints,
        }
    }

    #[test]
    fn a_rate_counts_from_its_sample_on_and_is_reached_exactly() {
        let reached = |outcomes: CampaignOutcomes, per_mille, sample| {
            rate_reached(&outcomes, [rate(per_mille, sample)]).is_some()
        };
        assert!(reached(outcomes(95, 5, 0, 0), 50, 100));
        assert!(reached(outcomes(95, 2, 3, 0), 50, 100));
        assert!(!reached(outcomes(94, 5, 0, 0), 50, 100), "one too few");
        assert!(!reached(outcomes(96, 4, 0, 0), 50, 100));
        assert!(
            !reached(outcomes(100, 0, 0, 100), 1, 100),
            "complaints are no bounces"
        );
        assert!(!reached(outcomes(0, 0, 0, 100), 1, 1));
        assert!(reached(outcomes(0, 1, 0, 0), 1000, 1) && !reached(outcomes(1, 1, 0, 0), 1000, 1));
        assert!(!reached(outcomes(Count::MAX, 1, 0, 0), 1, 1));
        assert!(reached(
            outcomes(0, Count::MAX, Count::MAX, 0),
            1000,
            Count::MAX
        ));
    }

    #[test]
    fn of_several_rates_the_strictest_that_is_reached_counts() {
        let found = |delivered, hard| {
            rate_reached(
                &outcomes(delivered, hard, 0, 0),
                [rate(100, 10), rate(50, 1000), rate(20, 100)],
            )
        };
        assert_eq!(found(90, 10), Some(rate(20, 100)));
        assert_eq!(found(9, 1), Some(rate(100, 10)));
        assert_eq!(found(990, 10), None);
        assert_eq!(rate_reached(&outcomes(0, 9, 0, 0), []), None);
    }

    #[test]
    fn a_sum_is_exact_or_not_there() {
        assert_eq!(
            sum(&outcomes(1, 2, 3, 4), &outcomes(10, 20, 30, 40)),
            Ok(outcomes(11, 22, 33, 44))
        );
        let most = outcomes(Count::MAX, 0, 0, 0);
        assert_eq!(
            sum(&most, &outcomes(0, 0, 0, 1)),
            Ok(outcomes(Count::MAX, 0, 0, 1))
        );
        assert_eq!(sum(&most, &outcomes(1, 0, 0, 0)), Err("delivered"));
    }
}
