//! API keys, with which programs act (R-SES-7).

use super::{Address, AddressRange, Grant, Id, Name};
use serde::{Deserialize, Serialize};

/// An API key as it is stored. It belongs to a membership.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ApiKey {
    /// The id; the token carries it.
    pub id: Id,
    /// The account in which the key acts.
    pub account: Id,
    /// The member for whom the key acts.
    pub user: Id,
    /// The name that people see.
    pub name: Name,
    /// The SHA-256 of the token, in hexadecimal digits. The token itself is not stored anywhere.
    pub token_hash: String,
    /// The token before the last rotation, which is still good for a time (R-SES-8).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former: Option<FormerToken>,
    /// What the key may be used for, as far as its user may do it.
    pub permissions: Vec<Grant>,
    /// The addresses from which the key may be used; every address when the list is empty.
    pub allow_list: Vec<AddressRange>,
    /// When it expires; never when absent.
    pub expires_at_ms: Option<u64>,
    /// The revision; every change raises it.
    pub rev: u64,
    /// When it was created.
    pub created_at_ms: u64,
    /// When it was last changed.
    pub updated_at_ms: u64,
    /// When the key was last used, to within a few minutes; absent when it was never used.
    pub last_used_at_ms: Option<u64>,
    /// The address from which the key was last used; it is as exact as the time.
    pub last_ip: Option<Address>,
}

/// A token in whose place another has come. When it is over is computed, and never written down.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FormerToken {
    /// The SHA-256 of the token, in hexadecimal digits.
    pub token_hash: String,
    /// When the other token was made.
    pub replaced_at_ms: u64,
    /// From when on it is no longer good.
    pub until_ms: u64,
}
