//! Sentences of [`Access::Rule`](crate::api::operation::Access) that several rows say.

/// How a person changes what they prove who they are with.
pub(super) const OWN_LOG_IN: &str =
    "R-SES-1: the person themself; a user needs `self.password` where they act";

/// Who sets policies.
pub(super) const POLICIES: &str = "operators: with `platform.policies` for the platform, with \
    `clients.edit` for an account; users never";

/// Who asks what somebody sees of the resources of an account.
pub(super) const VISIBILITY: &str = "every user about themself; who holds users.view, and \
    operators with clients.view_all, about others";

/// Who sees what an account sends with.
pub(super) const ASSETS: &str = "users with `sending.domains.view`, `sending.nodes.view` or \
    `sending.bounce_addresses.view`, each for its kind; operators with `clients.view_all`";

/// Who gives credits to an account below, and takes them back.
pub(super) const CREDITS_FROM_ABOVE: &str = "users who manage the team from an account above \
    (`accounts.team`) and hold `credits.allocate` there; operators with `clients.add_credits`";
