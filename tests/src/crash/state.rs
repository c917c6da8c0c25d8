//! What a store has to hold after effects, as its operations would tell it.

use super::Effect;
use std::collections::{BTreeMap, BTreeSet};

/// What a store holds, as its operations tell it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    pub(super) accounts: BTreeMap<String, Account>,
    pub(super) roles: BTreeMap<String, Role>,
    /// Users of whom nothing may be left.
    pub(super) gone: BTreeSet<String>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Account {
    pub(super) owner: String,
    pub(super) parent: Option<String>,
    pub(super) children: u64,
    pub(super) limit: Option<u64>,
    pub(super) holds: Vec<u64>,
    pub(super) rev: u64,
    /// The role of each member and the revision of the membership; the owner has no role.
    pub(super) members: BTreeMap<String, (Option<String>, u64)>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Role {
    pub(super) name: String,
    pub(super) rev: u64,
}

impl State {
    pub(super) fn apply(&mut self, effect: &Effect) {
        match effect.clone() {
            Effect::Role { role } => {
                self.roles.insert(role.clone(), Role { name: role, rev: 1 });
            }
            Effect::Rename { role, name } => {
                let role = self.role(&role);
                role.name = name;
                role.rev += 1;
            }
            Effect::Create {
                account,
                owner,
                parent,
                limit,
            } => self.create(account, owner, parent, limit),
            Effect::Limit { account, limit } => self.change(&account).limit = Some(limit),
            Effect::Hold { account, hold } => self.change(&account).holds.push(hold),
            Effect::Release { account, hold } => {
                self.change(&account).holds.retain(|other| *other != hold)
            }
            Effect::Add {
                account,
                user,
                role,
            } => {
                self.role(&role);
                self.account(&account).members.insert(user, (Some(role), 1));
            }
            Effect::SetRole {
                account,
                user,
                role,
            } => self.set_role(&account, &user, &role),
            Effect::Remove { account, user } => {
                self.account(&account)
                    .members
                    .remove(&user)
                    .expect("a member");
                self.gone.insert(user);
            }
            Effect::Delete { account } => self.delete(&account),
        }
    }

    fn create(
        &mut self,
        account: String,
        owner: String,
        parent: Option<String>,
        limit: Option<u64>,
    ) {
        if let Some(parent) = &parent {
            self.account(parent).children += 1;
        }
        let members = BTreeMap::from([(owner.clone(), (None, 1))]);
        self.accounts.insert(
            account,
            Account {
                owner,
                parent,
                children: 0,
                limit,
                holds: Vec::new(),
                rev: 1,
                members,
            },
        );
    }

    fn set_role(&mut self, account: &str, user: &str, role: &str) {
        let member = self
            .account(account)
            .members
            .get_mut(user)
            .expect("a member");
        member.1 += 1;
        member
            .0
            .replace(role.to_owned())
            .expect("a member with a role");
        self.role(role);
    }

    fn delete(&mut self, account: &str) {
        let account = self.accounts.remove(account).expect("an account");
        if let Some(parent) = &account.parent {
            self.account(parent).children -= 1;
        }
        self.gone.extend(account.members.into_keys());
    }

    fn account(&mut self, id: &str) -> &mut Account {
        self.accounts
            .get_mut(id)
            .unwrap_or_else(|| panic!("an effect on the account {id}, which was not acknowledged"))
    }

    fn change(&mut self, id: &str) -> &mut Account {
        let account = self.account(id);
        account.rev += 1;
        account
    }

    fn role(&mut self, id: &str) -> &mut Role {
        self.roles
            .get_mut(id)
            .unwrap_or_else(|| panic!("an effect on the role {id}, which was not acknowledged"))
    }

    pub(super) fn has_same(&self, other: &State, effect: &Effect) -> bool {
        let subject = effect.subject();
        let role = |state: &State| state.roles.get(subject).cloned();
        let account = |state: &State| {
            state.accounts.get(subject).map(|account| Account {
                children: 0,
                ..account.clone()
            })
        };
        role(self) == role(other) && account(self) == account(other)
    }
}
