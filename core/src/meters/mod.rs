//! Meters: what may still go out, decided and charged in one step.
//!
//! All counters that one send can touch belong to one team of accounts and lie under one lock. The
//! store is charged ahead for a block of each counter, and a send spends the block in memory, or
//! what was lent to it of the block. A clean close gives the rest back; after a crash what was
//! drawn counts as spent. So nothing is ever sent beyond a limit, and what a crash can cost is one
//! block for each counter, or the largest send that was asked for where that is more.

mod alike;
pub(crate) mod allowance;
mod blocks;
pub(crate) mod drawer;
mod given_back;
mod places;
mod refused;

use crate::access::request::Ctx;
use crate::access::state::Engine;
use crate::access::trials::Lacking;
use crate::access::view::{
    AccountCell, Frame, Guarantee, Guaranteed, MemberView, Resolved, View, value_of,
};
use crate::domain::credits::{self, Lifted};
use crate::domain::reservations;
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::locks::{AtomicU64, Mutex};
use crate::meters::allowance::{Alike, Allowance, Lent, Terms};
pub(crate) use crate::meters::places::Room;
use crate::meters::places::{Hold, Places, Share};
use crate::meters::refused::{Locked, Remembered};
use crate::model::{
    Actor, Assets, Cap, CapPeriod, CapScope, Channel, Count, Group, Id, Limit, LimitAlert,
    LimitName, MessageClass, MessageInput, Meter, Name, OutboxKind, OutboxMessage, OverLimit,
    PaceRecord, PaidWithCredits, Reservation, ReservationState, Window,
};
pub(crate) use crate::model::{BindingLimit, Decision, Refusal};
use crate::rules::limit::Source;
use crate::rules::pace::{Course, Pace, Return};
use crate::rules::window::{self, Calendar};
use crate::rules::{forecast, send, threshold};
use crate::tables::{accounts, campaigns};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tenantry_store::{Batch, CommitError, Order};

/// How many windows of an account end, at most, while one of an account below is open.
const WINDOWS_AHEAD: usize = 4;
/// How often a draw is tried against others that draw from the same records.
const ROUNDS: usize = 16;
/// Whose the caps are that count what all accounts send.
const PLATFORM: &str = "platform";
/// The stamp of what is only looked at: it changes no counter, as every view that counts is later.
pub(crate) const TRIED: u64 = 0;
/// The scope of what a limit does not count.
pub(crate) const UNCOUNTED: &str = "uncounted";

/// The meters of a tree of accounts.
#[derive(Default)]
pub(crate) struct Team {
    /// To be reached by [`meters`](Team::meters) alone.
    locked: Mutex<Meters>,
    /// How often they were changed.
    changes: AtomicU64,
    /// Held by whoever draws from the store for this team.
    drawing: Mutex<()>,
    /// Whether its top account is gone: nothing more is charged here.
    has_ended: AtomicBool,
    /// What senders have in common who are charged alike.
    alike: Alike,
}

#[derive(Default)]
struct Meters {
    /// What every send reads and writes, apart from the rest.
    hot: Vec<Hot>,
    cold: Vec<Cold>,
    places: Places<MeterId>,
    paces: Vec<Pace>,
    /// The key of the record of each pace, and the version of it that says that it is in memory
    /// here.
    pace_records: Vec<(Vec<u8>, u64)>,
    /// By when they were made, too: a cap that is made anew has a pace of its own.
    pace_places: Places<(Arc<MeterId>, u64)>,
    share: Share,
    /// What one sender may take without the lock; nothing while somebody holds it.
    lent: Option<Lent>,
    /// Where the allowance of who sent last lies, and the one that they share with those who are
    /// charged alike. It may be gone, and be the place of another by now: that one is lent to
    /// early.
    sent_last: [usize; 2],
}

/// What one counter counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MeterId {
    /// None for a cap of the platform.
    pub(crate) account: Option<Id>,
    pub(crate) scope: MeterScope,
    /// Such as `email_per_day`; of a cap, `cap`.
    limit: &'static str,
}

/// Whose counter it is, within its account.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum MeterScope {
    /// The account's own.
    Account,
    /// Messages of a class that a limit of the account does not count: nothing bounds them, and the
    /// invoice tells of them.
    Uncounted,
    /// A group's (R-GRP-5).
    Group(Id),
    /// A cap's, of one member, campaign or domain (R-QTA-14).
    Cap(Id, CapScope, String),
}

impl MeterId {
    /// The counter that a cap has for a member, a campaign or a domain.
    pub(crate) fn of_cap(cap: &Cap, subject: &str) -> MeterId {
        MeterId {
            account: cap.account.clone(),
            scope: MeterScope::Cap(cap.id.clone(), cap.scope, subject.to_owned()),
            limit: "cap",
        }
    }

    /// Whether it is of a limit of the account itself.
    fn is_own_of(&self, account: &Id) -> bool {
        self.account.as_ref() == Some(account) && self.scope == MeterScope::Account
    }

    /// The name of the limit, or the id of the cap.
    pub(crate) fn name(&self) -> &str {
        match &self.scope {
            MeterScope::Cap(cap, ..) => cap.as_str(),
            MeterScope::Account | MeterScope::Uncounted | MeterScope::Group(_) => self.limit,
        }
    }

    /// Whose it is, seen from the account that sends.
    pub(crate) fn scope_name(&self, sender: &Id) -> &'static str {
        match self.scope {
            MeterScope::Group(_) => "group",
            MeterScope::Uncounted => UNCOUNTED,
            MeterScope::Account | MeterScope::Cap(_, CapScope::Account, _)
                if self.account.is_none() =>
            {
                PLATFORM
            }
            MeterScope::Account | MeterScope::Cap(_, CapScope::Account, _)
                if self.account.as_ref() == Some(sender) =>
            {
                "account"
            }
            MeterScope::Account | MeterScope::Cap(_, CapScope::Account, _) => "ancestor",
            MeterScope::Cap(_, scope, _) => scope.name(),
        }
    }

    /// Whose it is, seen from the account that carries it.
    fn own_scope_name(&self) -> &'static str {
        match (&self.account, &self.scope) {
            (Some(account), _) => self.scope_name(account),
            (None, MeterScope::Cap(_, scope, _)) if *scope != CapScope::Account => scope.name(),
            (None, _) => PLATFORM,
        }
    }

    /// The account, group, member, campaign or domain.
    pub(crate) fn subject(&self) -> &str {
        match &self.scope {
            MeterScope::Account | MeterScope::Uncounted => {
                self.account.as_ref().map_or(PLATFORM, Id::as_str)
            }
            MeterScope::Group(group) => group.as_str(),
            MeterScope::Cap(_, _, subject) => subject,
        }
    }

    /// The scope and the subject in the keys of its records.
    fn parts(&self) -> (String, &str) {
        match &self.scope {
            MeterScope::Account => (String::new(), ""),
            MeterScope::Uncounted => (UNCOUNTED.to_owned(), ""),
            MeterScope::Group(group) => ("group".to_owned(), group.as_str()),
            MeterScope::Cap(cap, _, subject) => (keys::of_cap(cap), subject),
        }
    }

    /// Whether what another counter counts may have been counted here before: limits change their
    /// class, groups their period.
    fn takes_place_of(&self, other: &MeterId) -> bool {
        use MeterScope::{Account, Group, Uncounted};
        let scopes = match (&self.scope, &other.scope) {
            (Account, Uncounted) | (Uncounted, Account) => self.limit == other.limit,
            (Group(_), Group(_)) => true,
            _ => false,
        };
        scopes && self.account == other.account
    }

    /// One text for all of it.
    fn text(&self) -> String {
        let (scope, subject) = self.parts();
        [
            keys::carrier(self.account.as_ref()),
            self.limit,
            &scope,
            subject,
        ]
        .join("/")
    }

    fn key(&self) -> Vec<u8> {
        let (scope, subject) = self.parts();
        keys::meter(self.account.as_ref(), self.limit, &scope, subject)
    }

    /// Where it is kept how far a pace is.
    fn pace_key(&self) -> Vec<u8> {
        let (scope, subject) = self.parts();
        keys::meters::pace(self.account.as_ref(), self.limit, &scope, subject)
    }

    /// Where a window that is over is kept.
    fn history_key(&self, starts_at_ms: u64) -> Vec<u8> {
        let (scope, subject) = self.parts();
        keys::meter_history(
            self.account.as_ref(),
            self.limit,
            &scope,
            subject,
            starts_at_ms,
        )
    }
}

#[derive(Clone, Copy, Debug)]
struct Hot {
    ends_at_ms: u64,
    /// Charged in the store and not yet used.
    rest: u64,
    used: u64,
    /// Without what is kept apart for accounts below that are guaranteed a part of it.
    limit: u64,
    /// Beyond this more is to be looked at than these numbers: the limit, or the next threshold
    /// that the host is told of.
    stop: u64,
    /// With less than this at rest the next block is drawn ahead.
    low: u64,
}

#[derive(Clone, Debug)]
struct Cold {
    id: Arc<MeterId>,
    window: Window,
    source: Source,
    over: OverLimit,
    /// The limit as it is meant, also where nothing is refused beyond it.
    limit: u64,
    calendar: Arc<Calendar>,
    /// The counters of the accounts below that are guaranteed a part of it, and their parts
    /// (R-TEA-9).
    guaranteed: Arc<[Kept]>,
    /// The stamp of the view that they were taken from.
    guaranteed_by: Option<u64>,
    /// Percentages of it at which the host is told.
    alert_at: Arc<[u64]>,
    /// The stamp of the view that the limit was taken from; an older view changes nothing.
    stamp: u64,
    /// The window that is drawn from: `drawn` is what is used in it, or in this part of a rolling
    /// one, and the rest.
    meter: Meter,
    /// The last window that was charged, without its rest where it is over. One that nobody charged
    /// moves none after it (ADR 30).
    charged: Meter,
    /// What nobody uses and the store counts all the same, until this counter is written again: an
    /// instant of the window, or of the part of a rolling one, and how many.
    unwritten: Vec<(u64, u64)>,
    /// The version of the stored record. Another that draws from the same store may have written a
    /// later one.
    version: u64,
    block: u64,
    /// With less than this at rest the next block is drawn ahead.
    low: u64,
    drawn_at_ms: u64,
}

impl Hot {
    #[inline]
    fn covers(&self, count: u64, now_ms: u64) -> bool {
        now_ms < self.ends_at_ms
            && count <= self.rest
            && count <= self.stop.saturating_sub(self.used)
    }

    /// How many can be charged before the next block is to be asked for, where it `is_asked` not
    /// yet, or somebody to be told of a threshold.
    fn before_a_look(&self, is_asked: bool) -> u64 {
        let low = if is_asked { 0 } else { self.low };
        self.rest
            .saturating_sub(low)
            .min(self.stop.saturating_sub(self.used))
    }
}

impl Cold {
    /// The largest amount of all who send.
    fn most(&self) -> u64 {
        if self.over.refuses() {
            self.limit
        } else {
            u64::MAX
        }
    }

    /// Sets where the next threshold lies.
    fn set_stop(&self, hot: &mut Hot) {
        hot.stop = threshold::next(&self.alert_at, self.limit, self.meter.alerted)
            .map_or(u64::MAX, |amount| amount - 1)
            .min(hot.limit);
    }

    /// The last window that was charged, as it is used.
    fn without_rest(&self, hot: &Hot) -> Meter {
        match self.meter.is_charged() {
            false => self.charged.clone(),
            true => Meter {
                drawn: self.meter.drawn - hot.rest,
                ..self.meter.clone()
            },
        }
    }

    /// Tells of a threshold that `reading` reaches, and when it helps to try again.
    fn alert(&self, percent: u64, reading: &send::Reading, now_ms: u64) -> OutboxMessage {
        let alert = LimitAlert {
            limit: self.id.name().to_owned(),
            scope: self.id.own_scope_name().to_owned(),
            subject: self.id.subject().to_owned(),
            percent,
            value: self.limit,
            used: reading.used,
            resets_at_ms: reading.helps_at_ms().unwrap_or_else(|| self.counts_until()),
        };
        OutboxMessage {
            alert: Some(alert),
            ..OutboxMessage::about(OutboxKind::LimitAlert, self.id.account.clone(), now_ms)
        }
    }

    /// Until when what is used now counts.
    fn counts_until(&self) -> u64 {
        window::resets_at_ms(self.window, self.meter.ends_at_ms, None)
    }

    /// How it stands once so many more are used, which come back at an instant where they are
    /// reserved until then.
    fn reading_with(
        &self,
        hot: &Hot,
        more: u64,
        reserved_until_ms: Option<u64>,
        open: &[Reservation],
        takes_credits: bool,
    ) -> send::Reading {
        let mut frees = self.frees(hot, open, takes_credits);
        frees.push((
            reserved_until_ms.map_or(self.counts_until(), |at_ms| at_ms.min(self.counts_until())),
            more,
        ));
        frees.sort_unstable();
        send::Reading {
            limit: self.limit,
            used: hot.used.saturating_add(more),
            frees,
            ..send::Reading::plain(self.over)
        }
    }

    /// Whether the window of an instant is over and kept in the history: so are all windows of a
    /// counter that was cleared away.
    fn is_kept(&self, at_ms: u64) -> bool {
        let last = if self.meter.is_charged() {
            &self.meter
        } else {
            &self.charged
        };
        self.window != Window::RollingHour && (at_ms < last.starts_at_ms || !last.is_charged())
    }

    /// Takes what was used at an instant out of the window that it counts in; answers how much of
    /// it was still there.
    fn give_back(&mut self, hot: &mut Hot, count: u64, used_at_ms: u64) -> u64 {
        let is_over = !self.meter.holds(used_at_ms);
        let is_charged = self.meter.is_charged();
        let part = if is_charged {
            self.meter.part_at(used_at_ms)
        } else {
            self.charged.part_at(used_at_ms)
        };
        let of_charged = if is_charged {
            0
        } else {
            self.charged.take_out(count, used_at_ms, 0)
        };
        let back = self.meter.take_out(count, used_at_ms, hot.rest);
        if is_over {
            self.came_back(part, back.max(of_charged));
        } else {
            // It can be used again without a draw.
            self.meter.drawn += back;
            hot.rest += back;
        }
        hot.used -= back;
        self.forget_alerts(hot);
        self.set_stop(hot);
        back
    }

    /// A rolling window is a new one once its use has been below a threshold (R-QTA-8).
    fn forget_alerts(&mut self, hot: &Hot) {
        if self.window == Window::RollingHour {
            self.meter.alerted =
                self.meter
                    .alerted
                    .min(threshold::reached(&self.alert_at, self.limit, hot.used));
        }
    }

