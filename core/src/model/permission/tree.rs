//! The permission tree with its indexes: by id, by place and by words.

use super::HostNode;
use super::builtin::{BRANCHES, OPERATORS_ONLY, SENSITIVE, SHARED_BY_DEFAULT};
use crate::error::{Code, Error, excerpt, hint};
use crate::model::folded;
use foldhash::fast::RandomState;
use std::collections::HashMap;

/// A node of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PermissionNode {
    /// The id, with dots, such as `campaigns.send`.
    pub id: String,
    /// The title for people.
    pub title: String,
    /// Whether grants carry a scope (own, group, any).
    pub scoped: bool,
    /// Whether the permission has to be granted by its own name, because a grant of its parent does
    /// not include it.
    pub sensitive: bool,
    /// Whether the permission is for operators of the platform, never for users of an account.
    pub operators: bool,
    /// Whether the host added the node.
    pub host: bool,
    /// The place of the parent.
    pub parent: Option<usize>,
    /// The place of the node that this one implies: `edit`, `delete` and `send` imply `view`, and
    /// in some branches `create` implies `share`.
    pub implies: Option<usize>,
    /// The places of the nodes below.
    pub children: Vec<usize>,
}

/// The permission tree: the built-in nodes and the host's own.
#[derive(Clone, Debug)]
pub struct PermissionTree {
    nodes: Vec<PermissionNode>,
    by_id: HashMap<String, usize, RandomState>,
}

impl PermissionTree {
    /// The most nodes that a platform can have.
    pub const MAX_NODES: usize = 4096;

    /// The tree with these nodes of the host, in which each parent comes before its children.
    pub fn new(host_nodes: &[HostNode]) -> PermissionTree {
        let mut tree = PermissionTree {
            nodes: Vec::new(),
            by_id: HashMap::default(),
        };
        for branch in BRANCHES {
            tree.push(branch.id, branch.title, branch.scoped, false, false);
            for (child, title) in branch.children {
                let id = format!("{}.{child}", branch.id);
                let sensitive = SENSITIVE.contains(&id.as_str());
                tree.push(&id, title, branch.scoped, sensitive, false);
            }
        }
        for node in host_nodes {
            tree.push(
                node.id.as_str(),
                node.title.as_str(),
                node.scoped,
                node.sensitive,
                true,
            );
        }
        tree
    }

    fn push(&mut self, id: &str, title: &str, scoped: bool, sensitive: bool, host: bool) {
        let place = self.nodes.len();
        let operators = OPERATORS_ONLY.contains(&id.split('.').next().unwrap_or(id));
        let parent = id
            .rsplit_once('.')
            .and_then(|(above, _)| self.by_id.get(above).copied());
        self.nodes.push(PermissionNode {
            id: id.to_owned(),
            title: title.to_owned(),
            scoped,
            sensitive,
            operators,
            host,
            parent,
            implies: None,
            children: Vec::new(),
        });
        self.by_id.insert(id.to_owned(), place);
        if let Some(above) = parent.and_then(|place| self.nodes.get_mut(place)) {
            above.children.push(place);
        }
        self.link_implied(place);
    }

    /// `edit` and `delete` imply `view`; `send` implies `view`, not `edit`. A node may come before
    /// or after the node that it implies.
    fn link_implied(&mut self, place: usize) {
        let Some((above, last)) = self
            .nodes
            .get(place)
            .and_then(|node| node.id.rsplit_once('.'))
            .map(|(a, l)| (a.to_owned(), l.to_owned()))
        else {
            return;
        };
        match last.as_str() {
            "edit" | "delete" | "send" => {
                let view = self.by_id.get(&format!("{above}.view")).copied();
                if let Some(node) = self.nodes.get_mut(place) {
                    node.implies = view;
                }
            }
            "share" if SHARED_BY_DEFAULT.contains(&above.as_str()) => {
                let create = self.by_id.get(&format!("{above}.create")).copied();
                if let Some(node) = create.and_then(|at| self.nodes.get_mut(at)) {
                    node.implies = Some(place);
                }
            }
            "view" => {
                for verb in ["edit", "delete", "send"] {
                    let implying = self.by_id.get(&format!("{above}.{verb}")).copied();
                    if let Some(node) = implying.and_then(|at| self.nodes.get_mut(at)) {
                        node.implies = Some(place);
                    }
                }
            }
            _ => {}
        }
    }

