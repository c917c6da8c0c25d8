//! API keys: programs act with them; each has permissions, addresses, an expiry and caps of its own
//! (R-SES-7): requests and answers.
#![cfg_attr(doc, doc = include_str!("../../doc/api_keys.md"))]

use crate::model::{Address, AddressRange, Count, Grant, Id, Name, Secret};
use tenantry_macros::{answer, request};

/// Creates an API key for a member of an account. The answer shows the token, once.
///
/// A program that acts with the key may do only what the key's permissions and the member's own
/// permissions in the account both allow at that time. The key is deleted with the membership, and
/// is refused while the user is disabled or the account is on hold. A program with a key cannot
/// change how people log in and cannot create keys (`not_with_api_key`). Users create keys for
/// themselves; they need `api_keys.create` in the account in which they act.
#[request]
pub struct Create {
    /// The account in which the key acts.
    pub account: Id,
    /// The member for whom the key acts; the acting user when absent. The host must name a member.
    pub user: Option<Id>,
    /// The name that people see.
    pub name: Name,
    /// What the key may be used for: 1 to 100 permissions. A permission that the creating user does
    /// not hold is refused with `escalation_refused`. No key can have the permissions below `self`,
    /// `api_keys` and `impersonation`.
    pub permissions: Vec<Grant>,
    /// The addresses from which the key may be used: at most 100 addresses and ranges; every
    /// address when absent. The other allow-lists that apply to the member also apply to the key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow_list: Vec<AddressRange>,
    /// When the key expires, in unix milliseconds; never when absent.
    pub expires_at_ms: Option<Count>,
}

/// Changes an API key; a field that is absent stays as it is. Its token stays the same;
/// `api_keys.rotate` gives it another. Users
/// change their own keys. If the change lets the key be used for more than before, the user is
/// notified, as with `api_keys.create`.
#[request]
pub struct Edit {
    /// The account.
    pub account: Id,
    /// The key.
    pub api_key: Id,
    /// The name that people see.
    pub name: Option<Name>,
    /// The new permissions, which replace the old ones, as in `api_keys.create`.
    pub permissions: Option<Vec<Grant>>,
    /// The new allow-list, which replaces the old one; an empty list allows every address.
    pub allow_list: Option<Vec<AddressRange>>,
    /// When the key expires, in unix milliseconds.
    pub expires_at_ms: Option<Count>,
    /// Whether the expiry is removed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub never_expires: bool,
    /// The revision on which the change is based; a stale one is refused with `rev_conflict`.
    pub expected_rev: Option<Count>,
}

/// Gives an API key a new token, which the answer shows, once. What the key may do stays as it is,
/// and so do its id and its caps (R-SES-8).
///
/// The token until now is good for `overlap_ms` more, so that programs can change over one by one;
/// then it is refused with `api_key_invalid`. A key has two good tokens at most: whatever was left
/// of an earlier overlap ends. Users rotate their own keys, and need what they need to create them;
/// a key that has expired is not rotated. The user is notified, as with `api_keys.create`.
#[request]
pub struct Rotate {
    /// The account.
    pub account: Id,
    /// The key.
    pub api_key: Id,
    /// How long the token until now stays good, in milliseconds: 0 to 2,592,000,000 (30 days). It
    /// ends at once when absent or 0.
    pub overlap_ms: Option<Count>,
    /// The revision on which the change is based; a stale one is refused with `rev_conflict`.
    pub expected_rev: Option<Count>,
}

/// Deletes an API key: from now on its token is refused with `api_key_invalid`, and its caps are
/// deleted too. Users delete their own keys and, with `api_keys.revoke`, those of members who can
/// do no more than they can.
#[request]
pub struct Delete {
    /// The account.
    pub account: Id,
    /// The key.
    pub api_key: Id,
}

/// Lists the API keys of an account, at most 100, including those that have expired. Users see
/// their own keys and, with `api_keys.view`, all keys.
#[request]
pub struct List {
    /// The account.
    pub account: Id,
    /// Only the keys of this member.
    pub user: Option<Id>,
}

/// Checks the token of an API key: the answer says to whom the key belongs. A key that cannot be
/// used now is refused. While nothing changes, the answer comes from memory; the call counts as a
/// use of the key.
///
/// To run operations with the key, pass its token as the actor: `{"kind": "api_key", "token":
/// "...", "ip": "..."}`.
#[request]
pub struct Check {
    /// The token.
    pub token: Secret,
    /// The address from which the program calls, as the host saw it.
    pub ip: Option<Address>,
}

/// An API key. Its token is not stored anywhere.
#[answer]
pub struct ApiKey {
    /// The account in which the key acts.
    pub account: Id,
    /// The key.
    pub id: Id,
    /// The member for whom the key acts.
    pub user: Id,
    /// The name that people see.
    pub name: Name,
    /// What the key may be used for, as far as the member may do it.
    pub permissions: Vec<Grant>,
    /// The addresses from which the key may be used; every address when the list is empty.
    pub allow_list: Vec<AddressRange>,
    /// When the key expires, in unix milliseconds; absent when it never expires.
    pub expires_at_ms: Option<u64>,
    /// Until when the token before the last rotation is good as well, in unix milliseconds; absent
    /// when it is not.
    pub former_token_until_ms: Option<u64>,
    /// When the key was last used, in unix milliseconds, to within five minutes; absent when it was
    /// never used.
    pub last_used_at_ms: Option<u64>,
    /// The address from which the key was last used.
    pub last_ip: Option<Address>,
    /// The revision; every change raises it.
    pub rev: u64,
    /// When the key was created, in unix milliseconds.
    pub created_at_ms: u64,
    /// When the key was last changed, in unix milliseconds.
    pub updated_at_ms: u64,
}

/// An API key that was created, or that has a new token.
#[answer]
pub struct ApiKeyToken {
    /// The key.
    pub api_key: ApiKey,
    /// The token with which a program acts from now on. It is shown only here, and is not stored
    /// anywhere.
    pub token: Secret,
}

/// What the token of an API key proves.
#[answer]
pub struct ApiKeyProof {
    /// The key.
    pub api_key: Id,
    /// The account in which the key acts.
    pub account: Id,
    /// The member for whom the key acts.
    pub user: Id,
    /// What the key may be used for, as far as the member may do it.
    pub permissions: Vec<Grant>,
    /// When the key expires, in unix milliseconds; absent when it never expires.
    pub expires_at_ms: Option<u64>,
}

/// The API keys of an account.
#[answer]
pub struct ApiKeyList {
    /// The keys, ordered by member.
    pub api_keys: Vec<ApiKey>,
}

/// An API key that was deleted.
#[answer]
pub struct ApiKeyDeleted {
    /// The key.
    pub api_key: Id,
}
