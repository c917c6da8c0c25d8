//! What a send is answered (R-QTA-3).

use crate::error::Code;
use crate::model::{OverLimit, PaidWithCredits};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The answer to a send (R-QTA-3).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-yes" = "refusal"))]
pub struct Decision {
    /// How many may go out: all that were asked for, or, where a `min` was named, at least so many,
    /// or none.
    pub granted: u64,
    /// Why nothing was granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Arc<Refusal>>,
    /// How many could still be granted after this, under every limit, those that credits would pay
    /// for included; absent when nothing limits it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remaining: Option<u64>,
    /// What credits paid for, beyond the account's own limits (R-CRD-2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credits: Option<Box<PaidWithCredits>>,
}

/// Why a send is refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Refusal {
    /// The error code, such as `quota_exceeded`; `credits_exhausted` where there are too few
    /// credits to pay for what exceeds the account's own limits.
    pub code: Code,
    /// The limit that binds, where one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<BindingLimit>,
    /// The first instant at which, with no event but the clock, the same send is let through;
    /// absent for never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_at_ms: Option<u64>,
    /// With `credits_exhausted`, how many credits there are to pay with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credits_left: Option<u64>,
    /// What is to become of the messages, where it is not just a refusal: the strictest of the
    /// limits that bind (R-QTA-7).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub over: Option<OverLimit>,
}

/// The limit that refused a send.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BindingLimit {
    /// Its name, such as `email_per_day`, or the id of the cap.
    pub name: String,
    /// Whose it is: the `account` that sends, an `ancestor`, the `group` of the member who sends,
    /// or for a cap also the `platform`, a `member`, `campaign`, `api_key`, `sending_domain` or
    /// `recipient_domain`.
    pub scope: String,
    /// The id of that account or group, member, campaign or API key, or the domain.
    pub subject: String,
    /// The value of the limit.
    pub value: u64,
    /// How much of it is used.
    pub used: u64,
    /// How much of it is kept apart for accounts below that are guaranteed it, and not used by them
    /// yet (R-TEA-9); absent for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_apart: Option<u64>,
    /// Where the value comes from: `override`, `package`, `inherited`, `platform_default`, `group`
    /// or `cap`.
    pub source: String,
}

impl Refusal {
    /// A refusal that no limit brings about.
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
    /// `left` is what could still be granted, `u64::MAX` where nothing limits it.
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

    /// A refusal that no limit brings about.
    pub(crate) fn refused_for(code: Code) -> Decision {
        Decision::refused(Arc::new(Refusal::of(code)), None)
    }
}
