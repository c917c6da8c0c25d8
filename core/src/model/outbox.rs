//! What the host has to carry out (R-OUT-1).

use super::{AuditKind, ClockJump, Email, Id, Note};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A message to the host as it is stored. A token is never in it: it is derived when the message is
/// read (R-INV-2).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OutboxMessage {
    /// What is to be done.
    pub kind: OutboxKind,
    /// The account that it is about.
    pub account: Option<Id>,
    /// The user that it is about.
    pub user: Option<Id>,
    /// Where a mail goes.
    pub to: Option<Email>,
    /// The accounts that are offered.
    pub accounts: Vec<Id>,
    /// The invitation or link that the token is for, and its generation.
    pub token_of: Option<(Id, u64)>,
    /// The campaign that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign: Option<Id>,
    /// When its cause happened.
    pub at_ms: u64,
    /// The limit that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<LimitAlert>,
    /// The session in which somebody acts as the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_in: Option<Box<LogInNotice>>,
    /// How the clock has jumped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jump: Option<ClockJump>,
}

impl OutboxMessage {
    /// Whom it tells of by name, address or reason: a user, or somebody who was invited.
    pub fn person(&self) -> Option<(AuditKind, &Id)> {
        match (&self.user, &self.token_of) {
            _ if self.to.is_none() && self.log_in.is_none() => None,
            (Some(user), _) => Some((AuditKind::User, user)),
            (None, Some((invitation, _))) => Some((AuditKind::Invitation, invitation)),
            (None, None) => None,
        }
    }

    /// The person is erased: what is left is that there was a message (R-USR-4).
    pub fn forget_person(&mut self) {
        self.to = None;
        self.log_in = None;
    }

    /// Whether the person that it told of is erased.
    pub fn is_forgotten(&self) -> bool {
        (self.user.is_some() || self.token_of.is_some()) && self.person().is_none()
    }

    /// A message about an account.
    pub fn about(kind: OutboxKind, account: Option<Id>, at_ms: u64) -> OutboxMessage {
        let (user, to, token_of, campaign, alert, log_in, jump) =
            (None, None, None, None, None, None, None);
        OutboxMessage {
            kind,
            account,
            user,
            to,
            accounts: Vec::new(),
            token_of,
            campaign,
            at_ms,
            alert,
            log_in,
            jump,
        }
    }
}

/// Who carries out messages: a program of the host, by the name that it gives itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxConsumer {
    /// Its name.
    pub name: Id,
    /// The last message that it was given a first time.
    pub taken_to: u64,
    /// How often it is given a message at most.
    pub tries: u64,
    /// How many messages it was given and has not acknowledged.
    pub open: u64,
    /// How many messages it gave up.
    pub dead: u64,
    /// When it first came, in unix milliseconds.
    pub created_at_ms: u64,
}

/// A message that a consumer was given and has not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenMessage {
    /// How often it was given.
    pub deliveries: u64,
    /// Until when nobody else of the same name is given it, in unix milliseconds.
    pub until_ms: u64,
}

/// A message that a consumer gave up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadMessage {
    /// How often it was given.
    pub deliveries: u64,
    /// Why, in the consumer's words; absent where it was given too often.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Note>,
    /// Since when, in unix milliseconds.
    pub since_ms: u64,
}

/// How much of a limit is used (R-QTA-8).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LimitAlert {
    /// The name of the limit, or the id of the cap.
    pub limit: String,
    /// Whose it is: of an `account` or a `group`, or for a cap also of the `platform`, a `member`,
    /// `campaign`, `api_key`, `sending_domain` or `recipient_domain`.
    #[serde(default)]
    pub scope: String,
    /// The id of that account or group, member, campaign or API key, or the domain.
    pub subject: String,
    /// The threshold that was reached, in percent.
    pub percent: u64,
    /// The value of the limit.
    pub value: u64,
    /// How much of it is used.
    pub used: u64,
    /// When it helps to try again, in unix milliseconds: when the window ends, or where it rolls,
    /// when the first of what is used counts no longer.
    pub resets_at_ms: u64,
}

/// Somebody acts as a user (R-SES-6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogInNotice {
    /// The session, which the user can end.
    pub session: Id,
    /// The person who acts.
    pub by: Id,
    /// The account that they act from; absent for an operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_account: Option<Id>,
    /// Why.
    pub reason: Note,
    /// When it ends at the latest, in unix milliseconds.
    pub expires_at_ms: u64,
}

/// What the host is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutboxKind {
    /// Send an invitation with the link that accepts it.
    Invitation,
    /// Send the owner of a new account the link that confirms it.
    OwnerVerification,
    /// Send the link that confirms a new e-mail address.
    EmailChange,
    /// Tell the old address that another was asked for, or has taken its place (R-SES-4).
    EmailChangeNotice,
    /// Send the link that sets a new password.
    PasswordReset,
    /// Tell a user that their password is another one, or was taken away (R-SES-4).
    PasswordChanged,
    /// Tell a user that they have a second factor now, another one, or none (R-SES-4).
    SecondFactorChanged,
    /// Tell a user that they have new recovery codes (R-SES-4).
    RecoveryCodesChanged,
    /// Tell a user that an API key acts for them, or can be used further than before (R-SES-4).
    ApiKeyCreated,
    /// Tell the account that a threshold of a limit is reached.
    LimitAlert,
    /// Tell a user that somebody acts as them (R-SES-6).
    LoggedInAs,
    /// Look at the system's clock: it has jumped (R-QTA-13). Where it is held back and right, call
    /// `clock.confirm`.
    ClockJumped,
    /// Stop a campaign: nothing more of it goes out (R-QTA-11).
    StopCampaign,
}
