//! Sessions, and the password that proves a user (R-SES-1, R-SES-2).

use super::{Address, Id, Name};
use serde::{Deserialize, Serialize};

/// A session as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Session {
    /// The id; the token carries it.
    pub id: Id,
    /// Whose it is.
    pub user: Id,
    /// The SHA-256 of the token, in hexadecimal digits. The token itself is stored nowhere.
    pub token_hash: String,
    /// What the user is shown of the device.
    pub device: Option<Name>,
    /// Where they logged in from.
    pub ip: Option<Address>,
    /// When they logged in.
    pub created_at_ms: u64,
    /// When the user proved last who they are.
    pub authenticated_at_ms: u64,
    /// When it was used last, to a few minutes.
    pub last_seen_at_ms: u64,
    /// Where it was used from last, as exact as the time.
    pub last_ip: Option<Address>,
    /// From when on it cannot be used, however much it is.
    pub expires_at_ms: u64,
}

/// The password of a user as it is stored.
#[derive(Clone, Serialize, Deserialize)]
pub struct PasswordRecord {
    /// Its hash, with the parameters that it was made with.
    pub hash: String,
    /// When the user chose it; absent where it was imported.
    pub set_at_ms: Option<u64>,
}