    /// Remembers what the store counts and nobody uses.
    fn came_back(&mut self, part: Option<u64>, count: u64) {
        let Some(part) = part.filter(|_| count > 0) else {
            return;
        };
        match self.unwritten.iter_mut().find(|(at_ms, _)| *at_ms == part) {
            Some((_, sum)) => *sum += count,
            None => self.unwritten.push((part, count)),
        }
    }

    /// The part of the window, or the part of a rolling one, that an open reservation comes back
    /// to.
    fn is_part_of(&self, until_ms: u64, at_ms: u64) -> bool {
        let is_current = self.window != Window::RollingHour
            || until_ms == window::counts_until(self.meter.ends_at_ms);
        if is_current {
            self.meter.holds(at_ms)
        } else {
            window::is_of_part(at_ms, until_ms)
        }
    }

    /// When what is used counts no longer, and how much of it: the ends of windows, and of
    /// reservations before them. What credits paid for was not charged to a counter that takes
    /// them.
    fn frees(&self, hot: &Hot, open: &[Reservation], takes_credits: bool) -> Vec<(u64, u64)> {
        let now_used = self.meter.drawn - hot.rest;
        let mut parts: Vec<(u64, u64)> = match self.window {
            Window::RollingHour => {
                let current = (now_used > 0).then(|| (self.counts_until(), now_used));
                self.meter.past.iter().copied().chain(current).collect()
            }
            _ => vec![(self.meter.ends_at_ms, hot.used)],
        };
        if open.is_empty() {
            return parts;
        }
        let (text, mut back) = (self.id.text(), Vec::new());
        for reservation in open.iter().filter(|open| open.counters.contains(&text)) {
            let is_paid = takes_credits && self.id.is_own_of(&reservation.account);
            let charged = reservation.count
                - if is_paid {
                    reservation.paid_of(reservation.count)
                } else {
                    0
                };
            let of = parts
                .iter_mut()
                .find(|(until_ms, _)| self.is_part_of(*until_ms, reservation.reserved_at_ms));
            if let Some((_, left)) =
                of.filter(|(until_ms, _)| reservation.expires_at_ms < *until_ms)
            {
                let part = charged.min(*left);
                *left -= part;
                back.push((reservation.expires_at_ms, part));
            }
        }
        parts.extend(back);
        parts.sort_unstable();
        parts
    }

    /// Whether what is used here was used in the window of the counter above: that of another zone
    /// begins and ends beside it.
    fn counts_in(&self, above: &Cold) -> bool {
        self.counts_in_window(above.meter.starts_at_ms, above.meter.ends_at_ms)
    }

    fn counts_in_window(&self, starts_at_ms: u64, ends_at_ms: u64) -> bool {
        self.window == Window::RollingHour
            || self.meter.ends_at_ms > starts_at_ms.midpoint(ends_at_ms)
    }

    /// The last window that was charged: it owns its boundaries.
    fn last(&self) -> (u64, u64) {
        let last = if self.meter.is_charged() {
            &self.meter
        } else {
            &self.charged
        };
        (last.starts_at_ms, last.ends_at_ms)
    }

    /// The window of an instant from now on.
    fn window_at(&self, at_ms: u64) -> (u64, u64) {
        let now = (self.meter.starts_at_ms, self.meter.ends_at_ms);
        if at_ms < self.meter.ends_at_ms {
            now
        } else {
            window::bounds_after(self.window, self.last(), at_ms, &self.calendar).unwrap_or(now)
        }
    }
}

/// The counter of an account below that is guaranteed a part of a counter.
#[derive(Clone, Debug)]
struct Kept {
    below: usize,
    _hold: Hold,
    part: u64,
    /// Whether credits pay beyond the limit of the account below.
    takes_credits: bool,
}

/// What is left of a part that has been used so far.
fn unused(part: u64, hot: &Hot, cold: &Cold, above: &Cold) -> u64 {
    part.saturating_sub(if cold.counts_in(above) { hot.used } else { 0 })
}

/// A counter on the line of who sends that is guaranteed a part of the one above.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Promise {
    above: usize,
    below: usize,
    part: u64,
}

/// What a limit is at any instant from now on, if nothing happens but time, for who sends.
struct Bound<'a> {
    wanted: &'a Wanted,
    /// The window that was charged last: it owns its boundaries.
    last: (u64, u64),
    /// How much of it is kept apart for others: from when on, and how much; not before the first.
    kept: Vec<(u64, u64)>,
}

impl Bound<'_> {
    fn starts_at_ms(&self, at_ms: u64) -> u64 {
        let (starts_at_ms, ends_at_ms) = self.last;
        if at_ms < ends_at_ms {
            return starts_at_ms;
        }
        window::bounds_after(self.wanted.window, self.last, at_ms, &self.wanted.calendar)
            .map_or(at_ms, |(starts_at_ms, _)| starts_at_ms)
    }

    /// Of all who send.
    fn of_all(&self, at_ms: u64) -> u64 {
        if self.wanted.refuses_at(at_ms) {
            self.wanted.limit_then(at_ms, self.starts_at_ms(at_ms))
        } else {
            u64::MAX
        }
    }

    /// How much of it is kept apart for others.
    fn kept(&self, at_ms: u64) -> u64 {
        let holds = self
            .wanted
            .kept
            .as_ref()
            .is_some_and(|kept| kept.holds(at_ms))
            && self.of_all(at_ms) != u64::MAX;
        let kept = self
            .kept
            .iter()
            .rfind(|(from_ms, _)| *from_ms <= at_ms)
            .map_or(0, |(_, kept)| *kept);
        if holds { kept } else { 0 }
    }

    fn at(&self, at_ms: u64) -> u64 {
        self.of_all(at_ms).saturating_sub(self.kept(at_ms))
    }

    /// When it becomes another, but for windows in which it grows.
    fn turns(&self) -> Vec<u64> {
        let packages = self.wanted.later.iter().map(|(at_ms, _)| *at_ms);
        let holds = self
            .wanted
            .kept
            .iter()
            .flat_map(|kept| kept.holds.iter().map(|(at_ms, _)| *at_ms));
        packages
            .chain(holds)
            .chain(self.kept.iter().map(|(at_ms, _)| *at_ms))
            .collect()
    }

    /// When it will have grown: with the windows that come next, one of which a change of zone may
    /// have made longer, and as soon as it is enough for `count`.
    fn grown_at(&self, count: u64, ends_at_ms: u64) -> Vec<u64> {
        let Some((by, from_ms)) = self.wanted.growth.filter(|(by, _)| *by > 0) else {
            return Vec::new();
        };
        let (kind, calendar) = (self.wanted.window, &self.wanted.calendar);
        let mut grown = vec![ends_at_ms];
        for _ in 0..3 {
            let next = grown
                .last()
                .and_then(|at_ms| window::bounds(kind, *at_ms, calendar));
            grown.extend(next.map(|(_, ends_at_ms)| ends_at_ms));
        }
        let enough = count
            .saturating_sub(self.wanted.resolved.limit.ceiling())
            .div_ceil(by);
        let tomorrow = window::days_since(from_ms, ends_at_ms, calendar).saturating_add(1);
        let days = [enough, tomorrow]
            .into_iter()
            .filter_map(|days| window::starts_after_days(kind, from_ms, days, calendar));
        grown.extend(days);
        grown
    }
}

/// How everything that a send looks at stands at an instant, and how it will if nothing happens but
/// time.
pub(crate) struct Standing {
    pub(crate) readings: Vec<MeterReading>,
    credits: send::Credits,
    at_ms: u64,
    /// How often the meters had been changed by then.
    changes: u64,
}

impl Standing {
    fn plain(&self) -> Vec<send::Reading> {
        self.readings
            .iter()
            .map(|reading| reading.reading.clone())
            .collect()
    }

    /// How many may go out, credits included; none where nothing limits it.
    pub(crate) fn remaining(&self) -> Option<u64> {
        let most = send::most(&self.plain(), self.credits.left(self.at_ms));
        (most != u64::MAX).then_some(most)
    }

    /// How many of `count` credits would pay for.
    pub(crate) fn paid(&self, count: u64) -> u64 {
        if self.credits.pay(self.at_ms) {
            send::excess(&self.plain(), count)
        } else {
            0
        }
    }

    /// What stops `count`.
    pub(crate) fn refusal(&self, account: &Id, count: u64) -> Option<Refusal> {
        let refused = send::refusal(&self.plain(), &self.credits, count, self.at_ms)?;
        let reading = self.readings.get(refused.index)?;
        let limit = BindingLimit {
            name: reading.id.name().to_owned(),
            scope: reading.id.scope_name(account).to_owned(),
            subject: reading.id.subject().to_owned(),
            value: reading.reading.limit.saturating_add(reading.kept_apart),
            used: reading.reading.used,
            kept_apart: Some(reading.kept_apart).filter(|kept| *kept > 0),
            source: reading.source.name().to_owned(),
        };
        Some(Refusal {
            code: refused.code,
            limit: Some(limit),
            retry_at_ms: refused.retry_at_ms,
            credits_left: (refused.code == Code::CreditsExhausted)
                .then(|| self.credits.left(self.at_ms)),
            over: Some(refused.over)
                .filter(|over| !matches!(over, OverLimit::Reject | OverLimit::UseCredits)),
        })
    }
}

/// What comes back by itself, and what credits there are to pay with.
#[derive(Default)]
struct Coming {
    open: Vec<Reservation>,
    grants: Vec<send::Part>,
}

/// Sending prepared: whether it is refused, and the counters that it charges.
pub(crate) struct Prepared {
    pub(crate) stamp: u64,
    pub(crate) refusal: Option<Code>,
    /// What a role that is tried would refuse: each call counts (R-QTA-15).
    pub(crate) lacking: Option<Lacking>,
    /// From when on it is to be prepared anew, even if nothing changes.
    pub(crate) until_ms: u64,
    account: Id,
    team: Arc<Team>,
    wanted: Vec<Wanted>,
    /// The places of the counters in the team's meters, those that credits pay beyond first.
    places: Arc<[usize]>,
    /// The counters that a planned package makes count, and their places.
    planned: Vec<(Wanted, usize)>,
    /// Of those who ask by ids, and of all who are charged alike and send in turn.
    allowance: Arc<Allowance>,
    /// How many of them, the first, credits pay beyond.
    lifted: usize,
    channel: Channel,
    /// The group of the member who sends.
    pub(crate) group: Option<Id>,
    /// Whether credits pay for what exceeds the account's own limits.
    pays: bool,
    /// From when on they do, or do no longer, as packages have it; nothing where they never do.
    pays_from: Vec<(u64, bool)>,
    /// How many there are to pay with.
    credits: u64,
    /// What is guaranteed to the accounts on the line of who sends.
    promised: Arc<[Promise]>,
    /// What spreads the sends.
    paced: Vec<Wanted>,
    pace_places: Box<[usize]>,
    /// Nobody else gets any of these places as long as this is there.
    held: Vec<Hold>,
    /// What spreads them once a planned package comes into force.
    planned_paces: Vec<Wanted>,
    /// Whether the next blocks are asked for.
    asked: AtomicBool,
    /// The last refusal.
    remembered: Remembered,
}

/// A counter that is to be charged, with what bounds it.
#[derive(Clone)]
pub(crate) struct Wanted {
    id: Arc<MeterId>,
    window: Window,
    resolved: Resolved,
    /// Whether it counts such messages now; otherwise a planned package makes it.
    counts: bool,
    /// What it becomes with planned packages, in order.
    later: Vec<(u64, Term)>,
    over: OverLimit,
    /// Whether it is a pace, and no counter.
    is_pace: bool,
    /// How much it grows each day since an instant.
    growth: Option<(u64, u64)>,
    /// What is guaranteed of it to accounts below.
    kept: Option<Arc<Guaranteed>>,
    /// The account below that is on the line of who sends: what is guaranteed to it is not kept
    /// apart from it.
    below: Option<Id>,
    burst: u64,
    made_at_ms: u64,
    stamp: u64,
    calendar: Arc<Calendar>,
    alert_at: Arc<[u64]>,
}

/// What a limit is from an instant on.
#[derive(Clone, Copy)]
struct Term {
    resolved: Resolved,
    /// Whether it counts such messages.
    counts: bool,
}

impl Term {
    /// How the sends are spread, where they are.
    fn pace(&self, window: Window) -> Option<Pace> {
        let Resolved {
            limit, over, burst, ..
        } = self.resolved;
        let spreads = self.counts
            && over == OverLimit::Spread
            && matches!(limit, Limit::At(count) if count.get() > 0);
        spreads.then(|| Pace::new(window, limit.ceiling(), burst))
    }
}

impl Wanted {
    /// Whether credits pay beyond it, where its account pays with credits.
    fn takes_credits(&self) -> bool {
        self.resolved.over == OverLimit::UseCredits
    }

    /// What a planned package has made of it by an instant.
    fn planned(&self, at_ms: u64) -> Option<&Term> {
        self.later
            .iter()
            .rfind(|(from_ms, _)| *from_ms <= at_ms)
            .map(|(_, term)| term)
    }

    /// Whether it counts such messages at an instant.
    fn counts_at(&self, at_ms: u64) -> bool {
        self.planned(at_ms).map_or(self.counts, |term| term.counts)
    }

    /// Whether more than the limit is refused at an instant.
    fn refuses_at(&self, at_ms: u64) -> bool {
        self.planned(at_ms)
            .map_or(self.counts && self.over.refuses(), |term| {
                term.counts && over_of(term.resolved).refuses()
            })
    }

    /// The pace that it is now.
    pub(crate) fn pace(&self, now_ms: u64) -> Pace {
        Pace::new(self.window, self.limit_at(now_ms), self.burst)
    }

    /// How it spreads the sends, now and later.
    fn paces(&self, now: Pace) -> Vec<(u64, Option<Pace>)> {
        std::iter::once((0, self.counts.then_some(now)))
            .chain(
                self.later
                    .iter()
                    .map(|(from_ms, term)| (*from_ms, term.pace(self.window))),
            )
            .collect()
    }

    /// Whether the record at a key is that of this counter.
    pub(crate) fn has_key(&self, key: &[u8]) -> bool {
        self.id.key() == key
    }

    /// Whether a counter of the store reaches a threshold that the host was not told of.
    pub(crate) fn is_to_be_told(&self, meter: &Meter) -> bool {
        let used = meter
            .past
            .iter()
            .fold(meter.drawn, |sum, (_, used)| sum.saturating_add(*used));
        let told = if self.window == Window::RollingHour {
            0
        } else {
            meter.alerted
        };
        threshold::crossed(
            &self.alert_at,
            self.limit_at(meter.starts_at_ms),
            used,
            told,
        )
        .is_some()
    }

    /// By how much it has grown in a window that began at an instant.
    fn grown(&self, starts_at_ms: u64) -> u64 {
        self.growth.map_or(0, |(by, from_ms)| {
            by.saturating_mul(window::days_since(from_ms, starts_at_ms, &self.calendar))
        })
    }

