//! The audit records of changes (R-AUD-1).

use super::{Actor, Id};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tenantry_macros::answer;

/// The fields of a record by name. A field of a record within a record has both names, with a dot
/// between them.
pub type AuditFields = Map<String, Value>;

/// A chain of audit records. Each account has a chain of its own, which outlives the account; one
/// chain is for the platform, and one for all users.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AuditChain {
    /// The chain of an account: the changes of everything that belongs to the account.
    Account(Id),
    /// The chain of the platform: the changes of everything that belongs to no account and no user,
    /// and which accounts were created and deleted.
    Platform,
    /// The chain of the users: the changes of all users, whatever their accounts.
    Users,
}

impl AuditChain {
    /// The two parts of a store key that name the chain.
    pub fn parts(&self) -> [&str; 2] {
        match self {
            AuditChain::Account(id) => ["account", id.as_str()],
            AuditChain::Platform => ["platform", ""],
            AuditChain::Users => ["users", ""],
        }
    }

    /// The chain that two parts of a store key name.
    pub fn from_parts(kind: &str, id: &str) -> Option<AuditChain> {
        match (kind, id) {
            ("account", id) => Id::new(id).ok().map(AuditChain::Account),
            ("platform", "") => Some(AuditChain::Platform),
            ("users", "") => Some(AuditChain::Users),
            _ => None,
        }
    }
}

/// A record of a chain. The bytes of its JSON are stored, and their SHA-256 is the `previous` of
/// the next record: anybody who has the lines can check them without this library.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// The number of the record in the chain; the first record has number 1.
    pub number: u64,
    /// When the change was made, in unix milliseconds.
    pub at_ms: u64,
    /// Who acted. The address from which they came is stored beside the chain.
    pub actor: AuditActor,
    /// The SHA-256 of the stored address of the actor; absent when no address was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor_hash: Option<String>,
    /// The operation that made the change; `schedule` for a change that became due without a call.
    pub operation: String,
    /// What the operation changed.
    pub changes: Vec<AuditChange>,
    /// The hash of the record before it.
    pub previous: String,
}

/// Who made a change.
#[answer]
#[derive(Eq)]
pub struct AuditActor {
    /// What kind of actor it was.
    pub kind: AuditActorKind,
    /// The person who really acted.
    pub user: Option<Id>,
    /// The account on whose behalf a user, or a person acting as a user, made the change; it may be
    /// above the account that was changed.
    pub account: Option<Id>,
    /// The address from which the person came, as the host saw it; absent after the person was
    /// erased.
    pub ip: Option<String>,
    /// The API key, if a program of the user acted.
    pub api_key: Option<Id>,
    /// The user as whom that person acted, in `account` (R-SES-6).
    pub subject: Option<Id>,
}

/// What kind of actor.
#[answer]
pub enum AuditActorKind {
    /// The host itself, or a change that became due without a call.
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

/// A change of one thing. It contains no name and no address of a person: these are stored beside
/// the chain, and the change has their hash.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditChange {
    /// What kind of thing it is.
    pub kind: AuditKind,
    /// The id of the thing, within the account or the platform to which the chain belongs.
    pub id: String,
    /// The values of the changed fields before the change; absent when the thing is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<AuditFields>,
    /// The values of the changed fields after the change; absent when the thing was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<AuditFields>,
    /// The person whose personal fields are stored beside the chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<AuditPerson>,
}

/// The name of the field, in what is stored beside the chain, that has the address of the actor.
pub const AUDIT_IP: &str = "ip";

/// A person whom a change concerns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditPerson {
    /// Whether the person is a user, or was only invited.
    pub kind: AuditKind,
    /// The id of the user or of the invitation.
    pub id: Id,
    /// The SHA-256 of the personal fields that are stored beside the chain; absent when there are
    /// none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
}

/// The personal fields of a change, or the address from which the actor came. They are deleted with
/// the person, together with the salt: nobody can guess the fields from the hash that is left.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditPersonal {
    /// The salt, which makes the hash differ from that of the same fields elsewhere.
    pub salt: String,
    /// The values of the changed personal fields before the change.
    pub before: AuditFields,
    /// The values of the changed personal fields after the change.
    pub after: AuditFields,
}

/// Where a chain ends and where it begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditHead {
    /// The last record.
    pub last: AuditLink,
    /// The last record that was pruned; its number is 0 when no record was pruned.
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
    /// The number of the record in the chain.
    pub number: u64,
    /// SHA-256 of its bytes, in hexadecimal.
    pub hash: String,
}

/// What kind of thing a change concerns.
#[answer]
#[derive(PartialOrd, Ord)]
pub enum AuditKind {
    /// An account.
    Account,
    /// The addresses from which a user, a member, or people in an account may act.
    AllowList,
    /// An API key; never its token.
    ApiKey,
    /// The chain itself: its records before an instant were pruned.
    Audit,
    /// The picture of a group.
    Avatar,
    /// A campaign: it was stopped or resumed.
    Campaign,
    /// A cap or pace.
    Cap,
    /// An entry of a ledger of credits, named by channel and number. Credits that pay for a send
    /// are recorded in the ledger only.
    Credits,
    /// The default limits of the platform.
    DefaultLimits,
    /// A group.
    Group,
    /// An invitation.
    Invitation,
    /// A link that was sent to a user.
    Link,
    /// A membership, named by its user.
    Member,
    /// An operator of the platform, named by their user.
    Operator,
    /// A package.
    Package,
    /// A permission that the host added.
    Permission,
    /// The password of a user, or a banned password; never the password itself.
    Password,
    /// The policies of an account or of the platform.
    Policies,
    /// A resource, named by kind and id.
    Resource,
    /// A role.
    Role,
    /// The second factor of a user; never its secret.
    SecondFactor,
    /// A session of a user.
    Session,
    /// How a resource is shared with accounts below, named by kind and id.
    Share,
    /// The store, named by its id: index lines and counts were repaired.
    Store,
    /// A suppression, named by value and class. For an address, only the domain is recorded.
    Suppression,
    /// A user.
    User,
}
