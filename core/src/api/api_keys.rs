//! API keys: what programs act with, each with permissions, addresses, an end and caps of its own
//! (R-SES-7): requests and answers.

use crate::model::{Address, AddressRange, Count, Grant, Id, Name, Secret};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Makes an API key of a member of an account. The token is shown in the answer, once.
///
/// A program that acts with it may do what the member may do in the account now, and of that what
/// the key lists. It ends with the membership, and does nothing while the user is disabled or the
/// account is on hold. It changes nothing about how people log in, and makes no keys
/// (`not_with_api_key`). Users make keys for themselves, with `api_keys.create` where they act.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// The account that it acts in.
    pub account: Id,
    /// The member for whom it acts; the acting user when absent. The host names somebody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    /// What people call it.
    pub name: Name,
    /// What it may be used for, 1 to 100 permissions; `escalation_refused` where a user does not
    /// hold one. Those below `self`, `api_keys` and `impersonation` no key has.
    pub permissions: Vec<Grant>,
    /// Where it may come from: at most 100 addresses and ranges; anywhere when absent. The other
    /// lists on the way count too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow_list: Vec<AddressRange>,
    /// From when on it cannot be used, in unix milliseconds; never when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at_ms: Option<Count>,
}

/// Changes an API key; what is not named stays. Its token stays the same. Users change their own.
/// Where it can be used further than before, the user is told, as by `api_keys.create`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// The account.
    pub account: Id,
    /// The key.
    pub api_key: Id,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// What it may be used for instead, as in `api_keys.create`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Vec<Grant>>,
    /// Where it may come from instead; anywhere where this is empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_list: Option<Vec<AddressRange>>,
    /// From when on it cannot be used, in unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at_ms: Option<Count>,
    /// It does not expire any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub never_expires: bool,
    /// The revision that the change was made from; a stale one is `rev_conflict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_rev: Option<Count>,
}

/// Deletes an API key: from now on its token is `api_key_invalid`, and its caps are gone. Users
/// delete their own, and with `api_keys.revoke` those of members who can do no more than they.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Delete {
    /// The account.
    pub account: Id,
    /// The key.
    pub api_key: Id,
}

/// Lists the API keys of an account, at most 100, those that have expired included. Users see their
/// own, and with `api_keys.view` all.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// The account.
    pub account: Id,
    /// Only those of this member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
}

/// Whose API key a token is, and that it can be used now. Answered from memory while nothing
/// changes; counts as use of the key.
///
/// To run operations with it, pass it as the actor: `{"kind": "api_key", "token": "...", "ip":
/// "..."}`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// The token.
    pub token: Secret,
    /// Where it comes from, as the host saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<Address>,
}

/// An API key. Its token is stored nowhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ApiKey {
    /// The account that it acts in.
    pub account: Id,
    /// The key.
    pub id: Id,
    /// The member for whom it acts.
    pub user: Id,
    /// What people call it.
    pub name: Name,
    /// What it may be used for, as far as the member may do it.
    pub permissions: Vec<Grant>,
    /// Where it may come from; anywhere where this is empty.
    pub allow_list: Vec<AddressRange>,
    /// From when on it cannot be used, in unix milliseconds; absent for never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at_ms: Option<u64>,
    /// When it was used last, in unix milliseconds, to five minutes; absent where it never was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used_at_ms: Option<u64>,
    /// Where it was used from then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_ip: Option<Address>,
    /// Raised by every change.
    pub rev: u64,
    /// When it was made, in unix milliseconds.
    pub created_at_ms: u64,
    /// When it was last changed, in unix milliseconds.
    pub updated_at_ms: u64,
}

/// An API key that was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ApiKeyToken {
    /// The key.
    pub api_key: ApiKey,
    /// What a program acts with from now on. It is shown here once and stored nowhere.
    pub token: Secret,
}

/// What the token of an API key proves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ApiKeyProof {
    /// The key.
    pub api_key: Id,
    /// The account that it acts in.
    pub account: Id,
    /// The member for whom it acts.
    pub user: Id,
    /// What it may be used for, as far as the member may do it.
    pub permissions: Vec<Grant>,
    /// From when on it cannot be used, in unix milliseconds; absent for never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at_ms: Option<u64>,
}

/// The API keys of an account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ApiKeyList {
    /// The keys, by their member.
    pub api_keys: Vec<ApiKey>,
}

/// An API key that is gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ApiKeyDeleted {
    /// The key.
    pub api_key: Id,
}
