//! Caps: limits of an account beside those of its package, for members, campaigns, API keys and
//! domains (R-QTA-4, R-QTA-14): requests and answers.
#![cfg_attr(doc, doc = include_str!("../../doc/caps.md"))]

use crate::model::{CapScope, Channel, Count, Id, MessageClass, Name, OverLimit, Window};
use tenantry_macros::{answer, request};

/// Creates a cap of an account or of the platform, or changes one. A cap of an account counts what
/// the account and all accounts below it send from now on. A cap of the platform counts what all
/// accounts send, in windows of UTC. If the platform has caps, all sends of all accounts go through
/// one lock.
///
/// If the cap exists already, its scope, subject, channel and window cannot change, and its message
/// class cannot be taken away: remove it with `caps.remove` and set a new one. A field that is
/// absent stays as it was, except the subject, which has to be named again.
///
/// A user can change or remove only the caps that users of the account have set; only the platform
/// changes what the platform has set.
#[request]
pub struct Set {
    /// The account. When absent, the cap belongs to the platform, and only the host and operators
    /// can set it.
    pub account: Option<Id>,
    /// The id of the cap, unique within the account or the platform.
    pub id: Id,
    /// What the cap counts by.
    pub scope: CapScope,
    /// The one member, campaign, API key or domain to which the cap applies; when absent, each of
    /// them has its own count. When an API key is deleted, its caps are deleted too.
    pub subject: Option<Name>,
    /// The channel of the messages that the cap counts; when absent, a new cap counts e-mails.
    pub channel: Option<Channel>,
    /// The class of the messages that the cap counts; when absent, a new cap counts all classes.
    pub message_class: Option<MessageClass>,
    /// The window in which the cap counts.
    pub window: Window,
    /// How many messages the cap allows in each window; at least 1 for a cap that spreads.
    pub limit: Count,
    /// By how many messages the limit grows each day after the creation of the cap, for a warm-up;
    /// 0 for no growth.
    pub grows_daily_by: Option<Count>,
    /// What happens to messages beyond the limit (R-QTA-7); when absent, a new cap refuses them.
    /// When a cap stops spreading, its burst is dropped; when it starts to spread, its daily growth
    /// is dropped.
    pub over: Option<OverLimit>,
    /// For a cap that spreads, how many messages may go out at once: at least 1. When absent, 1 for
    /// a new cap.
    pub burst: Option<Count>,
    /// The revision on which the change is based; a stale one is refused with `rev_conflict`.
    pub expected_rev: Option<Count>,
}

/// Removes a cap together with its counts.
#[request]
pub struct Remove {
    /// The account. When absent, the cap belongs to the platform.
    pub account: Option<Id>,
    /// The cap.
    pub cap: Id,
    /// The revision on which the decision is based; a stale one is refused with `rev_conflict`.
    pub expected_rev: Option<Count>,
}

/// Lists the caps of an account or of the platform by id, at most 50.
#[request]
pub struct List {
    /// The account. When absent, the platform's caps are listed, which only the host and operators
    /// can see.
    pub account: Option<Id>,
}

/// A cap of an account or of the platform.
#[answer]
pub struct Cap {
    /// The account; absent for a cap of the platform.
    pub account: Option<Id>,
    /// The cap.
    pub id: Id,
    /// What the cap counts by.
    pub scope: CapScope,
    /// The one member, campaign, API key or domain to which the cap applies.
    pub subject: Option<Name>,
    /// The channel of the messages that the cap counts.
    pub channel: Channel,
    /// The class of the messages that the cap counts; absent when it counts all classes.
    pub message_class: Option<MessageClass>,
    /// The window in which the cap counts.
    pub window: Window,
    /// How many messages the cap allowed in each window on the day of its creation.
    pub limit: u64,
    /// By how many messages that number grows each day.
    pub grows_daily_by: Option<u64>,
    /// What happens to messages beyond the limit.
    pub over: OverLimit,
    /// For a cap that spreads, how many messages may go out at once.
    pub burst: u64,
    /// Whether the platform set the cap.
    pub by_platform: bool,
    /// The revision; every change raises it.
    pub rev: u64,
    /// When the cap was created, in unix milliseconds.
    pub created_at_ms: u64,
    /// When the cap was last changed, in unix milliseconds.
    pub updated_at_ms: u64,
}

/// A cap that was removed.
#[answer]
pub struct CapRemoved {
    /// The cap.
    pub id: Id,
}

/// The caps of an account or of the platform.
#[answer]
pub struct CapList {
    /// The caps, ordered by id.
    pub caps: Vec<Cap>,
}
