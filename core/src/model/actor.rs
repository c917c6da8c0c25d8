//! Who calls an operation.

use super::{Address, Grant, Id, Secret};
use serde::{Deserialize, Serialize, Serializer};
use std::net::IpAddr;

/// The actor for whom an operation runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Wire")]
#[non_exhaustive]
pub enum Actor {
    /// The host itself.
    #[default]
    System,
    /// A user who acts in an account; the host vouches for their identity.
    #[non_exhaustive]
    User {
        /// The user.
        user: Id,
        /// The account in which they act.
        account: Id,
        /// The address from which the actor comes, as the host saw it.
        ip: Option<IpAddr>,
        /// The API key with which a program acts for the user; none when the user acts in person.
        api_key: Option<Box<KeyScope>>,
        /// The person who acts as the user in a session of `sessions.create_as`; none when the user
        /// themself acts (R-SES-6).
        behind: Option<Box<Behind>>,
        /// How the actor logged in, if a session proves who the actor is; none if the host vouches
        /// for the actor.
        log_in: Option<LogIn>,
    },
    /// An operator, who is one of the platform's staff (R-PLT-2); the host vouches for their
    /// identity.
    #[non_exhaustive]
    Operator {
        /// The operator.
        user: Id,
        /// The address from which the actor comes, as the host saw it.
        ip: Option<IpAddr>,
        /// How the actor logged in, if a session proves who the actor is; none if the host vouches
        /// for the actor.
        log_in: Option<LogIn>,
    },
}

/// What a session knows of the log-in of its user (R-SES-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogIn {
    /// When the user last proved their identity, in unix milliseconds.
    pub authenticated_at_ms: u64,
    /// Whether the user proved it with a second factor; also true if the host vouched for the user.
    pub with_second_factor: bool,
}

/// A person who acts as another user (R-SES-6).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Behind {
    /// The person.
    pub user: Id,
    /// The account from which the person acts; none for an operator.
    pub account: Option<Id>,
    /// The session that proves it.
    pub session: Id,
}

impl Behind {
    /// The same person, as an actor who acts in person.
    pub fn in_person(&self, ip: Option<IpAddr>) -> Actor {
        match &self.account {
            Some(account) => Actor::in_account(self.user.clone(), account.clone(), ip),
            None => Actor::operator(self.user.clone(), ip),
        }
    }
}

/// An API key, and the permissions to which it restricts its user (R-SES-7).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyScope {
    /// The key.
    pub id: Id,
    /// What the key may be used for, as far as its user may do it.
    pub permissions: Vec<Grant>,
}

/// Who calls an operation: an actor whom the host names, or the user or program that a token
/// identifies.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Wire")]
#[non_exhaustive]
pub enum Caller {
    /// An actor that the host names.
    Known(Actor),
    /// The user to whom the session belongs (R-SES-1).
    #[non_exhaustive]
    Session {
        /// The token that `sessions.create` answered.
        token: Secret,
        /// The account in which the user acts. When absent: the user's only account, or no account
        /// for an operator.
        account: Option<Id>,
        /// The address from which the actor comes, as the host saw it.
        ip: Option<IpAddr>,
    },
    /// A program with an API key: it acts for the user to whom the key belongs, in the account of
    /// the key (R-SES-7).
    #[non_exhaustive]
    ApiKey {
        /// The token that `api_keys.create` answered.
        token: Secret,
        /// The address from which the program comes, as the host saw it.
        ip: Option<IpAddr>,
    },
}

impl Caller {
    /// The user to whom the session belongs, in the user's only account, or in no account for an
    /// operator.
    pub fn session(token: Secret) -> Caller {
        Caller::Session {
            token,
            account: None,
            ip: None,
        }
    }

    /// A program with an API key, in the account of the key.
    pub fn api_key(token: Secret) -> Caller {
        Caller::ApiKey { token, ip: None }
    }

    /// The same caller, acting in this account. Only a session can act in several accounts; for
    /// other callers, nothing changes.
    #[must_use]
    pub fn in_account(mut self, id: Id) -> Caller {
        if let Caller::Session { account, .. } = &mut self {
            *account = Some(id);
        }
        self
    }

