//! API keys: what programs act with (R-SES-7).

use super::{Address, AddressRange, Grant, Id, Name};
use serde::{Deserialize, Serialize};

/// An API key as it is stored. It belongs to a membership.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ApiKey {
    /// The id; the token carries it.
    pub id: Id,
    /// The account that it acts in.
    pub account: Id,
    /// The member for whom it acts.
    pub user: Id,
    /// What people call it.
    pub name: Name,
    /// The SHA-256 of the token, in hexadecimal digits. The token itself is stored nowhere.
    pub token_hash: String,
    /// What it may be used for, as far as its user may do it.
    pub permissions: Vec<Grant>,
    /// Where it may come from; anywhere where this is empty.
    pub allow_list: Vec<AddressRange>,
    /// From when on it cannot be used; never where none is named.
    pub expires_at_ms: Option<u64>,
    /// Raised by every change.
    pub rev: u64,
    /// When it was made.
    pub created_at_ms: u64,
    /// When it was last changed.
    pub updated_at_ms: u64,
    /// When it was used last, to a few minutes; absent where it never was.
    pub last_used_at_ms: Option<u64>,
    /// Where it was used from last, as exact as the time.
    pub last_ip: Option<Address>,
}
