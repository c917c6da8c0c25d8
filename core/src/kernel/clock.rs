//! The one place that reads a clock, and where ids come from.

use crate::error::{Code, Error};
use crate::model::{ClockJump, ClockRecord, Id, check_instant};
use crate::rules::clock::Watch;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// For so long after it was held against the steady clock the system's is believed.
const BELIEVED_MS: u64 = 1000;
/// How often the time is kept, so that a process that opens the store after a crash knows about
/// when that was.
const KEPT_EVERY_MS: u64 = 24 * 3_600_000;

/// The clock that a store was opened with.
pub(crate) struct Clock {
    source: Source,
    /// When the first of what is scheduled becomes due; see `engine::due`. 0 where the clock
    /// itself has something to tell.
    pub(crate) next_due_ms: AtomicU64,
}

enum Source {
    System(SystemClock),
    Manual(AtomicU64),
}

/// The system's clock, as far as it is believed (R-QTA-13).
struct SystemClock {
    /// When it was last held against the steady clock.
    looked_at_ms: AtomicU64,
    watched: Mutex<Watched>,
    #[cfg(test)]
    faked: Mutex<Option<(u64, u64)>>,
}

struct Watched {
    watch: Watch,
    /// What the store knows of it, or is to know.
    record: ClockRecord,
    /// Whether the store does not know it yet.
    is_new: bool,
    /// A jump that nobody was told of.
    unreported: Option<ClockJump>,
}

impl SystemClock {
    fn begin(known: Option<ClockRecord>) -> SystemClock {
        let (system_ms, steady_ms) = (system_ms(), steady_ms());
        let (watch, unreported) =
            Watch::begin(system_ms, steady_ms, known.map(|record| record.at_ms));
        let record = ClockRecord {
            jump: unreported.or(known.and_then(|record| record.jump)),
            ..known.unwrap_or_default()
        };
        SystemClock {
            looked_at_ms: AtomicU64::new(0),
            watched: Mutex::new(Watched {
                watch,
                record,
                is_new: unreported.is_some(),
                unreported,
            }),
            #[cfg(test)]
            faked: Mutex::new(None),
        }
    }

    #[cfg(test)]
    fn read(&self) -> (u64, u64) {
        self.faked
            .lock()
            .unwrap_or_else(|| (system_ms(), steady_ms()))
    }

    #[cfg(not(test))]
    fn read(&self) -> (u64, u64) {
        (system_ms(), steady_ms())
    }

    /// Holds it against the steady clock; whether there is something to tell, too.
    #[cold]
    fn look(&self) -> (u64, bool) {
        let mut watched = self.watched.lock();
        let (system_ms, steady_ms) = self.read();
        let (now_ms, jump) = watched.watch.look(system_ms, steady_ms);
        if jump.is_some() {
            (watched.record.jump, watched.unreported) = (jump, jump);
        }
        watched.is_new |= jump.is_some() || now_ms.abs_diff(watched.record.at_ms) >= KEPT_EVERY_MS;
        if now_ms == system_ms {
            self.looked_at_ms.store(system_ms, Ordering::Relaxed);
        }
        (now_ms, watched.is_new)
    }
}

impl Clock {
    pub(crate) fn manual(now_ms: u64, next_due_ms: u64) -> Clock {
        Clock {
            source: Source::Manual(AtomicU64::new(now_ms)),
            next_due_ms: AtomicU64::new(next_due_ms),
        }
    }

    /// The system's, with what the store knows of it.
    pub(crate) fn system(known: Option<ClockRecord>, next_due_ms: u64) -> Clock {
        Clock {
            source: Source::System(SystemClock::begin(known)),
            next_due_ms: AtomicU64::new(next_due_ms),
        }
    }

    /// Unix milliseconds. The coarse clock of the system is a few milliseconds late and ten times
    /// as fast.
    #[inline]
    pub(crate) fn now_ms(&self) -> u64 {
        match &self.source {
            Source::System(clock) => {
                let now_ms = system_ms();
                let is_believed =
                    now_ms.wrapping_sub(clock.looked_at_ms.load(Ordering::Relaxed)) < BELIEVED_MS;
                if is_believed {
                    now_ms
                } else {
                    self.look(clock)
                }
            }
            Source::Manual(now_ms) => now_ms.load(Ordering::Relaxed),
        }
    }

    #[cold]
    fn look(&self, clock: &SystemClock) -> u64 {
        let (now_ms, is_new) = clock.look();
        if is_new {
            self.next_due_ms.store(0, Ordering::Release);
        }
        now_ms
    }

    pub(crate) fn is_manual(&self) -> bool {
        matches!(self.source, Source::Manual(_))
    }

    pub(crate) fn set(&self, to_ms: u64) -> Result<(), Error> {
        match &self.source {
            Source::System(_) => Err(Error::new(
                Code::ClockNotManual,
                "The store was opened with the system's clock; open it with a manual clock to set \
                 the time.",
            )),
            Source::Manual(now_ms) => {
                check_instant(to_ms).map_err(|error| Error::invalid("/now_ms", error))?;
                now_ms.store(to_ms, Ordering::Relaxed);
                Ok(())
            }
        }
    }

    /// What is watched of the system's clock, once it was looked at; a manual one is as its host
    /// sets it.
    fn watched<T>(&self, run: impl FnOnce(&mut Watched, u64) -> T) -> Option<T> {
        let Source::System(clock) = &self.source else {
            return None;
        };
        self.look(clock);
        let steady_ms = clock.read().1;
        Some(run(&mut clock.watched.lock(), steady_ms))
    }

    /// What the system's clock says, where it is held back.
    pub(crate) fn held_back_ms(&self) -> Option<u64> {
        self.watched(|watched, steady_ms| watched.watch.held_back(steady_ms))
            .flatten()
    }

