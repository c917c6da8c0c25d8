//! How counters stand now and later, and when a send will have gone out.

use crate::access::state::Engine;
use crate::error::Error;
use crate::meters::limit_state::{Coming, LimitState, MeterReading};
use crate::meters::prepared::Prepared;
use crate::meters::resolved::Resolved;
use crate::meters::team::Locked;
use crate::model::{Count, Limit};
use crate::rules::{forecast, send, window};

impl Engine {
    /// How every counter stands now, for a send of `count`.
    pub(crate) fn readings(
        &self,
        prepared: &Prepared,
        count: u64,
    ) -> Result<Vec<MeterReading>, Error> {
        let readings = self
            .limit_state(prepared, count, Coming::default(), None)?
            .readings;
        Ok(readings
            .into_iter()
            .filter(|reading| reading.counts)
            .collect())
    }

    /// How everything that a send of `count` looks at stands, and will.
    pub(crate) fn outlook(&self, prepared: &Prepared, count: u64) -> Result<LimitState, Error> {
        self.limit_state(prepared, count, self.coming(prepared)?, None)
    }

    /// As it will be at an instant, if nothing goes out until then.
    pub(crate) fn outlook_then(
        &self,
        prepared: &Prepared,
        count: u64,
        at_ms: u64,
    ) -> Result<LimitState, Error> {
        let mut state = self.limit_state(prepared, count, self.coming(prepared)?, Some(at_ms))?;
        for (reading, (_, wanted)) in state.readings.iter_mut().zip(prepared.all()) {
            reading.reading.go_to(at_ms);
            let resolved = wanted.resolved_then(at_ms);
            if reading.ends_at_ms <= at_ms {
                let bounds = window::bounds_after(
                    wanted.window,
                    (reading.starts_at_ms, reading.ends_at_ms),
                    at_ms,
                    &wanted.calendar,
                );
                (reading.starts_at_ms, reading.ends_at_ms) =
                    bounds.unwrap_or((reading.starts_at_ms, reading.ends_at_ms));
            }
            reading.limit = shown_limit(resolved, wanted.limit_then(at_ms, reading.starts_at_ms));
            reading.source = resolved.source;
            reading.counts = wanted.counts_at(at_ms);
        }
        Ok(LimitState { at_ms, ..state })
    }

    /// How it stands now; what limits will be is told exactly for the instants at which that
    /// matters, and for one more. Paces stand as they do then.
    pub(super) fn limit_state(
        &self,
        prepared: &Prepared,
        count: u64,
        coming: Coming,
        and_at_ms: Option<u64>,
    ) -> Result<LimitState, Error> {
        let now_ms = self.kernel.clock.now_ms();
        let _drawing = prepared.team.drawing.lock();
        self.roll_all(prepared, now_ms)?;
        let meters = prepared.team.meters();
        self.limit_state_of(meters, prepared, count, coming, and_at_ms, now_ms)
    }

