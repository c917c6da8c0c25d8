//! Policies: where the products that the rules come from differ (R-PLT-3, section 16 of the rules).

use super::{Count, Limit, Name, OverLimit, SecondFactorPolicy};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! policies {
    ($($(#[doc = $doc:literal])* $name:ident: $type:ty = $default:expr,)*) => {
        /// Policies that are set; an absent one is taken from the account above, the platform, its
        /// preset, the default.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        pub struct Policies {
            $(
                $(#[doc = $doc])*
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $name: Option<$type>,
            )*
        }

        /// The value that counts for each policy.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
        pub struct EffectivePolicies {
            $($(#[doc = $doc])* pub $name: $type,)*
        }

        impl Policies {
            /// The names of all policies.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name),)*];

            /// What is set here, and for the rest what is set there.
            #[must_use]
            pub fn or(self, other: &Policies) -> Policies {
                Policies { $($name: self.$name.or_else(|| other.$name.clone()),)* }
            }

            /// Whether the policy of this name is set here.
            pub fn has(&self, name: &str) -> bool {
                match name {
                    $(stringify!($name) => self.$name.is_some(),)*
                    _ => false,
                }
            }

            /// Takes one policy away; whether there is one of this name.
            pub fn unset(&mut self, name: &str) -> bool {
                match name {
                    $(stringify!($name) => self.$name = None,)*
                    _ => return false,
                }
                true
            }

            /// Everything that is not set has its default.
            pub fn or_default(self) -> EffectivePolicies {
                EffectivePolicies { $($name: self.$name.unwrap_or_else(|| $default),)* }
            }
        }
    };
}

const DAY_MS: u64 = 24 * 3_600_000;

fn count(value: u64) -> Count {
    Count::new(value).unwrap_or_default()
}

policies! {
    /// How many accounts deep a tree of accounts may be, 1 to 8.
    depth: Count = count(2),
    /// Who owns an account below another: an owner of its own, or the parent's.
    child_owner: ChildOwner = ChildOwner::Own,
    /// Whether the owner of one account can be a member of no other (R-TEA-2).
    owner_exclusive: bool = false,
    /// What a role is held by: a membership, a user in the whole team, or the package (R-INV-8).
    role_scope: RoleScope = RoleScope::Membership,
    /// Whether accounts make roles of their own (R-ROL-4).
    custom_roles: bool = true,
    /// Whether accounts have groups of users.
    groups: bool = true,
    /// Who gives an existing user access to a further account (R-INV-7).
    grant_existing: GrantExisting = GrantExisting::Parent,
    /// How long an invitation can be accepted, from its last sending, in milliseconds (R-INV-3).
    invitation_life_ms: Count = count(14 * DAY_MS),
    /// How long the owner of a new account can confirm their address, in milliseconds (R-INV-3).
    verification_life_ms: Count = count(3 * DAY_MS),
    /// How long a link for a new password or a new e-mail address can be used, in milliseconds
    /// (R-SES-4).
    link_life_ms: Count = count(DAY_MS),
    /// Whether an account below another can be made without its owner confirming first (R-TEA-4).
    skip_verification: bool = true,
    /// What resending an invitation does to the link that went out before (R-INV-5).
    resend: Resend = Resend::Rotate,
    /// What has to be done before a member is no longer shown as pending (R-INV-4).
    pending_until: Vec<PendingStep> = vec![PendingStep::Accepted],
    /// Who edits the e-mail address of a user (R-USR-3).
    email_edited_by: Vec<Editor> = vec![Editor::OneSelf],
    /// Who edits first and last name.
    names_edited_by: Vec<Editor> = vec![Editor::OneSelf],
    /// Who edits phone, sending country, language, time zone and notifications.
    profile_edited_by: Vec<Editor> = vec![Editor::OneSelf],
    /// How many users a team can have: each user once, with the owners and the invitations that are
    /// open (R-INV-9).
    seats: Limit = Limit::Unlimited,
    /// Whether operators may act as a user (R-SES-6).
    operators_log_in_as: bool = false,
    /// How long somebody can act as a user at most, in milliseconds, up to eight hours (R-SES-6).
    log_in_as_ms: Count = count(3_600_000),
    /// The window of the caps of groups (R-GRP-5).
    group_cap_period: CapPeriod = CapPeriod::Month,
    /// What becomes of open reservations when an account is suspended or closed (R-ACC-4).
    reservations_on_hold: ReservationsOnHold = ReservationsOnHold::Void,
    /// The thresholds of a limit at which the host is told, in percent, each once in a window
    /// (R-QTA-8).
    alert_at_percent: Vec<Count> = vec![count(80), count(100)],
    /// IANA name of the time zone that new accounts get.
    time_zone: Name = super::Name::utc(),
    /// The day of the month on which an account's month begins where it is billed, 1 to 31.
    billing_day: Count = count(1),
    /// Whether the owner of an account that is suspended for billing alone may enter it (R-ACC-3).
    billing_hold_owner_enters: bool = false,
    /// How long a closed account can be reopened, in milliseconds (R-ACC-3).
    grace_ms: Count = count(30 * DAY_MS),
    /// The fewest characters of a password, 8 to 64; for the platform alone (R-SES-1).
    password_min: Count = count(15),
    /// The fewest characters of a password of who needs a second factor wherever they act, 8 to 64;
    /// for the platform alone (R-SES-1).
    password_min_with_second_factor: Count = count(8),
    /// Words that make no password, such as the names of the platform, at most 50; for the platform
    /// alone (R-SES-1).
    password_words: Vec<Name> = Vec::new(),
    /// The memory that hashing a password takes, in KiB, 15,360 to 1,048,576; for the platform
    /// alone (R-SES-1).
    password_memory_kib: Count = count(19_456),
    /// The passes over that memory, 2 to 16; for the platform alone (R-SES-1).
    password_passes: Count = count(2),
    /// How long a session lasts that is not used, in milliseconds; for the platform alone
    /// (R-SES-1).
    session_idle_ms: Count = count(7 * DAY_MS),
    /// How long a session lasts however much it is used, in milliseconds; for the platform alone
    /// (R-SES-1).
    session_life_ms: Count = count(30 * DAY_MS),
    /// How long after a log-in a session may change how its user logs in, in milliseconds; for the
    /// platform alone (R-SES-1).
    recent_log_in_ms: Count = count(600_000),
    /// Whether sessions need a second factor: in an account, and of the platform, for operators too
    /// (R-SES-1).
    second_factor: SecondFactorPolicy = SecondFactorPolicy::Optional,
    /// What happens beyond a limit of an account of which nothing else is said (R-QTA-7): by
    /// default credits pay where the package lets them, and otherwise it is refused.
    over_limit: OverLimit = OverLimit::UseCredits,
    /// For how many days it is kept what limits and groups have counted in windows that are over, up
    /// to 36,500; 0 for ever (R-QTA-2).
    usage_history_days: Count = count(400),
    /// The same of what caps have counted, each member, campaign and domain by itself (R-QTA-14).
    cap_history_days: Count = count(31),
}

/// What a store or an account has of policies: a preset, and over it single ones.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PolicyRecord {
    /// The named set.
    pub preset: Option<Preset>,
    /// Set one by one.
    pub set: Policies,
}

/// What becomes of the reservations of an account that can send no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReservationsOnHold {
    /// They come back, and a later commit is `reservation_void`.
    Void,
    /// They stay, and can be committed until they expire.
    Drain,
}

/// A named set of policies: one of the five products that the rules come from (section 16 of the
/// rules).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// Clients with packages, run by operators.
    Packages,
    /// One account whose users are in groups.
    Groups,
    /// Invitations, and access account by account.
    Access,
    /// Several accounts under one invoice.
    Teams,
    /// A parent account, administrators and five fixed roles.
    Essentials,
}

/// Who owns an account below another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChildOwner {
    /// An owner of its own.
    Own,
    /// The owner of the account above.
    Parents,
}

