//! How counters stand now and later, and when a send will have gone out.

use crate::error::Error;
use crate::kernel::Kernel;
use crate::meters::limit_state::{Coming, LimitState, MeterReading};
use crate::meters::prepared::Prepared;
use crate::meters::resolved::Resolved;
use crate::meters::store::MeterStore;
use crate::meters::team::{Locked, Meters};
use crate::meters::wanted::Wanted;
use crate::model::{Count, Limit};
use crate::rules::pace::Course;
use crate::rules::{forecast, send, window};
use std::collections::BTreeSet;

/// What is asked of the limits: whether so many fit now, and how the limits are at one more
/// instant.
pub(super) struct Question {
    pub(super) count: u64,
    pub(super) now_ms: u64,
    pub(super) and_at_ms: Option<u64>,
}

impl Prepared {
    /// How every counter stands now, for a send of `count`.
    pub(crate) fn readings(
        &self,
        store: &impl MeterStore,
        count: u64,
    ) -> Result<Vec<MeterReading>, Error> {
        let readings = self
            .limit_state(store, count, Coming::default(), None)?
            .readings;
        Ok(readings
            .into_iter()
            .filter(|reading| reading.counts)
            .collect())
    }

    /// How everything that a send of `count` looks at stands, and will.
    pub(crate) fn outlook(&self, store: &impl MeterStore, count: u64) -> Result<LimitState, Error> {
        self.limit_state(store, count, store.coming(self)?, None)
    }

    /// As it will be at an instant, if nothing goes out until then.
    pub(crate) fn outlook_then(
        &self,
        store: &impl MeterStore,
        count: u64,
        at_ms: u64,
    ) -> Result<LimitState, Error> {
        let mut state = self.limit_state(store, count, store.coming(self)?, Some(at_ms))?;
        for (reading, (_, wanted)) in state.readings.iter_mut().zip(self.all()) {
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
            reading.limit =
                limit_for_display(resolved, wanted.limit_then(at_ms, reading.starts_at_ms));
            reading.source = resolved.source;
            reading.counts = wanted.counts_at(at_ms);
        }
        Ok(LimitState { at_ms, ..state })
    }

    /// How it stands now; what limits will be is told exactly for the instants at which that
    /// matters, and for one more. Paces stand as they do then.
    pub(super) fn limit_state(
        &self,
        store: &impl MeterStore,
        count: u64,
        coming: Coming,
        and_at_ms: Option<u64>,
    ) -> Result<LimitState, Error> {
        let now_ms = store.kernel().clock.now_ms();
        let _drawing = self.team.drawing.lock();
        self.roll_all(store, now_ms)?;
        let meters = self.team.meters();
        let question = Question {
            count,
            now_ms,
            and_at_ms,
        };
        self.limit_state_of(store.kernel(), meters, &question, coming)
    }

    /// As [`limit_state`](Prepared::limit_state), of meters whose windows are open.
    pub(super) fn limit_state_of(
        &self,
        kernel: &Kernel,
        meters: Locked<'_>,
        question: &Question,
        coming: Coming,
    ) -> Result<LimitState, Error> {
        let changes = meters.changes();
        let counters = self
            .all()
            .map(|(place, wanted)| self.counter_reading(&meters, place, wanted, question, &coming));
        let mut readings = counters.collect::<Result<Vec<_>, _>>()?;
        drop(meters);
        let courses = self.courses(kernel, &coming.open, question.now_ms)?;
        readings.extend(
            courses
                .into_iter()
                .map(|(wanted, course)| pace_reading(wanted, course, question)),
        );
        let credits = send::Credits {
            grants: coming.grants,
            pays: self.pays_from.clone(),
        };
        Ok(LimitState {
            readings,
            credits,
            at_ms: question.now_ms,
            changes,
        })
    }