    /// The limit of a window that began at an instant.
    fn limit_at(&self, starts_at_ms: u64) -> u64 {
        self.resolved
            .limit
            .ceiling()
            .saturating_add(self.grown(starts_at_ms))
    }

    pub(crate) fn is_pace(&self) -> bool {
        self.is_pace
    }

    /// What it is at an instant.
    fn resolved_then(&self, at_ms: u64) -> Resolved {
        self.planned(at_ms)
            .map_or(self.resolved, |term| term.resolved)
    }

    /// The limit at an instant of a window that began at another.
    fn limit_then(&self, at_ms: u64, starts_at_ms: u64) -> u64 {
        self.resolved_then(at_ms)
            .limit
            .ceiling()
            .saturating_add(self.grown(starts_at_ms))
    }

    /// What is kept apart of it, as long as it holds.
    fn kept_now(&self) -> Option<&Guaranteed> {
        // It is made anew when a planned package comes into force.
        self.kept.as_deref().filter(|kept| kept.holds(0))
    }

    /// The counter of an account below that is guaranteed a part of it.
    fn counter_of(&self, of: &Guarantee) -> MeterId {
        MeterId {
            account: Some(of.account.clone()),
            scope: MeterScope::Account,
            limit: self.id.limit,
        }
    }
}

/// For whom and for what sending is prepared.
pub(crate) struct Sending<'a> {
    pub(crate) member: Option<&'a MemberView>,
    pub(crate) channel: Channel,
    pub(crate) message: &'a MessageInput,
}

/// Messages that were charged once, and come back.
pub(crate) struct Sent<'a> {
    pub(crate) user: Option<&'a Id>,
    /// The group of the user then; several where they changed it at that instant.
    pub(crate) groups: &'a [Id],
    pub(crate) channel: Channel,
    pub(crate) message: &'a MessageInput,
}

/// What came back to a counter.
struct Back {
    /// What can be used again.
    usable: u64,
    /// With what was taken out of a window that is over.
    in_all: u64,
}

/// How many messages a send asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) count: u64,
    /// With fewer than this nothing is granted; all of them for an exact send (R-QTA-2).
    pub(crate) min: u64,
    /// Until when they are reserved, where they go out later: then a pace does not stand in the
    /// way, it says from when on.
    pub(crate) later: Option<u64>,
}

impl Ask {
    /// As many as fit, but at least `min`; all or nothing where none is named.
    pub(crate) fn of(count: Count, min: Option<Count>) -> Result<Ask, Error> {
        let ask = Ask {
            count: check_count(count.get())?,
            min: min.map_or(count.get(), Count::get),
            later: None,
        };
        if (1..=ask.count).contains(&ask.min) {
            return Ok(ask);
        }
        Err(Error::invalid(
            "/min",
            format!("`min` must be from 1 to `count`, and is {}.", ask.min),
        ))
    }

    /// All or nothing.
    pub(crate) fn exact(count: u64) -> Ask {
        Ask {
            count,
            min: count,
            later: None,
        }
    }

    /// The same for messages that go out later, and are reserved until an instant.
    pub(crate) fn later(self, until_ms: u64) -> Ask {
        Ask {
            later: Some(until_ms),
            ..self
        }
    }
}

/// What was decided and charged, before it is booked.
pub(crate) struct Charge<'p> {
    prepared: &'p Arc<Prepared>,
    ask: Ask,
    decision: Decision,
    owed: Paid,
    at_ms: u64,
}

/// What credits pay for of a send: its account's own limits are charged so many less.
#[derive(Clone, Default)]
pub(crate) struct Paid {
    pub(crate) amount: u64,
    /// Which of them; none where nobody knows any more: those of today.
    pub(crate) lifted: Option<Vec<Lifted>>,
}

impl Paid {
    /// How many of so many messages each counter is charged.
    fn charged(&self, prepared: &Prepared, count: u64) -> Vec<u64> {
        let rest = count.saturating_sub(self.amount);
        let is_less = |wanted: &Wanted| match &self.lifted {
            Some(lifted) => {
                prepared.is_own(&wanted.id)
                    && lifted
                        .iter()
                        .any(|(limit, _)| limit.name() == wanted.id.limit)
            }
            None => prepared.lifts(wanted),
        };
        prepared
            .wanted
            .iter()
            .map(|wanted| if is_less(wanted) { rest } else { count })
            .collect()
    }
}

/// What became of a charge.
pub(crate) enum Booked<A> {
    /// It stands.
    Kept(A),
    /// The same was asked before, and answered so: this charge comes back.
    Before(A),
}

impl Charge<'_> {
    /// Pays what is owed with credits, and says what was decided (R-CRD-2).
    pub(crate) fn pay(&self, ctx: &mut Ctx<'_>) -> Result<Decision, Error> {
        let mut decision = self.decision.clone();
        if self.owed.amount > 0 {
            let Prepared {
                account,
                channel,
                group,
                ..
            } = &**self.prepared;
            // The reserve of a group that is gone has become free.
            let group = match group {
                Some(group) if ctx.tx.has(&keys::group(account, group))? => Some(group),
                _ => None,
            };
            let Paid { amount, lifted } = &self.owed;
            let entry = credits::pay_for_send(
                ctx,
                account,
                *channel,
                group,
                *amount,
                lifted.as_deref().unwrap_or_default(),
            )?
            .entry;
            decision.credits = Some(Box::new(PaidWithCredits {
                amount: *amount,
                entry,
            }));
        }
        Ok(decision)
    }
}

/// How a counter stands, for people.
pub(crate) struct MeterReading {
    pub(crate) id: Arc<MeterId>,
    pub(crate) window: Window,
    pub(crate) source: Source,
    /// As it is meant, also where nothing is refused beyond it.
    pub(crate) limit: Limit,
    pub(crate) starts_at_ms: u64,
    pub(crate) ends_at_ms: u64,
    /// How much is kept apart for others (R-TEA-9).
    pub(crate) kept_apart: u64,
    /// Whether it looks at the send at all; otherwise a planned package makes it.
    pub(crate) counts: bool,
    is_pace: bool,
    pub(crate) reading: send::Reading,
}

/// How many messages one send may ask for.
#[inline]
pub(crate) fn check_count(count: u64) -> Result<u64, Error> {
    match count {
        1..=Count::MAX => Ok(count),
        _ => Err(Error::invalid(
            "/count",
            format!("`count` must be from 1 to {}, and is {count}.", Count::MAX),
        )),
    }
}