/// What a role is held by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RoleScope {
    /// Each membership has a role of its own.
    Membership,
    /// A user has one role in all accounts of the team.
    User,
    /// The role is that of the account's package.
    Package,
}

/// Who gives an existing user access to a further account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GrantExisting {
    /// Only the parent: who manages the team.
    Parent,
    /// Whoever holds `users.grant_account` in every account that is named.
    Holder,
}

/// What resending an invitation does, the strictest last.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Resend {
    /// The same link goes out again.
    Reuse,
    /// The old link dies.
    Rotate,
    /// Nothing is resent: delete the invitation and invite again.
    Forbid,
}

/// A step until which a member is shown as pending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PendingStep {
    /// The invitation is accepted.
    Accepted,
    /// First and last name are there.
    Profile,
    /// The user has logged in once.
    FirstLogin,
    /// A password that has to be set is set.
    Password,
}

/// Who edits a field of a user's profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Editor {
    /// The user themself.
    #[serde(rename = "self")]
    OneSelf,
    /// Whoever holds `users.edit_profile` in an account of the user.
    #[serde(rename = "administrator")]
    Administrator,
    /// Whoever manages the team that an account of the user is in.
    #[serde(rename = "parent")]
    Parent,
    /// An operator with `clients.edit`.
    #[serde(rename = "operator")]
    Operator,
}

/// The window of a group's cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CapPeriod {
    /// A month of the account's time zone.
    Month,
    /// A year of the account's time zone.
    Year,
}
