//! The last refusal of a sender, and for what it holds.

use crate::locks::AtomicU64;
use crate::meters::team::Meters;
use crate::model::Refusal;
use arc_swap::ArcSwapOption;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// Why a send is refused, and how many would still be granted.
pub(crate) type Told = (Arc<Refusal>, Option<u64>);

/// A refusal, and for what it holds.
pub(crate) struct Refused {
    pub(super) count: u64,
    pub(super) from_ms: u64,
    pub(super) until_ms: u64,
    /// With how many changes of the meters it was found to hold.
    pub(super) changes: AtomicU64,
    /// The last commit before the store was looked at; none where it has no say.
    pub(super) commit: Option<u64>,
    /// How the counters stood, where they decide alone.
    pub(super) stood: Option<Box<[Stood]>>,
    pub(super) refusal: Arc<Refusal>,
    pub(super) remaining: Option<u64>,
}

/// How a counter stood when a send was refused.
pub(crate) struct Stood {
    ends_at_ms: u64,
    limit: u64,
    /// Of one that refused, how much is used and when it counts no longer: in its window, and in
    /// the earlier parts of a rolling one. None where the send fits.
    used: Option<(u64, Vec<(u64, u64)>)>,
}

/// The last refusal of a sender.
#[derive(Default)]
pub(crate) struct Remembered {
    last: ArcSwapOption<Refused>,
    /// Whether there is one: most senders have nothing to look at.
    is_there: AtomicBool,
    /// Why nothing at all may go out.
    pub(super) before_limits: OnceLock<Arc<Refusal>>,
}

impl Remembered {
    pub(super) fn set(&self, refused: Refused) {
        self.last.store(Some(Arc::new(refused)));
        self.is_there.store(true, Ordering::Release);
    }

    /// The last refusal, of a send that `is_alike`, where it `holds`. It is forgotten where it does
    /// not.
    #[inline]
    pub(super) fn get(
        &self,
        is_alike: impl FnOnce(&Refused) -> bool,
        holds: impl FnOnce(&Refused) -> bool,
    ) -> Option<Told> {
        if !self.is_there.load(Ordering::Acquire) {
            return None;
        }
        let last = self.last.load();
        let refused = last.as_ref().filter(|refused| is_alike(refused))?;
        if holds(refused) {
            return Some((refused.refusal.clone(), refused.remaining));
        }
        self.is_there.store(false, Ordering::Release);
        None
    }
}

impl Meters {
    /// How the counters stand that decide on a send of `count`.
    pub(super) fn stand(&self, places: &[usize], count: u64) -> Option<Box<[Stood]>> {
        let of_each = places.iter().map(|place| {
            let (hot, cold) = self.pair(*place).ok()?;
            Some(Stood {
                ends_at_ms: hot.ends_at_ms,
                limit: hot.limit,
                used: (!hot.fits(count)).then(|| (hot.used, cold.meter.past.clone())),
            })
        });
        of_each.collect()
    }

    /// Whether a refusal still holds after what others have sent: the counters that refused stand
    /// as they did, and the others let it through as they did. What is lent counts as used here.
    pub(super) fn still_refuse(&self, places: &[usize], refused: &Refused) -> bool {
        let Some(stood) = &refused.stood else {
            return false;
        };
        places.iter().zip(stood).all(|(place, stood)| {
            self.pair(*place).is_ok_and(|(hot, cold)| {
                hot.ends_at_ms == stood.ends_at_ms
                    && hot.limit == stood.limit
                    && match &stood.used {
                        None => hot.fits(refused.count),
                        Some((used, past)) => hot.used == *used && cold.meter.past == *past,
                    }
            })
        })
    }
}
