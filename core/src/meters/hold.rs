//! What is prepared finds or makes its counters and paces, and holds them.

use crate::error::Error;
use crate::meters::frame::TRIED;
use crate::meters::guaranteed::Promise;
use crate::meters::id::MeterScope;
use crate::meters::places::Hold;
use crate::meters::prepared::Prepared;
use crate::meters::team::Meters;
use crate::meters::wanted::Wanted;

impl Prepared {
    /// Finds or makes the counters, and gives them the limits of today.
    pub(crate) fn hold_places(mut self, now_ms: u64) -> Result<Prepared, Error> {
        let team = self.team.clone();
        let mut meters = team.meters();
        let mut places = Vec::with_capacity(self.wanted.len());
        let mut promised = Vec::new();
        for wanted in &self.wanted {
            let (place, hold) = meters.place(wanted);
            self.held.push(hold);
            meters.give_limits(place, wanted)?;
            if let Some((promise, hold)) = meters.promise(place, wanted) {
                promised.push(promise);
                self.held.push(hold);
            }
            places.push(place);
        }
        let mut pace_places = Vec::with_capacity(self.paced.len());
        for wanted in &self.paced {
            let pace = wanted.pace(now_ms);
            let (place, hold) = meters.pace_place(wanted, pace);
            self.held.push(hold);
            if let Some(known) = meters.paces.get_mut(place).filter(|_| wanted.stamp > TRIED) {
                known.go_on_as(pace);
            }
            pace_places.push(place);
        }
        for (wanted, place) in &mut self.planned {
            let hold;
            (*place, hold) = meters.place(&Wanted {
                stamp: TRIED,
                ..wanted.clone()
            });
            self.held.push(hold);
        }
        meters.count_places();
        drop(meters);
        self.places = places.into();
        self.promised = promised.into();
        self.pace_places = pace_places.into_boxed_slice();
        Ok(self)
    }
}

impl Meters {
    /// Gives a counter the limit of today, and what is guaranteed of it. What an older view says
    /// changes nothing.
    fn give_limits(&mut self, place: usize, wanted: &Wanted) -> Result<(), Error> {
        let guaranteed = match self.pair(place)?.1.guaranteed_by {
            Some(stamp) if wanted.stamp <= stamp => None,
            _ => Some(self.child_places(wanted)),
        };
        let (hot, cold) = self.pair_mut(place)?;
        if let Some(guaranteed) = guaranteed {
            (cold.guaranteed, cold.guaranteed_by) = (guaranteed, Some(wanted.stamp));
            cold.keeps_apart = wanted.keeps_apart_now();
        }
        if wanted.stamp < cold.stamp {
            return Ok(());
        }
        cold.source = wanted.resolved.source;
        cold.over = wanted.over;
        if wanted.stamp > cold.stamp && matches!(wanted.id.scope, MeterScope::Cap(..)) {
            // It may be another cap under the same id: the store says what it has counted.
            hot.ends_at_ms = 0;
            cold.window = wanted.window;
        }
        cold.stamp = wanted.stamp;
        cold.alert_at = wanted.alert_at.clone();
        cold.calendar = wanted.calendar.clone();
        let limit_before = cold.most();
        cold.limit = wanted.limit_at(cold.meter.starts_at_ms);
        if cold.most() != limit_before {
            // What others have drawn counts, too: under a lower limit, and under a higher one that
            // was lowered again meanwhile.
            hot.ends_at_ms = 0;
        }
        cold.forget_alerts(hot.used);
        self.keep_apart(place)
    }

    /// What a counter guarantees to the account below that is on the line of who sends.
    fn promise(&mut self, parent: usize, wanted: &Wanted) -> Option<(Promise, Hold)> {
        let kept = wanted.kept.as_ref()?;
        let of = kept
            .parts
            .iter()
            .find(|of| Some(&of.account) == wanted.child.as_ref())?;
        let (child, hold) = self.places.find(&wanted.counter_of(of))?;
        let promise = Promise {
            parent,
            child,
            part: of.part,
        };
        Some((promise, hold))
    }
}
