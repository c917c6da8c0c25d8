//! How far this process is in touch with the others: a thread asks the database again and again
//! what was committed, and says that this process is alive.
//!
//! A process that has heard nothing for as long as it may be out of date answers nothing from
//! memory until it has asked. One that was silent for longer counts as gone: others may have been
//! given what it holds. It is told so by the first answer that it gets again, and begins anew.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::{Condvar, Mutex};
use tracing::warn;

use super::rows::only;
use super::trouble::Trouble;
use super::wire::{Ask, Value};
use crate::backend::{Standing, StoreError};

/// After a process may not answer any more it counts as living for so long, and is called gone
/// after as long again.
const SPARE: Duration = Duration::from_secs(5);
/// How much the clocks of two machines may go apart within that time.
const DRIFT: Duration = Duration::from_secs(1);
/// So long somebody waits who asks before an answer from memory.
const LONGEST_WAIT: Duration = Duration::from_millis(200);
/// The longest time between two signs of life.
const LONGEST_BEAT: Duration = Duration::from_secs(2);

/// Adds a process that counts as living; answers how many do.
pub(super) fn register<'a>(
    owner: &'a str,
    name: &'a str,
    stale: Duration,
    applied: u64,
) -> [Ask<'a>; 2] {
    [
        (
            "INSERT INTO owner VALUES ($1, $2,
                clock_timestamp() + $3 * interval '1 millisecond', false, 0, 0, $4)",
            vec![
                Value::Text(owner),
                Value::Text(name),
                Value::Number(lease_ms(stale)),
                Value::Number(applied.cast_signed()),
            ],
        ),
        COUNT,
    ]
}

/// How many processes have the store open.
pub(super) const COUNT: Ask<'_> = ("SELECT count(*) FROM owner WHERE NOT gone", Vec::new());

pub(super) fn leave(owner: &str) -> Ask<'_> {
    (
        "UPDATE owner SET gone = true WHERE id = $1",
        vec![Value::Text(owner)],
    )
}

/// Which processes may answer from memory and do not know of a note. One that gave no sign of life
/// for so long that it has to ask first is none of them.
pub(super) fn behind(noted: i64) -> Ask<'static> {
    let spare = i64::try_from((SPARE - DRIFT).as_millis()).unwrap_or(i64::MAX);
    (
        "SELECT name FROM owner WHERE NOT gone AND applied < $1
            AND expires > clock_timestamp() + $2 * interval '1 millisecond' ORDER BY name",
        vec![Value::Number(noted), Value::Number(spare)],
    )
}

/// What a sign of life asks: whether this process still counts, who else does not, and how many do.
pub(super) fn beat(owner: &str, stale: Duration, applied: u64) -> [Ask<'_>; 4] {
    let spare = i64::try_from(SPARE.as_millis()).unwrap_or(i64::MAX);
    [
        (
            "UPDATE owner SET expires = clock_timestamp() + $2 * interval '1 millisecond',
                applied = $3 WHERE id = $1 AND NOT gone RETURNING n",
            vec![
                Value::Text(owner),
                Value::Number(lease_ms(stale)),
                Value::Number(applied.cast_signed()),
            ],
        ),
        (
            "UPDATE owner SET gone = true WHERE id IN (SELECT id FROM owner WHERE NOT gone
                AND expires < clock_timestamp() - $1 * interval '1 millisecond'
                ORDER BY id FOR UPDATE SKIP LOCKED)",
            vec![Value::Number(spare)],
        ),
        // Nobody asks any more what became of their writes.
        (
            "DELETE FROM owner WHERE gone AND expires < clock_timestamp() - interval '1 day'",
            Vec::new(),
        ),
        COUNT,
    ]
}

fn lease_ms(stale: Duration) -> i64 {
    i64::try_from((stale + SPARE).as_millis()).unwrap_or(i64::MAX)
}

/// The state of the store, and the note up to which somebody waits for all processes.
pub(super) const POLL: Ask<'_> = (
    "SELECT store, n, records, sum, noted, format, (SELECT wanted FROM barrier WHERE id = 1)
     FROM head WHERE id = 1",
    Vec::new(),
);
pub(super) const WANTED: usize = 6;

/// What the thread and those who wait for it tell each other.
#[derive(Default)]
struct Rounds {
    /// How many rounds were asked for, and how far these are made.
    asked: u64,
    made: u64,
    ended: bool,
    /// What the last round met.
    trouble: Option<StoreError>,
}

