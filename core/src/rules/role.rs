//! What a role allows: grants, denials, includes, ceilings (R-ROL-1, R-ROL-3, R-ROL-5).

use crate::model::{Grant, PermissionTree, Role, Scope};

/// For each node of the tree, how far the permission of a holder reaches; none when it is not held.
///
/// A permission that has no scope is held as `any`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PermissionSet(Vec<Option<Scope>>);

impl PermissionSet {
    /// No permission at all.
    pub fn none(tree: &PermissionTree) -> PermissionSet {
        PermissionSet(vec![None; tree.nodes().len()])
    }

    /// Every permission of an account, as the owner holds them before the ceilings apply (R-ROL-5).
    pub fn all(tree: &PermissionTree) -> PermissionSet {
        PermissionSet(vec![Some(Scope::Any); tree.nodes().len()]).within_accounts(tree)
    }

    /// The same without the permissions that only operators of the platform can hold.
    #[must_use]
    pub fn within_accounts(mut self, tree: &PermissionTree) -> PermissionSet {
        for (slot, node) in self.0.iter_mut().zip(tree.nodes()) {
            if node.operators {
                *slot = None;
            }
        }
        self
    }

    /// Only the permissions that count for an operator: those that no member of an account can
    /// hold, and those for work on roles (R-PLT-2).
    #[must_use]
    pub fn within_platform(mut self, tree: &PermissionTree) -> PermissionSet {
        for (slot, node) in self.0.iter_mut().zip(tree.nodes()) {
            if !node.operators && !is_of_roles(&node.id) {
                *slot = None;
            }
        }
        self
    }

    /// Only the permissions that nobody except an operator can hold.
    #[must_use]
    pub fn of_operators_alone(mut self, tree: &PermissionTree) -> PermissionSet {
        for (slot, node) in self.0.iter_mut().zip(tree.nodes()) {
            if !node.operators {
                *slot = None;
            }
        }
        self
    }

    /// Only the nodes for which `keep` answers true.
    #[must_use]
    pub fn only(mut self, tree: &PermissionTree, keep: impl Fn(&str) -> bool) -> PermissionSet {
        for (slot, node) in self.0.iter_mut().zip(tree.nodes()) {
            if !keep(&node.id) {
                *slot = None;
            }
        }
        self
    }

    /// Only the permissions that reach further than in `before`: what a change adds.
    #[must_use]
    pub fn gained_since(mut self, before: &PermissionSet) -> PermissionSet {
        for (place, slot) in self.0.iter_mut().enumerate() {
            if *slot <= before.at(place) {
                *slot = None;
            }
        }
        self
    }

    /// The same permissions with every scope as `any`, as an administrator holds them (R-ROL-4).
    #[must_use]
    pub fn everywhere(mut self) -> PermissionSet {
        self.0
            .iter_mut()
            .flatten()
            .for_each(|scope| *scope = Scope::Any);
        self
    }

    /// How far the permission at this place reaches.
    pub fn at(&self, place: usize) -> Option<Scope> {
        self.0.get(place).copied().flatten()
    }

    fn raise(&mut self, place: usize, scope: Scope) {
        if let Some(slot) = self.0.get_mut(place) {
            *slot = Some(slot.map_or(scope, |held| held.max(scope)));
        }
    }

    fn clear(&mut self, place: usize) {
        if let Some(slot) = self.0.get_mut(place) {
            *slot = None;
        }
    }

    /// The permissions that either of them holds, each with the wider scope.
    #[must_use]
    pub fn united(mut self, other: &PermissionSet) -> PermissionSet {
        for (place, slot) in self.0.iter_mut().enumerate() {
            *slot = (*slot).max(other.at(place));
        }
        self
    }

    /// The permissions that both of them hold, each with the narrower scope.
    #[must_use]
    pub fn under(mut self, ceiling: &PermissionSet) -> PermissionSet {
        for (place, slot) in self.0.iter_mut().enumerate() {
            *slot = match (*slot, ceiling.at(place)) {
                (Some(held), Some(most)) => Some(held.min(most)),
                _ => None,
            };
        }
        self
    }

