//! Who calls an operation.

use super::Id;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The actor that an operation runs as.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
pub enum Actor {
    /// The host itself.
    #[default]
    System,
    /// A user who acts in an account; that it is them is the host's assertion.
    User {
        /// The user.
        user: Id,
        /// The account that they act in.
        account: Id,
        /// Where they come from, as the host saw it.
        ip: Option<IpAddr>,
    },
    /// One of the platform's staff (R-PLT-2); that it is them is the host's assertion.
    Operator {
        /// The operator.
        user: Id,
        /// Where they come from, as the host saw it.
        ip: Option<IpAddr>,
    },
}

/// The actor as JSON. A tagged enum would let unknown fields of `system` pass.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    kind: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<Id>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    account: Option<Id>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ip: Option<IpAddr>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    System,
    User,
    Operator,
}

impl TryFrom<Wire> for Actor {
    type Error = &'static str;
    fn try_from(wire: Wire) -> Result<Actor, &'static str> {
        match (wire.kind, wire.user, wire.account, wire.ip) {
            (Kind::System, None, None, None) => Ok(Actor::System),
            (Kind::System, ..) => Err("the actor `system` has no `user`, `account` or `ip`"),
            (Kind::User, Some(user), Some(account), ip) => Ok(Actor::User { user, account, ip }),
            (Kind::User, ..) => Err("an actor of kind `user` has a `user` and an `account`"),
            (Kind::Operator, Some(user), None, ip) => Ok(Actor::Operator { user, ip }),
            (Kind::Operator, ..) => Err("an actor of kind `operator` has a `user` and no `account`"),
        }
    }
}

impl From<Actor> for Wire {
    fn from(actor: Actor) -> Wire {
        match actor {
            Actor::System => Wire { kind: Kind::System, user: None, account: None, ip: None },
            Actor::User { user, account, ip } => Wire { kind: Kind::User, user: Some(user), account: Some(account), ip },
            Actor::Operator { user, ip } => Wire { kind: Kind::Operator, user: Some(user), account: None, ip },
        }
    }
}

impl Actor {
    /// A name for records: `system`, or the user's id.
    pub fn label(&self) -> String {
        self.user().map_or_else(|| "system".to_owned(), Id::to_string)
    }

    /// The person who acts; none for the host itself.
    pub fn user(&self) -> Option<&Id> {
        match self {
            Actor::System => None,
            Actor::User { user, .. } | Actor::Operator { user, .. } => Some(user),
        }
    }
}
