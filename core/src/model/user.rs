//! Users: one person, one e-mail address, on the whole platform (R-USR-1).

use super::{Count, Email, Id, Name};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tenantry_macros::{options, request};

/// A user as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct User {
    /// The id.
    pub id: Id,
    /// The e-mail address, as typed.
    pub email: Email,
    /// The user's profile.
    pub profile: Profile,
    /// Whether the user as a whole is disabled (R-ACC-3).
    pub disabled: bool,
    /// Whether the user still has to set a password; until then, the user is shown as pending
    /// (R-TEA-4).
    pub must_set_password: bool,
    /// When the user first logged in (R-INV-4).
    pub first_login_at_ms: Option<u64>,
    /// The revision; every change raises it.
    pub rev: u64,
    /// When it was created.
    pub created_at_ms: u64,
    /// When it was last changed.
    pub updated_at_ms: u64,
}

/// The profile of a user (R-USR-2).
#[request]
#[derive(PartialEq)]
pub struct Profile {
    /// The first name.
    pub first_name: Option<Name>,
    /// The last name.
    pub last_name: Option<Name>,
    /// The phone number.
    pub phone: Option<Name>,
    /// The country to which the user sends by default: two capital letters, as in ISO 3166.
    pub sending_country: Option<Name>,
    /// The language: a tag such as `de` or `pt-BR`.
    pub language: Option<Name>,
    /// The IANA name of the time zone.
    pub time_zone: Option<Name>,
    /// How the user is notified of new messages.
    pub notifications: Option<Notifications>,
}

/// How a user is notified of new messages (R-USR-2).
#[options]
#[derive(Copy, Default, PartialEq, Eq, JsonSchema)]
pub struct Notifications {
    /// With a desktop notification.
    pub desktop: bool,
    /// With a badge in the browser.
    pub badge: bool,
    /// With a sound.
    pub sound: bool,
}

/// A change of how a user is notified of new messages; a setting that is absent stays as it is.
#[options]
#[derive(Copy, Default, PartialEq, Eq, JsonSchema)]
pub struct NotificationsEdit {
    /// With a desktop notification.
    pub desktop: Option<bool>,
    /// With a badge in the browser.
    pub badge: Option<bool>,
    /// With a sound.
    pub sound: Option<bool>,
}

impl NotificationsEdit {
    /// The settings after this change.
    pub fn of(self, before: Notifications) -> Notifications {
        Notifications {
            desktop: self.desktop.unwrap_or(before.desktop),
            badge: self.badge.unwrap_or(before.badge),
            sound: self.sound.unwrap_or(before.sound),
        }
    }
}

/// A link that was sent to a user: to confirm a new address, or to set a new password (R-SES-4).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Link {
    /// The id, from which the token is derived.
    pub id: Id,
    /// What the link is for.
    pub kind: LinkKind,
    /// The user for whom the link can be used.
    pub user: Id,
    /// The address to which the link was sent.
    pub email: Email,
    /// The generation, which rises when the link is sent again; tokens of an older generation are
    /// no longer valid.
    pub generation: u64,
    /// When it expires.
    pub expires_at_ms: Count,
}

/// What a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkKind {
    /// The link confirms a new e-mail address.
    EmailChange,
    /// The link sets a new password.
    PasswordReset,
}
