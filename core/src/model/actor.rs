//! Who calls an operation.

use super::{Address, Id, Secret};
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

/// Who calls, before it is known who that is: what the host says of them, or what a token proves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
pub enum Caller {
    /// An actor that the host names.
    Known(Actor),
    /// Whoever the session belongs to (R-SES-1).
    Session {
        /// What `sessions.create` answered.
        token: Secret,
        /// The account that they act in. When absent: the only one that they have, or none for an operator.
        account: Option<Id>,
        /// Where they come from, as the host saw it.
        ip: Option<IpAddr>,
    },
}

impl Default for Caller {
    fn default() -> Caller {
        Caller::Known(Actor::System)
    }
}

impl From<Actor> for Caller {
    fn from(actor: Actor) -> Caller {
        Caller::Known(actor)
    }
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<Secret>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    System,
    User,
    Operator,
    Session,
}

impl TryFrom<Wire> for Caller {
    type Error = &'static str;
    fn try_from(wire: Wire) -> Result<Caller, &'static str> {
        match (wire.kind, wire.user, wire.token) {
            (Kind::Session, None, Some(token)) => Ok(Caller::Session { token, account: wire.account, ip: wire.ip }),
            (Kind::Session, ..) => Err("an actor of kind `session` has a `token` and no `user`"),
            (kind, user, token) => Actor::try_from(Wire { kind, user, token, ..wire }).map(Caller::Known),
        }
    }
}

impl From<Caller> for Wire {
    fn from(caller: Caller) -> Wire {
        match caller {
            Caller::Known(actor) => Wire::from(actor),
            Caller::Session { token, account, ip } => Wire { kind: Kind::Session, user: None, account, ip, token: Some(token) },
        }
    }
}

impl TryFrom<Wire> for Actor {
    type Error = &'static str;
    fn try_from(wire: Wire) -> Result<Actor, &'static str> {
        if wire.token.is_some() {
            return Err("an actor with a `token` is of kind `session`");
        }
        match (wire.kind, wire.user, wire.account, wire.ip) {
            (Kind::System, None, None, None) => Ok(Actor::System),
            (Kind::System, ..) => Err("the actor `system` has no `user`, `account` or `ip`"),
            (Kind::User, Some(user), Some(account), ip) => Ok(Actor::User { user, account, ip }),
            (Kind::User, ..) => Err("an actor of kind `user` has a `user` and an `account`"),
            (Kind::Operator, Some(user), None, ip) => Ok(Actor::Operator { user, ip }),
            (Kind::Operator, ..) => Err("an actor of kind `operator` has a `user` and no `account`"),
            (Kind::Session, ..) => Err("a session is to be proven first"),
        }
    }
}

impl From<Actor> for Wire {
    fn from(actor: Actor) -> Wire {
        match actor {
            Actor::System => Wire { kind: Kind::System, user: None, account: None, ip: None, token: None },
            Actor::User { user, account, ip } => Wire { kind: Kind::User, user: Some(user), account: Some(account), ip, token: None },
            Actor::Operator { user, ip } => Wire { kind: Kind::Operator, user: Some(user), account: None, ip, token: None },
        }
    }
}

impl Actor {
    /// A name for records: `system`, or the user's id.
    pub fn label(&self) -> String {
        self.user().map_or_else(|| "system".to_owned(), Id::to_string)
    }

    /// Where the person comes from, as the host saw it.
    pub fn ip(&self) -> Option<Address> {
        match self {
            Actor::System => None,
            Actor::User { ip, .. } | Actor::Operator { ip, .. } => ip.map(Address::from),
        }
    }

    /// The person who acts; none for the host itself.
    pub fn user(&self) -> Option<&Id> {
        match self {
            Actor::System => None,
            Actor::User { user, .. } | Actor::Operator { user, .. } => Some(user),
        }
    }
}
