//! The one place that reads a clock, and where ids come from.

use crate::error::{Code, Error};
use crate::model::Id;
use std::sync::atomic::{AtomicU64, Ordering};

/// The last instant that is reckoned with, in unix milliseconds: the year 9000 begins. Calendars end a thousand years later.
pub(crate) const LAST_MS: u64 = 221_845_392_000_000;

/// Refuses an instant after [`LAST_MS`].
pub(crate) fn check_instant(at_ms: u64, field: &str) -> Result<(), Error> {
    if at_ms <= LAST_MS {
        return Ok(());
    }
    Err(Error::invalid(field, format!("no calendar has the time {at_ms} ms: it is to be at most {LAST_MS}")))
}

/// The clock that a store was opened with.
pub(crate) enum Clock {
    System,
    Manual(AtomicU64),
}

impl Clock {
    /// Unix milliseconds. The coarse clock of the system is a few milliseconds late and ten times as fast.
    #[inline]
    pub(crate) fn now_ms(&self) -> u64 {
        match self {
            Clock::System => system_ms(),
            Clock::Manual(now_ms) => now_ms.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn set(&self, to_ms: u64) -> Result<(), Error> {
        match self {
            Clock::System => Err(Error::new(Code::ClockNotManual, "the store was opened with the system's clock")),
            Clock::Manual(now_ms) => {
                check_instant(to_ms, "/now_ms")?;
                now_ms.store(to_ms, Ordering::Relaxed);
                Ok(())
            }
        }
    }
}

#[cfg(target_os = "linux")]
#[inline]
fn system_ms() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1000 + u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000_000
}

#[cfg(not(target_os = "linux"))]
fn system_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
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
                for (slot, byte) in random.iter_mut().zip(mix(step).to_le_bytes().into_iter().chain(mix(!step).to_le_bytes())) {
                    *slot = byte;
                }
            }
        }
        let uuid = uuid::Builder::from_unix_timestamp_millis(now_ms, &random).into_uuid();
        Id::new(uuid.to_string()).map_err(|error| Error::new(Code::Internal, error))
    }
}

impl IdSource {
    /// Bytes for tokens and salts. Those of a store that is opened with a seed are no secret: it is for tests.
    pub(crate) fn fill(&self, bytes: &mut [u8]) -> Result<(), Error> {
        match self {
            IdSource::Random => {
                getrandom::fill(bytes).map_err(|error| Error::new(Code::Internal, format!("the system gives no random bytes: {error}")))
            }
            IdSource::Seeded(state) => {
                for chunk in bytes.chunks_mut(8) {
                    let step = mix(state.fetch_add(1, Ordering::Relaxed));
                    chunk.iter_mut().zip(step.to_le_bytes()).for_each(|(slot, byte)| *slot = byte);
                }
                Ok(())
            }
        }
    }
}

/// SplitMix64's output step.
fn mix(step: u64) -> u64 {
    let mut z = step.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