    /// All nodes by place.
    pub fn nodes(&self) -> &[PermissionNode] {
        &self.nodes
    }

    /// The place of a node.
    pub fn place(&self, id: &str) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    /// The place of a node that somebody names in this field of a request.
    pub(crate) fn find(&self, id: &str, field: &str) -> Result<usize, Error> {
        self.place(id).ok_or_else(|| self.unknown(id, field))
    }

    /// That there is no such node.
    pub(crate) fn unknown(&self, id: &str, field: &str) -> Error {
        let known = self.nodes.iter().map(|node| node.id.as_str());
        let hint = hint(id, known, "`permissions.list` lists those that there are");
        let id = excerpt(id);
        Error::new(
            Code::PermissionUnknown,
            format!("The permission tree has no node `{id}`; {hint}."),
        )
        .at(field)
    }

    /// The node at a place.
    pub fn node(&self, place: usize) -> Option<&PermissionNode> {
        self.nodes.get(place)
    }

    /// The ids from the root to the node, including the node itself.
    pub fn path(&self, place: usize) -> Vec<&str> {
        let mut path = Vec::new();
        let mut next = Some(place);
        while let Some(node) = next.and_then(|at| self.nodes.get(at)) {
            path.push(node.id.as_str());
            next = node.parent;
        }
        path.reverse();
        path
    }

    /// The nodes for which every word occurs in the id, the title, or the title of a node above;
    /// case and accents do not matter (R-ROL-2, R-USR-6).
    pub fn search(&self, words: &str) -> Vec<usize> {
        let words: Vec<String> = words.split_whitespace().map(folded).collect();
        if words.is_empty() {
            return Vec::new();
        }
        let text_of = |place: usize| {
            let mut text = String::new();
            let mut next = Some(place);
            while let Some(node) = next.and_then(|at| self.nodes.get(at)) {
                text.push_str(&folded(&node.id));
                text.push(' ');
                text.push_str(&folded(&node.title));
                text.push(' ');
                next = node.parent;
            }
            text
        };
        (0..self.nodes.len())
            .filter(|place| {
                let text = text_of(*place);
                words.iter().all(|word| text.contains(word.as_str()))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Id, Name};

    #[test]
    fn who_errs_by_a_letter_is_told_the_node() {
        let polls = HostNode {
            id: Id::new("polls").unwrap(),
            title: Name::new("Polls").unwrap(),
            scoped: false,
            sensitive: false,
        };
        let tree = PermissionTree::new(&[polls]);
        let said = |id: &str| {
            let error = tree.find(id, "/permission").unwrap_err();
            assert_eq!(error.field(), Some("/permission"));
            error.message().to_owned()
        };
        for (id, meant) in [("campaign.send", "campaigns.send"), ("poll", "polls")] {
            assert_eq!(
                said(id),
                format!("The permission tree has no node `{id}`; perhaps `{meant}` is meant.")
            );
        }
        assert!(said("moon").contains("`permissions.list`"));
    }

    #[test]
    fn every_built_in_node_has_its_parent_and_the_sensitive_ones_exist() {
        let tree = PermissionTree::new(&[]);
        for node in tree.nodes() {
            assert_eq!(node.id.contains('.'), node.parent.is_some(), "{}", node.id);
        }
        for id in SENSITIVE {
            assert!(tree.place(id).is_some(), "{id}");
        }
        let send = tree.place("campaigns.send").unwrap();
        assert_eq!(
            tree.node(send).unwrap().implies,
            tree.place("campaigns.view")
        );
    }

    #[test]
    fn search_finds_by_words_and_shows_the_path() {
        let host = HostNode {
            id: Id::new("crm.deals").unwrap(),
            title: Name::new("D\u{e9}als").unwrap(),
            scoped: true,
            sensitive: false,
        };
        let tree = PermissionTree::new(&[host]);
        let hits: Vec<_> = tree
            .search("send CAMPAIGNS")
            .into_iter()
            .map(|place| tree.path(place))
            .collect();
        assert!(hits.contains(&vec!["campaigns", "campaigns.send"]));
        assert!(!hits.contains(&vec!["sms", "sms.send"]));
        assert_eq!(tree.search("deals").len(), 1);
        assert!(tree.search("  ").is_empty());
        assert!(tree.search("nothing-like-it").is_empty());
    }
}