    /// The same caller, coming from this address.
    #[must_use]
    pub fn from_ip(mut self, address: IpAddr) -> Caller {
        let (Caller::Known(Actor::User { ip, .. } | Actor::Operator { ip, .. })
        | Caller::Session { ip, .. }
        | Caller::ApiKey { ip, .. }) = &mut self
        else {
            return self;
        };
        *ip = Some(address);
        self
    }
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

/// The actor as JSON. A tagged enum would accept unknown fields in `system`.
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
    ApiKey,
}

impl TryFrom<Wire> for Caller {
    type Error = &'static str;
    fn try_from(wire: Wire) -> Result<Caller, &'static str> {
        match (wire.kind, wire.user, wire.token) {
            (Kind::Session, None, Some(token)) => Ok(Caller::Session {
                token,
                account: wire.account,
                ip: wire.ip,
            }),
            (Kind::Session, ..) => {
                Err("An actor of kind `session` needs a `token`, and takes no `user`.")
            }
            (Kind::ApiKey, None, Some(token)) if wire.account.is_none() => {
                Ok(Caller::ApiKey { token, ip: wire.ip })
            }
            (Kind::ApiKey, ..) => {
                Err("An actor of kind `api_key` needs a `token`, and takes no `user` or `account`.")
            }
            (kind, user, token) => Actor::try_from(Wire {
                kind,
                user,
                token,
                ..wire
            })
            .map(Caller::Known),
        }
    }
}

impl Serialize for Caller {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (kind, token, account, ip) = match self {
            Caller::Known(actor) => return actor.serialize(serializer),
            Caller::Session { token, account, ip } => (Kind::Session, token, account.clone(), *ip),
            Caller::ApiKey { token, ip } => (Kind::ApiKey, token, None, *ip),
        };
        Wire {
            kind,
            user: None,
            account,
            ip,
            token: Some(token.clone()),
        }
        .serialize(serializer)
    }
}

impl TryFrom<Wire> for Actor {
    type Error = &'static str;
    fn try_from(wire: Wire) -> Result<Actor, &'static str> {
        if wire.token.is_some() {
            return Err(
                "Only an actor of kind `session` or `api_key` takes a `token`; leave it out, or \
                 name that kind.",
            );
        }
        match (wire.kind, wire.user, wire.account, wire.ip) {
            (Kind::System, None, None, None) => Ok(Actor::System),
            (Kind::System, ..) => {
                Err("The actor `system` takes no `user`, `account` or `ip`; leave them out.")
            }
            (Kind::User, Some(user), Some(account), ip) => Ok(Actor::in_account(user, account, ip)),
            (Kind::User, ..) => Err("An actor of kind `user` needs a `user` and an `account`."),
            (Kind::Operator, Some(user), None, ip) => Ok(Actor::operator(user, ip)),
            (Kind::Operator, ..) => {
                Err("An actor of kind `operator` needs a `user`, and takes no `account`.")
            }
            (Kind::Session | Kind::ApiKey, ..) => {
                Err("An actor of kind `session` or `api_key` is proven by its `token` first.")
            }
        }
    }
}

impl Serialize for Actor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (kind, account, ip) = match self {
            Actor::System => (Kind::System, None, None),
            // Without its key it would be somebody who may do more.
            Actor::User {
                api_key: Some(_), ..
            } => {
                return Err(serde::ser::Error::custom(
                    "An actor with an API key is written as its token.",
                ));
            }
            Actor::User {
                behind: Some(_), ..
            } => {
                return Err(serde::ser::Error::custom(
                    "An actor who acts as another is written as their session.",
                ));
            }
            _ if self.log_in().is_some() => {
                return Err(serde::ser::Error::custom(
                    "An actor whom a session proves is written as its token.",
                ));
            }
            Actor::User { account, ip, .. } => (Kind::User, Some(account.clone()), *ip),
            Actor::Operator { ip, .. } => (Kind::Operator, None, *ip),
        };
        Wire {
            kind,
            user: self.user().cloned(),
            account,
            ip,
            token: None,
        }
        .serialize(serializer)
    }
}

