//! A decision, as JavaScript sees it.

use napi_derive::napi;

/// [`tenantry::Decision`] as a JavaScript object; absent fields are left out.
#[napi(object, object_from_js = false)]
pub struct Decision {
    /// How many messages may go out now.
    pub granted: f64,
    /// Why nothing was granted.
    pub refusal: Option<Refusal>,
    /// How many more messages could go out now.
    pub remaining: Option<f64>,
    /// How many messages credits paid for.
    pub credits: Option<PaidWithCredits>,
}

/// [`tenantry::PaidWithCredits`] as a JavaScript object.
#[napi(object, object_from_js = false)]
pub struct PaidWithCredits {
    /// How many of the messages they paid for.
    pub amount: f64,
    /// The number of the ledger entry.
    pub entry: f64,
}

/// [`tenantry::Refusal`] as a JavaScript object.
#[napi(object, object_from_js = false)]
pub struct Refusal {
    /// The stable code.
    pub code: &'static str,
    /// The limit that refused.
    pub limit: Option<BindingLimit>,
    /// When to try again.
    pub retry_at_ms: Option<f64>,
    /// With `credits_exhausted`, how many credits there are to pay with.
    pub credits_left: Option<f64>,
    /// What the host should do with the messages, if more than a refusal was configured.
    pub over: Option<&'static str>,
    /// The status of HTTP for the host's own client.
    pub http_status: u16,
    /// The reply of SMTP for the host's own client.
    pub smtp_reply: &'static str,
}

/// [`tenantry::BindingLimit`] as a JavaScript object.
#[napi(object, object_from_js = false)]
pub struct BindingLimit {
    /// The limit's name.
    pub name: String,
    /// Whose limit it is.
    pub scope: String,
    /// The id of the account, group, member, campaign or API key, or the name of the domain.
    pub subject: String,
    /// How much it allows.
    pub value: f64,
    /// How much of it is used.
    pub used: f64,
    /// How much of it is kept for accounts below to which it is guaranteed.
    pub kept_apart: Option<f64>,
    /// Where its value comes from.
    pub source: String,
}

impl From<&tenantry::Decision> for Decision {
    fn from(decision: &tenantry::Decision) -> Decision {
        Decision {
            granted: decision.granted as f64,
            refusal: decision.refusal.as_deref().map(Refusal::from),
            remaining: decision.remaining.map(|remaining| remaining as f64),
            credits: decision.credits.as_ref().map(|paid| PaidWithCredits {
                amount: paid.amount as f64,
                entry: paid.entry as f64,
            }),
        }
    }
}

impl From<&tenantry::Refusal> for Refusal {
    fn from(refusal: &tenantry::Refusal) -> Refusal {
        Refusal {
            code: refusal.code.name(),
            limit: refusal.limit.as_ref().map(BindingLimit::from),
            retry_at_ms: refusal.retry_at_ms.map(|at| at as f64),
            credits_left: refusal.credits_left.map(|left| left as f64),
            over: refusal.over.map(|over| over.name()),
            http_status: refusal.http_status(),
            smtp_reply: refusal.smtp_reply(),
        }
    }
}

impl From<&tenantry::BindingLimit> for BindingLimit {
    fn from(limit: &tenantry::BindingLimit) -> BindingLimit {
        BindingLimit {
            name: limit.name.clone(),
            scope: limit.scope.clone(),
            subject: limit.subject.clone(),
            value: limit.value as f64,
            used: limit.used as f64,
            kept_apart: limit.kept_apart.map(|kept| kept as f64),
            source: limit.source.clone(),
        }
    }
}
