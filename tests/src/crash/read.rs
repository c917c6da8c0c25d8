//! Reads what a store holds, through its operations.

use super::effect::email;
use super::state::{Account, Role, State};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use tenantry::Tenantry;

/// The role of each member of an account and the revision of the membership.
type Members = BTreeMap<String, (Option<String>, u64)>;

impl State {
    /// Reads all of it, and indexes from both of their ends; `store.verify` has looked at all of
    /// them.
    pub fn read(store: &Tenantry, gone: &BTreeSet<String>) -> Result<State, String> {
        let state = State {
            roles: read_roles(store)?,
            accounts: read_accounts(store)?,
            gone: gone.clone(),
        };
        check_children(store, &state.accounts)?;
        for user in gone {
            absent(store, user)?;
        }
        Ok(state)
    }
}

fn read_roles(store: &Tenantry) -> Result<BTreeMap<String, Role>, String> {
    let mut roles = BTreeMap::new();
    for role in pages(store, "roles.list", "roles", json!({}))?
        .into_iter()
        .filter(|role| role["built_in"] == false)
    {
        roles.insert(
            text(&role["id"]),
            Role {
                name: text(&role["name"]),
                rev: number(&role["rev"]),
            },
        );
    }
    Ok(roles)
}

fn read_accounts(store: &Tenantry) -> Result<BTreeMap<String, Account>, String> {
    let mut accounts = BTreeMap::new();
    for account in pages(store, "accounts.list", "accounts", json!({}))? {
        let members = read_members(store, &account)?;
        accounts.insert(
            text(&account["id"]),
            Account {
                owner: text(&account["owner"]),
                parent: account["parent"].as_str().map(str::to_owned),
                children: number(&account["children"]),
                limit: account["limits"]["email_per_day"].as_u64(),
                holds: account["holds"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|hold| number(&hold["hold"]))
                    .collect(),
                rev: number(&account["rev"]),
                members,
            },
        );
    }
    Ok(accounts)
}

/// The members of an account, each of whom has to be found as a user of this account alone.
fn read_members(store: &Tenantry, account: &Value) -> Result<Members, String> {
    let id = text(&account["id"]);
    let mut members = BTreeMap::new();
    for member in pages(store, "members.list", "members", json!({"account": id}))? {
        let user = text(&member["user"]);
        for by in [json!({"user": user}), json!({"email": email(&user)})] {
            let found = call(store, "users.get", &by)?;
            if found["id"] != user || found["accounts"] != json!([id]) {
                return Err(format!("the user {user} of {id} by {by} is {found}"));
            }
        }
        if member["owner"] != (account["owner"] == user) {
            return Err(format!(
                "{user} in {id} is half an owner: {member} {account}"
            ));
        }
        members.insert(
            user,
            (
                member["role"].as_str().map(str::to_owned),
                number(&member["rev"]),
            ),
        );
    }
    Ok(members)
}

/// The index of the accounts below an account has to list those that name it as their parent.
fn check_children(store: &Tenantry, accounts: &BTreeMap<String, Account>) -> Result<(), String> {
    let mut children: BTreeMap<&String, BTreeSet<String>> = BTreeMap::new();
    for (id, account) in accounts {
        if let Some(parent) = &account.parent {
            children.entry(parent).or_default().insert(id.clone());
        }
    }
    for (parent, expected) in children {
        let listed = pages(
            store,
            "accounts.list",
            "accounts",
            json!({"parent": parent}),
        )?;
        let listed: BTreeSet<String> = listed.iter().map(|account| text(&account["id"])).collect();
        if listed != expected {
            return Err(format!(
                "below {parent} are {expected:?}, its index has {listed:?}"
            ));
        }
    }
    Ok(())
}

pub(super) fn absent(store: &Tenantry, user: &str) -> Result<(), String> {
    for by in [json!({"user": user}), json!({"email": email(user)})] {
        match store.call_json(b"", b"users.get", by.to_string().as_bytes()) {
            Err(error) if error.code() == tenantry::Code::NotFound => {}
            other => {
                return Err(format!(
                    "something is left of {user}: {by} answers {other:?}"
                ));
            }
        }
    }
    Ok(())
}

/// Calls an operation that is to succeed.
pub fn call(store: &Tenantry, operation: &str, request: &Value) -> Result<Value, String> {
    let answer = store.call_json(b"", operation.as_bytes(), request.to_string().as_bytes());
    let answer = answer.map_err(|error| format!("{operation} {request}: {}", error.to_json()))?;
    serde_json::from_str(&answer).map_err(|error| format!("{operation} answered {answer}: {error}"))
}

fn pages(
    store: &Tenantry,
    operation: &str,
    field: &str,
    mut request: Value,
) -> Result<Vec<Value>, String> {
    let mut all = Vec::new();
    request["limit"] = json!(500);
    loop {
        let mut page = call(store, operation, &request)?;
        all.append(
            page[field]
                .as_array_mut()
                .ok_or_else(|| format!("{operation} answers without {field}"))?,
        );
        match page.get("next") {
            Some(next) => request["after"] = next.clone(),
            None => return Ok(all),
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or("(no text)").to_owned()
}

pub(super) fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(u64::MAX)
}
