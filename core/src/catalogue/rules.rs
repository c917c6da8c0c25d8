//! Sentences of [`Access::Rule`](crate::api::operation::Access) that several rows use.

/// Who may change how a person logs in.
pub(super) const OWN_LOG_IN: &str =
    "R-SES-1: the person themself; a user needs `self.password` in the account in which they act";

/// Who may set policies.
pub(super) const POLICIES: &str = "operators with `platform.policies` for the platform, and with \
    `clients.edit` for an account; never users";

/// Who may ask what somebody sees of the resources of an account.
pub(super) const VISIBILITY: &str = "every user about themself; users with `users.view`, and \
    operators with `clients.view_all`, about others";

/// Who may see the assets with which an account sends.
pub(super) const ASSETS: &str = "users with `sending.domains.view`, `sending.nodes.view` or \
    `sending.bounce_addresses.view`, each for its kind; operators with `clients.view_all`";

/// Who may give credits to an account below, and take them back.
pub(super) const CREDITS_BY_ANCESTORS: &str = "users who manage the team from an account above \
    (`accounts.team`) and hold `credits.allocate` there; operators with `clients.add_credits`";