pub(super) struct Touch {
    pub(super) stale: Duration,
    poll: Duration,
    /// When the last sign of life was sent that was answered, by the clock of the machine; 0 while
    /// this process counts as gone.
    fresh_at_ms: AtomicU64,
    stale_ms: u64,
    is_expelled: AtomicBool,
    processes: AtomicU64,
    rounds: Mutex<Rounds>,
    turned: Condvar,
}

/// A clock that is set back makes this process ask, and nothing else.
pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}

impl Touch {
    pub(super) fn new(poll: Duration, stale: Duration) -> Touch {
        Touch {
            stale,
            poll,
            fresh_at_ms: AtomicU64::new(0),
            stale_ms: stale.as_millis() as u64,
            is_expelled: AtomicBool::new(false),
            processes: AtomicU64::new(1),
            rounds: Mutex::default(),
            turned: Condvar::new(),
        }
    }

    pub(super) fn beat_every(&self) -> Duration {
        (self.stale / 3).min(LONGEST_BEAT)
    }

    pub(super) fn is_stale(&self) -> bool {
        let fresh_at_ms = self.fresh_at_ms.load(Ordering::Acquire);
        now_ms().wrapping_sub(fresh_at_ms) >= self.stale_ms
    }

    /// What was sent then was answered.
    pub(super) fn is_fresh_since(&self, sent_at_ms: u64) {
        self.fresh_at_ms.store(sent_at_ms, Ordering::Release);
    }

    /// The others count this process as gone.
    pub(super) fn expel(&self) {
        if !self.is_expelled.swap(true, Ordering::AcqRel) {
            warn!(
                target: "tenantry::store",
                "This process was silent for too long and counts as gone; it begins anew."
            );
        }
        self.fresh_at_ms.store(0, Ordering::Release);
    }

    pub(super) fn is_expelled(&self) -> bool {
        self.is_expelled.load(Ordering::Acquire)
    }

    /// It counts again, under another name.
    pub(super) fn readmit(&self, sent_at_ms: u64) {
        self.is_expelled.store(false, Ordering::Release);
        self.is_fresh_since(sent_at_ms);
    }

    pub(super) fn processes(&self) -> u64 {
        self.processes.load(Ordering::Acquire)
    }

    /// What [`COUNT`] was answered.
    pub(super) fn count(&self, rows: &super::wire::Rows) -> Result<u64, Trouble> {
        let processes = only(rows)?.number(0)?.cast_unsigned();
        self.processes.store(processes, Ordering::Release);
        Ok(processes)
    }

    /// Has the thread ask at once, and waits for it, but not for long.
    pub(super) fn ask(&self) -> Result<Standing, StoreError> {
        let mut rounds = self.rounds.lock();
        rounds.asked += 1;
        let mine = rounds.asked;
        self.turned.notify_all();
        let is_waiting = |rounds: &mut Rounds| rounds.made < mine && !rounds.ended;
        self.turned
            .wait_while_for(&mut rounds, is_waiting, LONGEST_WAIT);
        if self.is_expelled() {
            return Ok(Standing::Expelled);
        }
        if !self.is_stale() {
            return Ok(Standing::Member);
        }
        Err(match (rounds.ended, rounds.trouble.clone()) {
            (true, _) => StoreError::Closed,
            (false, Some(trouble)) => trouble,
            (false, None) => StoreError::Unreachable {
                what: "the server did not answer in time".to_owned(),
            },
        })
    }

    /// Has the thread ask at once.
    pub(super) fn hurry(&self) {
        self.rounds.lock().asked += 1;
        self.turned.notify_all();
    }

    /// The thread: makes rounds until it is ended.
    pub(super) fn make_rounds(&self, mut round: impl FnMut() -> Result<(), StoreError>) {
        loop {
            let asked = {
                let mut rounds = self.rounds.lock();
                let rests = |rounds: &mut Rounds| rounds.asked == rounds.made && !rounds.ended;
                self.turned.wait_while_for(&mut rounds, rests, self.poll);
                if rounds.ended {
                    return;
                }
                rounds.asked
            };
            let outcome = round();
            let is_lost = outcome.is_err();
            let mut rounds = self.rounds.lock();
            rounds.made = asked;
            rounds.trouble = outcome.err();
            self.turned.notify_all();
            if is_lost && !rounds.ended {
                // Who asks meanwhile is told of this one.
                self.turned
                    .wait_for(&mut rounds, self.poll.min(LONGEST_WAIT / 4));
            }
        }
    }

    pub(super) fn end(&self) {
        self.rounds.lock().ended = true;
        self.turned.notify_all();
    }
}
