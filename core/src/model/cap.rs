//! Caps: limits on messages of one kind, beside the limits of an account and its package (R-QTA-4,
//! R-QTA-14).

use super::{Channel, Count, Id, MessageClass, Name, OverLimit, Window};
use serde::{Deserialize, Serialize};
use tenantry_macros::{answer, request};

/// A cap. It counts what its account and all accounts below it send; a cap of the platform counts
/// what all accounts send.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cap {
    /// The account to which the cap belongs; none when it belongs to the platform.
    pub account: Option<Id>,
    /// Its id, unique within the account or the platform.
    pub id: Id,
    /// What the cap counts by.
    pub scope: CapScope,
    /// The one member, campaign, API key or domain to which the cap applies; when none is named,
    /// each of them has its own count.
    pub subject: Option<Name>,
    /// The channel of the messages that the cap counts.
    pub channel: Channel,
    /// The class of the messages that the cap counts; all classes when absent.
    pub message_class: Option<MessageClass>,
    /// The window in which the cap counts.
    pub window: Window,
    /// How many messages the cap allows in each window.
    pub limit: Count,
    /// By how many messages the limit grows each day, for a warm-up.
    pub grows_daily_by: Option<Count>,
    /// What happens to messages beyond the limit.
    pub over: OverLimit,
    /// For a cap that spreads, how many messages may go out at once.
    pub burst: Count,
    /// Whether the platform set the cap; if so, users cannot change it.
    pub by_platform: bool,
    /// The revision; every change raises it.
    pub rev: u64,
    /// When it was created.
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

/// What the host says about a message; caps and bounce stops depend on it.
#[request]
#[derive(PartialEq, Eq)]
pub struct MessageInput {
    /// The campaign, by the host's id for it.
    pub campaign: Option<Id>,
    /// The domain from which the message is sent. If sending domains are assigned to the account,
    /// this must be one of them.
    pub sending_domain: Option<Name>,
    /// The node through which the message is sent. If nodes are assigned to the account, this must
    /// be one of them (R-PKG-5).
    pub node: Option<Name>,
    /// The address to which bounces of the message go. If bounce addresses are assigned to the
    /// account, this must be one of them.
    pub bounce_address: Option<Name>,
    /// The domain of the recipients.
    pub recipient_domain: Option<Name>,
    /// The class of the message; marketing when absent (R-QTA-14).
    pub message_class: Option<MessageClass>,
    /// The API key with which a program sends. If the actor acts with an API key, that key counts,
    /// whether it is named here or not. Users cannot name a key.
    pub api_key: Option<Id>,
}