impl Team {
    /// The meters, with nothing lent of them.
    fn meters(&self) -> Locked<'_> {
        Locked::new(self.locked.lock(), &self.changes)
    }

    /// From here on nothing is drawn any more; what is drawn now is given back after it.
    pub(crate) fn end(&self) {
        self.has_ended.store(true, Ordering::Release);
    }

    /// What was prepared before the top account went is charged to another team, if to any.
    fn refuse_when_ended(&self) -> Result<(), Error> {
        match self.has_ended.load(Ordering::Acquire) {
            true => Err(overtaken()),
            false => Ok(()),
        }
    }

    /// One whose counters and paces take their part of a room.
    pub(crate) fn in_room(room: &Arc<Room>) -> Arc<Team> {
        let team = Team::default();
        team.locked.lock().share = Share::of(room);
        Arc::new(team)
    }

    /// Lets no pace be further ahead than its burst.
    pub(crate) fn bound_paces(&self, now_ms: u64) {
        self.meters()
            .paces
            .iter_mut()
            .for_each(|pace| pace.bound(now_ms));
    }

    /// Whether something is drawn from a counter that could still be used, or came back to it and
    /// the store does not know of it.
    pub(crate) fn holds_unspent(&self, id: &MeterId) -> bool {
        let is_here = self.locked.lock().places.at(id).is_some();
        // What is lent comes back only where there is something to look at.
        is_here && {
            let meters = self.meters();
            let pair = meters
                .places
                .at(id)
                .and_then(|place| meters.pair(place).ok());
            pair.is_some_and(|(hot, cold)| hot.rest > 0 || !cold.unwritten.is_empty())
        }
    }

    /// Whether nothing is drawn that could still be used, and nothing came back that the store does
    /// not know of.
    pub(crate) fn is_idle(&self) -> bool {
        let meters = self.meters();
        meters.hot.iter().all(|hot| hot.rest == 0)
            && meters.cold.iter().all(|cold| cold.unwritten.is_empty())
    }

    /// Whether it is known here alone how far a pace is.
    pub(crate) fn has_paces(&self) -> bool {
        self.meters()
            .paces
            .iter()
            .any(|pace| pace.turn_us().is_some())
    }
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

    /// For an account: nobody in particular sends, and nothing but the counters stands in the way.
    pub(crate) fn new(cell: &AccountCell, view: &View, wanted: Vec<Wanted>) -> Prepared {
        let pays = view.pays || view.later.iter().any(|later| later.pays);
        let lifts = |wanted: &Wanted| {
            pays && wanted.id.is_own_of(&cell.id) && wanted.resolved.over == OverLimit::UseCredits
        };
        let (planned, wanted): (Vec<_>, Vec<_>) =
            wanted.into_iter().partition(|wanted| !wanted.counts);
        let (planned_paces, planned): (Vec<_>, Vec<_>) =
            planned.into_iter().partition(|wanted| wanted.is_pace);
        let (paced, mut wanted): (Vec<_>, Vec<_>) =
            wanted.into_iter().partition(|wanted| wanted.is_pace);
        // Credits pay beyond these: they lie together, the first of all.
        wanted.sort_by_key(|wanted| !lifts(wanted));
        Prepared {
            lifted: wanted.iter().take_while(|wanted| lifts(wanted)).count(),
            stamp: view.frame.stamp,
            refusal: None,
            lacking: None,
            until_ms: u64::MAX,
            account: cell.id.clone(),
            team: view.team.clone(),
            wanted,
            places: Arc::default(),
            allowance: Arc::default(),
            channel: Channel::Email,
            group: None,
            pays: false,
            pays_from: Vec::new(),
            credits: 0,
            promised: Arc::default(),
            planned: planned.into_iter().map(|wanted| (wanted, 0)).collect(),
            paced,
            pace_places: Box::default(),
            held: Vec::new(),
            planned_paces,
            asked: AtomicBool::new(false),
            remembered: Remembered::default(),
        }
    }

    /// Whether a counter is of a limit of the account itself.
    fn is_own(&self, id: &MeterId) -> bool {
        id.is_own_of(&self.account)
    }

    /// The counters that a send is charged to, and those that a planned package makes count.
    fn all(&self) -> impl Iterator<Item = (usize, &Wanted)> {
        self.places
            .iter()
            .copied()
            .zip(&self.wanted)
            .chain(self.planned.iter().map(|(wanted, place)| (*place, wanted)))
    }

    /// Whether credits pay beyond a counter at an instant, where the account pays with credits
    /// then.
    fn lifts_at(&self, wanted: &Wanted, at_ms: u64) -> bool {
        self.is_own(&wanted.id)
            && wanted.counts_at(at_ms)
            && wanted.resolved_then(at_ms).over == OverLimit::UseCredits
    }

    /// Whether credits pay beyond a counter where the account pays with credits.
    fn lifts(&self, wanted: &Wanted) -> bool {
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

impl Meters {
    /// Makes a counter. Its window has ended: the first charge looks into the store.
    fn add(&mut self, wanted: &Wanted) -> (usize, Hold) {
        let (place, hold) = self.places.take(wanted.id.clone());
        let hot = Hot {
            ends_at_ms: 0,
            rest: 0,
            used: 0,
            limit: 0,
            stop: 0,
            low: 0,
        };
        let cold = Cold {
            id: wanted.id.clone(),
            window: wanted.window,
            source: wanted.resolved.source,
            over: wanted.over,
            limit: 0,
            calendar: wanted.calendar.clone(),
            guaranteed: Arc::default(),
            guaranteed_by: None,
            alert_at: wanted.alert_at.clone(),
            stamp: wanted.stamp,
            meter: Meter::default(),
            charged: Meter::default(),
            unwritten: Vec::new(),
            version: 0,
            block: 0,
            low: 0,
            drawn_at_ms: 0,
        };
        match self.pair_mut(place) {
            Ok(free) => (*free.0, *free.1) = (hot, cold),
            Err(_) => {
                self.hot.push(hot);
                self.cold.push(cold);
            }
        }
        (place, hold)
    }

    fn place(&mut self, wanted: &Wanted) -> (usize, Hold) {
        match self.places.find(&wanted.id) {
            Some(place) => place,
            None => self.add(wanted),
        }
    }

    /// Where a pace lies that spreads as `pace` does.
    fn pace_place(&mut self, wanted: &Wanted, pace: Pace) -> (usize, Hold) {
        let key = (wanted.id.clone(), wanted.made_at_ms);
        if let Some(place) = self.pace_places.find(&key) {
            return place;
        }
        let (place, hold) = self.pace_places.take(Arc::new(key));
        let (pace, record) = (pace.unknown(), (wanted.id.pace_key(), 0));
        match self
            .paces
            .get_mut(place)
            .zip(self.pace_records.get_mut(place))
        {
            Some(free) => (*free.0, *free.1) = (pace, record),
            None => {
                self.paces.push(pace);
                self.pace_records.push(record);
            }
        }
        (place, hold)
    }

    /// Says how many there are now.
    fn count_places(&mut self) {
        self.share.is(self.places.len() + self.pace_places.len());
    }

    /// The counters of the accounts below that are guaranteed a part of a limit. Those that are not
    /// known yet get their limits when something is prepared for them.
    fn places_below(&mut self, wanted: &Wanted) -> Arc<[Kept]> {
        let Some(kept) = wanted.kept_now() else {
            return Arc::default();
        };
        let place = |of: &Guarantee| {
            let (id, calendar) = (Arc::new(wanted.counter_of(of)), of.calendar.clone());
            let unlimited = Resolved::plain(Limit::Unlimited, Source::PlatformDefault);
            let below = Wanted {
                id,
                calendar,
                resolved: unlimited,
                later: Vec::new(),
                kept: None,
                below: None,
                stamp: 0,
                ..wanted.clone()
            };
            let (below, hold) = self.place(&below);
            Kept {
                below,
                _hold: hold,
                part: of.part,
                takes_credits: of.takes_credits,
            }
        };
        kept.parts.iter().map(place).collect()
    }

    /// Keeps apart what is guaranteed to accounts below and not used by them yet (R-TEA-9).
    fn keep_apart(&mut self, place: usize) -> Result<(), Error> {
        let (hot, cold) = self.pair(place)?;
        let (most, guaranteed) = (cold.most(), cold.guaranteed.clone());
        let (mut limit, mut ends_at_ms) = (most, hot.ends_at_ms);
        for kept in guaranteed.iter() {
            let (hot_below, cold_below) = self.pair(kept.below)?;
            let kept = if most == u64::MAX {
                0
            } else {
                unused(kept.part, hot_below, cold_below, self.pair(place)?.1)
            };
            limit = limit.saturating_sub(kept);
            // From then on more is kept apart.
            ends_at_ms = ends_at_ms.min(cold_below.meter.ends_at_ms);
        }
        let (hot, cold) = self.pair_mut(place)?;
        (hot.limit, hot.ends_at_ms) = (limit, ends_at_ms);
        cold.set_stop(hot);
        Ok(())
    }

    fn keep_apart_of(&mut self, prepared: &Prepared) -> Result<(), Error> {
        prepared.places.iter().try_for_each(|place| {
            if self.pair(*place)?.1.guaranteed.is_empty() {
                Ok(())
            } else {
                self.keep_apart(*place)
            }
        })
    }

    /// How much of what is kept apart of a counter is kept for who sends.
    fn kept_for(&self, promised: &[Promise], place: usize) -> u64 {
        let Some(Promise { above, below, part }) =
            promised.iter().find(|promise| promise.above == place)
        else {
            return 0;
        };
        let Ok((above, below)) = self
            .pair(*above)
            .and_then(|above| Ok((above, self.pair(*below)?)))
        else {
            return 0;
        };
        if above.1.most() == u64::MAX {
            0
        } else {
            unused(*part, below.0, below.1, above.1)
        }
    }

    /// Opens what is kept apart for who sends to what is done meanwhile, and keeps apart what is
    /// left of it then.
    fn for_promised<T>(&mut self, promised: &[Promise], run: impl FnOnce(&mut Meters) -> T) -> T {
        self.open_or_close(promised, |limit, kept| limit.saturating_add(kept));
        let done = run(self);
        self.open_or_close(promised, u64::saturating_sub);
        done
    }

    fn open_or_close(&mut self, promised: &[Promise], limit: impl Fn(u64, u64) -> u64) {
        for promise in promised {
            let kept = self.kept_for(promised, promise.above);
            if let Ok((hot, cold)) = self.pair_mut(promise.above) {
                hot.limit = limit(hot.limit, kept);
                cold.set_stop(hot);
            }
        }
    }

    /// Every counter and pace as it stands for who sends; not what becomes of it.
    fn as_they_stand(
        &self,
        prepared: &Prepared,
        ask: Ask,
        now_ms: u64,
    ) -> Result<Vec<send::Reading>, Error> {
        let mut readings = Vec::with_capacity(prepared.places.len());
        for (place, wanted) in prepared.places.iter().zip(&prepared.wanted) {
            let (hot, cold) = self.pair(*place)?;
            let limit = hot
                .limit
                .saturating_add(self.kept_for(&prepared.promised, *place));
            let lifted = prepared.lifts(wanted);
            readings.push(send::Reading {
                limit,
                used: hot.used,
                lifted,
                ..send::Reading::plain(cold.over)
            });
        }
        if ask.later.is_none() {
            readings.extend(
                self.paces_of(prepared)?
                    .iter()
                    .map(|pace| pace.reading(now_ms)),
            );
        }
        Ok(readings)
    }

    /// What the limit of a counter will be for who sends.
    fn bound<'a>(
        &self,
        prepared: &Prepared,
        place: usize,
        wanted: &'a Wanted,
        open: &[Reservation],
    ) -> Result<Bound<'a>, Error> {
        let cold = self.pair(place)?.1;
        Ok(Bound {
            wanted,
            last: cold.last(),
            kept: self.kept_from(prepared, place, open)?,
        })
    }

    /// How much of a counter is kept apart for others than who sends, from which instant on: what
    /// they have used of their parts is kept for them again once it counts no longer.
    fn kept_from(
        &self,
        prepared: &Prepared,
        place: usize,
        open: &[Reservation],
    ) -> Result<Vec<(u64, u64)>, Error> {
        let (_, above) = self.pair(place)?;
        let own = prepared
            .promised
            .iter()
            .find(|promise| promise.above == place)
            .map(|promise| promise.below);
        let mut used = Vec::new();
        let mut turns = std::collections::BTreeSet::from([0]);
        for kept in above
            .guaranteed
            .iter()
            .filter(|kept| Some(kept.below) != own)
        {
            let (hot, cold) = self.pair(kept.below)?;
            let frees = cold.frees(hot, open, kept.takes_credits);
            turns.extend(frees.iter().map(|(at_ms, _)| *at_ms));
            // With each window above, too, what is used below may count no longer.
            let mut ends_at_ms = above.meter.ends_at_ms;
            for _ in 0..WINDOWS_AHEAD {
                if above.window == Window::RollingHour || ends_at_ms >= cold.meter.ends_at_ms {
                    break;
                }
                turns.insert(ends_at_ms);
                ends_at_ms = above.window_at(ends_at_ms).1;
            }
            used.push((kept.part, hot.used, cold, frees));
        }
        let kept = |at_ms: u64| {
            let (starts_at_ms, ends_at_ms) = above.window_at(at_ms);
            let of_each = used.iter().map(|(part, used, cold, frees)| {
                let freed: u64 = frees
                    .iter()
                    .filter(|(free_ms, _)| *free_ms <= at_ms)
                    .map(|(_, freed)| freed)
                    .sum();
                part.saturating_sub(if cold.counts_in_window(starts_at_ms, ends_at_ms) {
                    used.saturating_sub(freed)
                } else {
                    0
                })
            });
            of_each.fold(0, u64::saturating_add)
        };
        Ok(turns
            .into_iter()
            .map(|at_ms| (at_ms, kept(at_ms)))
            .collect())
    }

    fn paces_of(&self, prepared: &Prepared) -> Result<Vec<Pace>, Error> {
        prepared
            .pace_places
            .iter()
            .map(|place| self.paces.get(*place).copied().ok_or_else(lost_place))
            .collect()
    }

    fn pair(&self, place: usize) -> Result<(&Hot, &Cold), Error> {
        self.hot
            .get(place)
            .zip(self.cold.get(place))
            .ok_or_else(lost_place)
    }

    fn pair_mut(&mut self, place: usize) -> Result<(&mut Hot, &mut Cold), Error> {
        self.hot
            .get_mut(place)
            .zip(self.cold.get_mut(place))
            .ok_or_else(lost_place)
    }

    /// The windows of the account's own limits that credits pay beyond.
    fn lifted(&self, prepared: &Prepared) -> Result<Vec<Lifted>, Error> {
        let lifted = prepared
            .places
            .iter()
            .zip(&prepared.wanted)
            .filter(|(_, wanted)| prepared.lifts(wanted));
        let windows = lifted.map(|(place, wanted)| {
            Ok(LimitName::find(wanted.id.limit).zip(Some(self.pair(*place)?.1.meter.starts_at_ms)))
        });
        windows.filter_map(Result::transpose).collect()
    }

    /// Charges `count` to every counter, or to none; none where one of them does not cover it. How
    /// many are left then, with so many `credits`, and whether a counter runs low. So many are
    /// `paid` for otherwise, and not charged to the account's own limits.
    #[inline]
    fn charge(
        &mut self,
        prepared: &Prepared,
        count: u64,
        paid: u64,
        credits: u64,
        now_ms: u64,
    ) -> Option<(u64, bool)> {
        for place in &prepared.pace_places {
            if !self.paces.get(*place)?.lets_through(count, now_ms) {
                return None;
            }
        }
        self.charge_for_later(prepared, count, paid, credits, now_ms)
    }

    /// As [`charge`](Meters::charge), whatever the paces let through now.
    #[inline]
    fn charge_for_later(
        &mut self,
        prepared: &Prepared,
        count: u64,
        paid: u64,
        credits: u64,
        now_ms: u64,
    ) -> Option<(u64, bool)> {
        // As a case of its own it is half of the work: nothing is to be told apart.
        if paid == 0 && credits == 0 && prepared.promised.is_empty() {
            return self.charge_each(prepared, count, |_| count, |_| 0, now_ms);
        }
        self.charge_otherwise(prepared, count, paid, credits, now_ms)
    }

    #[inline(never)]
    fn charge_otherwise(
        &mut self,
        prepared: &Prepared,
        count: u64,
        paid: u64,
        credits: u64,
        now_ms: u64,
    ) -> Option<(u64, bool)> {
        let part = |at| {
            if at < prepared.lifted {
                count - paid
            } else {
                count
            }
        };
        let more = |at| if at < prepared.lifted { credits } else { 0 };
        self.for_promised(&prepared.promised, |meters| {
            meters.charge_each(prepared, count, part, more, now_ms)
        })
    }

    #[inline]
    fn charge_each(
        &mut self,
        prepared: &Prepared,
        count: u64,
        part: impl Fn(usize) -> u64,
        more: impl Fn(usize) -> u64,
        now_ms: u64,
    ) -> Option<(u64, bool)> {
        for (at, place) in prepared.places.iter().enumerate() {
            if !self.hot.get(*place)?.covers(part(at), now_ms) {
                return None;
            }
        }
        let mut left = u64::MAX;
        let mut low = false;
        for (at, place) in prepared.places.iter().enumerate() {
            let hot = self.hot.get_mut(*place)?;
            hot.rest -= part(at);
            hot.used += part(at);
            low |= hot.rest < hot.low;
            if hot.limit != u64::MAX {
                left = left.min(hot.limit.saturating_sub(hot.used).saturating_add(more(at)));
            }
        }
        for place in &prepared.pace_places {
            let pace = self.paces.get_mut(*place)?;
            pace.take(count, now_ms);
            left = left.min(pace.left(now_ms));
        }
        Some((left, low))
    }

    /// What was drawn can be used. Where somebody else has written one of the records, and the
    /// draws have no version, all are read anew.
    fn hand_out(
        &mut self,
        prepared: &Prepared,
        draws: &[Draw],
        version: Option<u64>,
    ) -> Result<(), Error> {
        let Some(version) = version else {
            for place in prepared.places.iter() {
                self.pair_mut(*place)?.0.ends_at_ms = 0;
            }
            return Ok(());
        };
        for draw in draws {
            let (hot, cold) = self.pair_mut(draw.place)?;
            cold.meter.drawn += draw.size;
            cold.meter.alerted = draw.alerted;
            cold.meter.paid = draw.paid;
            if !cold.meter.is_charged() {
                // Told of what earlier parts of a rolling window hold.
                cold.charged.alerted = draw.alerted;
            }
            cold.unwritten.clear();
            cold.version = version;
            cold.set_stop(hot);
            hot.rest += draw.size;
            cold.set_low(hot);
        }
        Ok(())
    }

    /// Lends to who sends twice in a row, or to all who are charged alike where two of them do,
    /// after a charge that left so many. Where each send is to be looked at, nothing.
    fn lend(&mut self, prepared: &Prepared, own: &Arc<Allowance>, left: u64) {
        let sends = [own, &prepared.allowance].map(|allowance| Arc::as_ptr(allowance).addr());
        let last = std::mem::replace(&mut self.sent_last, sends);
        let allowance = if last[0] == sends[0] {
            own
        } else if last[1] == sends[1] {
            &prepared.allowance
        } else {
            return;
        };
        if !prepared.is_lent_to() {
            return;
        }
        if prepared.promised.is_empty() {
            self.lend_to(prepared, allowance, left);
        } else {
            self.for_promised(&prepared.promised, |meters| {
                meters.lend_to(prepared, allowance, left)
            });
        }
    }

    #[inline]
    fn lend_to(&mut self, prepared: &Prepared, allowance: &Arc<Allowance>, left: u64) {
        let is_asked = prepared.asked.load(Ordering::Acquire);
        let (mut amount, mut ends_at_ms) = (u64::MAX, prepared.until_ms);
        for hot in prepared
            .places
            .iter()
            .filter_map(|place| self.hot.get(*place))
        {
            amount = amount.min(hot.before_a_look(is_asked));
            ends_at_ms = ends_at_ms.min(hot.ends_at_ms);
        }
        if amount == 0 {
            return;
        }
        let beyond = if left == u64::MAX {
            u64::MAX
        } else {
            left.saturating_sub(amount)
        };
        self.lent = Lent::new(
            allowance,
            &prepared.places,
            &prepared.promised,
            amount,
            Terms {
                stamp: prepared.stamp,
                ends_at_ms,
                beyond,
            },
        );
        if self.lent.is_some() {
            for place in prepared.places.iter() {
                if let Some(hot) = self.hot.get_mut(*place) {
                    hot.rest -= amount;
                    hot.used += amount;
                }
            }
        }
    }

    fn take_back(&mut self) {
        let Some(lent) = self.lent.take() else { return };
        let back = lent.take_back();
        if lent.promised.is_empty() {
            self.put_back(&lent.places, back);
        } else {
            self.for_promised(&lent.promised, |meters| meters.put_back(&lent.places, back));
        }
    }

    #[inline]
    fn put_back(&mut self, places: &[usize], back: u64) {
        for place in places {
            if let Some(hot) = self.hot.get_mut(*place) {
                hot.rest += back;
                hot.used -= back;
            }
        }
    }
}

/// The answer where something is gone that a send was prepared for, and not its own account.
pub(crate) fn overtaken() -> Error {
    Error::busy("What the send is charged to was deleted meanwhile; ask again.")
}

fn lost_place() -> Error {
    Error::internal("This is a defect to report: a counter has no place.")
}

impl Meter {
    fn holds(&self, at_ms: u64) -> bool {
        (self.starts_at_ms..self.ends_at_ms).contains(&at_ms)
    }

    /// An instant that stands for the window, or the part of a rolling one, that an instant counts
    /// in.
    fn part_at(&self, at_ms: u64) -> Option<u64> {
        if self.holds(at_ms) {
            return Some(self.starts_at_ms);
        }
        self.past
            .iter()
            .find(|(until, _)| window::is_of_part(at_ms, *until))
            .map(|(until, _)| window::last_of_part(*until))
    }

    /// Takes out what was used at an instant, but nothing of the rest; answers how much of it was
    /// there.
    fn take_out(&mut self, count: u64, used_at_ms: u64, rest: u64) -> u64 {
        let (used, rest) = if self.holds(used_at_ms) {
            (&mut self.drawn, rest)
        } else {
            match self
                .past
                .iter_mut()
                .find(|(until, _)| window::is_of_part(used_at_ms, *until))
            {
                Some((_, used)) => (used, 0),
                None => return 0,
            }
        };
        let back = count.min(*used - rest);
        *used -= back;
        back
    }

    /// Takes out so much, the oldest first: what is still counted then counts no shorter than what
    /// was really used.
    fn take_out_oldest(&mut self, mut count: u64) {
        for used in self
            .past
            .iter_mut()
            .map(|(_, used)| used)
            .chain([&mut self.drawn])
        {
            let back = count.min(*used);
            (*used, count) = (*used - back, count - back);
        }
    }

    fn take_out_all(&mut self, parts: &[(u64, u64)]) {
        for (at_ms, count) in parts {
            self.take_out(*count, *at_ms, 0);
        }
    }
}

