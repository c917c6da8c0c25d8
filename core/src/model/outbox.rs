//! The messages that the host has to process (R-OUT-1).

use super::{AuditKind, ClockJump, Email, Id, Note};
use serde::{Deserialize, Serialize};
use tenantry_macros::answer;

/// A message to the host as it is stored. It never contains a token: the token is derived when the
/// message is read (R-INV-2).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OutboxMessage {
    /// What the host has to do.
    pub kind: OutboxKind,
    /// The account that the message is about.
    pub account: Option<Id>,
    /// The user that the message is about.
    pub user: Option<Id>,
    /// The address to which the mail goes.
    pub to: Option<Email>,
    /// The accounts that are offered.
    pub accounts: Vec<Id>,
    /// The invitation or link to which the token belongs, and its generation.
    pub token_of: Option<(Id, u64)>,
    /// The campaign that the message is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign: Option<Id>,
    /// When the cause of the message happened.
    pub at_ms: u64,
    /// The alert about a limit.
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
    /// The person whose name, address or reason the message contains: a user, or a person who was
    /// invited.
    pub fn person(&self) -> Option<(AuditKind, &Id)> {
        match (&self.user, &self.token_of) {
            _ if self.to.is_none() && self.log_in.is_none() => None,
            (Some(user), _) => Some((AuditKind::User, user)),
            (None, Some((invitation, _))) => Some((AuditKind::Invitation, invitation)),
            (None, None) => None,
        }
    }

    /// Erases the person from the message: only the fact that there was a message is left
    /// (R-USR-4).
    pub fn forget_person(&mut self) {
        self.to = None;
        self.log_in = None;
    }

    /// Whether the person was erased from the message.
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

/// A consumer: a program of the host that processes messages, under a name that the host chose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxConsumer {
    /// The name of the consumer.
    pub name: Id,
    /// The number of the last message that was delivered to the consumer for the first time.
    pub taken_to: u64,
    /// How often a message is delivered to the consumer at most.
    pub tries: u64,
    /// How many messages were delivered to the consumer and are not acknowledged.
    pub open: u64,
    /// How many messages are dead.
    pub dead: u64,
    /// When the consumer was created, in unix milliseconds.
    pub created_at_ms: u64,
}

/// A message that was delivered to a consumer and is not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenMessage {
    /// How often the message was delivered.
    pub deliveries: u64,
    /// Until when the message is not delivered to another worker of the consumer, in unix
    /// milliseconds.
    pub until_ms: u64,
}

/// A dead message of a consumer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadMessage {
    /// How often the message was delivered.
    pub deliveries: u64,
    /// The reason, as the consumer gave it; absent when the message was delivered too often.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Note>,
    /// Since when the message is dead, in unix milliseconds.
    pub since_ms: u64,
}

/// An alert about how much of a limit is used (R-QTA-8).
#[answer]
#[derive(Eq)]
pub struct LimitAlert {
    /// The name of the limit, or the id of the cap.
    pub limit: String,
    /// Whose limit it is: that of an `account` or a `group`; for a cap also of the `platform`, a
    /// `member`, `campaign`, `api_key`, `sending_domain` or `recipient_domain`.
    #[serde(default)]
    pub scope: String,
    /// The id of that account, group, member, campaign or API key, or the name of the domain.
    pub subject: String,
    /// The threshold that was reached, in percent.
    pub percent: u64,
    /// The value of the limit.
    pub value: u64,
    /// How much of the limit is used.
    pub used: u64,
    /// When it helps to try again, in unix milliseconds: when the window ends; for a rolling
    /// window, when the oldest use no longer counts.
    pub resets_at_ms: u64,
}

/// A notice that somebody acts as a user (R-SES-6).
#[answer]
#[derive(Eq)]
pub struct LogInNotice {
    /// The session, which the user can end.
    pub session: Id,
    /// The person who acts.
    pub by: Id,
    /// The account from which the person acts; absent for an operator.
    pub from_account: Option<Id>,
    /// The reason.
    pub reason: Note,
    /// When the session ends at the latest, in unix milliseconds.
    pub expires_at_ms: u64,
}

/// What the host has to do.
#[answer]
pub enum OutboxKind {
    /// Send an invitation with the link that accepts it.
    Invitation,
    /// Send the owner of a new account the link with which they confirm their address.
    OwnerVerification,
    /// Send the link that confirms a new e-mail address.
    EmailChange,
    /// Notify the old address that a change of address was requested, or was made (R-SES-4).
    EmailChangeNotice,
    /// Send a user the link for setting a new password.
    PasswordReset,
    /// Notify a user that their password was changed or removed (R-SES-4).
    PasswordChanged,
    /// Notify a user that their second factor was added, replaced or removed (R-SES-4).
    SecondFactorChanged,
    /// Notify a user that they have new recovery codes (R-SES-4).
    RecoveryCodesChanged,
    /// Notify a user that an API key acts for them, can be used for more than before, or has a new
    /// token (R-SES-4, R-SES-8).
    ApiKeyCreated,
    /// Notify the account that a threshold of a limit is reached.
    LimitAlert,
    /// Notify a user that somebody acts as them (R-SES-6).
    LoggedInAs,
    /// Check the system's clock, because it has jumped (R-QTA-13). If the jump is held back
    /// although the clock is right, call `clock.confirm`.
    ClockJumped,
    /// Stop a campaign: no more of its messages go out (R-QTA-11).
    StopCampaign,
}
