//! Users: one person, one e-mail address, on the whole platform (R-USR-1).

use super::{Email, Id, Name};
use serde::{Deserialize, Serialize};

/// A user as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct User {
    /// The id.
    pub id: Id,
    /// The e-mail address, as typed.
    pub email: Email,
    /// First name.
    pub first_name: Option<Name>,
    /// Last name.
    pub last_name: Option<Name>,
    /// Whether the user as a whole is disabled (R-ACC-3).
    pub disabled: bool,
    /// Raised by every change.
    pub rev: u64,
    /// When it was made.
    pub created_at_ms: u64,
    /// When it was last changed.
    pub updated_at_ms: u64,
}
