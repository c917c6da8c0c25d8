//! When a message is given to a consumer again, and when no more (R-OUT-1).

use crate::model::OpenMessage;

/// What becomes of a message that a consumer was given and did not acknowledge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Somebody works on it until then, or it waits until then.
    Later { at_ms: u64 },
    /// It is given again.
    Again,
    /// It was given as often as it may be.
    GiveUp,
}

/// What becomes of an open message at an instant.
pub fn turn(message: &OpenMessage, tries: u64, now_ms: u64) -> Turn {
    if now_ms < message.until_ms {
        Turn::Later {
            at_ms: message.until_ms,
        }
    } else if message.deliveries >= tries {
        Turn::GiveUp
    } else {
        Turn::Again
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_comes_again_until_it_was_given_often_enough() {
        let message = |deliveries| OpenMessage {
            deliveries,
            until_ms: 100,
        };
        assert_eq!(turn(&message(1), 3, 99), Turn::Later { at_ms: 100 });
        assert_eq!(turn(&message(1), 3, 100), Turn::Again);
        assert_eq!(turn(&message(2), 3, 100), Turn::Again);
        assert_eq!(turn(&message(3), 3, 100), Turn::GiveUp);
        assert_eq!(turn(&message(3), 3, 99), Turn::Later { at_ms: 100 });
    }
}