impl Engine {
    /// Prepares sending by an account, on behalf of a member where one is named.
    pub(crate) fn prepare(
        &self,
        cell: &Arc<AccountCell>,
        sending: &Sending<'_>,
    ) -> Result<Prepared, Error> {
        self.prepare_as(cell, &*cell.view(self)?, sending)
    }

    /// As [`prepare`](Engine::prepare), where this counts for the account.
    pub(crate) fn prepare_as(
        &self,
        cell: &Arc<AccountCell>,
        view: &View,
        sending: &Sending<'_>,
    ) -> Result<Prepared, Error> {
        let group = sending.member.and_then(MemberView::group);
        let prepared = self.prepare_in(cell, view, sending, group)?;
        Ok(prepared.shared())
    }

    /// As [`prepare_as`](Engine::prepare_as), with the counters of this group.
    fn prepare_in(
        &self,
        cell: &Arc<AccountCell>,
        view: &View,
        sending: &Sending<'_>,
        group: Option<&Id>,
    ) -> Result<Prepared, Error> {
        let mut wanted = Vec::new();
        let class = Some(
            sending
                .message
                .message_class
                .unwrap_or(MessageClass::Marketing),
        );
        let mut below = None;
        let above = view
            .above
            .iter()
            .map(|above| Ok((above, above.view(self)?)))
            .collect::<Result<Vec<_>, Error>>()?;
        for (cell, view) in
            std::iter::once((cell, view)).chain(above.iter().map(|(cell, view)| (*cell, &**view)))
        {
            wanted.extend(wanted_of(
                cell,
                view,
                below.replace(&cell.id),
                sending.channel.limits(),
                class,
            ));
            wanted.extend(
                view.caps
                    .iter()
                    .filter_map(|cap| wanted_of_cap(&view.frame, cap, sending)),
            );
        }
        wanted.extend(
            view.platform
                .caps
                .iter()
                .filter_map(|cap| wanted_of_cap(&view.platform.frame, cap, sending)),
        );
        if let Some(group) = group {
            wanted.extend(self.wanted_of_group(
                view,
                group,
                sending.channel,
                view.group_cap_period,
            )?);
        }
        let refusal = self.refusal_before_limits(view, sending)?;
        let place = self.views.tree.load().place(sending.channel.permission());
        let lacking = sending
            .member
            .filter(|_| refusal.is_none())
            .zip(place)
            .and_then(|(member, place)| member.lacking(self, place));
        let (credits, until_ms) = if view.pays {
            self.credits_at_hand(&cell.id, sending.channel, group)?
        } else {
            (0, u64::MAX)
        };
        let turns = std::iter::once((0, view.pays))
            .chain(view.later.iter().map(|later| (later.from_ms, later.pays)));
        let pays_from = if turns.clone().any(|(_, pays)| pays) {
            turns.collect()
        } else {
            Vec::new()
        };
        self.hold_places(Prepared {
            channel: sending.channel,
            group: group.cloned(),
            pays: view.pays,
            pays_from,
            credits,
            until_ms,
            refusal,
            lacking,
            ..Prepared::new(cell, view, wanted)
        })
    }

    /// Prepares what a limit of an account does not count.
    pub(crate) fn prepare_uncounted(
        &self,
        cell: &Arc<AccountCell>,
        limit: LimitName,
    ) -> Result<Option<Prepared>, Error> {
        let (Some(window), view) = (limit.window(), cell.view(self)?) else {
            return Ok(None);
        };
        let wanted = uncounted(cell, &view, limit, window, &[]);
        self.hold_places(Prepared::new(cell, &view, vec![wanted]))
            .map(Some)
    }

    /// Prepares what is counted by one limit of an account, and of those above.
    pub(crate) fn prepare_limit(
        &self,
        cell: &Arc<AccountCell>,
        limit: LimitName,
    ) -> Result<Arc<Prepared>, Error> {
        let view = cell.view(self)?;
        let mut wanted = Vec::new();
        let mut below = None;
        for above in std::iter::once(cell).chain(&view.above) {
            wanted.extend(wanted_of(
                above,
                &*above.view(self)?,
                below.replace(&above.id),
                [limit],
                None,
            ));
        }
        Ok(Arc::new(self.hold_places(Prepared {
            refusal: view.status.refusal(),
            ..Prepared::new(cell, &view, wanted)
        })?))
    }

    /// How many credits there are to pay with now, and until when so many.
    fn credits_at_hand(
        &self,
        account: &Id,
        channel: Channel,
        group: Option<&Id>,
    ) -> Result<(u64, u64), Error> {
        let grants = credits::payable_parts(
            &mut self.reading(&Actor::System),
            account,
            channel,
            group,
            &[],
        )?;
        let until_ms = grants
            .iter()
            .map(|part| part.until_ms)
            .min()
            .unwrap_or(u64::MAX);
        Ok((
            grants
                .iter()
                .map(|part| part.amount)
                .fold(0, u64::saturating_add),
            until_ms,
        ))
    }

    /// Why nothing at all may go out: who may not send learns of no limit (R-QTA-1).
    fn refusal_before_limits(
        &self,
        view: &View,
        sending: &Sending<'_>,
    ) -> Result<Option<Code>, Error> {
        if let Some(code) = view.status.refusal() {
            return Ok(Some(code));
        }
        if let Some(member) = sending.member {
            let place = self.views.tree.load().place(sending.channel.permission());
            match (
                member.refusal,
                place.and_then(|place| member.powers.at(place)),
            ) {
                (Some(code), _) => return Ok(Some(code)),
                (None, None) => return Ok(Some(Code::PermissionDenied)),
                (None, Some(_)) => {}
            }
        }
        let MessageInput {
            sending_domain,
            node,
            bounce_address,
            ..
        } = sending.message;
        let Assets {
            domains,
            nodes,
            bounce_addresses,
        } = &view.assets;
        let is_assigned = |used: &Option<Name>, assigned: &[Name]| {
            used.as_ref()
                .is_none_or(|used| assigned.is_empty() || assigned.contains(used))
        };
        if !(is_assigned(sending_domain, domains)
            && is_assigned(node, nodes)
            && is_assigned(bounce_address, bounce_addresses))
        {
            return Ok(Some(Code::AssetNotAssigned));
        }
        if let Some(campaign) = &sending.message.campaign
            && campaigns::is_stopped(&mut self.kernel.tx(), &view.account, campaign)?
        {
            return Ok(Some(Code::BounceStop));
        }
        Ok(None)
    }

    /// Prepares what a group of the account counts (R-GRP-8).
    pub(crate) fn prepare_group(
        &self,
        cell: &Arc<AccountCell>,
        group: &Id,
        channel: Channel,
    ) -> Result<Prepared, Error> {
        let view = cell.view(self)?;
        let wanted = self.wanted_of_group(&view, group, channel, view.group_cap_period)?;
        self.hold_places(Prepared::new(cell, &view, wanted.into_iter().collect()))
    }

    /// What a group counts, also where it has no cap (R-GRP-5).
    pub(crate) fn wanted_of_group(
        &self,
        view: &View,
        group: &Id,
        channel: Channel,
        period: CapPeriod,
    ) -> Result<Option<Wanted>, Error> {
        let mut tx = self.kernel.tx();
        let Some(group) = tx.get::<Group>(&keys::group(&view.account, group))? else {
            return Ok(None);
        };
        let cap = match channel {
            Channel::Email => group.caps.email,
            Channel::Sms => group.caps.sms,
        };
        let (limit, window) = match (channel, period) {
            (Channel::Email, CapPeriod::Month) => ("email_per_month", Window::Month),
            (Channel::Email, CapPeriod::Year) => ("email_per_year", Window::Year),
            (Channel::Sms, CapPeriod::Month) => ("sms_per_month", Window::Month),
            (Channel::Sms, CapPeriod::Year) => ("sms_per_year", Window::Year),
        };
        let id = MeterId {
            account: Some(view.account.clone()),
            scope: MeterScope::Group(group.id),
            limit,
        };
        Ok(Some(view.frame.wanted(
            id,
            window,
            Resolved::plain(cap.unwrap_or(Limit::Unlimited), Source::Group),
        )))
    }

    /// Finds or makes the counters, and gives them the limits of today.
    pub(crate) fn hold_places(&self, mut prepared: Prepared) -> Result<Prepared, Error> {
        let team = prepared.team.clone();
        let mut meters = team.meters();
        let mut places = Vec::with_capacity(prepared.wanted.len());
        let mut promised = Vec::new();
        for wanted in &prepared.wanted {
            let (place, hold) = meters.place(wanted);
            prepared.held.push(hold);
            let guaranteed = match meters.pair(place)?.1.guaranteed_by {
                Some(stamp) if wanted.stamp <= stamp => None,
                _ => Some(meters.places_below(wanted)),
            };
            let (hot, cold) = meters.pair_mut(place)?;
            if let Some(guaranteed) = guaranteed {
                (cold.guaranteed, cold.guaranteed_by) = (guaranteed, Some(wanted.stamp));
            }
            if wanted.stamp >= cold.stamp {
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
                if cold.most() < limit_before {
                    // What others have drawn counts against the lower limit, too.
                    hot.ends_at_ms = 0;
                }
                cold.forget_alerts(hot);
                meters.keep_apart(place)?;
            }
            let part = |kept: &Guaranteed| {
                kept.parts
                    .iter()
                    .find(|of| Some(&of.account) == wanted.below.as_ref())
                    .map(|of| (wanted.counter_of(of), of.part))
            };
            if let Some((below, part)) = wanted.kept_now().and_then(part) {
                let below = meters.places.find(&below);
                prepared
                    .held
                    .extend(below.iter().map(|(_, hold)| hold.clone()));
                promised.extend(below.map(|(below, _)| Promise {
                    above: place,
                    below,
                    part,
                }));
            }
            places.push(place);
        }
        let mut pace_places = Vec::with_capacity(prepared.paced.len());
        for wanted in &prepared.paced {
            let pace = wanted.pace(self.kernel.clock.now_ms());
            let (place, hold) = meters.pace_place(wanted, pace);
            prepared.held.push(hold);
            if let Some(known) = meters.paces.get_mut(place).filter(|_| wanted.stamp > TRIED) {
                known.go_on_as(pace);
            }
            pace_places.push(place);
        }
        for (wanted, place) in &mut prepared.planned {
            let hold;
            (*place, hold) = meters.place(&Wanted {
                stamp: TRIED,
                ..wanted.clone()
            });
            prepared.held.push(hold);
        }
        meters.count_places();
        drop(meters);
        prepared.places = places.into();
        prepared.promised = promised.into();
        prepared.pace_places = pace_places.into_boxed_slice();
        Ok(prepared)
    }

    /// Charges `count` to every counter, or none, when memory alone can tell, and says how many are
    /// left; none when it cannot.
    #[inline]
    pub(crate) fn charge_in_memory(&self, prepared: &Arc<Prepared>, count: u64) -> Option<u64> {
        self.charge_in_memory_at(prepared, count, self.kernel.clock.now_ms())
    }

    /// As [`charge_in_memory`](Engine::charge_in_memory), for whoever has looked at the clock.
    #[inline]
    pub(crate) fn charge_in_memory_at(
        &self,
        prepared: &Arc<Prepared>,
        count: u64,
        now_ms: u64,
    ) -> Option<u64> {
        prepared
            .take_shared(count, now_ms)
            .or_else(|| self.charge_meters(prepared, &prepared.allowance, count, now_ms))
    }

    /// As [`charge_in_memory`](Engine::charge_in_memory), for a sender with an allowance of its own
    /// that does not suffice.
    pub(crate) fn charge_meters(
        &self,
        prepared: &Arc<Prepared>,
        allowance: &Arc<Allowance>,
        count: u64,
        now_ms: u64,
    ) -> Option<u64> {
        if now_ms >= prepared.until_ms {
            return None;
        }
        let (left, low) = prepared
            .team
            .meters()
            .charge_or_leave(prepared, allowance, count, now_ms)?;
        if low {
            self.ask_for_blocks(prepared);
        }
        Some(left)
    }

    #[cold]
    fn ask_for_blocks(&self, prepared: &Arc<Prepared>) {
        if prepared.asked.swap(true, Ordering::AcqRel) {
            return;
        }
        // With a clock that stands still everything is to be the same in every run.
        if !self.kernel.has_manual_clock() {
            self.drawer.ask(&self.this, prepared);
        }
    }

    /// Draws the next blocks of the counters that run low, in one commit. No two are to be of one
    /// team.
    pub(crate) fn draw_ahead(&self, asked: &[Arc<Prepared>]) -> Result<(), Error> {
        let _drawing: Vec<_> = asked
            .iter()
            .map(|prepared| prepared.team.drawing.lock())
            .collect();
        asked
            .iter()
            .for_each(|prepared| prepared.asked.store(false, Ordering::Release));
        self.kernel.refuse_when_shut()?;
        let now_ms = self.kernel.clock.now_ms();
        let mut batch = Batch::default();
        let mut of_each = Vec::with_capacity(asked.len());
        for prepared in asked {
            let mut draws = Vec::new();
            let mut meters = prepared.team.meters();
            for place in prepared.places.iter() {
                let (hot, cold) = meters.pair_mut(*place)?;
                // What has no record was not drawn from: its account is gone.
                let is_there = cold.version != 0;
                if is_there && hot.rest < hot.low && now_ms < hot.ends_at_ms {
                    let size = cold.ahead_size(hot, now_ms);
                    if size > 0 {
                        draws.push(Draw {
                            place: *place,
                            size,
                            alerted: cold.meter.alerted,
                            paid: cold.meter.paid,
                        });
                        push_draw(&mut batch, cold, &draws)?;
                    }
                }
            }
            of_each.push(draws);
        }
        if batch.writes.is_empty() {
            return Ok(());
        }
        let version = self.commit_draws(&batch)?;
        for (prepared, draws) in asked
            .iter()
            .zip(&of_each)
            .filter(|(_, draws)| !draws.is_empty())
        {
            prepared.team.meters().hand_out(prepared, draws, version)?;
        }
        Ok(())
    }

