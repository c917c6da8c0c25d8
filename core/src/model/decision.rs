//! The answer to a send (R-QTA-3).

use crate::error::Code;
use crate::model::{OverLimit, PaidWithCredits};
use schemars::{Schema, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
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

/// Why a send is refused, and what the host answers its own client.
// Both answers follow from the fields, and are made when somebody asks: a refusal is decided on the
// hot path. `remote` has serde derive functions for the fields alone.
#[answer]
#[serde(remote = "Self")]
#[schemars(transform = add_answers)]
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
    /// The status of HTTP with which the host answers its own client: 429 where waiting helps (send
    /// `Retry-After` with it), and else that of the code ([`Code::http_status`]), such as 403.
    pub fn http_status(&self) -> u16 {
        self.code.answers_to_send(self.retry_at_ms).0
    }

    /// The reply of SMTP with which the host answers `MAIL`, `RCPT` or the end of `DATA`, to which
    /// it adds a text: `450 4.7.1` where waiting helps, and else that of the code
    /// ([`Code::smtp_reply`]), such as `550 5.7.1`; `530 5.7.0` where the client has to log in
    /// again.
    pub fn smtp_reply(&self) -> &'static str {
        self.code.answers_to_send(self.retry_at_ms).1
    }

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

impl Serialize for Refusal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Answered<'a> {
            #[serde(flatten, serialize_with = "Refusal::serialize")]
            refusal: &'a Refusal,
            http_status: u16,
            smtp_reply: &'static str,
        }

        let answered = Answered {
            refusal: self,
            http_status: self.http_status(),
            smtp_reply: self.smtp_reply(),
        };
        Serialize::serialize(&answered, serializer)
    }
}

impl<'de> Deserialize<'de> for Refusal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Refusal, D::Error> {
        Refusal::deserialize(deserializer)
    }
}

/// What the JSON of a refusal has besides its fields.
fn add_answers(schema: &mut Schema) {
    let answers = [
        (
            "http_status",
            json_schema!({
                "type": "integer",
                "description": "The status of HTTP with which the host answers its own client: 429 \
                    where waiting helps (send `Retry-After` with it), and else that of the code.",
                "x-order": 100,
            }),
        ),
        (
            "smtp_reply",
            json_schema!({
                "type": "string",
                "description": "The reply of SMTP with which the host answers `MAIL`, `RCPT` or \
                    the end of `DATA`, to which it adds a text: `450 4.7.1` where waiting helps, \
                    and else that of the code.",
                "x-order": 101,
            }),
        ),
    ];
    for (name, answer) in answers {
        let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
        if let Some(properties) = properties {
            properties.insert(name.to_owned(), answer.to_value());
        }
        let required = schema.get_mut("required").and_then(Value::as_array_mut);
        if let Some(required) = required {
            required.push(name.into());
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_refusal_is_told_with_what_the_host_answers_and_read_without() {
        let refusal = Refusal {
            retry_at_ms: Some(7),
            ..Refusal::of(Code::CreditsExhausted)
        };
        let told = serde_json::to_value(&refusal).unwrap();
        assert_eq!(
            told,
            json!({
                "code": "credits_exhausted",
                "retry_at_ms": 7,
                "http_status": 429,
                "smtp_reply": "450 4.7.1",
            })
        );
        assert_eq!(serde_json::from_value::<Refusal>(told).unwrap(), refusal);
        let never = Refusal::of(Code::CreditsExhausted);
        assert_eq!(
            (never.http_status(), never.smtp_reply()),
            (402, "550 5.7.1")
        );
    }
}
