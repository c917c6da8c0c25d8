//! What memory alone can answer about a send.

use crate::access::state::Engine;
use crate::error::Error;
use crate::meters::Prepared;
use crate::model::{Decision, Refusal};
use std::sync::Arc;

/// What memory alone can answer about a send.
pub(super) enum FromMemory {
    Granted {
        left: u64,
    },
    Refused {
        refusal: Arc<Refusal>,
        remaining: Option<u64>,
    },
    Unknown,
}

impl FromMemory {
    #[inline]
    pub(super) fn decision(self, count: u64) -> Option<Decision> {
        match self {
            FromMemory::Granted { left } => Some(Decision::granted(count, left)),
            FromMemory::Refused { refusal, remaining } => {
                Some(Decision::refused(refusal, remaining))
            }
            FromMemory::Unknown => None,
        }
    }
}

#[inline]
pub(super) fn decide_from_memory(
    engine: &Engine,
    prepared: &Arc<Prepared>,
    count: u64,
    now_ms: u64,
    charge: impl Fn(&Arc<Prepared>) -> Option<u64>,
) -> Result<FromMemory, Error> {
    if prepared.refusal.is_some() || prepared.missing.is_some() {
        return Ok(before_limits(prepared));
    }
    let refused = match prepared.remembered(engine, count, now_ms) {
        Some(refused) => Some(refused),
        None => match charge(prepared) {
            Some(left) => return Ok(FromMemory::Granted { left }),
            None => prepared.refuse_from_meters(engine, count, now_ms)?,
        },
    };
    Ok(refused.map_or(FromMemory::Unknown, |(refusal, remaining)| {
        FromMemory::Refused { refusal, remaining }
    }))
}

/// The answer where nothing at all may go out; none where a role on trial counts what it would
/// refuse.
#[cold]
fn before_limits(prepared: &Prepared) -> FromMemory {
    match prepared.refused_before_limits() {
        Some(refusal) => FromMemory::Refused {
            refusal,
            remaining: None,
        },
        None => FromMemory::Unknown,
    }
}
