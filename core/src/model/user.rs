//! Users: one person, one e-mail address, on the whole platform (R-USR-1).

use super::{Count, Email, Id, Name};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A user as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct User {
    /// The id.
    pub id: Id,
    /// The e-mail address, as typed.
    pub email: Email,
    /// What people see of the user.
    pub profile: Profile,
    /// Whether the user as a whole is disabled (R-ACC-3).
    pub disabled: bool,
    /// Whether a password has to be set before the user is no longer shown as pending (R-TEA-4).
    pub must_set_password: bool,
    /// When they logged in first (R-INV-4).
    pub first_login_at_ms: Option<u64>,
    /// Raised by every change.
    pub rev: u64,
    /// When it was made.
    pub created_at_ms: u64,
    /// When it was last changed.
    pub updated_at_ms: u64,
}

/// What people see of a user (R-USR-2).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// First name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<Name>,
    /// Last name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_name: Option<Name>,
    /// Phone number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<Name>,
    /// The country that is sent to by default: two capital letters, as in ISO 3166.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sending_country: Option<Name>,
    /// The language: a tag such as `de` or `pt-BR`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<Name>,
    /// IANA name of the time zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<Name>,
    /// What the user is told about new messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notifications: Option<Notifications>,
}

/// How a user is told about new messages (R-USR-2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Notifications {
    /// By a notification of the desktop.
    pub desktop: bool,
    /// By a badge in the browser.
    pub badge: bool,
    /// By a sound.
    pub sound: bool,
}

/// What is changed of how a user is told about new messages; what is absent stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NotificationsEdit {
    /// By a notification of the desktop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desktop: Option<bool>,
    /// By a badge in the browser.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub badge: Option<bool>,
    /// By a sound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sound: Option<bool>,
}

impl NotificationsEdit {
    /// What these changes make of how a user was told.
    pub fn of(self, before: Notifications) -> Notifications {
        Notifications {
            desktop: self.desktop.unwrap_or(before.desktop),
            badge: self.badge.unwrap_or(before.badge),
            sound: self.sound.unwrap_or(before.sound),
        }
    }
}

/// A link that a user was sent: to a new address, or for a new password (R-SES-4).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Link {
    /// The id; the token is made from it.
    pub id: Id,
    /// What it is for.
    pub kind: LinkKind,
    /// Who used it may do so for this user.
    pub user: Id,
    /// The address that it was sent to.
    pub email: Email,
    /// Raised when it is sent anew; tokens of an older generation are dead.
    pub generation: u64,
    /// From when on it cannot be used.
    pub expires_at_ms: Count,
}

/// What a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkKind {
    /// Confirms a new e-mail address.
    EmailChange,
    /// Sets a new password.
    PasswordReset,
}
