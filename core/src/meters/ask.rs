//! How many messages a send asks for.

use crate::error::Error;
use crate::model::Count;

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