    /// As [`limit_state`](Engine::limit_state), of meters whose windows are open.
    pub(super) fn limit_state_of(
        &self,
        meters: Locked<'_>,
        prepared: &Prepared,
        count: u64,
        coming: Coming,
        and_at_ms: Option<u64>,
        now_ms: u64,
    ) -> Result<LimitState, Error> {
        let changes = meters.changes();
        let mut readings = Vec::with_capacity(prepared.places.len());
        for (place, wanted) in prepared.all() {
            let (hot, cold) = meters.pair(place)?;
            let bound = meters.bound(prepared, place, wanted, &coming.open)?;
            let frees = cold.frees(hot, &coming.open, wanted.takes_credits());
            let instants = bound
                .changes_at()
                .into_iter()
                .chain(bound.grown_at(count, cold.meter.ends_at_ms))
                .chain(and_at_ms);
            let instants: std::collections::BTreeSet<u64> =
                instants.filter(|at_ms| *at_ms > now_ms).collect();
            readings.push(MeterReading {
                id: cold.id.clone(),
                window: cold.window,
                source: wanted.resolved.source,
                limit: shown_limit(wanted.resolved, wanted.limit_at(cold.meter.starts_at_ms)),
                starts_at_ms: cold.meter.starts_at_ms,
                ends_at_ms: cold.meter.ends_at_ms,
                kept_apart: bound.kept(now_ms),
                counts: wanted.counts,
                is_pace: false,
                reading: send::Reading {
                    limit: bound.at(now_ms),
                    used: hot.used,
                    over: wanted.over,
                    lifted: prepared.lifts_at(wanted, now_ms),
                    lifts: wanted
                        .later
                        .iter()
                        .map(|(at_ms, _)| (*at_ms, prepared.lifts_at(wanted, *at_ms)))
                        .collect(),
                    frees,
                    limits: instants
                        .into_iter()
                        .map(|at_ms| (at_ms, bound.at(at_ms)))
                        .collect(),
                },
            });
        }
        drop(meters);
        let at_ms = and_at_ms.unwrap_or(now_ms);
        for (wanted, course) in self.courses(prepared, &coming.open, now_ms)? {
            let reading = course.reading(count, at_ms);
            let opens_at_ms = send::fits_at_ms(
                std::slice::from_ref(&reading),
                &send::Credits::default(),
                count,
                at_ms,
            );
            readings.push(MeterReading {
                id: wanted.id.clone(),
                window: wanted.window,
                source: wanted.resolved_then(at_ms).source,
                limit: Limit::At(Count::new(wanted.limit_then(at_ms, at_ms)).unwrap_or_default()),
                starts_at_ms: at_ms,
                ends_at_ms: opens_at_ms
                    .filter(|_| reading.left() < count)
                    .unwrap_or(at_ms),
                kept_apart: 0,
                counts: reading.limit != u64::MAX,
                is_pace: true,
                reading,
            });
        }
        let credits = send::Credits {
            grants: coming.grants,
            pays: prepared.pays_from.clone(),
        };
        Ok(LimitState {
            readings,
            credits,
            at_ms: now_ms,
            changes,
        })
    }

    /// When so many will have gone out; see [`crate::rules::forecast`].
    pub(crate) fn forecast(&self, prepared: &Prepared, count: u64) -> Result<Option<u64>, Error> {
        let Coming { open, grants } = self.coming(prepared)?;
        let now_ms = self.kernel.clock.now_ms();
        let _drawing = prepared.team.drawing.lock();
        self.roll_all(prepared, now_ms)?;
        let meters = prepared.team.meters();
        let mut counters = Vec::new();
        for (place, wanted) in prepared
            .all()
            .filter(|(_, wanted)| wanted.over.refuses() || !wanted.later.is_empty())
        {
            let (hot, cold) = meters.pair(place)?;
            let bound = meters.bound(prepared, place, wanted, &open)?;
            counters.push(forecast::Counter {
                instants: std::collections::BTreeSet::from_iter(bound.changes_at())
                    .into_iter()
                    .collect(),
                limit: Box::new(move |at_ms| bound.at(at_ms)),
                counts: Box::new(|at_ms| wanted.counts_at(at_ms)),
                grows: wanted.growth.is_some(),
                lifted: Box::new(|at_ms| prepared.lifts_at(wanted, at_ms)),
                used: hot.used,
                frees: cold.frees(hot, &open, wanted.takes_credits()).into(),
                window: wanted.window,
                last: cold.last(),
                calendar: &wanted.calendar,
            });
        }
        drop(meters);
        let paces = self
            .courses(prepared, &open, now_ms)?
            .into_iter()
            .map(|(_, course)| course)
            .collect();
        let credits = send::Credits {
            grants,
            pays: prepared.pays_from.clone(),
        };
        Ok(forecast::forecast(counters, paces, credits, count, now_ms))
    }
}

/// A limit as people are shown it.
fn shown_limit(resolved: Resolved, value: u64) -> Limit {
    if resolved.limit == Limit::Unlimited {
        Limit::Unlimited
    } else {
        Limit::At(Count::new(value).unwrap_or_default())
    }
}
