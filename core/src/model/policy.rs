//! Policies: the settings in which platforms differ (R-PLT-3, section 16 of the rules).

use super::{Count, Limit, Name, OverLimit, SecondFactorPolicy};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tenantry_macros::{answer, options};

macro_rules! policies {
    ($($(#[doc = $doc:literal])* $name:ident: $type:ty = $default:expr,)*) => {
        /// Policies that are set. For a policy that is absent, the value of the next level applies:
        /// the account above, the platform, its preset, the default.
        #[options]
        #[derive(Default, PartialEq, JsonSchema)]
        pub struct Policies {
            $(
                $(#[doc = $doc])*
                pub $name: Option<$type>,
            )*
        }

        /// The value that applies for each policy.
        #[answer]
        pub struct EffectivePolicies {
            $($(#[doc = $doc])* pub $name: $type,)*
        }

        impl Policies {
            /// The names of all policies.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name),)*];

            /// These policies; a policy that is not set here is taken from the other policies.
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

            /// Removes one policy; answers whether there is a policy of this name.
            pub fn unset(&mut self, name: &str) -> bool {
                match name {
                    $(stringify!($name) => self.$name = None,)*
                    _ => return false,
                }
                true
            }

            /// The policies with the default for everything that is not set.
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
    /// How many levels a tree of accounts may have, 1 to 8.
    depth: Count = count(2),
    /// Who owns an account below another one: an owner of its own, or the owner of the parent.
    child_owner: ChildOwner = ChildOwner::Own,
    /// Whether the owner of an account cannot be a member of another account (R-TEA-2).
    owner_exclusive: bool = false,
    /// Whether each membership has a role, a user has one role in the whole team, or the role comes
    /// from the package (R-INV-8).
    role_scope: RoleScope = RoleScope::Membership,
    /// Whether accounts can create roles of their own (R-ROL-4).
    custom_roles: bool = true,
    /// Whether accounts have groups of users.
    groups: bool = true,
    /// Who can give an existing user access to a further account (R-INV-7).
    grant_existing: GrantExisting = GrantExisting::Parent,
    /// How long an invitation can be accepted after it was last sent, in milliseconds (R-INV-3).
    invitation_life_ms: Count = count(14 * DAY_MS),
    /// How long the owner of a new account can confirm their address, in milliseconds (R-INV-3).
    verification_life_ms: Count = count(3 * DAY_MS),
    /// How long a link for a new password or a new e-mail address can be used, in milliseconds
    /// (R-SES-4).
    link_life_ms: Count = count(DAY_MS),
    /// Whether an account below another one can be created without its owner confirming their
    /// address first (R-TEA-4).
    skip_verification: bool = true,
    /// What happens to the old link when an invitation is sent again (R-INV-5).
    resend: Resend = Resend::Rotate,
    /// The steps that a member has to do; until then, the member is shown as pending (R-INV-4).
    pending_until: Vec<PendingStep> = vec![PendingStep::Accepted],
    /// Who may edit the e-mail address of a user (R-USR-3).
    email_edited_by: Vec<Editor> = vec![Editor::OneSelf],
    /// Who may edit the first and the last name.
    names_edited_by: Vec<Editor> = vec![Editor::OneSelf],
    /// Who may edit the phone number, sending country, language, time zone and notifications.
    profile_edited_by: Vec<Editor> = vec![Editor::OneSelf],
    /// How many users a team can have; each user counts once, and owners and open invitations count
    /// too (R-INV-9).
    seats: Limit = Limit::Unlimited,
    /// Whether operators may act as a user (R-SES-6).
    operators_log_in_as: bool = false,
    /// How long somebody can act as a user at most, in milliseconds, up to eight hours (R-SES-6).
    log_in_as_ms: Count = count(3_600_000),
    /// The window of the caps of groups (R-GRP-5).
    group_cap_period: CapPeriod = CapPeriod::Month,
    /// What happens to open reservations when an account is suspended or closed (R-ACC-4).
    reservations_on_hold: ReservationsOnHold = ReservationsOnHold::Void,
    /// The thresholds of a limit, in percent, at which the host is notified, once for each
    /// threshold in a window (R-QTA-8).
    alert_at_percent: Vec<Count> = vec![count(80), count(100)],
    /// The IANA name of the time zone that new accounts get.
    time_zone: Name = super::Name::utc(),
    /// The day of the month on which a billing month begins, 1 to 31.
    billing_day: Count = count(1),
    /// Whether the owner may enter an account that is suspended only for billing (R-ACC-3).
    billing_hold_owner_enters: bool = false,
    /// How long a closed account can be reopened, in milliseconds (R-ACC-3).
    grace_ms: Count = count(30 * DAY_MS),
    /// The smallest number of characters of a password, 8 to 64; for the platform alone (R-SES-1).
    password_min: Count = count(15),
    /// The smallest number of characters of a password for users who need a second factor wherever
    /// they act, 8 to 64; for the platform alone (R-SES-1).
    password_min_with_second_factor: Count = count(8),
    /// Words that do not make a password stronger, such as the names of the platform, at most 50;
    /// for the platform alone (R-SES-1).
    password_words: Vec<Name> = Vec::new(),
    /// How much memory the hashing of a password takes, in KiB, 15,360 to 1,048,576; for the
    /// platform alone (R-SES-1).
    password_memory_kib: Count = count(19_456),
    /// How many passes the hashing makes over that memory, 2 to 16; for the platform alone
    /// (R-SES-1).
    password_passes: Count = count(2),
    /// How long a session lasts without use, in milliseconds; for the platform alone (R-SES-1).
    session_idle_ms: Count = count(7 * DAY_MS),
    /// How long a session lasts at most, however much it is used, in milliseconds; for the platform
    /// alone (R-SES-1).
    session_life_ms: Count = count(30 * DAY_MS),
    /// How long after a log-in a session may change how its user logs in, in milliseconds; for the
    /// platform alone (R-SES-1).
    recent_log_in_ms: Count = count(600_000),
    /// Whether sessions need a second factor, in an account or on the whole platform; on the
    /// platform it applies to operators too (R-SES-1).
    second_factor: SecondFactorPolicy = SecondFactorPolicy::Optional,
    /// What happens beyond a limit of an account for which nothing else is set (R-QTA-7). By
    /// default, credits pay if the package allows it, and otherwise the send is refused.
    over_limit: OverLimit = OverLimit::UseCredits,
    /// For how many days the store keeps what limits and groups counted in windows that are over:
    /// up to 36,500, or 0 for ever (R-QTA-6).
    usage_history_days: Count = count(400),
    /// For how many days the store keeps what caps counted in windows that are over, for each
    /// member, campaign, API key and domain: up to 36,500, or 0 for ever (R-QTA-14).
    cap_history_days: Count = count(31),
}

/// The policies that are set on the platform or an account: a preset, and single policies that take
/// precedence over it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PolicyRecord {
    /// The preset.
    pub preset: Option<Preset>,
    /// The single policies.
    pub set: Policies,
}

/// What happens to the reservations of an account that can no longer send.
#[answer]
pub enum ReservationsOnHold {
    /// The reservations are given back, and a later commit is refused with `reservation_void`.
    Void,
    /// The reservations stay, and can be committed until they expire.
    Drain,
}

/// A named set of policies for one of five kinds of product (section 16 of the rules).
#[answer]
pub enum Preset {
    /// Clients with packages, run by operators.
    Packages,
    /// One account whose users are in groups.
    Groups,
    /// Invitations, and access to each account on its own.
    Access,
    /// Several accounts under one invoice.
    Teams,
    /// A parent account, administrators and five fixed roles.
    Essentials,
}

/// Who owns an account below another.
#[answer]
pub enum ChildOwner {
    /// An owner of its own.
    Own,
    /// The owner of the account above.
    Parents,
}

/// What a role belongs to.
#[answer]
pub enum RoleScope {
    /// Each membership has a role of its own.
    Membership,
    /// Each user has one role in all accounts of the team.
    User,
    /// The role comes from the account's package.
    Package,
}

/// Who can give an existing user access to a further account.
#[answer]
pub enum GrantExisting {
    /// Only the parent: the users who manage the team.
    Parent,
    /// Every user who holds `users.grant_account` in every account that is named.
    Holder,
}

/// What happens when an invitation is sent again; the strictest value is last.
#[answer]
#[derive(PartialOrd, Ord)]
pub enum Resend {
    /// The same link is sent again.
    Reuse,
    /// A new link is sent, and the old one is no longer valid.
    Rotate,
    /// An invitation cannot be sent again: delete it and invite again.
    Forbid,
}

/// A step until which a member is shown as pending.
#[answer]
pub enum PendingStep {
    /// The member has accepted the invitation.
    Accepted,
    /// The member's first and last name are known.
    Profile,
    /// The user has logged in once.
    FirstLogin,
    /// The user has set a password, if they have to set one.
    Password,
}

/// Who may edit a field of a user's profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub enum Editor {
    /// The user themself.
    #[serde(rename = "self")]
    OneSelf,
    /// Users who hold `users.edit_profile` in an account of the user.
    #[serde(rename = "administrator")]
    Administrator,
    /// Users who manage the team of an account of the user.
    #[serde(rename = "parent")]
    Parent,
    /// An operator with `clients.edit`.
    #[serde(rename = "operator")]
    Operator,
}

/// The window of a group's cap.
#[answer]
pub enum CapPeriod {
    /// A month of the account's time zone.
    Month,
    /// A year of the account's time zone.
    Year,
}
