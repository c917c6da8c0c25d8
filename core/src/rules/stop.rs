//! When a campaign or an account is stopped for its bounces or complaints, and when it is at risk
//! (R-QTA-18).

use super::campaign::sum;
use crate::error::Error;
use crate::model::{
    AtRisk, CampaignOutcomes, CampaignStopReason, Count, DayOutcomes, StopOutcome, StopRule,
    StopScope,
};

/// The most rules of a package.
const MOST: usize = 20;
const MILLION: u64 = 1_000_000;
const DAY_MS: u64 = 24 * 3_600_000;
/// How many days of UTC count for an account, today included.
pub const DAYS: u64 = 7;

/// How outcomes stand under some rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Good,
    AtRisk(StopRule),
    Stopped(StopRule),
}

/// How outcomes stand under the rules of a scope. Of several rules that are reached, the one with
/// the lowest rate is named.
pub fn standing(outcomes: &CampaignOutcomes, scope: StopScope, rules: &[StopRule]) -> Standing {
    let strictest = |rate: fn(&StopRule) -> Option<Count>| {
        let reached = rules.iter().copied().filter_map(|rule| {
            let rate = rate(&rule).filter(|_| rule.scope == scope)?;
            is_reached(outcomes, &rule, rate).then_some((rate, rule))
        });
        reached.min_by_key(|(rate, _)| *rate).map(|(_, rule)| rule)
    };
    let stopped = strictest(|rule| Some(rule.stop_per_million)).map(Standing::Stopped);
    let at_risk = || strictest(|rule| rule.at_risk_per_million).map(Standing::AtRisk);
    stopped.or_else(at_risk).unwrap_or(Standing::Good)
}

/// Whether outcomes reach a rate of a rule. Whoever complains got the message delivered.
fn is_reached(outcomes: &CampaignOutcomes, rule: &StopRule, per_million: Count) -> bool {
    let [delivered, hard, soft, complaints] = [
        outcomes.delivered,
        outcomes.hard,
        outcomes.soft,
        outcomes.complaints,
    ]
    .map(u128::from);
    let (part, whole) = match rule.outcome {
        StopOutcome::Bounces => (hard + soft, delivered + hard + soft),
        StopOutcome::HardBounces => (hard, delivered + hard + soft),
        StopOutcome::Complaints => (complaints, delivered),
    };
    // A rate of nothing at all would be reached by nothing at all.
    whole > 0
        && whole >= u128::from(rule.sample.get())
        && part * u128::from(MILLION) >= whole * u128::from(per_million.get())
}

/// Whether there is still a risk, given whether a lower rate is reached now.
///
/// It lasts at least a day: a rate that goes up and down with each report is told of once a day.
pub fn at_risk(before: Option<AtRisk>, reached: Option<StopRule>, now_ms: u64) -> Option<AtRisk> {
    match (before, reached) {
        (Some(before), Some(_)) => Some(before),
        (Some(before), None) if now_ms < before.at_ms.saturating_add(DAY_MS) => Some(before),
        (_, reached) => reached.map(|rule| AtRisk {
            rule,
            at_ms: now_ms,
        }),
    }
}

/// Why a campaign is stopped that has too many of such outcomes.
pub fn reason(outcome: StopOutcome) -> CampaignStopReason {
    match outcome {
        StopOutcome::Bounces => CampaignStopReason::Bounces,
        StopOutcome::HardBounces => CampaignStopReason::HardBounces,
        StopOutcome::Complaints => CampaignStopReason::Complaints,
    }
}

/// Counts outcomes on the day of an instant, and forgets the days that no longer count. Where
/// the clock has stepped back, what was counted on days to come counts on that day.
///
/// Answers what counts now; or the name of a number that would be larger than every language can
/// say.
pub fn count(
    days: &mut Vec<DayOutcomes>,
    outcomes: &CampaignOutcomes,
    now_ms: u64,
) -> Result<CampaignOutcomes, &'static str> {
    let today = now_ms / DAY_MS;
    days.retain(|day| counts(day, today));
    let earlier = days.partition_point(|day| day.day < today);
    let outcomes = days
        .drain(earlier..)
        .try_fold(*outcomes, |all, day| sum(&all, &day.outcomes))?;
    days.push(DayOutcomes {
        day: today,
        outcomes,
    });
    total(days, now_ms)
}