    /// How a counter stands for who sends.
    fn counter_reading(
        &self,
        meters: &Meters,
        place: usize,
        wanted: &Wanted,
        question: &Question,
        coming: &Coming,
    ) -> Result<MeterReading, Error> {
        let now_ms = question.now_ms;
        let (hot, cold) = meters.pair(place)?;
        let bound = meters.bound(self, place, wanted, &coming.open)?;
        let frees = cold.frees(hot, &coming.open, wanted.takes_credits());
        let instants = bound
            .changes_at()
            .into_iter()
            .chain(bound.grown_at(question.count, cold.meter.ends_at_ms))
            .chain(question.and_at_ms);
        let instants: BTreeSet<u64> = instants.filter(|at_ms| *at_ms > now_ms).collect();
        Ok(MeterReading {
            id: cold.id.clone(),
            window: cold.window,
            source: wanted.resolved.source,
            limit: limit_for_display(wanted.resolved, wanted.limit_at(cold.meter.starts_at_ms)),
            starts_at_ms: cold.meter.starts_at_ms,
            ends_at_ms: cold.meter.ends_at_ms,
            kept_apart: bound.kept(now_ms),
            counts: wanted.counts,
            is_pace: false,
            reading: send::Reading {
                limit: bound.at(now_ms),
                used: hot.used,
                over: wanted.over,
                lifted: self.lifts_at(wanted, now_ms),
                lifts: wanted
                    .later
                    .iter()
                    .map(|(at_ms, _)| (*at_ms, self.lifts_at(wanted, *at_ms)))
                    .collect(),
                frees,
                limits: instants
                    .into_iter()
                    .map(|at_ms| (at_ms, bound.at(at_ms)))
                    .collect(),
            },
        })
    }

    /// When so many will have gone out; see [`crate::rules::forecast`].
    pub(crate) fn forecast(
        &self,
        store: &impl MeterStore,
        count: u64,
    ) -> Result<Option<u64>, Error> {
        let Coming { open, grants } = store.coming(self)?;
        let now_ms = store.kernel().clock.now_ms();
        let _drawing = self.team.drawing.lock();
        self.roll_all(store, now_ms)?;
        let meters = self.team.meters();
        let mut counters = Vec::new();
        for (place, wanted) in self
            .all()
            .filter(|(_, wanted)| wanted.over.refuses() || !wanted.later.is_empty())
        {
            let (hot, cold) = meters.pair(place)?;
            let bound = meters.bound(self, place, wanted, &open)?;
            counters.push(forecast::Counter {
                instants: BTreeSet::from_iter(bound.changes_at())
                    .into_iter()
                    .collect(),
                limit: Box::new(move |at_ms| bound.at(at_ms)),
                counts: Box::new(|at_ms| wanted.counts_at(at_ms)),
                grows: wanted.growth.is_some(),
                lifted: Box::new(|at_ms| self.lifts_at(wanted, at_ms)),
                used: hot.used,
                frees: cold.frees(hot, &open, wanted.takes_credits()).into(),
                window: wanted.window,
                last: cold.last(),
                calendar: &wanted.calendar,
            });
        }
        drop(meters);
        let paces = self
            .courses(store.kernel(), &open, now_ms)?
            .into_iter()
            .map(|(_, course)| course)
            .collect();
        let credits = send::Credits {
            grants,
            pays: self.pays_from.clone(),
        };
        Ok(forecast::forecast(counters, paces, credits, count, now_ms))
    }
}

/// A limit as people are shown it.
fn limit_for_display(resolved: Resolved, value: u64) -> Limit {
    if resolved.limit == Limit::Unlimited {
        Limit::Unlimited
    } else {
        Limit::At(Count::new(value).unwrap_or_default())
    }
}

/// How a pace stands for who sends.
fn pace_reading(wanted: &Wanted, course: Course, question: &Question) -> MeterReading {
    let at_ms = question.and_at_ms.unwrap_or(question.now_ms);
    let reading = course.reading(question.count, at_ms);
    let opens_at_ms = send::fits_at_ms(
        std::slice::from_ref(&reading),
        &send::Credits::default(),
        question.count,
        at_ms,
    );
    MeterReading {
        id: wanted.id.clone(),
        window: wanted.window,
        source: wanted.resolved_then(at_ms).source,
        limit: Limit::At(Count::new(wanted.limit_then(at_ms, at_ms)).unwrap_or_default()),
        starts_at_ms: at_ms,
        ends_at_ms: opens_at_ms
            .filter(|_| reading.left() < question.count)
            .unwrap_or(at_ms),
        kept_apart: 0,
        counts: reading.limit != u64::MAX,
        is_pace: true,
        reading,
    }
}
