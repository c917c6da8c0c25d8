//! The changes that a host makes.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A change that a host makes, and waits for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Effect {
    Role {
        role: String,
    },
    Rename {
        role: String,
        name: String,
    },
    Create {
        account: String,
        owner: String,
        parent: Option<String>,
        limit: Option<u64>,
    },
    Limit {
        account: String,
        limit: u64,
    },
    Hold {
        account: String,
        hold: u64,
    },
    Release {
        account: String,
        hold: u64,
    },
    Add {
        account: String,
        user: String,
        role: String,
    },
    SetRole {
        account: String,
        user: String,
        role: String,
    },
    Remove {
        account: String,
        user: String,
    },
    Delete {
        account: String,
    },
}

pub fn email(user: &str) -> String {
    format!("{user}@example.test")
}

impl Effect {
    /// The operation, and its request.
    pub fn request(&self) -> (&'static str, Value) {
        match self {
            Effect::Role { role } => ("roles.create", json!({"id": role, "name": role})),
            Effect::Rename { role, name } => ("roles.edit", json!({"role": role, "name": name})),
            Effect::Create {
                account,
                owner,
                parent,
                limit,
            } => {
                let mut request = json!({"id": account, "name": account, "owner": {"user": owner,
                    "email": email(owner)}, "limits": {}});
                if let Some(parent) = parent {
                    request["parent"] = json!(parent);
                }
                if let Some(limit) = limit {
                    request["limits"]["email_per_day"] = json!(limit);
                }
                ("accounts.create", request)
            }
            Effect::Limit { account, limit } => (
                "limits.set",
                json!({"account": account, "limit": "email_per_day", "value": limit}),
            ),
            Effect::Hold { account, hold } => (
                "accounts.hold",
                json!({"account": account, "reason": "abuse",
                    "note": "n".repeat((hold * 97 % 400) as usize)}),
            ),
            Effect::Release { account, hold } => (
                "accounts.release",
                json!({"account": account, "hold": hold}),
            ),
            Effect::Add {
                account,
                user,
                role,
            } => (
                "members.add",
                json!({"account": account, "user": user, "email": email(user), "role": role}),
            ),
            Effect::SetRole {
                account,
                user,
                role,
            } => (
                "members.set_role",
                json!({"account": account, "user": user, "role": role}),
            ),
            Effect::Remove { account, user } => {
                ("members.remove", json!({"account": account, "user": user}))
            }
            Effect::Delete { account } => ("accounts.delete", json!({"account": account})),
        }
    }

    /// The account or role that it is about.
    pub(super) fn subject(&self) -> &str {
        match self {
            Effect::Role { role } | Effect::Rename { role, .. } => role,
            Effect::Create { account, .. }
            | Effect::Limit { account, .. }
            | Effect::Hold { account, .. }
            | Effect::Release { account, .. }
            | Effect::Add { account, .. }
            | Effect::SetRole { account, .. }
            | Effect::Remove { account, .. }
            | Effect::Delete { account } => account,
        }
    }
}