    /// The places at which `self` holds more than `other`.
    pub fn beyond(&self, other: &PermissionSet) -> Vec<usize> {
        (0..self.0.len())
            .filter(|place| self.at(*place) > other.at(*place))
            .collect()
    }
}

/// What a role allows. `roles` are the role itself first, and every role that it includes, directly
/// or through others.
///
/// They are united: what any of them grants is held, with the widest scope that is granted; a
/// denial in any of them takes precedence over every grant (R-ROL-3).
pub fn permission_set(tree: &PermissionTree, roles: &[Role]) -> PermissionSet {
    let mut permissions = roles.iter().fold(PermissionSet::none(tree), |held, role| {
        held.united(&granted(tree, &role.allow))
    });
    for denied in roles.iter().flat_map(|role| &role.deny) {
        if let Some(place) = tree.place(denied.as_str()) {
            each_descendant(tree, place, &mut |below| permissions.clear(below));
        }
    }
    permissions
}

/// Like [`permission_set`]; if the first of the roles is an administrator's role, every scope is
/// `any` (R-ROL-4). The flag of a role that is only included does not count.
pub fn role_permissions(tree: &PermissionTree, roles: &[Role]) -> PermissionSet {
    let held = permission_set(tree, roles);
    if roles.first().is_some_and(|role| role.administrator) {
        held.everywhere()
    } else {
        held
    }
}

fn is_of_roles(id: &str) -> bool {
    id.split('.').next() == Some("roles")
}

/// What the grants allow: each grant covers its node and the nodes below it, except those that have
/// to be granted by their own name.
pub fn granted(tree: &PermissionTree, allow: &[Grant]) -> PermissionSet {
    let mut permissions = PermissionSet::none(tree);
    for grant in allow {
        let Some(place) = tree.place(grant.permission.as_str()) else {
            continue;
        };
        let scope = grant.scope.unwrap_or(Scope::Any);
        let mut reached = vec![place];
        each_descendant(tree, place, &mut |below| {
            if below != place && !is_sensitive(tree, below) {
                reached.push(below);
            }
        });
        for at in reached {
            permissions.raise(
                at,
                if is_scoped(tree, at) {
                    scope
                } else {
                    Scope::Any
                },
            );
            if let Some(implied) = tree.node(at).and_then(|node| node.implies) {
                permissions.raise(
                    implied,
                    if is_scoped(tree, implied) {
                        scope
                    } else {
                        Scope::Any
                    },
                );
            }
        }
    }
    permissions
}

fn is_sensitive(tree: &PermissionTree, place: usize) -> bool {
    tree.node(place).is_some_and(|node| node.sensitive)
}

fn is_scoped(tree: &PermissionTree, place: usize) -> bool {
    tree.node(place).is_some_and(|node| node.scoped)
}

