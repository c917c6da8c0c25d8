//! Caps: limits on messages of one kind, beside the limits of an account and its package (R-QTA-4,
//! R-QTA-14).

use super::{Channel, Count, Id, MessageClass, Name, OverLimit, Window};
use serde::{Deserialize, Serialize};
use tenantry_macros::{answer, request};

/// A cap. It counts what its account and all accounts below it send, or what all accounts send.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cap {
    /// The account that it belongs to; none when it belongs to the platform.
    pub account: Option<Id>,
    /// Its id, unique within the account or the platform.
    pub id: Id,
    /// What it counts by.
    pub scope: CapScope,
    /// The one member, campaign, API key or domain to which the cap applies; when none is named,
    /// each of them has a count of its own.
    pub subject: Option<Name>,
    /// Which messages it counts.
    pub channel: Channel,
    /// Only messages of this class; messages of all classes when none is named.
    pub message_class: Option<MessageClass>,
    /// The window that it counts in.
    pub window: Window,
    /// How many messages a window allows.
    pub limit: Count,
    /// By how many the limit grows each day, for a warm-up.
    pub grows_daily_by: Option<Count>,
    /// What happens to messages beyond the limit.
    pub over: OverLimit,
    /// How many messages may go out at once, for a cap that spreads.
    pub burst: Count,
    /// Whether the platform has set it; users cannot change it then.
    pub by_platform: bool,
    /// The revision; every change raises it.
    pub rev: u64,
    /// When it was made.
    pub created_at_ms: u64,
    /// When it was last changed.
    pub updated_at_ms: u64,
}

/// What a cap counts by.
#[answer]
#[derive(Hash)]
pub enum CapScope {
    /// All messages together.
    Account,
    /// Each member who sends.
    Member,
    /// Each campaign, by the host's id for it.
    Campaign,
    /// Each API key with which a program sends.
    ApiKey,
    /// Each domain from which messages are sent.
    SendingDomain,
    /// Each domain to which messages are sent.
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

/// What the host says of a message; caps and bounce stops depend on it.
#[request]
#[derive(PartialEq, Eq)]
pub struct MessageInput {
    /// The campaign, by the host's id for it.
    pub campaign: Option<Id>,
    /// The domain from which it is sent. If sending domains are assigned to the account, it must be
    /// one of them.
    pub sending_domain: Option<Name>,
    /// The node through which it is sent. If nodes are assigned to the account, it must be one of
    /// them (R-PKG-5).
    pub node: Option<Name>,
    /// The address to which its bounces go. If bounce addresses are assigned to the account, it
    /// must be one of them.
    pub bounce_address: Option<Name>,
    /// The domain of its recipients.
    pub recipient_domain: Option<Name>,
    /// The class of the message; marketing when absent (R-QTA-14).
    pub message_class: Option<MessageClass>,
    /// The API key with which a program sends. For an actor with an API key, it is that key,
    /// whether it is named or not; users cannot name one.
    pub api_key: Option<Id>,
}
