//! When a message is given to a consumer again, and when no more (R-OUT-1).

use crate::model::OpenMessage;

/// What becomes of a message that a consumer was given and did not acknowledge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redelivery {
    /// Somebody works on it until then, or it waits until then.
    Later { at_ms: u64 },
    /// It is given again.
    Again,
    /// It was given as often as it may be.
    GiveUp,
}

/// What becomes of an open message at an instant.
pub fn redelivery(message: &OpenMessage, tries: u64, now_ms: u64) -> Redelivery {
    if now_ms < message.until_ms {
        Redelivery::Later {
            at_ms: message.until_ms,
        }
    } else if message.deliveries >= tries {
        Redelivery::GiveUp
    } else {
        Redelivery::Again
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
        assert_eq!(
            redelivery(&message(1), 3, 99),
            Redelivery::Later { at_ms: 100 }
        );
        assert_eq!(redelivery(&message(1), 3, 100), Redelivery::Again);
        assert_eq!(redelivery(&message(2), 3, 100), Redelivery::Again);
        assert_eq!(redelivery(&message(3), 3, 100), Redelivery::GiveUp);
        assert_eq!(
            redelivery(&message(3), 3, 99),
            Redelivery::Later { at_ms: 100 }
        );
    }
}
