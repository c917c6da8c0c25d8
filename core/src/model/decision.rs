//! The answer to a send (R-QTA-3).

use crate::error::Code;
use crate::model::{OverLimit, PaidWithCredits};
use std::sync::Arc;
use tenantry_macros::answer;

/// The answer to a send (R-QTA-3).
#[answer]
#[schemars(extend("x-yes" = "refusal"))]
pub struct Decision {
    /// How many messages may go out: all that were asked for, or none. With a `min`, any number
    /// from `min` up to all is possible too.
    pub granted: u64,
    /// Why nothing was granted.
    pub refusal: Option<Arc<Refusal>>,
    /// How many more messages could be granted after this decision under every limit, including
    /// those that credits would pay for; absent when nothing limits them.
    pub remaining: Option<u64>,
    /// For how many messages credits paid, beyond the account's own limits (R-CRD-2).
    pub credits: Option<Box<PaidWithCredits>>,
}

/// Why a send is refused.
#[answer]
pub struct Refusal {
    /// The error code, such as `quota_exceeded`. It is `credits_exhausted` if there are too few
    /// credits to pay for the messages beyond the account's own limits.
    pub code: Code,
    /// The limit that refused the send, if a limit did.
    pub limit: Option<BindingLimit>,
    /// The first instant, in unix milliseconds, at which the same send is granted if nothing but
    /// time passes; absent when it is never granted.
    pub retry_at_ms: Option<u64>,
    /// With `credits_exhausted`, how many credits there are to pay with.
    pub credits_left: Option<u64>,
    /// What the host should do with the messages, if the limit has a setting other than a refusal:
    /// the setting of the strictest limit that was reached (R-QTA-7).
    pub over: Option<OverLimit>,
}

/// The limit that refused a send.
#[answer]
pub struct BindingLimit {
    /// The name of the limit, such as `email_per_day`, or the id of the cap.
    pub name: String,
    /// Whose limit it is: that of the `account` that sends, of an `ancestor`, or of the `group` of
    /// the member who sends; for a cap also of the `platform`, a `member`, `campaign`, `api_key`,
    /// `sending_domain` or `recipient_domain`.
    pub scope: String,
    /// The id of that account, group, member, campaign or API key, or the name of the domain.
    pub subject: String,
    /// The value of the limit.
    pub value: u64,
    /// How much of the limit is used.
    pub used: u64,
    /// How much of the limit is kept for accounts below to which it is guaranteed and which have
    /// not used it yet (R-TEA-9); absent when nothing is kept.
    pub kept_apart: Option<u64>,
    /// Where the value comes from: `override`, `package`, `inherited`, `platform_default`, `group`
    /// or `cap`.
    pub source: String,
}

impl Refusal {
    /// A refusal that has nothing to do with a limit.
    pub(crate) fn of(code: Code) -> Refusal {
        Refusal {
            code,
            limit: None,
            retry_at_ms: None,
            credits_left: None,
            over: None,
        }
    }
}

impl Decision {
    /// A grant; `left` is how many more messages could be granted, `u64::MAX` when nothing limits
    /// them.
    #[inline]
    pub(crate) fn granted(count: u64, left: u64) -> Decision {
        Decision {
            granted: count,
            refusal: None,
            remaining: (left != u64::MAX).then_some(left),
            credits: None,
        }
    }

    /// A refusal, and what could still be granted.
    pub(crate) fn refused(refusal: Arc<Refusal>, remaining: Option<u64>) -> Decision {
        Decision {
            granted: 0,
            refusal: Some(refusal),
            remaining,
            credits: None,
        }
    }

    /// The answer for a refusal that has nothing to do with a limit.
    pub(crate) fn refused_for(code: Code) -> Decision {
        Decision::refused(Arc::new(Refusal::of(code)), None)
    }
}
