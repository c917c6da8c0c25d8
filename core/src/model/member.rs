//! Memberships: a user in an account, with a role.

use super::Id;
use serde::{Deserialize, Serialize};
use tenantry_macros::answer;

/// A membership as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Member {
    /// The account.
    pub account: Id,
    /// The user.
    pub user: Id,
    /// The role; an owner needs none.
    pub role: Option<Id>,
    /// Whether the role is an administrator's role (R-ROL-4).
    pub administrator: bool,
    /// The group; owners and administrators are in none (R-GRP-2).
    pub group: Option<Id>,
    /// The kinds of resources that the member does not share with the group (R-GRP-3).
    pub unshared: Vec<Id>,
    /// Whether the user owns the account.
    pub owner: bool,
    /// Whether the membership is disabled (R-ACC-3).
    pub disabled: bool,
    /// The revision; every change raises it.
    pub rev: u64,
    /// When it was created.
    pub created_at_ms: u64,
    /// When it was last changed.
    pub updated_at_ms: u64,
    /// The member's latest changes of group, the oldest first: the instant, and the group from then
    /// on. Empty until the first change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<(u64, Option<Id>)>,
    /// When the membership is disabled by itself (R-INV-14).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<u64>,
    /// The role that the member will have again (R-INV-14).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_role: Option<NextRole>,
}

/// The role that a member will have again, who has another one until then (R-INV-14).
#[answer]
#[derive(Eq)]
pub struct NextRole {
    /// The role.
    pub role: Id,
    /// When the member has it again, in unix milliseconds.
    pub from_ms: u64,
}

/// How many changes of group a membership remembers.
const GROUPS_REMEMBERED: usize = 32;

impl Member {
    /// Puts the member into another group from an instant on.
    pub fn change_group(&mut self, group: Option<Id>, at_ms: u64) {
        let before = std::mem::replace(&mut self.group, group);
        if self.groups.is_empty() && (before.is_some() || self.created_at_ms < at_ms) {
            self.groups.push((self.created_at_ms, before));
        }
        if !self.groups.is_empty() {
            self.groups.push((at_ms, self.group.clone()));
        }
        let gone = self.groups.len().saturating_sub(GROUPS_REMEMBERED);
        self.groups.drain(..gone);
    }

    /// The groups in which the member was at an instant: several when they changed their group in
    /// that instant, the first one first.
    pub fn groups_at(&self, at_ms: u64) -> Vec<Id> {
        if self.groups.is_empty() {
            return self
                .group
                .iter()
                .filter(|_| self.created_at_ms <= at_ms)
                .cloned()
                .collect();
        }
        let before = self.groups.iter().rfind(|(since_ms, _)| *since_ms < at_ms);
        let then = self
            .groups
            .iter()
            .filter(|(since_ms, _)| *since_ms == at_ms);
        before
            .into_iter()
            .chain(then)
            .filter_map(|(_, group)| group.clone())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 18.5, R-GRP-4: what was consumed stays with the group that consumed it.
    #[test]
    fn a_membership_remembers_its_groups() {
        let id = |text: &str| Id::new(text).unwrap();
        let mut member = Member {
            account: id("acme"),
            user: id("ann"),
            role: None,
            administrator: false,
            group: None,
            unshared: Vec::new(),
            owner: false,
            disabled: false,
            rev: 1,
            created_at_ms: 10,
            updated_at_ms: 10,
            groups: Vec::new(),
            until_ms: None,
            next_role: None,
        };
        member.change_group(Some(id("red")), 10);
        assert_eq!(
            (
                member.groups.len(),
                member.groups_at(9),
                member.groups_at(10)
            ),
            (0, vec![], vec![id("red")])
        );
        member.change_group(Some(id("blue")), 20);
        member.change_group(None, 30);
        let at = [9, 10, 19, 20, 21, 30, 31].map(|at_ms| {
            member
                .groups_at(at_ms)
                .iter()
                .map(Id::to_string)
                .collect::<Vec<_>>()
                .join(" ")
        });
        assert_eq!(at, ["", "red", "red", "red blue", "blue", "blue", ""]);
        (0..100).for_each(|at_ms| member.change_group(Some(id("red")), 40 + at_ms));
        assert_eq!(
            (
                member.groups.len(),
                member.groups_at(25),
                member.groups_at(138)
            ),
            (GROUPS_REMEMBERED, vec![], vec![id("red"); 2])
        );
    }
}
