//! Sending prepared: whether it is refused, and the counters and paces that it charges.

use crate::error::Code;
use crate::meters::allowance::Allowance;
use crate::meters::guaranteed::Promise;
use crate::meters::id::MeterId;
use crate::meters::places::Hold;
use crate::meters::remembered::Remembered;
use crate::meters::team::Team;
use crate::meters::wanted::Wanted;
use crate::model::{Channel, Id, OverLimit};
use crate::rules::trial::MissingPermission;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Sending prepared: whether it is refused, and the counters that it charges.
pub(crate) struct Prepared {
    pub(crate) stamp: u64,
    pub(crate) refusal: Option<Code>,
    /// What a role that is tried would refuse: each call counts (R-QTA-15).
    pub(crate) missing: Option<MissingPermission>,
    /// From when on it is to be prepared anew, even if nothing changes.
    pub(crate) until_ms: u64,
    pub(crate) account: Id,
    pub(crate) team: Arc<Team>,
    pub(crate) wanted: Vec<Wanted>,
    /// The places of the counters in the team's meters, those that credits pay beyond first.
    pub(crate) places: Arc<[usize]>,
    /// The counters that a planned package makes count, and their places.
    pub(crate) planned: Vec<(Wanted, usize)>,
    /// Of those who ask by ids, and of all who are charged alike and send in turn.
    pub(crate) allowance: Arc<Allowance>,
    /// How many of them, the first, credits pay beyond.
    pub(crate) lifted: usize,
    pub(crate) channel: Channel,
    /// The group of the member who sends.
    pub(crate) group: Option<Id>,
    /// Whether credits pay for what exceeds the account's own limits.
    pub(crate) pays: bool,
    /// From when on they do, or do no longer, as packages have it; nothing where they never do.
    pub(crate) pays_from: Vec<(u64, bool)>,
    /// How many there are to pay with.
    pub(crate) credits: u64,
    /// What is guaranteed to the accounts on the line of who sends.
    pub(crate) promised: Arc<[Promise]>,
    /// What spreads the sends.
    pub(crate) paced: Vec<Wanted>,
    pub(crate) pace_places: Box<[usize]>,
    /// Nobody else gets any of these places as long as this is there.
    pub(crate) held: Vec<Hold>,
    /// What spreads them once a planned package comes into force.
    pub(crate) planned_paces: Vec<Wanted>,
    /// Whether the next blocks are asked for.
    pub(crate) asked: AtomicBool,
    /// The last refusal.
    pub(crate) remembered: Remembered,
}

impl Prepared {
    #[cfg(test)]
    pub(crate) fn team_for_tests(&self) -> Arc<Team> {
        self.team.clone()
    }

    /// Whether both are charged under one lock.
    pub(crate) fn is_of_team_of(&self, other: &Prepared) -> bool {
        Arc::ptr_eq(&self.team, &other.team)
    }

    /// Whether a counter is of a limit of the account itself.
    pub(super) fn is_own(&self, id: &MeterId) -> bool {
        id.is_own_of(&self.account)
    }

    /// The counters that a send is charged to, and those that a planned package makes count.
    pub(crate) fn all(&self) -> impl Iterator<Item = (usize, &Wanted)> {
        self.places
            .iter()
            .copied()
            .zip(&self.wanted)
            .chain(self.planned.iter().map(|(wanted, place)| (*place, wanted)))
    }

    /// Whether credits pay beyond a counter at an instant, where the account pays with credits
    /// then.
    pub(super) fn lifts_at(&self, wanted: &Wanted, at_ms: u64) -> bool {
        self.is_own(&wanted.id)
            && wanted.counts_at(at_ms)
            && wanted.resolved_then(at_ms).over == OverLimit::UseCredits
    }

    /// Whether credits pay beyond a counter where the account pays with credits.
    pub(super) fn lifts(&self, wanted: &Wanted) -> bool {
        self.is_own(&wanted.id) && wanted.takes_credits()
    }

    /// What would be charged.
    pub(crate) fn counters(&self) -> Vec<String> {
        self.wanted
            .iter()
            .chain(&self.paced)
            .map(|wanted| wanted.id.text())
            .collect()
    }
}