    /// Commits draws and hands them out once they are durable, to whoever holds the lock that is
    /// answered.
    fn draw<'p>(
        &self,
        prepared: &'p Prepared,
        batch: &Batch,
        draws: &[Draw],
    ) -> Result<Locked<'p>, Error> {
        let version = self.commit_draws_of(&prepared.account, batch)?;
        let mut meters = prepared.team.meters();
        meters.hand_out(prepared, draws, version)?;
        Ok(meters)
    }

    /// The version of the records once they are durable; none where somebody else has written one
    /// of them.
    pub(crate) fn commit_draws(&self, batch: &Batch) -> Result<Option<u64>, Error> {
        match self.kernel.commit_batch(batch) {
            Ok(version) => self
                .kernel
                .wait_until_durable(version)
                .map(|()| Some(version)),
            Err(CommitError::Conflict) => Ok(None),
            Err(CommitError::Store(error)) => Err(self.kernel.store_failure(error.into())),
        }
    }

    /// Refuses, or charges what is asked for, with credits where the account pays with them.
    pub(crate) fn decide(
        &self,
        actor: &Actor,
        prepared: &Arc<Prepared>,
        ask: Ask,
    ) -> Result<Decision, Error> {
        if prepared.refusal.is_none() && !prepared.pays {
            return self.charge(prepared, ask);
        }
        let charge = self.charge_or_owe(actor, prepared, ask)?;
        match charge.owed.amount {
            0 => Ok(charge.decision),
            _ => self.book(actor, charge, |ctx, charge| {
                charge.pay(ctx).map(Booked::Kept)
            }),
        }
    }

    /// As [`decide`](Engine::decide), but what credits are to pay for is owed until it is
    /// [booked](Engine::book).
    pub(crate) fn charge_or_owe<'p>(
        &self,
        actor: &Actor,
        prepared: &'p Arc<Prepared>,
        ask: Ask,
    ) -> Result<Charge<'p>, Error> {
        let at_ms = self.kernel.clock.now_ms();
        let charge = |decision, owed| Charge {
            prepared,
            ask,
            decision,
            owed,
            at_ms,
        };
        if let Some(code) = prepared.refusal {
            return Ok(charge(Decision::refused_for(code), Paid::default()));
        }
        let left = if ask.later.is_some() {
            None
        } else {
            self.charge_in_memory(prepared, ask.count)
        };
        if let Some(left) = left {
            return Ok(charge(Decision::granted(ask.count, left), Paid::default()));
        }
        if let Some(refused) = self.refused_in_memory(prepared, ask)? {
            return Ok(charge(refused, Paid::default()));
        }
        let credits = if prepared.pays {
            self.payable(actor, prepared)?
        } else {
            0
        };
        let (decision, owed) = self.charge_but(prepared, ask, credits)?;
        Ok(charge(decision, owed))
    }

    /// Commits what `write` makes of a charge; in the same commit, what is owed for it is paid.
    /// Where nothing is committed, or the charge is not kept, it comes back.
    pub(crate) fn book<A>(
        &self,
        actor: &Actor,
        mut charge: Charge<'_>,
        write: impl Fn(&mut Ctx<'_>, &Charge<'_>) -> Result<Booked<A>, Error>,
    ) -> Result<A, Error> {
        for _ in 0..ROUNDS {
            let booked = self.commit_beside(actor, None, |ctx| {
                accounts::load(&mut ctx.tx, &charge.prepared.account, "/account")?;
                write(ctx, &charge)
            });
            if let Ok(Booked::Kept(answer)) = booked {
                return Ok(answer);
            }
            let Charge {
                prepared,
                ask,
                decision,
                owed,
                at_ms,
            } = charge;
            self.refund(prepared, decision.granted, &owed, at_ms)?;
            self.return_turns(
                prepared,
                decision.granted,
                if ask.later.is_some() { u64::MAX } else { at_ms },
            );
            match booked {
                Ok(Booked::Kept(answer) | Booked::Before(answer)) => return Ok(answer),
                // Others have spent the credits meanwhile.
                Err(error) if owed.amount > 0 && error.code() == Code::CreditsExhausted => {
                    charge = self.charge_or_owe(actor, prepared, ask)?
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error::busy(
            "Others keep spending the same credits; try again.",
        ))
    }

    /// How many credits there are to pay with.
    fn payable(&self, actor: &Actor, prepared: &Prepared) -> Result<u64, Error> {
        credits::payable(
            &mut self.reading(actor),
            &prepared.account,
            prepared.channel,
            prepared.group.as_ref(),
        )
    }

    /// Gives back so many of a reservation, to the counters that it was charged to, whatever counts
    /// by now.
    pub(crate) fn return_reserved(
        &self,
        reservation: &Reservation,
        count: u64,
    ) -> Result<(), Error> {
        let cell = match self.cell(&reservation.account) {
            // With the account its counters have gone.
            Err(error) if error.code() == Code::NotFound => return Ok(()),
            cell => cell?,
        };
        let Reservation {
            account,
            user,
            group,
            channel,
            message,
            counters,
            ..
        } = reservation;
        let sent = Sent {
            user: user.as_ref(),
            groups: group.as_slice(),
            channel: *channel,
            message,
        };
        let view = cell.view(self)?;
        let mut wanted = self.may_be_charged(&cell, &view, &sent)?;
        wanted.retain(|wanted| counters.contains(&wanted.id.text()));
        let prepared = self.hold_places(Prepared::new(&cell, &view, wanted))?;
        let lifted = match reservation.credits {
            Some(paid) => {
                credits::lifted_by(&mut self.ctx(&Actor::System), account, *channel, paid.entry)?
            }
            None => None,
        };
        // Turns come back when it expires, whoever calls next.
        let now_ms = self.kernel.clock.now_ms();
        let at_ms = if reservation.state == ReservationState::Expired {
            reservation.expires_at_ms.min(now_ms)
        } else {
            now_ms
        };
        self.return_turns_at(&prepared, count, reservation.turns_from_ms(), at_ms);
        self.refund(
            &prepared,
            count,
            &Paid {
                amount: reservation.paid_of(count),
                lifted,
            },
            reservation.reserved_at_ms,
        )
    }

    /// Every counter that messages may have been charged to, whatever class limits and caps count
    /// by now, and in whichever period groups do.
    fn may_be_charged(
        &self,
        cell: &Arc<AccountCell>,
        view: &View,
        sent: &Sent<'_>,
    ) -> Result<Vec<Wanted>, Error> {
        let (limits, mut wanted, mut below) = (sent.channel.limits(), Vec::new(), None);
        for above in std::iter::once(cell).chain(&view.above) {
            let of_account = above.view(self)?;
            wanted.extend(wanted_of(
                above,
                &of_account,
                below.replace(&above.id),
                limits,
                None,
            ));
            wanted.extend(limits.into_iter().filter_map(|limit| {
                Some(uncounted(above, &of_account, limit, limit.window()?, &[]))
            }));
            wanted.extend(
                of_account
                    .caps
                    .iter()
                    .filter_map(|cap| counter_of_cap(&of_account.frame, cap, sent)),
            );
        }
        wanted.extend(
            view.platform
                .caps
                .iter()
                .filter_map(|cap| counter_of_cap(&view.platform.frame, cap, sent)),
        );
        for group in sent.groups {
            for period in [CapPeriod::Month, CapPeriod::Year] {
                wanted.extend(self.wanted_of_group(view, group, sent.channel, period)?);
            }
        }
        Ok(wanted)
    }

    /// Prepares giving messages back that were granted at an instant: the group then gets its own
    /// (R-GRP-4).
    pub(crate) fn prepare_return(
        &self,
        cell: &Arc<AccountCell>,
        sent: &Sent<'_>,
    ) -> Result<Prepared, Error> {
        let member = sent
            .user
            .map(|user| cell.member(self, user.as_str()))
            .transpose()?;
        let sending = Sending {
            member: member.as_deref(),
            channel: sent.channel,
            message: sent.message,
        };
        self.prepare_in(cell, &*cell.view(self)?, &sending, sent.groups.first())
    }

    /// Charges what is asked for to every counter, or nothing, drawing from the store where needed.
    pub(crate) fn charge(&self, prepared: &Arc<Prepared>, ask: Ask) -> Result<Decision, Error> {
        let left = if ask.later.is_some() {
            None
        } else {
            self.charge_in_memory(prepared, ask.count)
        };
        if let Some(left) = left {
            return Ok(Decision::granted(ask.count, left));
        }
        if let Some(refused) = self.refused_in_memory(prepared, ask)? {
            return Ok(refused);
        }
        self.charge_but(prepared, ask, 0)
            .map(|(decision, _)| decision)
    }

    /// Charges what is asked for, or as much of it as fits and can be paid for with so many
    /// credits; answers how many of them are owed for it, which are not charged to the account's
    /// own limits.
    pub(crate) fn charge_but(
        &self,
        prepared: &Arc<Prepared>,
        ask: Ask,
        credits: u64,
    ) -> Result<(Decision, Paid), Error> {
        for _ in 0..ROUNDS {
            if let Some(charged) = self.charge_now(prepared, ask, credits)? {
                return Ok(charged);
            }
            let commit = self
                .asks_store(prepared)
                .then(|| self.kernel.backend.last_commit());
            let coming = self.coming(prepared)?;
            let mut standing = self.standing(prepared, ask.min, coming, None)?;
            if ask.later.is_some() {
                standing.readings.retain(|reading| !reading.is_pace);
            }
            if let Some(refusal) = standing.refusal(&prepared.account, ask.min) {
                let refused = Decision::refused(Arc::new(refusal), standing.remaining());
                prepared.remember(&standing, ask, &refused, commit);
                return Ok((refused, Paid::default()));
            }
            // Something has come back meanwhile.
        }
        Err(Error::busy(
            "Others keep drawing from the same limits; try again.",
        ))
    }

    /// As [`charge_but`](Engine::charge_but); none where it does not fit.
    fn charge_now(
        &self,
        prepared: &Arc<Prepared>,
        ask: Ask,
        credits: u64,
    ) -> Result<Option<(Decision, Paid)>, Error> {
        let _drawing = prepared.team.drawing.lock();
        for _ in 0..ROUNDS {
            self.kernel.refuse_when_shut()?;
            prepared.team.refuse_when_ended()?;
            let now_ms = self.kernel.clock.now_ms();
            self.roll(prepared, now_ms)?;
            if !self.take_paces(prepared, now_ms)? {
                continue;
            }
            let mut meters = prepared.team.meters();
            let readings = meters.as_they_stand(prepared, ask, now_ms)?;
            let count = ask.count.min(send::most(&readings, credits));
            let granted = if count < ask.min { 0 } else { count };
            let paid = send::excess(&readings, granted);
            let (draws, batch) = self.draws(&mut meters, prepared, ask, granted, paid, now_ms)?;
            if !draws.is_empty() {
                drop(meters);
                meters = self.draw(prepared, &batch, &draws)?;
            }
            if count < ask.min {
                return Ok(None);
            }
            // Under the same lock: nobody else takes what was drawn for this send.
            let now_ms = self.kernel.clock.now_ms();
            let charged = match ask.later.is_some() {
                true => meters.charge_for_later(prepared, count, paid, credits - paid, now_ms),
                false => meters.charge(prepared, count, paid, credits - paid, now_ms),
            };
            if let Some((left, is_low)) = charged {
                if is_low {
                    self.ask_for_blocks(prepared);
                }
                let lifted = if paid > 0 {
                    meters.lifted(prepared)?
                } else {
                    Vec::new()
                };
                return Ok(Some((
                    Decision::granted(count, left),
                    Paid {
                        amount: paid,
                        lifted: Some(lifted),
                    },
                )));
            }
        }
        Err(Error::busy(
            "Others keep drawing from the same limits; try again.",
        ))
    }

    /// What is to be drawn for a send, and the thresholds that it reaches.
    fn draws(
        &self,
        meters: &mut Locked<'_>,
        prepared: &Prepared,
        ask: Ask,
        granted: u64,
        paid: u64,
        now_ms: u64,
    ) -> Result<(Vec<Draw>, Batch), Error> {
        let (mut draws, mut batch) = (Vec::new(), Batch::default());
        let mut told = self.kernel.tx();
        for (place, wanted) in prepared.places.iter().zip(&prepared.wanted) {
            let (hot, cold) = meters.pair(*place)?;
            let is_paid = paid > 0 && prepared.lifts(wanted);
            let granted = granted.saturating_sub(if is_paid { paid } else { 0 });
            // Nothing is written of a window that nobody charged.
            let alert = threshold::crossed(
                &cold.alert_at,
                cold.limit,
                hot.used.saturating_add(granted),
                cold.meter.alerted,
            )
            .filter(|_| granted > 0 || cold.meter.is_charged() || !cold.meter.past.is_empty());
            if hot.rest < granted || alert.is_some() || (is_paid && !cold.meter.paid) {
                let (hot, cold) = meters.pair_mut(*place)?;
                let size = if hot.rest < granted {
                    cold.draw_size(hot, granted, now_ms)
                } else {
                    0
                };
                let (alerted, paid) = (
                    alert.unwrap_or(cold.meter.alerted),
                    is_paid || cold.meter.paid,
                );
                draws.push(Draw {
                    place: *place,
                    size,
                    alerted,
                    paid,
                });
                push_draw(&mut batch, cold, &draws)?;
            }
            let (hot, cold) = meters.pair(*place)?;
            if let Some(percent) = alert.filter(|_| cold.over != OverLimit::Shadow) {
                let open =
                    reservations::open_below(&mut self.kernel.tx(), cold.id.account.as_ref())?;
                let reading =
                    cold.reading_with(hot, granted, ask.later, &open, wanted.takes_credits());
                told.tell_host(&cold.alert(percent, &reading, now_ms))?;
            }
        }
        if let Some(messages) = told.finish().0 {
            batch.writes.extend(messages.writes);
            batch.expected.extend(messages.expected);
        }
        Ok((draws, batch))
    }

    /// Gives back what was granted at an instant and did not go out, into the windows of that
    /// instant (R-QTA-6).
    ///
    /// What came back into the last window of a counter is in memory only: after a crash it counts
    /// as used.
    pub(crate) fn refund(
        &self,
        prepared: &Prepared,
        count: u64,
        paid: &Paid,
        granted_at_ms: u64,
    ) -> Result<(), Error> {
        self.put_back(
            prepared,
            &paid.charged(prepared, count),
            granted_at_ms,
            false,
        )
        .map(drop)
    }

    /// As [`refund`](Engine::refund), where it is not known what was charged. What a counter has
    /// not, comes back to another that the messages may have been charged to in its place: a limit
    /// counted another class then, a group in another period, a user was in another group. Answers
    /// to how many of the counters something came back that can be used again; where this is asked
    /// for alone, nothing comes back.
    pub(crate) fn refund_sent(
        &self,
        prepared: &Prepared,
        sent: &Sent<'_>,
        count: u64,
        paid: &Paid,
        granted_at_ms: u64,
        asked_alone: bool,
    ) -> Result<usize, Error> {
        let charged = paid.charged(prepared, count);
        let back = self.put_back(prepared, &charged, granted_at_ms, asked_alone)?;
        let mut refunded = back.iter().filter(|back| back.usable > 0).count();
        let missing = prepared
            .wanted
            .iter()
            .zip(charged.iter().zip(&back))
            .map(|(wanted, (charged, back))| (&wanted.id, charged.saturating_sub(back.in_all)));
        let mut missing: Vec<_> = missing.filter(|(_, missing)| *missing > 0).collect();
        if missing.is_empty() {
            return Ok(refunded);
        }
        let cell = self.cell(&prepared.account)?;
        let view = cell.view(self)?;
        for wanted in self.may_be_charged(&cell, &view, sent)? {
            let is_other =
                !wanted.is_pace && prepared.wanted.iter().all(|known| known.id != wanted.id);
            let place = missing
                .iter_mut()
                .find(|(id, missing)| is_other && *missing > 0 && wanted.id.takes_place_of(id));
            let Some((_, missing)) = place else { continue };
            if self.kernel.backend.get(&wanted.id.key())?.is_some() {
                let other = self.hold_places(Prepared::new(&cell, &view, vec![wanted]))?;
                for back in self.put_back(&other, &[*missing], granted_at_ms, asked_alone)? {
                    *missing = missing.saturating_sub(back.in_all);
                    refunded += usize::from(back.usable > 0);
                }
            }
        }
        Ok(refunded)
    }

    /// Takes so much out of each counter, in the window of an instant; where it is asked alone how
    /// much that would be, nothing.
    fn put_back(
        &self,
        prepared: &Prepared,
        charged: &[u64],
        granted_at_ms: u64,
        asked_alone: bool,
    ) -> Result<Vec<Back>, Error> {
        let _drawing = prepared.team.drawing.lock();
        self.kernel.refuse_when_shut()?;
        self.roll(prepared, self.kernel.clock.now_ms())?;
        let (mut given_back, mut kept) = (Vec::new(), Vec::new());
        {
            let mut meters = prepared.team.meters();
            for (place, charged) in prepared.places.iter().zip(charged) {
                let (hot, cold) = meters.pair_mut(*place)?;
                let usable = match asked_alone {
                    true => cold
                        .clone()
                        .give_back(&mut hot.clone(), *charged, granted_at_ms),
                    false => cold.give_back(hot, *charged, granted_at_ms),
                };
                if *charged > 0 && cold.is_kept(granted_at_ms) {
                    kept.push((given_back.len(), cold.id.clone(), *charged));
                }
                given_back.push(Back {
                    usable,
                    in_all: usable,
                });
            }
        }
        let mut written = 0;
        for (at, id, count) in kept {
            let (version, back) = self.give_back_to_kept(&id, count, granted_at_ms, asked_alone)?;
            written = written.max(version);
            if let Some(given_back) = given_back.get_mut(at) {
                given_back.in_all += back;
            }
        }
        self.kernel.wait_until_durable(written)?;
        prepared.team.meters().keep_apart_of(prepared)?;
        Ok(given_back)
    }

    /// Takes what was used at an instant out of a window that is over and kept; answers the number
    /// of the commit, or 0 where nothing is written, and how much of it was there.
    fn give_back_to_kept(
        &self,
        id: &MeterId,
        count: u64,
        used_at_ms: u64,
        asked_alone: bool,
    ) -> Result<(u64, u64), Error> {
        let (from, until) = (
            id.history_key(0),
            id.history_key(used_at_ms.saturating_add(1)),
        );
        for _ in 0..ROUNDS {
            let Some((key, record)) = self
                .kernel
                .backend
                .range(&from, &until, Order::Descending, 1)?
                .pop()
            else {
                return Ok((0, 0));
            };
            let mut kept: Meter = meter_of(&key, &record.value)?;
            let back = kept.take_out(count, used_at_ms, 0);
            if back == 0 || asked_alone {
                return Ok((0, back));
            }
            let left = if kept.is_charged() {
                Some(bytes_of(&kept)?)
            } else {
                None
            };
            let batch = Batch {
                writes: vec![(key.clone(), left)],
                expected: vec![(key, record.version)],
                ..Batch::default()
            };
            match self.kernel.commit_batch(&batch) {
                Ok(version) => return Ok((version, back)),
                Err(CommitError::Conflict) => {}
                Err(CommitError::Store(error)) => {
                    return Err(self.kernel.store_failure(error.into()));
                }
            }
        }
        Err(Error::busy(
            "Others keep giving back to the same window; try again.",
        ))
    }

    /// The last window in which an account's own limit was charged, as it is used: what was drawn
    /// ahead is not (R-QTA-6).
    pub(crate) fn last_window(&self, prepared: &Prepared) -> Result<Meter, Error> {
        let _drawing = prepared.team.drawing.lock();
        self.roll(prepared, self.kernel.clock.now_ms())?;
        let meters = prepared.team.meters();
        let (hot, cold) = meters.pair(*prepared.places.first().ok_or_else(lost_place)?)?;
        Ok(cold.without_rest(hot))
    }

    /// Sets what is used of an account's own limit in its window to what the host has counted,
    /// which is never more.
    pub(crate) fn reconcile(&self, prepared: &Prepared, used: u64) -> Result<u64, Error> {
        let _drawing = prepared.team.drawing.lock();
        self.kernel.refuse_when_shut()?;
        self.roll(prepared, self.kernel.clock.now_ms())?;
        let place = *prepared.places.first().ok_or_else(lost_place)?;
        let mut batch = Batch::default();
        let back = {
            let mut meters = prepared.team.meters();
            let (hot, cold) = meters.pair_mut(place)?;
            let back = hot.used.checked_sub(used).ok_or_else(|| {
                Error::invalid(
                    "/used",
                    format!(
                        "Only {} are counted, and not {used}; charge what went out with \
                         `sending.admit`.",
                        hot.used
                    ),
                )
            })?;
            if back == 0 {
                return Ok(0);
            }
            // From here on nothing is granted from memory until the store says the same.
            cold.came_back(Some(cold.meter.starts_at_ms), hot.rest);
            cold.meter.drawn -= std::mem::take(&mut hot.rest);
            cold.meter.take_out_oldest(back);
            hot.used = used;
            cold.charged = cold.meter.clone();
            push_meter(&mut batch, cold, &cold.meter)?;
            back
        };
        let committed = self.kernel.commit_batch(&batch);
        let mut meters = prepared.team.meters();
        let (hot, cold) = meters.pair_mut(place)?;
        match committed {
            Ok(version) => {
                cold.version = version;
                cold.unwritten.clear();
                cold.set_stop(hot);
                meters.keep_apart_of(prepared)?;
                drop(meters);
                self.kernel.wait_until_durable(version)?;
                Ok(back)
            }
            Err(CommitError::Conflict) => {
                // Somebody else has written it: it is read anew.
                (hot.ends_at_ms, cold.version) = (0, u64::MAX);
                Err(Error::busy(
                    "Others keep drawing from the same limits; try again.",
                ))
            }
            Err(CommitError::Store(error)) => Err(self.kernel.store_failure(error.into())),
        }
    }

    /// Begins the next window of the counters whose window has ended. The store's window counts
    /// where it is still open.
    fn roll(&self, prepared: &Prepared, now_ms: u64) -> Result<(), Error> {
        self.make_room_beside(prepared)?;
        self.roll_these(
            prepared,
            prepared.places.iter().copied().zip(&prepared.wanted),
            now_ms,
        )?;
        let mut meters = prepared.team.meters();
        if meters.keeps_apart_of(prepared)? {
            meters.keep_apart_of(prepared)?;
        }
        Ok(())
    }

    /// Takes counters out of memory where there are too many; none that this send is charged to.
    fn make_room_beside(&self, prepared: &Prepared) -> Result<(), Error> {
        let room = &self.views.room;
        if room.excess().is_none() {
            return Ok(());
        }
        let teams = self.views.cells.teams();
        prepared.team.make_room(&self.kernel, room, &teams)
    }

    fn roll_these<'p>(
        &self,
        prepared: &Prepared,
        counters: impl Iterator<Item = (usize, &'p Wanted)>,
        now_ms: u64,
    ) -> Result<(), Error> {
        for (place, wanted) in counters {
            let (is_open, guaranteed) = {
                let meters = prepared.team.meters();
                let (hot, cold) = meters.pair(place)?;
                (
                    now_ms < hot.ends_at_ms && cold.meter.is_charged(),
                    cold.guaranteed.clone(),
                )
            };
            if !is_open {
                self.roll_one(&prepared.team, place, Some(wanted), now_ms)?;
            }
            for Kept { below, .. } in guaranteed.iter() {
                let is_open = now_ms < prepared.team.meters().pair(*below)?.1.meter.ends_at_ms;
                if !is_open {
                    self.roll_one(&prepared.team, *below, None, now_ms)?;
                }
            }
        }
        Ok(())
    }

    fn roll_one(
        &self,
        team: &Team,
        place: usize,
        wanted: Option<&Wanted>,
        now_ms: u64,
    ) -> Result<(), Error> {
        let key = team.meters().pair(place)?.1.id.key();
        let (version, stored) = self.stored::<Meter>(&key)?;
        let mut meters = team.meters();
        if meters.is_still_uncharged(place, wanted, version, now_ms)? {
            return Ok(());
        }
        let (hot, cold) = meters.pair_mut(place)?;
        let last = if cold.meter.is_charged() {
            &cold.meter
        } else {
            &cold.charged
        };
        let drawn_at_ms = last.starts_at_ms;
        let mut charged = match stored {
            _ if version == cold.version => last.clone(),
            // Somebody else has written it, and did not know what came back here.
            Some(mut stored) => {
                stored.take_out_all(&cold.unwritten);
                stored
            }
            None => {
                cold.unwritten.clear();
                Meter::default()
            }
        };
        // What was drawn for a window is good as long as it is open, whoever else has drawn since.
        let is_open = charged.starts_at_ms == drawn_at_ms
            && now_ms < charged.ends_at_ms
            && hot.rest <= charged.drawn;
        if !is_open {
            let part = charged.part_at(drawn_at_ms);
            let back = charged.take_out(std::mem::take(&mut hot.rest), drawn_at_ms, 0);
            cold.came_back(part, back);
        }
        cold.charged = charged;
        let meter = next_window(cold.charged.clone(), cold.window, now_ms, &cold.calendar)?;
        hot.ends_at_ms = meter.ends_at_ms;
        hot.used = (meter.drawn - hot.rest) + meter.past.iter().map(|(_, used)| used).sum::<u64>();
        cold.meter = meter;
        cold.version = version;
        if let Some(wanted) =
            wanted.filter(|wanted| wanted.growth.is_some() && wanted.stamp >= cold.stamp)
        {
            cold.limit = wanted.limit_at(cold.meter.starts_at_ms);
        }
        cold.forget_alerts(hot);
        meters.keep_apart(place)
    }

    /// A counter or a pace as the store has it, and the version of its record.
    fn stored<T: DeserializeOwned>(&self, key: &[u8]) -> Result<(u64, Option<T>), Error> {
        Team::stored(&self.kernel, key)
    }

    /// How far a pace is that is not in memory here, and the version of its record. Where that says
    /// that a process has it, it has crashed.
    fn stored_pace(&self, pace: Pace, key: &[u8], now_ms: u64) -> Result<(u64, Pace), Error> {
        let (version, stored) = self.stored::<PaceRecord>(key)?;
        let pace = match stored {
            None => pace.at(0),
            Some(PaceRecord {
                turn_us: Some(turn_us),
            }) => pace.at(turn_us),
            Some(PaceRecord { turn_us: None }) => pace.without_burst(now_ms),
        };
        Ok((version, pace))
    }

    /// How far the paces are.
    fn paces(&self, prepared: &Prepared, now_ms: u64) -> Result<Vec<Pace>, Error> {
        let paces = prepared.team.meters().paces_of(prepared)?;
        let known = paces
            .into_iter()
            .zip(&prepared.paced)
            .map(|(pace, wanted)| match pace.turn_us() {
                Some(_) => Ok(pace),
                None => self
                    .stored_pace(pace, &wanted.id.pace_key(), now_ms)
                    .map(|(_, pace)| pace),
            });
        known.collect()
    }

    /// Takes the paces into memory that are not there, for whoever draws for the team; not where
    /// another has written one since.
    fn take_paces(&self, prepared: &Prepared, now_ms: u64) -> Result<bool, Error> {
        let paces = prepared.team.meters().paces_of(prepared)?;
        for (pace, place) in paces
            .into_iter()
            .zip(&prepared.pace_places)
            .filter(|(pace, _)| pace.turn_us().is_none())
        {
            let key = prepared
                .team
                .meters()
                .pace_records
                .get(*place)
                .ok_or_else(lost_place)?
                .0
                .clone();
            let (version, pace) = self.stored_pace(pace, &key, now_ms)?;
            let batch = pace_batch([(key, version, None)])?;
            let Some(version) = self.commit_draws_of(&prepared.account, &batch)? else {
                return Ok(false);
            };
            let mut meters = prepared.team.meters();
            let Meters {
                paces,
                pace_records,
                ..
            } = &mut *meters;
            let (slot, record) = paces
                .get_mut(*place)
                .zip(pace_records.get_mut(*place))
                .ok_or_else(lost_place)?;
            *slot = slot.at(pace.turn_us().unwrap_or_default());
            record.1 = version;
        }
        Ok(true)
    }

    /// From when on all that was charged may go out, where a pace spreads it and that is later than
    /// now.
    pub(crate) fn not_before_ms(&self, prepared: &Prepared) -> Result<Option<u64>, Error> {
        let now_ms = self.kernel.clock.now_ms();
        let paces = self.paces(prepared, now_ms)?;
        Ok(paces
            .iter()
            .map(Pace::opens_for_all_ms)
            .max()
            .filter(|at_ms| *at_ms > now_ms))
    }

    /// Gives turns back of what could go out from an instant on and did not.
    pub(crate) fn return_turns(&self, prepared: &Prepared, count: u64, from_ms: u64) {
        self.return_turns_at(prepared, count, from_ms, self.kernel.clock.now_ms());
    }

    fn return_turns_at(&self, prepared: &Prepared, count: u64, from_ms: u64, now_ms: u64) {
        let mut meters = prepared.team.meters();
        for place in &prepared.pace_places {
            if let Some(pace) = meters.paces.get_mut(*place) {
                pace.give_back(count, from_ms, now_ms);
            }
        }
    }

    /// How every counter stands now, for a send of `count`.
    pub(crate) fn readings(
        &self,
        prepared: &Prepared,
        count: u64,
    ) -> Result<Vec<MeterReading>, Error> {
        let readings = self
            .standing(prepared, count, Coming::default(), None)?
            .readings;
        Ok(readings
            .into_iter()
            .filter(|reading| reading.counts)
            .collect())
    }

    /// How everything that a send of `count` looks at stands, and will.
    pub(crate) fn outlook(&self, prepared: &Prepared, count: u64) -> Result<Standing, Error> {
        self.standing(prepared, count, self.coming(prepared)?, None)
    }

    /// As it will be at an instant, if nothing goes out until then.
    pub(crate) fn outlook_then(
        &self,
        prepared: &Prepared,
        count: u64,
        at_ms: u64,
    ) -> Result<Standing, Error> {
        let mut standing = self.standing(prepared, count, self.coming(prepared)?, Some(at_ms))?;
        for (reading, (_, wanted)) in standing.readings.iter_mut().zip(prepared.all()) {
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
        Ok(Standing { at_ms, ..standing })
    }

    /// What comes back by itself to the counters of a send, and what credits there are to pay for
    /// it.
    fn coming(&self, prepared: &Prepared) -> Result<Coming, Error> {
        let actor = Actor::System;
        let mut ctx = self.reading(&actor);
        // Whatever comes back to an account comes back to those above it.
        let accounts = || {
            prepared
                .wanted
                .iter()
                .filter(|wanted| !matches!(wanted.id.scope, MeterScope::Group(_)))
        };
        let height = |id: &MeterId| {
            id.account.as_ref().map_or(Some(usize::MAX), |of| {
                accounts()
                    .map(|wanted| wanted.id.account.as_ref())
                    .enumerate()
                    .filter(|(_, account)| *account == Some(of))
                    .last()
                    .map(|(at, _)| at)
            })
        };
        let limited = |wanted: &&Wanted| {
            wanted.resolved.limit != Limit::Unlimited || !wanted.later.is_empty()
        };
        let limited = prepared
            .all()
            .map(|(_, wanted)| wanted)
            .chain(&prepared.paced)
            .chain(&prepared.planned_paces)
            .filter(limited);
        let above = limited
            .max_by_key(|wanted| height(&wanted.id))
            .map_or(Some(&prepared.account), |wanted| wanted.id.account.as_ref());
        let open = reservations::open_below(&mut ctx.tx, above)?;
        let grants = match prepared.pays_from.is_empty()
            && !ctx.includes_credits(Some(&prepared.account))?
        {
            true => Vec::new(),
            false => credits::payable_parts(
                &mut ctx,
                &prepared.account,
                prepared.channel,
                prepared.group.as_ref(),
                &open,
            )?,
        };
        Ok(Coming { open, grants })
    }

    /// Opens the windows of now, also of what is licensed later only.
    fn roll_all(&self, prepared: &Prepared, now_ms: u64) -> Result<(), Error> {
        self.roll(prepared, now_ms)?;
        let planned = prepared.planned.iter();
        let planned = planned.map(|(wanted, place)| (*place, wanted));
        self.roll_these(prepared, planned, now_ms)
    }

    /// How it stands now; what limits will be is told exactly for the instants at which that
    /// matters, and for one more. Paces stand as they do then.
    fn standing(
        &self,
        prepared: &Prepared,
        count: u64,
        coming: Coming,
        and_at_ms: Option<u64>,
    ) -> Result<Standing, Error> {
        let now_ms = self.kernel.clock.now_ms();
        let _drawing = prepared.team.drawing.lock();
        self.roll_all(prepared, now_ms)?;
        let meters = prepared.team.meters();
        self.standing_of(meters, prepared, count, coming, and_at_ms, now_ms)
    }

    /// As [`standing`](Engine::standing), of meters whose windows are open.
    fn standing_of(
        &self,
        meters: Locked<'_>,
        prepared: &Prepared,
        count: u64,
        coming: Coming,
        and_at_ms: Option<u64>,
        now_ms: u64,
    ) -> Result<Standing, Error> {
        let changes = meters.changes();
        let mut readings = Vec::with_capacity(prepared.places.len());
        for (place, wanted) in prepared.all() {
            let (hot, cold) = meters.pair(place)?;
            let bound = meters.bound(prepared, place, wanted, &coming.open)?;
            let frees = cold.frees(hot, &coming.open, wanted.takes_credits());
            let instants = bound
                .turns()
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
        Ok(Standing {
            readings,
            credits,
            at_ms: now_ms,
            changes,
        })
    }

    /// What becomes of everything that spreads the sends, now or once a planned package comes into
    /// force.
    fn courses<'p>(
        &self,
        prepared: &'p Prepared,
        open: &[Reservation],
        now_ms: u64,
    ) -> Result<Vec<(&'p Wanted, Course)>, Error> {
        let of_each = prepared
            .paced
            .iter()
            .chain(&prepared.planned_paces)
            .map(|wanted| {
                let in_memory = {
                    let meters = prepared.team.meters();
                    let key = (wanted.id.clone(), wanted.made_at_ms);
                    let place = meters.pace_places.at(&key);
                    place.and_then(|place| meters.paces.get(place)).copied()
                };
                let now = in_memory
                    .filter(|_| wanted.stamp > TRIED)
                    .unwrap_or_else(|| wanted.pace(now_ms));
                let pace = match in_memory.filter(|pace| pace.turn_us().is_some()) {
                    Some(pace) => pace,
                    None => self.stored_pace(now, &wanted.id.pace_key(), now_ms)?.1,
                };
                let terms = wanted.paces(now);
                let text = wanted.id.text();
                let returns = open.iter().filter(|open| open.counters.contains(&text));
                let returns = returns.map(|open| Return {
                    at_ms: open.expires_at_ms,
                    count: open.count,
                    from_ms: open.turns_from_ms(),
                });
                Ok((wanted, Course::new(pace, terms, returns.collect())))
            });
        of_each.collect()
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
                turns: std::collections::BTreeSet::from_iter(bound.turns())
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

    /// Gives back what was drawn for an account's team and not used. From here on nothing is
    /// granted from memory.
    pub(crate) fn give_blocks_back(&self, team: &Team) -> Result<(), Error> {
        team.give_blocks_back(&self.kernel)
    }
}

impl Frame {
    fn wanted(&self, id: MeterId, window: Window, resolved: Resolved) -> Wanted {
        Wanted {
            id: Arc::new(id),
            window,
            resolved,
            counts: true,
            later: Vec::new(),
            over: OverLimit::Reject,
            is_pace: false,
            growth: None,
            kept: None,
            below: None,
            burst: 0,
            made_at_ms: 0,
            stamp: self.stamp,
            calendar: self.calendar.clone(),
            alert_at: self.alert_at.clone(),
        }
    }

    /// The counter of a cap for one that it counts by.
    pub(crate) fn wanted_of_cap(&self, cap: &Cap, subject: &str) -> Wanted {
        let id = MeterId::of_cap(cap, subject);
        let resolved = Resolved::plain(Limit::At(cap.limit), Source::Cap);
        Wanted {
            over: cap.over,
            is_pace: cap.over == OverLimit::Spread,
            growth: cap.grows_daily_by.map(|by| (by.get(), cap.created_at_ms)),
            burst: cap.burst.get(),
            made_at_ms: cap.created_at_ms,
            ..self.wanted(id, cap.window, resolved)
        }
    }
}

/// The counters and paces of limits of one account, which may be above the one that sends, for
/// messages of a class.
pub(crate) fn wanted_of(
    cell: &AccountCell,
    view: &View,
    below: Option<&Id>,
    limits: impl IntoIterator<Item = LimitName>,
    class: Option<MessageClass>,
) -> Vec<Wanted> {
    let mut wanted = Vec::new();
    for limit in limits {
        let (Some(window), resolved) = (limit.window(), view.limit(limit)) else {
            continue;
        };
        let term = |resolved: Resolved| Term {
            resolved,
            counts: resolved
                .class
                .is_none_or(|only| class.is_none_or(|class| class == only)),
        };
        let now = term(resolved);
        let later: Vec<_> = view
            .later
            .iter()
            .map(|later| (later.from_ms, term(value_of(&later.limits, limit))))
            .collect();
        if !now.counts {
            wanted.push(uncounted(cell, view, limit, window, &later));
        }
        let id = MeterId {
            account: Some(cell.id.clone()),
            scope: MeterScope::Account,
            limit: limit.name(),
        };
        let counter = Wanted {
            counts: now.counts,
            over: over_of(resolved),
            kept: view
                .guaranteed
                .iter()
                .find(|guaranteed| guaranteed.limit == limit)
                .cloned(),
            below: below.cloned(),
            ..view.frame.wanted(id, window, resolved)
        };
        let counts = now.counts || later.iter().any(|(_, term)| term.counts);
        let (spreads, will_spread) = (
            now.pace(window).is_some(),
            later.iter().any(|(_, term)| term.pace(window).is_some()),
        );
        let counter = Wanted { later, ..counter };
        let pace = Wanted {
            is_pace: true,
            counts: spreads,
            burst: resolved.burst,
            ..counter.clone()
        };
        wanted.extend(
            counts
                .then_some(counter)
                .into_iter()
                .chain((spreads || will_spread).then_some(pace)),
        );
    }
    wanted
}

/// What a counter does beyond its limit. Where credits are to pay it refuses: what they lift is
/// looked at apart.
fn over_of(resolved: Resolved) -> OverLimit {
    match resolved.over {
        OverLimit::UseCredits => OverLimit::Reject,
        over => over,
    }
}

/// The counter of messages that a limit of an account does not count.
fn uncounted(
    cell: &AccountCell,
    view: &View,
    limit: LimitName,
    window: Window,
    later: &[(u64, Term)],
) -> Wanted {
    let id = MeterId {
        account: Some(cell.id.clone()),
        scope: MeterScope::Uncounted,
        limit: limit.name(),
    };
    let resolved = Resolved::plain(Limit::Unlimited, view.limit(limit).source);
    let later = later
        .iter()
        .map(|(from_ms, term)| {
            (
                *from_ms,
                Term {
                    resolved,
                    counts: !term.counts,
                },
            )
        })
        .collect();
    Wanted {
        later,
        ..view.frame.wanted(id, window, resolved)
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

/// The counter of a cap, where it counts this send.
fn wanted_of_cap(frame: &Frame, cap: &Cap, sending: &Sending<'_>) -> Option<Wanted> {
    let class = sending
        .message
        .message_class
        .unwrap_or(MessageClass::Marketing);
    if cap.message_class.is_some_and(|only| only != class) {
        return None;
    }
    let user = sending
        .member
        .and_then(|member| member.member.as_ref())
        .map(|member| &member.user);
    counter_of_cap(
        frame,
        cap,
        &Sent {
            user,
            groups: &[],
            channel: sending.channel,
            message: sending.message,
        },
    )
}

/// The same, whatever class the cap counts.
fn counter_of_cap(frame: &Frame, cap: &Cap, sent: &Sent<'_>) -> Option<Wanted> {
    let message = sent.message;
    if cap.channel != sent.channel {
        return None;
    }
    let subject = match cap.scope {
        CapScope::Account => Some(cap.account.as_ref().map_or(PLATFORM, Id::as_str)),
        CapScope::Member => sent.user.map(Id::as_str),
        CapScope::Campaign => message.campaign.as_ref().map(Id::as_str),
        CapScope::ApiKey => message.api_key.as_ref().map(Id::as_str),
        CapScope::SendingDomain => message
            .sending_domain
            .as_ref()
            .map(|domain| domain.as_str()),
        CapScope::RecipientDomain => message
            .recipient_domain
            .as_ref()
            .map(|domain| domain.as_str()),
    }?;
    if cap
        .subject
        .as_ref()
        .is_some_and(|only| only.as_str() != subject)
    {
        return None;
    }
    Some(frame.wanted_of_cap(cap, subject))
}

/// The window that is drawn from at `now_ms`, after the last one that was charged.
pub(crate) fn next_window(
    mut last: Meter,
    kind: Window,
    now_ms: u64,
    calendar: &Calendar,
) -> Result<Meter, Error> {
    let used_before = last.drawn + last.past.iter().map(|(_, used)| used).sum::<u64>();
    if kind == Window::RollingHour {
        last.past.retain(|(until, _)| now_ms < *until);
    }
    if now_ms < last.ends_at_ms {
        return Ok(last);
    }
    let (starts_at_ms, ends_at_ms) =
        window::bounds_after(kind, (last.starts_at_ms, last.ends_at_ms), now_ms, calendar)
            .ok_or_else(|| {
                Error::internal(format!(
                    "No calendar has the time {now_ms} ms; set the clock right."
                ))
            })?;
    let (mut past, mut alerted, mut before) = (Vec::new(), 0, None);
    if kind == Window::RollingHour {
        past = last.past;
        let until = window::counts_until(last.ends_at_ms);
        if last.drawn > 0 && now_ms < until {
            past.push((until, last.drawn));
        }
        // It is the same window as long as anything of it counts.
        (alerted, before) = match past.is_empty() && used_before > 0 {
            true => (0, Some((until, used_before))),
            false => (if past.is_empty() { 0 } else { last.alerted }, last.before),
        };
    }
    Ok(Meter {
        starts_at_ms,
        ends_at_ms,
        drawn: 0,
        past,
        before,
        alerted,
        paid: false,
    })
}

/// A part of a limit that is taken from the store.
struct Draw {
    place: usize,
    size: u64,
    /// The highest threshold that the host is told of with it.
    alerted: u64,
    /// Whether credits pay for something in the window.
    paid: bool,
}

/// Writes the last of the draws; with the first one in a window, what was used in the window before
/// is kept (R-QTA-2).
fn push_draw(batch: &mut Batch, cold: &Cold, draws: &[Draw]) -> Result<(), Error> {
    let Some(draw) = draws.last() else {
        return Ok(());
    };
    push_meter(
        batch,
        cold,
        &Meter {
            drawn: cold.meter.drawn + draw.size,
            alerted: draw.alerted,
            paid: draw.paid,
            ..cold.meter.clone()
        },
    )?;
    let is_over = !cold.meter.is_charged()
        && cold.charged.is_charged()
        && cold.charged.ends_at_ms <= cold.meter.starts_at_ms;
    if is_over && cold.window != Window::RollingHour {
        batch.writes.push((
            cold.id.history_key(cold.charged.starts_at_ms),
            Some(bytes_of(&cold.charged)?),
        ));
    }
    Ok(())
}

pub(crate) fn meter_of<T: DeserializeOwned>(key: &[u8], bytes: &[u8]) -> Result<T, Error> {
    let unreadable = |error| {
        Error::corrupt(format!(
            "The meter `{}` cannot be read ({error}); restore a backup.",
            key.escape_ascii()
        ))
    };
    serde_json::from_slice(bytes).map_err(unreadable)
}

fn bytes_of(record: &impl Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(record).map_err(|error| Error::internal(error.to_string()))
}

/// Writes how far paces are, where their records have these versions.
fn pace_batch(
    records: impl IntoIterator<Item = (Vec<u8>, u64, Option<u64>)>,
) -> Result<Batch, Error> {
    let mut batch = Batch::default();
    for (key, version, turn_us) in records {
        batch
            .writes
            .push((key.clone(), Some(bytes_of(&PaceRecord { turn_us })?)));
        batch.expected.push((key, version));
    }
    Ok(batch)
}

fn push_meter(batch: &mut Batch, cold: &Cold, meter: &Meter) -> Result<(), Error> {
    let key = cold.id.key();
    batch.expected.push((key.clone(), cold.version));
    batch.writes.push((key, Some(bytes_of(meter)?)));
    Ok(())
}
