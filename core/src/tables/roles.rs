//! Roles (R-ROL-4): those of the platform and of accounts; the built-in ones are no records. The
//! nodes that the host added to the tree of permissions lie beside them.

use crate::error::Error;
use crate::kernel::check::Look;
use crate::kernel::page::Span;
use crate::kernel::table::{Declared, Index, Lines, Owner, Table, id};
use crate::kernel::{Tx, keys};
use crate::model::{AuditKind, BuiltIn, HostNode, Id, PermissionTree, Replaceable, Role};
use crate::tables::replacements::names_of;
use std::collections::HashSet;

pub(super) const TABLES: &[Declared] = &[
    Declared::of::<Roles>(),
    Declared::plain(
        keys::TREE_NODE,
        Some(AuditKind::Permission),
        Owner::Nobody,
        |_, _, _| Ok(()),
    ),
];

pub(crate) struct Roles;

impl Table for Roles {
    type Record = Role;
    const PREFIX: keys::Prefix = keys::ROLE;
    const AUDIT: Option<AuditKind> = Some(AuditKind::Role);
    const OWNER: Owner = Owner::Nobody;
    const LINES: &'static [Index] = &[
        Index {
            prefix: keys::ACCOUNT_ROLE,
            source: |parts, _| match parts {
                [_, role] => key_of(role),
                _ => None,
            },
        },
        Index {
            prefix: keys::ROLE_USE,
            source: |parts, _| match parts {
                [_, "role" | "trial", role] => key_of(role),
                _ => None,
            },
        },
    ];

    fn key(role: &Role) -> Vec<u8> {
        keys::role(&role.id)
    }

    fn lines(_: &mut Tx<'_>, role: &Role, lines: &mut Lines) -> Result<(), Error> {
        for included in &role.includes {
            lines.uses_role(included, "role", &[role.id.as_str()]);
        }
        if let Some(candidate) = &role.trial {
            lines.uses_role(candidate, "trial", &[role.id.as_str()]);
        }
        match &role.account {
            Some(account) => {
                lines.needs(keys::account(account));
                lines.index(keys::account_role(account, &role.id));
            }
            None => lines.index(keys::platform_role(&role.id)),
        }
        Ok(())
    }

    fn check(role: &Role, look: &mut Look<'_>) -> Result<(), Error> {
        look.must(
            !role.built_in,
            "A built-in role is stored; built-in roles must not be.",
        );
        look.must(
            role.trial
                .as_ref()
                .is_none_or(|candidate| *candidate != role.id && !role.administrator),
            "The role is tried out with itself, or is one of administrators.",
        );
        Ok(())
    }
}

fn key_of(role: &str) -> Option<Vec<u8>> {
    Some(keys::role(&id(role)?))
}

/// A role: built in, or stored.
pub(crate) fn load_role(
    tx: &mut Tx<'_>,
    tree: &PermissionTree,
    id: &Id,
) -> Result<Option<Role>, Error> {
    match BuiltIn::find(id.as_str(), tree) {
        Some(role) => Ok(Some(role)),
        None => Ok(tx
            .get::<Role>(&keys::role(id))?
            .map(|role| role.with_nodes_of_host(tree))),
    }
}

/// The role itself first, then every role that it includes, directly or through others.
pub(crate) fn role_with_includes(
    tx: &mut Tx<'_>,
    tree: &PermissionTree,
    id: &Id,
) -> Result<Vec<Role>, Error> {
    let mut seen = HashSet::new();
    let mut open = vec![id.clone()];
    let mut roles = Vec::new();
    while let Some(id) = open.pop() {
        if !seen.insert(id.clone()) {
            continue;
        }
        // A role that is gone grants nothing: deny by default.
        if let Some(role) = load_role(tx, tree, &id)? {
            open.extend(role.includes.iter().cloned());
            roles.push(role);
        }
    }
    Ok(roles)
}

/// The permission tree with the host's nodes.
pub(crate) fn permission_tree(tx: &mut Tx<'_>) -> Result<PermissionTree, Error> {
    let (from, until) = keys::range(keys::TREE_NODE, &[]);
    let nodes: Vec<HostNode> = tx
        .range(&from, &until, PermissionTree::MAX_NODES)?
        .into_iter()
        .map(|(_, node)| node)
        .collect();
    Ok(PermissionTree::new(&nodes))
}

pub(crate) fn no_role(id: &Id, field: &str) -> Error {
    Error::not_found("role", id.as_str()).at(field)
}

/// Whether something of a kind uses a role: of these accounts, operators, whatever follows the
/// kind.
pub(crate) fn is_used_by(tx: &mut Tx<'_>, role: &Id, parts: &[&str]) -> Result<bool, Error> {
    for (from, until) in use_spans(tx, role, parts)? {
        if !tx.range::<()>(&from, &until, 1)?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Where the uses of a role are kept: its own, and those of each role in whose place it is.
pub(crate) fn use_spans(tx: &mut Tx<'_>, role: &Id, parts: &[&str]) -> Result<Vec<Span>, Error> {
    let names = names_of(tx, Replaceable::Role, role)?.into_iter();
    let span = |name: Id| keys::range(keys::ROLE_USE, &[&[name.as_str()], parts].concat());
    Ok(names.map(span).collect())
}

pub(crate) fn without_repeats(ids: Vec<Id>) -> Vec<Id> {
    let mut seen = HashSet::new();
    ids.into_iter()
        .filter(|id| seen.insert(id.clone()))
        .collect()
}

/// A role and every role that includes it, directly or through others.
pub(crate) fn including(tx: &mut Tx<'_>, role: &Id) -> Result<Vec<Id>, Error> {
    let mut seen = HashSet::from([role.clone()]);
    let mut all = vec![role.clone()];
    let mut at = 0;
    while let Some(id) = all.get(at).cloned() {
        let (from, until) = keys::range(keys::ROLE_USE, &[id.as_str(), "role"]);
        for (key, ()) in tx.range::<()>(&from, &until, usize::MAX)? {
            all.extend(keys::last_id(&key).filter(|ancestor| seen.insert(ancestor.clone())));
        }
        at += 1;
    }
    Ok(all)
}

/// Writes a new role.
pub(crate) fn insert(tx: &mut Tx<'_>, role: &Role) -> Result<(), Error> {
    tx.save::<Roles>(role)
}

pub(crate) fn stored_id(text: &str) -> Result<Id, Error> {
    Id::new(text).map_err(|_| {
        Error::corrupt(format!(
            "An index of roles holds `{text}`, which is not an id; restore a backup."
        ))
    })
}