/// Visits a node and all nodes below it.
fn each_descendant(tree: &PermissionTree, place: usize, visit: &mut dyn FnMut(usize)) {
    let mut open = vec![place];
    while let Some(next) = open.pop() {
        visit(next);
        if let Some(node) = tree.node(next) {
            open.extend(&node.children);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{BuiltIn, HostNode, Id, Name};

    fn role(allow: &[(&str, Option<Scope>)], deny: &[&str]) -> Role {
        Role {
            id: Id::new("r").unwrap(),
            name: Name::new("r").unwrap(),
            allow: allow
                .iter()
                .map(|(id, scope)| Grant {
                    permission: Id::new(*id).unwrap(),
                    scope: *scope,
                })
                .collect(),
            deny: deny.iter().map(|id| Id::new(*id).unwrap()).collect(),
            includes: Vec::new(),
            account: None,
            trial: None,
            administrator: false,
            built_in: false,
            rev: 1,
            created_at_ms: 0,
            updated_at_ms: 0,
        }
    }

    /// One line, one rule: what the roles allow and deny, the node asked for, the scope expected
    /// (R-ROL-1, R-ROL-3).
    #[test]
    fn grants_denials_and_scopes() {
        use Scope::{Any, Group, Own};
        let tree = PermissionTree::new(&[]);
        let cases: &[(&[Role], &str, Option<Scope>)] = &[
            (&[], "campaigns.view", None),
            (
                &[role(&[("campaigns", None)], &[])],
                "campaigns.send",
                Some(Any),
            ),
            (
                &[role(&[("campaigns", Some(Own))], &[])],
                "campaigns.send",
                Some(Own),
            ),
            (
                &[role(&[("campaigns.send", Some(Group))], &[])],
                "campaigns.view",
                Some(Group),
            ),
            (
                &[role(&[("campaigns.send", None)], &[])],
                "campaigns.edit",
                None,
            ),
            (
                &[role(
                    &[("campaigns.send", Some(Own)), ("campaigns.view", None)],
                    &[],
                )],
                "campaigns.view",
                Some(Any),
            ),
            (
                &[role(
                    &[("campaigns.send", Some(Own)), ("campaigns.view", None)],
                    &[],
                )],
                "campaigns.send",
                Some(Own),
            ),
            (
                &[role(&[("campaigns", None)], &["campaigns.send"])],
                "campaigns.send",
                None,
            ),
            (
                &[role(&[("campaigns", None)], &["campaigns.send"])],
                "campaigns.view",
                Some(Any),
            ),
            (
                &[role(&[("campaigns.send", None)], &["campaigns"])],
                "campaigns.send",
                None,
            ),
            (
                &[
                    role(&[("campaigns", None)], &[]),
                    role(&[], &["campaigns.send"]),
                ],
                "campaigns.send",
                None,
            ),
            (
                &[
                    role(&[("campaigns", None)], &[]),
                    role(&[("campaigns", Some(Own))], &[]),
                ],
                "campaigns.send",
                Some(Any),
            ),
            (
                &[
                    role(&[("campaigns.view", None)], &[]),
                    role(&[("campaigns.edit", Some(Own))], &[]),
                ],
                "campaigns.view",
                Some(Any),
            ),
            (
                &[
                    role(&[("campaigns.view", None)], &[]),
                    role(&[("campaigns.edit", Some(Own))], &[]),
                ],
                "campaigns.edit",
                Some(Own),
            ),
            (
                &[
                    role(&[("campaigns", Some(Own))], &["campaigns.send"]),
                    role(&[("campaigns", None)], &[]),
                ],
                "campaigns.send",
                None,
            ),
            (&[role(&[("contacts", None)], &[])], "contacts.export", None),
            (
                &[role(&[("contacts.export", Some(Group))], &[])],
                "contacts.export",
                Some(Group),
            ),
            (
                &[role(&[("users", Some(Own))], &[])],
                "users.invite",
                Some(Any),
            ),
            (
                &[role(&[("users", None)], &[])],
                "users.invitations.resend",
                Some(Any),
            ),
            (
                &[role(&[("no.such.node", None)], &[])],
                "campaigns.view",
                None,
            ),
        ];
        for (line, (roles, asked, expected)) in cases.iter().enumerate() {
            let place = tree.place(asked).unwrap();
            assert_eq!(
                permission_set(&tree, roles).at(place),
                *expected,
                "case {line}: {asked}"
            );
        }
    }

    /// S21: one more grant never takes anything away and one less never adds; one more denial never
    /// adds; one more role that is included takes nothing away and narrows nothing, unless it
    /// denies (17.9, R-ROL-3); and an id that is not in the tree changes nothing.
    #[test]
    fn adding_never_removes_and_removing_never_adds() {
        let tree = PermissionTree::new(&[]);
        let nothing = PermissionSet::none(&tree);
        let mut state = 7_u64;
        let mut roll = |below: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        for _ in 0..3000 {
            let mut any = || tree.nodes()[roll(tree.nodes().len())].id.clone();
            let ids: Vec<String> = (0..6).map(|_| any().to_string()).collect();
            let mut grant = || {
                (
                    roll(6),
                    [None, Some(Scope::Own), Some(Scope::Group), Some(Scope::Any)][roll(4)],
                )
            };
            let allow: Vec<(&str, Option<Scope>)> = (0..4)
                .map(|_| grant())
                .map(|(at, scope)| (ids[at].as_str(), scope))
                .collect();
            let deny: Vec<&str> = ids.iter().take(roll(3)).map(String::as_str).collect();
            let held = |allow: &[(&str, Option<Scope>)], deny: &[&str]| {
                permission_set(&tree, &[role(allow, deny)])
            };
            let (less, more) = (held(&allow[1..], &deny), held(&allow, &deny));
            assert!(
                less.beyond(&more).is_empty(),
                "one more grant took away: {allow:?} {deny:?}"
            );
            assert!(
                held(&allow, &[&deny[..], &[ids[5].as_str()]].concat())
                    .beyond(&more)
                    .is_empty(),
                "a denial gave: {allow:?} {deny:?}"
            );
            assert_eq!(
                held(
                    &[&allow[..], &[("no.such.node", None)]].concat(),
                    &[&deny[..], &["nor.this"]].concat()
                ),
                more
            );
            let (one, other) = (role(&allow[..2], &deny), role(&allow[2..], &[]));
            let (alone, both) = (
                permission_set(&tree, std::slice::from_ref(&one)),
                permission_set(&tree, &[one, other]),
            );
            assert!(
                alone.beyond(&both).is_empty(),
                "an included role took away: {allow:?} {deny:?}"
            );
            assert!(
                more.clone().under(&less).beyond(&more).is_empty()
                    && nothing.beyond(&more).is_empty()
            );
        }
        assert_eq!(permission_set(&tree, &[]), nothing);
    }

    #[test]
    fn an_administrator_reaches_everything_that_is_granted_and_includes_do_not_make_one() {
        let tree = PermissionTree::new(&[]);
        let send = tree.place("campaigns.send").unwrap();
        let plain = role(&[("campaigns", Some(Scope::Own))], &[]);
        let chief = Role {
            administrator: true,
            ..plain.clone()
        };
        assert_eq!(
            role_permissions(&tree, &[plain.clone(), chief.clone()]).at(send),
            Some(Scope::Own)
        );
        assert_eq!(
            role_permissions(&tree, &[chief, plain]).at(send),
            Some(Scope::Any)
        );
    }

    #[test]
    fn operators_and_accounts_share_nothing_but_the_work_on_roles() {
        let tree = PermissionTree::new(&[]);
        let all = PermissionSet(vec![Some(Scope::Any); tree.nodes().len()]);
        let both = all
            .clone()
            .within_platform(&tree)
            .under(&all.clone().within_accounts(&tree));
        for (place, node) in tree.nodes().iter().enumerate() {
            assert_eq!(
                both.at(place).is_some(),
                node.id == "roles" || node.id.starts_with("roles."),
                "{}",
                node.id
            );
        }
        assert!(
            all.clone()
                .of_operators_alone(&tree)
                .under(&PermissionSet::all(&tree))
                .beyond(&PermissionSet::none(&tree))
                .is_empty()
        );
        assert_eq!(
            all.clone().gained_since(&PermissionSet::all(&tree)),
            all.clone().of_operators_alone(&tree)
        );
        assert_eq!(all.clone().gained_since(&all), PermissionSet::none(&tree));
    }

    #[test]
    fn a_ceiling_narrows_and_never_widens() {
        let tree = PermissionTree::new(&[]);
        let wide = permission_set(&tree, &[role(&[("campaigns", None), ("lists", None)], &[])]);
        let narrow = permission_set(&tree, &[role(&[("campaigns", Some(Scope::Group))], &[])]);
        let both = wide.clone().under(&narrow);
        assert_eq!(
            both.at(tree.place("campaigns.send").unwrap()),
            Some(Scope::Group)
        );
        assert_eq!(both.at(tree.place("lists.view").unwrap()), None);
        assert!(both.beyond(&narrow).is_empty() && both.beyond(&wide).is_empty());
        assert!(!wide.beyond(&narrow).is_empty());
    }

    /// R-ROL-4: an administrator has all of an account but for what makes, ends and passes on
    /// accounts, and the team.
    #[test]
    fn administrator_lacks_these_nodes_alone() {
        let tree = PermissionTree::new(&[]);
        let held = permission_set(&tree, &[BuiltIn::Administrator.role(&tree).unwrap()]);
        let missing: Vec<&str> = tree
            .nodes()
            .iter()
            .enumerate()
            .filter(|(place, node)| !node.operators && held.at(*place).is_none())
            .map(|(_, node)| node.id.as_str())
            .collect();
        let except = [
            "accounts",
            "accounts.create_child",
            "accounts.close",
            "accounts.delete",
            "accounts.transfer_owner",
            "accounts.team",
        ];
        assert_eq!(missing, except);
    }

    /// 17.13, R-ROL-4: what the host added for accounts an administrator has, by name where it is
    /// sensitive; nothing of what is for operators, or lies below what an administrator lacks. The
    /// other built-in roles have none of it.
    #[test]
    fn administrator_has_what_the_host_added() {
        let node = |id: &str, sensitive| HostNode {
            id: Id::new(id).unwrap(),
            title: Name::new(id).unwrap(),
            scoped: false,
            sensitive,
        };
        let added = [
            "deals",
            "deals.view",
            "deals.close",
            "contacts.merge",
            "contacts.sell",
            "accounts.brand",
            "accounts.close.now",
            "clients.audit",
        ];
        let nodes: Vec<HostNode> = added
            .iter()
            .map(|id| node(id, ["deals.close", "contacts.sell"].contains(id)))
            .collect();
        let tree = PermissionTree::new(&nodes);
        let role = BuiltIn::Administrator.role(&tree).unwrap();
        let held = permission_set(&tree, std::slice::from_ref(&role)).within_accounts(&tree);
        let missing: Vec<&str> = added
            .iter()
            .copied()
            .filter(|id| held.at(tree.place(id).unwrap()).is_none())
            .collect();
        assert_eq!(missing, ["accounts.close.now", "clients.audit"]);
        let by_name: Vec<&str> = role
            .allow
            .iter()
            .map(|grant| grant.permission.as_str())
            .filter(|id| added.contains(id))
            .collect();
        assert_eq!(
            by_name,
            ["deals", "deals.close", "contacts.sell", "accounts.brand"]
        );
        assert_eq!(
            BuiltIn::Full.role(&tree),
            BuiltIn::Full.role(&PermissionTree::new(&[]))
        );
    }

    /// R-ROL-4, section 15 of the rules: what the other four may, and no more.
    #[test]
    fn the_other_four_hold_what_the_rules_say() {
        let tree = PermissionTree::new(&[]);
        let held = |one: BuiltIn| permission_set(&tree, &[one.role(&tree).unwrap()]);
        let scope = |one: BuiltIn, id: &str| held(one).at(tree.place(id).unwrap());
        for branch in [
            "contacts",
            "lists",
            "campaigns",
            "sms",
            "automation",
            "templates",
            "suppressions",
            "sending.domains",
            "responses",
        ] {
            assert_eq!(scope(BuiltIn::Full, branch), Some(Scope::Any), "{branch}");
        }
        for id in [
            "contacts.export",
            "reports.export",
            "users.view",
            "credits.view",
            "roles.view",
            "accounts.view",
        ] {
            assert_eq!(scope(BuiltIn::Full, id), None, "{id}");
        }
        let lost = held(BuiltIn::Full).beyond(&held(BuiltIn::Editor));
        let lost: Vec<&str> = lost
            .iter()
            .map(|place| tree.node(*place).unwrap().id.as_str())
            .collect();
        let sending = [
            "campaigns",
            "campaigns.send",
            "campaigns.schedule",
            "campaigns.resume",
            "sms",
            "sms.send",
            "automation",
            "automation.activate",
            "automation.triggers",
            "automation.evergreen",
        ];
        assert_eq!(lost, sending);
        assert_eq!(scope(BuiltIn::Author, "campaigns.edit"), Some(Scope::Own));
        assert_eq!(scope(BuiltIn::Author, "templates.edit"), Some(Scope::Any));
        for id in [
            "campaigns.send",
            "campaigns.delete",
            "lists.view",
            "contacts.view",
            "responses.view",
        ] {
            assert_eq!(scope(BuiltIn::Author, id), None, "{id}");
        }
        assert_eq!(
            scope(BuiltIn::ResponseOnly, "responses.reply"),
            Some(Scope::Any)
        );
        assert_eq!(
            scope(BuiltIn::ResponseOnly, "reports.view"),
            Some(Scope::Own)
        );
        assert_eq!(scope(BuiltIn::ResponseOnly, "campaigns.view"), None);
    }
}