    /// The last jump, and whether the clock is still held back for it.
    pub(crate) fn last_jump(&self) -> Option<ClockJump> {
        let last = self.watched(|watched, steady_ms| {
            let held = watched.watch.held_back(steady_ms).is_some();
            watched.record.jump.map(|jump| ClockJump {
                held: jump.held && held,
                ..jump
            })
        });
        last.flatten()
    }

    /// The system's clock is right where it is held back.
    pub(crate) fn confirm(&self) {
        self.watched(|watched, _| watched.watch.confirm());
    }

    /// The system's clock never was right beyond where it is now.
    pub(crate) fn forget_future(&self) {
        self.watched(|watched, _| watched.watch.forget_future());
    }

    /// What the store is to know of the clock, and the jump that the host is to be told of.
    pub(crate) fn news(&self) -> Option<(ClockRecord, Option<ClockJump>)> {
        let news = self.watched(|watched, _| {
            watched
                .is_new
                .then_some((watched.record, watched.unreported))
        });
        news.flatten().map(|(record, unreported)| {
            (
                ClockRecord {
                    at_ms: self.now_ms(),
                    ..record
                },
                unreported,
            )
        })
    }

    /// The store knows this of the clock, and the host was told.
    pub(crate) fn is_known(&self, record: ClockRecord, reported: Option<ClockJump>) {
        self.watched(|watched, _| {
            watched.record.at_ms = record.at_ms;
            watched.is_new = watched.record.jump != record.jump;
            watched.unreported = watched.unreported.filter(|jump| Some(*jump) != reported);
        });
    }

    /// What is to be kept when the store is closed; nothing of a manual clock.
    pub(crate) fn last_record(&self) -> Option<ClockRecord> {
        let record = self.watched(|watched, _| watched.record)?;
        Some(ClockRecord {
            at_ms: self.now_ms(),
            ..record
        })
    }

    /// Stands for the system's clock and the steady one.
    #[cfg(test)]
    pub(crate) fn fake(&self, system_ms: u64, steady_ms: u64) {
        if let Source::System(clock) = &self.source {
            let is_first = clock.faked.lock().replace((system_ms, steady_ms)).is_none();
            // No reading is believed without a look.
            clock.looked_at_ms.store(u64::MAX / 2, Ordering::Relaxed);
            if is_first {
                clock.watched.lock().watch = Watch::begin(system_ms, steady_ms, None).0;
            }
        }
    }
}

/// Milliseconds of a clock that only counts on, also while the machine sleeps.
#[cfg(any(target_os = "linux", target_os = "macos"))]
fn steady_ms() -> u64 {
    #[cfg(target_os = "linux")]
    let clock = rustix::time::ClockId::Boottime;
    #[cfg(target_os = "macos")]
    let clock = rustix::time::ClockId::Monotonic;
    milliseconds(rustix::time::clock_gettime(clock))
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn steady_ms() -> u64 {
    static FIRST: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    u64::try_from(
        FIRST
            .get_or_init(std::time::Instant::now)
            .elapsed()
            .as_millis(),
    )
    .unwrap_or(0)
}

#[cfg(target_os = "linux")]
#[inline]
fn system_ms() -> u64 {
    milliseconds(rustix::time::clock_gettime(
        rustix::time::ClockId::RealtimeCoarse,
    ))
}

#[cfg(any(target_os = "linux", target_os = "macos"))]
#[inline]
fn milliseconds(time: rustix::time::Timespec) -> u64 {
    u64::try_from(time.tv_sec).unwrap_or(0) * 1000
        + u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000_000
}

#[cfg(not(target_os = "linux"))]
fn system_ms() -> u64 {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(0)
}

/// Where ids come from that the host does not give.
pub(crate) enum IdSource {
    Random,
    /// A counter that is spread over the random bits: the same ids in every run.
    Seeded(AtomicU64),
}

impl IdSource {
    /// A UUIDv7.
    pub(crate) fn next(&self, now_ms: u64) -> Result<Id, Error> {
        let mut random = [0; 10];
        match self {
            IdSource::Random => self.fill(&mut random)?,
            IdSource::Seeded(state) => {
                let step = state.fetch_add(1, Ordering::Relaxed);
                for (slot, byte) in random.iter_mut().zip(
                    mix(step)
                        .to_le_bytes()
                        .into_iter()
                        .chain(mix(!step).to_le_bytes()),
                ) {
                    *slot = byte;
                }
            }
        }
        let uuid = uuid::Builder::from_unix_timestamp_millis(now_ms, &random).into_uuid();
        Id::new(uuid.to_string()).map_err(Error::internal)
    }
}

impl IdSource {
    /// Whether no id of these was ever made before. A store that is opened again with the same seed
    /// makes the same ones again.
    pub(crate) fn are_new(&self) -> bool {
        matches!(self, IdSource::Random)
    }

    /// Bytes for tokens and salts. Those of a store that is opened with a seed are no secret: it is
    /// for tests.
    pub(crate) fn fill(&self, bytes: &mut [u8]) -> Result<(), Error> {
        match self {
            IdSource::Random => getrandom::fill(bytes).map_err(|error| {
                Error::internal(format!(
                    "The system gives no random bytes ({error}); open the store again later."
                ))
            }),
            IdSource::Seeded(state) => {
                for chunk in bytes.chunks_mut(8) {
                    let step = mix(state.fetch_add(1, Ordering::Relaxed));
                    chunk
                        .iter_mut()
                        .zip(step.to_le_bytes())
                        .for_each(|(slot, byte)| *slot = byte);
                }
                Ok(())
            }
        }
    }
}

/// SplitMix64's output step.
fn mix(step: u64) -> u64 {
    let mut z = step
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