/// What counts at an instant.
pub fn total(days: &[DayOutcomes], now_ms: u64) -> Result<CampaignOutcomes, &'static str> {
    days.iter()
        .filter(|day| counts(day, now_ms / DAY_MS))
        .try_fold(CampaignOutcomes::default(), |total, day| {
            sum(&total, &day.outcomes)
        })
}

/// When the first day began that counts at an instant; none where nothing does.
pub fn since_ms(days: &[DayOutcomes], now_ms: u64) -> Option<u64> {
    let first = days.iter().find(|day| counts(day, now_ms / DAY_MS))?;
    Some(first.day.saturating_mul(DAY_MS))
}

fn counts(day: &DayOutcomes, today: u64) -> bool {
    day.day.saturating_add(DAYS) > today
}

/// Refuses rules that mean nothing; the error names the field of the package.
pub fn check(rules: &[StopRule]) -> Result<(), Error> {
    if rules.len() > MOST {
        let message = format!(
            "A package has at most {MOST} `stops`, not {}; leave some out.",
            rules.len()
        );
        return Err(Error::invalid("/stops", message));
    }
    rules.iter().enumerate().try_for_each(|(at, rule)| {
        let refused = |field: &str, message: String| {
            Err(Error::invalid(format!("/stops/{at}/{field}"), message))
        };
        let stop = rule.stop_per_million.get();
        if !(1..=MILLION).contains(&stop) {
            let message =
                format!("`stop_per_million` must be from 1 to {MILLION} messages, and is {stop}.");
            return refused("stop_per_million", message);
        }
        if let Some(at_risk) = rule.at_risk_per_million.map(Count::get)
            && !(1..stop).contains(&at_risk)
        {
            let message = format!(
                "`at_risk_per_million` is {at_risk}, and must be at least 1 and lower than \
                 `stop_per_million`, which is {stop}."
            );
            return refused("at_risk_per_million", message);
        }
        match rule.sample.get() {
            0 => refused(
                "sample",
                "A rate needs a `sample` of at least 1 message.".to_owned(),
            ),
            _ => Ok(()),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count_of(value: u64) -> Count {
        Count::new(value).unwrap()
    }

    fn rule(outcome: StopOutcome, at_risk: u64, stop: u64, sample: u64) -> StopRule {
        StopRule {
            scope: StopScope::Campaign,
            outcome,
            stop_per_million: count_of(stop),
            at_risk_per_million: (at_risk > 0).then(|| count_of(at_risk)),
            sample: count_of(sample),
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

    fn under(outcomes: CampaignOutcomes, rule: StopRule) -> Standing {
        standing(&outcomes, StopScope::Campaign, &[rule])
    }

    #[test]
    fn each_outcome_counts_among_its_own_messages() {
        let complaints = rule(StopOutcome::Complaints, 1_000, 3_000, 1_000);
        assert_eq!(under(outcomes(999, 0, 0, 9), complaints), Standing::Good);
        assert_eq!(under(outcomes(999, 9, 9, 9), complaints), Standing::Good);
        let at_risk = Standing::AtRisk(complaints);
        assert_eq!(under(outcomes(1_000, 0, 0, 1), complaints), at_risk);
        assert_eq!(under(outcomes(1_001, 0, 0, 1), complaints), Standing::Good);
        assert_eq!(under(outcomes(1_000, 0, 0, 2), complaints), at_risk);
        let stopped = Standing::Stopped(complaints);
        assert_eq!(under(outcomes(1_000, 0, 0, 3), complaints), stopped);

        let hard = rule(StopOutcome::HardBounces, 0, 50_000, 100);
        assert_eq!(under(outcomes(91, 4, 5, 9), hard), Standing::Good);
        assert_eq!(under(outcomes(90, 5, 5, 0), hard), Standing::Stopped(hard));
        let all = rule(StopOutcome::Bounces, 0, 50_000, 100);
        assert_eq!(under(outcomes(95, 2, 3, 0), all), Standing::Stopped(all));
        let any = rule(StopOutcome::Bounces, 0, 1_000_000, 1);
        assert_eq!(under(outcomes(0, 0, 0, 0), any), Standing::Good);
        let most = outcomes(Count::MAX, Count::MAX, Count::MAX, Count::MAX);
        assert_eq!(under(most, any), Standing::Good);
    }

    #[test]
    fn stopped_goes_before_at_risk_and_the_lowest_rate_is_named() {
        let (low, high) = (
            rule(StopOutcome::Bounces, 10_000, 500_000, 10),
            rule(StopOutcome::HardBounces, 20_000, 40_000, 10),
        );
        let found = |delivered, hard, soft| {
            let outcomes = outcomes(delivered, hard, soft, 0);
            standing(&outcomes, StopScope::Campaign, &[high, low])
        };
        assert_eq!(found(97, 3, 0), Standing::AtRisk(low));
        assert_eq!(found(96, 4, 0), Standing::Stopped(high));
        assert_eq!(found(10, 5, 85), Standing::Stopped(high));
        let of_account = standing(&outcomes(0, 9, 9, 9), StopScope::Account, &[high, low]);
        assert_eq!(
            of_account,
            Standing::Good,
            "the rules are those of campaigns"
        );
    }

    #[test]
    fn a_risk_lasts_a_day_at_least_and_as_long_as_it_is_there() {
        let rule = rule(StopOutcome::Bounces, 10_000, 500_000, 10);
        let since = |at_ms| Some(AtRisk { rule, at_ms });
        assert_eq!(at_risk(None, None, 5), None);
        assert_eq!(at_risk(None, Some(rule), 5), since(5));
        assert_eq!(at_risk(since(5), None, 4 + DAY_MS), since(5));
        assert_eq!(at_risk(since(5), None, 5 + DAY_MS), None);
        assert_eq!(at_risk(since(5), Some(rule), 9 * DAY_MS), since(5));
    }

    #[test]
    fn seven_days_count_and_no_more_are_kept() {
        let mut days = Vec::new();
        let one = outcomes(1, 0, 0, 0);
        for day in 10..40 {
            let at_ms = day * DAY_MS + 7;
            let expected = (day - 9).min(DAYS);
            assert_eq!(
                count(&mut days, &one, at_ms),
                Ok(outcomes(expected, 0, 0, 0))
            );
            assert_eq!(days.len() as u64, expected);
        }
        assert_eq!(since_ms(&days, 39 * DAY_MS), Some(33 * DAY_MS));
        assert_eq!(total(&days, 44 * DAY_MS), Ok(outcomes(2, 0, 0, 0)));
        assert_eq!(total(&days, 46 * DAY_MS), Ok(outcomes(0, 0, 0, 0)));
        assert_eq!(since_ms(&days, 46 * DAY_MS), None);
        // The clock steps back.
        assert_eq!(count(&mut days, &one, 3), Ok(outcomes(8, 0, 0, 0)));
        assert_eq!((days.len(), days[0].day), (1, 0));
        let most = outcomes(Count::MAX, 0, 0, 0);
        assert_eq!(count(&mut days, &most, DAY_MS), Err("delivered"));
    }

    #[test]
    fn what_means_nothing_is_refused() {
        let field = |rules: &[StopRule]| check(rules).unwrap_err().field().map(str::to_owned);
        let good = rule(StopOutcome::Bounces, 1, 2, 1);
        assert!(check(&[]).is_ok() && check(&[good; MOST]).is_ok());
        assert_eq!(field(&[good; MOST + 1]).as_deref(), Some("/stops"));
        for (bad, name) in [
            (rule(StopOutcome::Bounces, 0, 0, 1), "stop_per_million"),
            (
                rule(StopOutcome::Bounces, 0, MILLION + 1, 1),
                "stop_per_million",
            ),
            (rule(StopOutcome::Bounces, 2, 2, 1), "at_risk_per_million"),
            (rule(StopOutcome::Bounces, 1, 2, 0), "sample"),
        ] {
            assert_eq!(field(&[good, bad]), Some(format!("/stops/1/{name}")));
        }
    }
}
