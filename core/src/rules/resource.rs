//! The kinds of resources, and who sees which (R-GRP-3, R-RES-1).

use crate::model::{Id, Resource, ResourceReason, Scope};

/// The branch of the permission tree that decides about a kind that every platform has.
pub fn branch(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "campaign" => "campaigns",
        "list" => "lists",
        "template" => "templates",
        "form" => "forms",
        "page" => "pages",
        "image" => "images",
        "blacklist" => "blacklists",
        "segment" => "segments",
        "program" => "automation",
        "report" => "reports",
        "from_address" => "sending.from_addresses",
        _ => return None,
    })
}

/// What a user whose permission reaches this far, and who is in this group, sees a resource by;
/// none where they do not.
///
/// `kind_shared` says whether its owner shares resources of the kind at all.
pub fn seen_by(
    scope: Scope,
    user: &Id,
    group: Option<&Id>,
    resource: &Resource,
    kind_shared: bool,
) -> Option<ResourceReason> {
    if resource.owner == *user {
        return Some(ResourceReason::Owner);
    }
    let in_group =
        group.is_some() && group == resource.group.as_ref() && resource.shared && kind_shared;
    match scope {
        Scope::Group | Scope::Any if in_group => Some(ResourceReason::Group),
        Scope::Any => Some(ResourceReason::Any),
        Scope::Own | Scope::Group => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ResourceReason::{Any, Group, Owner};

    fn id(text: &str) -> Id {
        Id::new(text).unwrap()
    }

    fn resource(group: Option<&str>, shared: bool) -> Resource {
        Resource {
            account: id("acme"),
            kind: id("campaign"),
            id: id("c1"),
            owner: id("ann"),
            group: group.map(id),
            shared,
            rev: 1,
            created_at_ms: 0,
            updated_at_ms: 0,
        }
    }

    /// One line, one rule: scope, user, their group, the resource's group, shared, kind shared
    /// (R-GRP-3).
    #[test]
    fn a_resource_is_seen_by_owner_group_or_everybody_who_sees_all() {
        let cases = [
            (
                Scope::Own,
                "ann",
                Some("red"),
                Some("red"),
                false,
                false,
                Some(Owner),
            ),
            (Scope::Any, "ann", None, None, true, true, Some(Owner)),
            (
                Scope::Own,
                "bob",
                Some("red"),
                Some("red"),
                true,
                true,
                None,
            ),
            (
                Scope::Group,
                "bob",
                Some("red"),
                Some("red"),
                true,
                true,
                Some(Group),
            ),
            (
                Scope::Any,
                "bob",
                Some("red"),
                Some("red"),
                true,
                true,
                Some(Group),
            ),
            (
                Scope::Group,
                "bob",
                Some("red"),
                Some("red"),
                false,
                true,
                None,
            ),
            (
                Scope::Group,
                "bob",
                Some("red"),
                Some("red"),
                true,
                false,
                None,
            ),
            (
                Scope::Group,
                "bob",
                Some("blue"),
                Some("red"),
                true,
                true,
                None,
            ),
            (Scope::Group, "bob", Some("blue"), None, true, true, None),
            // Nobody without a group is in the group of what carries none.
            (Scope::Group, "bob", None, None, true, true, None),
            (Scope::Any, "bob", None, None, true, true, Some(Any)),
            (
                Scope::Any,
                "bob",
                Some("blue"),
                Some("red"),
                false,
                false,
                Some(Any),
            ),
        ];
        for (line, (scope, user, group, carried, shared, kind_shared, expected)) in
            cases.into_iter().enumerate()
        {
            let group = group.map(id);
            assert_eq!(
                seen_by(
                    scope,
                    &id(user),
                    group.as_ref(),
                    &resource(carried, shared),
                    kind_shared
                ),
                expected,
                "case {line}"
            );
        }
    }
}