impl Actor {
    /// A user who acts in an account, in person.
    pub fn in_account(user: Id, account: Id, ip: Option<IpAddr>) -> Actor {
        Actor::User {
            user,
            account,
            ip,
            api_key: None,
            behind: None,
            log_in: None,
        }
    }

    /// An operator, who is one of the platform's staff.
    pub fn operator(user: Id, ip: Option<IpAddr>) -> Actor {
        Actor::Operator {
            user,
            ip,
            log_in: None,
        }
    }

    /// The same actor, with the log-in that a session proves.
    pub(crate) fn logged_in(mut self, how: LogIn) -> Actor {
        match &mut self {
            Actor::System => {}
            Actor::User { log_in, .. } | Actor::Operator { log_in, .. } => *log_in = Some(how),
        }
        self
    }

    /// How the person logged in, if a session proves who they are.
    pub fn log_in(&self) -> Option<LogIn> {
        match self {
            Actor::System => None,
            Actor::User { log_in, .. } | Actor::Operator { log_in, .. } => *log_in,
        }
    }

    /// The API key with which a program acts.
    pub fn api_key(&self) -> Option<&KeyScope> {
        match self {
            Actor::User { api_key, .. } => api_key.as_deref(),
            Actor::System | Actor::Operator { .. } => None,
        }
    }

    /// The person who acts as the user; none when the user acts in person or through an API key.
    pub fn behind(&self) -> Option<&Behind> {
        match self {
            Actor::User { behind, .. } => behind.as_deref(),
            Actor::System | Actor::Operator { .. } => None,
        }
    }

    /// Whether the user themself acts, and neither a program with an API key nor another person.
    pub fn is_in_person(&self) -> bool {
        self.api_key().is_none() && self.behind().is_none()
    }

    /// A name for records: `system`, or the id of the user.
    pub fn label(&self) -> String {
        self.user()
            .map_or_else(|| "system".to_owned(), Id::to_string)
    }

    /// The address from which the person comes, as the host saw it.
    pub fn ip(&self) -> Option<Address> {
        match self {
            Actor::System => None,
            Actor::User { ip, .. } | Actor::Operator { ip, .. } => ip.map(Address::from),
        }
    }

    /// The actor's address, as it was given.
    pub(crate) fn raw_ip(&self) -> Option<IpAddr> {
        match self {
            Actor::System => None,
            Actor::User { ip, .. } | Actor::Operator { ip, .. } => *ip,
        }
    }

    /// The user as whom the actor acts; none for the host itself. [`behind`](Actor::behind) says
    /// who really acts.
    pub fn user(&self) -> Option<&Id> {
        match self {
            Actor::System => None,
            Actor::User { user, .. } | Actor::Operator { user, .. } => Some(user),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R-SES-7: who has a token says nothing of themselves that it does not prove.
    #[test]
    fn a_caller_is_either_named_or_proven() {
        for good in [
            r#"{"kind": "system"}"#,
            r#"{"kind": "user", "user": "ann", "account": "acme", "ip": "192.0.2.1"}"#,
            r#"{"kind": "operator", "user": "ann"}"#,
            r#"{"kind": "session", "token": "t"}"#,
            r#"{"kind": "session", "token": "t", "account": "acme"}"#,
            r#"{"kind": "api_key", "token": "t", "ip": "192.0.2.1"}"#,
        ] {
            assert!(serde_json::from_str::<Caller>(good).is_ok(), "{good}");
        }
        for bad in [
            r#"{"kind": "api_key"}"#,
            r#"{"kind": "api_key", "token": "t", "user": "ann"}"#,
            r#"{"kind": "api_key", "token": "t", "account": "acme"}"#,
            r#"{"kind": "session", "token": "t", "user": "ann"}"#,
            r#"{"kind": "session"}"#,
            r#"{"kind": "user", "user": "ann", "account": "acme", "token": "t"}"#,
            r#"{"kind": "user", "user": "ann"}"#,
            r#"{"kind": "operator", "user": "ann", "account": "acme"}"#,
            r#"{"kind": "system", "user": "ann"}"#,
            r#"{"kind": "nobody"}"#,
            r#"{}"#,
        ] {
            assert!(serde_json::from_str::<Caller>(bad).is_err(), "{bad}");
        }
    }
}
