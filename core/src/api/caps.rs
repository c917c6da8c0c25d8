//! Caps: limits of an account beside those of its package, for members, campaigns, API keys and
//! domains (R-QTA-4, R-QTA-14): requests and answers.
#![cfg_attr(doc, doc = include_str!("../../doc/caps.md"))]

use crate::model::{CapScope, Channel, Count, Id, MessageClass, Name, OverLimit, Window};
use tenantry_macros::{answer, request};

/// Creates a cap of an account or of the platform, or changes one. A cap of an account counts what
/// the account and all accounts below it send from now on. A cap of the platform counts what all
/// accounts send, in windows of UTC. When the platform has caps, all sends of all accounts go
/// through one lock.
///
/// If the cap exists already, its scope, subject, channel and window cannot change, and its message
/// class cannot be taken away: remove it with `caps.remove` and set a new one. Apart from the
/// subject, which has to be named again, what is absent stays as it was.
///
/// A user can change or remove only the caps that users of the account have set; only the platform
/// changes what the platform has set.
#[request]
pub struct Set {
    /// The account; when absent, the cap is one of the platform, for operators and the host only.
    pub account: Option<Id>,
    /// The id of the cap, unique within the account or the platform.
    pub id: Id,
    /// What it counts by.
    pub scope: CapScope,
    /// The one member, campaign, API key or domain to which the cap applies; when absent, each of
    /// them has a count of its own. When an API key is deleted, its caps are deleted too.
    pub subject: Option<Name>,
    /// Which messages it counts; e-mails in a new cap.
    pub channel: Option<Channel>,
    /// Only messages of this class; all classes in a new cap.
    pub message_class: Option<MessageClass>,
    /// The window that it counts in.
    pub window: Window,
    /// How many messages a window allows; at least 1 for a cap that spreads.
    pub limit: Count,
    /// By how many the limit grows each day from the creation of the cap on, for a warm-up; 0 for
    /// none.
    pub grows_daily_by: Option<Count>,
    /// What happens to messages beyond the limit; in a new cap, they are refused (R-QTA-7). When a
    /// cap stops spreading, its burst is dropped; when it starts to spread, its daily growth is
    /// dropped.
    pub over: Option<OverLimit>,
    /// How many messages may go out at once, for a cap that spreads: at least 1; 1 in a new cap.
    pub burst: Option<Count>,
    /// The revision on which the change is based; a stale one is refused with `rev_conflict`.
    pub expected_rev: Option<Count>,
}

/// Removes a cap, and with it what it has counted.
#[request]
pub struct Remove {
    /// The account; when absent, the cap is one of the platform.
    pub account: Option<Id>,
    /// The cap.
    pub cap: Id,
    /// The revision on which the decision is based; a stale one is refused with `rev_conflict`.
    pub expected_rev: Option<Count>,
}

/// Lists the caps of an account or of the platform by id, at most 50.
#[request]
pub struct List {
    /// The account; when absent, the caps are those of the platform, for operators and the host
    /// only.
    pub account: Option<Id>,
}

/// A cap of an account or of the platform.
#[answer]
pub struct Cap {
    /// The account; absent for a cap of the platform.
    pub account: Option<Id>,
    /// The cap.
    pub id: Id,
    /// What it counts by.
    pub scope: CapScope,
    /// The one member, campaign, API key or domain to which the cap applies.
    pub subject: Option<Name>,
    /// Which messages it counts.
    pub channel: Channel,
    /// Only messages of this class.
    pub message_class: Option<MessageClass>,
    /// The window that it counts in.
    pub window: Window,
    /// How many messages a window allowed on the day on which the cap was created.
    pub limit: u64,
    /// By how many that number grows each day.
    pub grows_daily_by: Option<u64>,
    /// What happens to messages beyond the limit.
    pub over: OverLimit,
    /// How many messages may go out at once, for a cap that spreads.
    pub burst: u64,
    /// Whether the platform has set it.
    pub by_platform: bool,
    /// The revision; every change raises it.
    pub rev: u64,
    /// When it was made, in unix milliseconds.
    pub created_at_ms: u64,
    /// When it was last changed, in unix milliseconds.
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
