//! What is remembered of changes (R-AUD-1).

use super::{Actor, Id};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The fields of a record, by name; those of a record within a record by both names with a dot
/// between them.
pub type AuditFields = Map<String, Value>;

/// A chain of records. An account has one of its own, which outlives it; one tells of the platform,
/// and one of all users.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AuditChain {
    /// What belongs to an account.
    Account(Id),
    /// What belongs to no account and no user, and which accounts came and went.
    Platform,
    /// The users, of whatever accounts they are members.
    Users,
}

impl AuditChain {
    /// The two parts of a key that name it.
    pub fn parts(&self) -> [&str; 2] {
        match self {
            AuditChain::Account(id) => ["account", id.as_str()],
            AuditChain::Platform => ["platform", ""],
            AuditChain::Users => ["users", ""],
        }
    }

    /// The chain that two parts of a key name.
    pub fn from_parts(kind: &str, id: &str) -> Option<AuditChain> {
        match (kind, id) {
            ("account", id) => Id::new(id).ok().map(AuditChain::Account),
            ("platform", "") => Some(AuditChain::Platform),
            ("users", "") => Some(AuditChain::Users),
            _ => None,
        }
    }
}

/// A record of a chain. What is stored of it are the bytes of its JSON, and their SHA-256 is what
/// the next one has as `previous`: whoever has the lines can check them without this library.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// Its place in the chain, from 1 on.
    pub number: u64,
    /// When, in unix milliseconds.
    pub at_ms: u64,
    /// Who. The address that they came from is kept beside the chain.
    pub actor: AuditActor,
    /// SHA-256 of what is kept of that address; absent where none was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor_hash: Option<String>,
    /// The operation that did it; `schedule` for what became due by itself.
    pub operation: String,
    /// What it changed.
    pub changes: Vec<AuditChange>,
    /// The hash of the record before.
    pub previous: String,
}

/// Who changed something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditActor {
    /// What kind of actor.
    pub kind: AuditActorKind,
    /// The person who really acted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    /// The account on whose behalf a user acted, or somebody as a user; it may lie above the one
    /// that was changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Id>,
    /// The address that they came from, as the host saw it; absent once they are erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// The API key, where it was a program of that user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<Id>,
    /// The user as whom that person acted, in `account` (R-SES-6).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Id>,
}

/// What kind of actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuditActorKind {
    /// The host itself, or what became due by itself.
    System,
    /// A user in an account.
    User,
    /// One of the platform's staff.
    Operator,
}

impl From<&Actor> for AuditActor {
    fn from(actor: &Actor) -> AuditActor {
        let (kind, account, ip) = match actor {
            Actor::System => (AuditActorKind::System, None, None),
            Actor::User { account, ip, .. } => {
                (AuditActorKind::User, Some(account.clone()), ip.as_ref())
            }
            Actor::Operator { ip, .. } => (AuditActorKind::Operator, None, ip.as_ref()),
        };
        let (ip, api_key) = (
            ip.map(ToString::to_string),
            actor.api_key().map(|key| key.id.clone()),
        );
        let user = actor.user().cloned();
        match actor.behind() {
            None => AuditActor {
                kind,
                user,
                account,
                ip,
                api_key,
                subject: None,
            },
            Some(behind) => {
                let kind = if behind.account.is_some() {
                    AuditActorKind::User
                } else {
                    AuditActorKind::Operator
                };
                AuditActor {
                    kind,
                    user: Some(behind.user.clone()),
                    account,
                    ip,
                    api_key,
                    subject: user,
                }
            }
        }
    }
}

/// What happened to one thing. Of a person it holds no name and no address: these are kept beside
/// the chain, and the change has their hash.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditChange {
    /// What kind of thing.
    pub kind: AuditKind,
    /// Its id, within the account or platform that the chain tells of.
    pub id: String,
    /// The fields that changed, as they were; absent where it is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<AuditFields>,
    /// The fields that changed, as they are; absent where it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<AuditFields>,
    /// Whose personal fields lie beside the chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<AuditPerson>,
}

/// The field of what is kept beside the chain that has the address of who acted.
pub const AUDIT_IP: &str = "ip";

/// A person whom a change is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditPerson {
    /// Whether it is a user, or somebody who was invited.
    pub kind: AuditKind,
    /// The id of the user or of the invitation.
    pub id: Id,
    /// SHA-256 of what is kept beside the chain; absent where nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
}

/// The personal fields of a change, or the address that somebody acted from. They are deleted with
/// the person, and the salt with them: what is left is a hash that nobody can guess the fields
/// from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditPersonal {
    /// What makes the hash differ from that of the same fields elsewhere.
    pub salt: String,
    /// The personal fields that changed, as they were.
    pub before: AuditFields,
    /// The personal fields that changed, as they are.
    pub after: AuditFields,
}

/// Where a chain ends and where it begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditHead {
    /// The last record.
    pub last: AuditLink,
    /// The last record that was pruned: number 0 where none was.
    pub base: AuditLink,
}

impl Default for AuditHead {
    fn default() -> AuditHead {
        let none = AuditLink {
            number: 0,
            hash: "0".repeat(64),
        };
        AuditHead {
            last: none.clone(),
            base: none,
        }
    }
}

/// A record and its hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditLink {
    /// Its place in the chain.
    pub number: u64,
    /// SHA-256 of its bytes, in hexadecimal.
    pub hash: String,
}

/// What kind of thing a change is about.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum AuditKind {
    /// An account.
    Account,
    /// From where a user, an account or a member may come.
    AllowList,
    /// An API key; never its token.
    ApiKey,
    /// The chain itself: what was before an instant was pruned.
    Audit,
    /// The picture of a group.
    Avatar,
    /// A campaign: that it was stopped or resumed.
    Campaign,
    /// A cap or pace.
    Cap,
    /// An entry of a ledger of credits, as channel and number. What pays for a send is in the
    /// ledger alone.
    Credits,
    /// The default limits of the platform.
    DefaultLimits,
    /// A group.
    Group,
    /// An invitation.
    Invitation,
    /// A link that a user was sent.
    Link,
    /// A membership, by its user.
    Member,
    /// An operator of the platform, by their user.
    Operator,
    /// A package.
    Package,
    /// A permission that the host added.
    Permission,
    /// The password of a user, or that one is banned; never the password itself.
    Password,
    /// The policies of an account or of the platform.
    Policies,
    /// A resource, as kind and id.
    Resource,
    /// A role.
    Role,
    /// The second factor of a user; never its secret.
    SecondFactor,
    /// A session of a user.
    Session,
    /// How a resource is shared with accounts below, as kind and id.
    Share,
    /// A suppression, as value and class. Of an address only the domain is told.
    Suppression,
    /// A user.
    User,
}
