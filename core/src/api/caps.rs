//! Caps: limits of an account beside those of its package, for members, campaigns, API keys and
//! domains (R-QTA-4, R-QTA-14): requests and answers.

use crate::model::{CapScope, Channel, Count, Id, MessageClass, Name, OverLimit, Window};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Makes a cap of an account or of the platform, or gives one another value. It counts what the
/// account and all below it send from now on, or what all accounts send; the windows of the
/// platform are those of UTC. Where the platform has caps, all sends of all accounts go through one
/// lock.
///
/// Of a cap that is there already, what is absent stays as it was; what is to go goes with
/// `caps.remove`.
///
/// A user can change or remove what users of the account have set; what the platform has set, the
/// platform changes.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Set {
    /// The account; the platform when absent, for operators and the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Id>,
    /// The id of the cap, unique within the account or the platform.
    pub id: Id,
    /// What it counts by.
    pub scope: CapScope,
    /// The one member, campaign, API key or domain that it is for; each has a count of its own when
    /// absent. With an API key that is deleted its caps go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Name>,
    /// What it counts; e-mails in the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    /// Only messages of this class; all in the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_class: Option<MessageClass>,
    /// The window that it counts in.
    pub window: Window,
    /// How many in a window; at least 1 where it spreads.
    pub limit: Count,
    /// How many more each day since it was made, for a warm-up; 0 for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grows_daily_by: Option<Count>,
    /// What happens beyond it; in the beginning it is refused (R-QTA-7). With the spreading its
    /// burst ends, and a growth where it begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<OverLimit>,
    /// How many may go out at once where it spreads, at least 1; 1 in the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<Count>,
    /// The revision that the change was made from; a stale one is `rev_conflict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_rev: Option<Count>,
}

/// Removes a cap, and what it has counted.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Remove {
    /// The account; the platform when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Id>,
    /// The cap.
    pub cap: Id,
    /// The revision that the decision was made from; a stale one is `rev_conflict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_rev: Option<Count>,
}

/// Lists the caps of an account or of the platform, at most 50 by id.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// The account; the platform when absent, for operators and the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Id>,
}

/// A cap of an account or of the platform.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cap {
    /// The account; absent where it is the platform's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<Id>,
    /// The cap.
    pub id: Id,
    /// What it counts by.
    pub scope: CapScope,
    /// The one member, campaign, API key or domain that it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<Name>,
    /// What it counts.
    pub channel: Channel,
    /// Only messages of this class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_class: Option<MessageClass>,
    /// The window that it counts in.
    pub window: Window,
    /// How many in a window, on the day on which it was made.
    pub limit: u64,
    /// How many more each day since then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grows_daily_by: Option<u64>,
    /// What happens beyond it.
    pub over: OverLimit,
    /// How many may go out at once where it spreads.
    pub burst: u64,
    /// Whether the platform has set it.
    pub by_platform: bool,
    /// Goes up with every change.
    pub rev: u64,
    /// When it was made, in unix milliseconds.
    pub created_at_ms: u64,
    /// When it was last changed, in unix milliseconds.
    pub updated_at_ms: u64,
}

/// A cap that is gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CapRemoved {
    /// The cap.
    pub id: Id,
}

/// The caps of an account or of the platform.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CapList {
    /// The caps, by id.
    pub caps: Vec<Cap>,
}
