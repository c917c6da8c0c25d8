//! Caps: what may go out of one kind, beside the limits of an account and its package (R-QTA-4,
//! R-QTA-14).

use super::{Channel, Count, Id, MessageClass, Name, Window};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A cap. It counts what its account and all below it send, or what all accounts send.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cap {
    /// The account that carries it; none where the platform does.
    pub account: Option<Id>,
    /// Its id, unique within the account or the platform.
    pub id: Id,
    /// What it counts by.
    pub scope: CapScope,
    /// The one member, campaign, API key or domain that it is for; each has a count of its own
    /// where none is named.
    pub subject: Option<Name>,
    /// What it counts.
    pub channel: Channel,
    /// Only messages of this class; all where none is named.
    pub message_class: Option<MessageClass>,
    /// The window that it counts in.
    pub window: Window,
    /// How many in a window.
    pub limit: Count,
    /// How many more in each window of a later day, for a warm-up.
    pub grows_daily_by: Option<Count>,
    /// What happens beyond it.
    pub over: OverLimit,
    /// How many may go out at once where it spreads.
    pub burst: Count,
    /// Whether the platform has set it: users cannot change it then.
    pub by_platform: bool,
    /// Goes up with every change.
    pub rev: u64,
    /// When it was made.
    pub created_at_ms: u64,
    /// When it was last changed.
    pub updated_at_ms: u64,
}

/// What a cap counts by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CapScope {
    /// Everything together.
    Account,
    /// Each member who sends.
    Member,
    /// Each campaign, by the host's name of it.
    Campaign,
    /// Each API key that a program sends with.
    ApiKey,
    /// Each domain that is sent from.
    SendingDomain,
    /// Each domain that is sent to.
    RecipientDomain,
}

impl CapScope {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            CapScope::Account => "account",
            CapScope::Member => "member",
            CapScope::Campaign => "campaign",
            CapScope::ApiKey => "api_key",
            CapScope::SendingDomain => "sending_domain",
            CapScope::RecipientDomain => "recipient_domain",
        }
    }
}

/// What happens to a send beyond a limit, the strictest first (R-QTA-7).
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum OverLimit {
    /// It is refused.
    #[default]
    Reject,
    /// It is refused, and the host keeps it until `retry_at_ms`.
    Hold,
    /// Sends are spread evenly over the window: one every so often, at most `burst` at once.
    Spread,
    /// Credits pay for it where the account pays with credits; otherwise it is refused. For limits,
    /// not for caps.
    UseCredits,
    /// It goes out, counts as overuse, and the host is told.
    Soft,
    /// It goes out, and counts as overuse: to see what a new limit would do (R-QTA-15).
    Shadow,
}

impl OverLimit {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            OverLimit::Reject => "reject",
            OverLimit::Hold => "hold",
            OverLimit::Spread => "spread",
            OverLimit::UseCredits => "use_credits",
            OverLimit::Soft => "soft",
            OverLimit::Shadow => "shadow",
        }
    }

    /// Whether anything is ever refused.
    pub const fn refuses(self) -> bool {
        !matches!(self, OverLimit::Soft | OverLimit::Shadow)
    }
}

/// What a message is, where a host says so: caps and bounce stops look at it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MessageInput {
    /// The campaign, by the host's name of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign: Option<Id>,
    /// The domain that it is sent from; where the account has sending domains assigned, one of
    /// them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sending_domain: Option<Name>,
    /// The node that it is sent through; where the account has nodes assigned, one of them
    /// (R-PKG-5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<Name>,
    /// The address that its bounces go to; where the account has bounce addresses assigned, one of
    /// them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bounce_address: Option<Name>,
    /// The domain of its recipients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient_domain: Option<Name>,
    /// Marketing when absent (R-QTA-14).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_class: Option<MessageClass>,
    /// The API key that a program sends with. Of one that acts with a key it is that key, named or
    /// not; users name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<Id>,
}
