//! Every code with which tenantry can answer, in one table.
//!
//! Numbers are stable, and new ones are only ever added; each domain has a block of a hundred. A
//! code that is no longer used keeps its number and its place.

use serde::{Deserialize, Serialize};

/// The class of a code; each class is one exception class in Python and in Node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Class {
    /// The request itself is wrong; the same request will never succeed.
    Invalid,
    /// What the request names does not exist, or the caller cannot see it.
    NotFound,
    /// The request conflicts with what exists: an address that is taken, a stale revision, a thing
    /// that is in use.
    Conflict,
    /// The actor may not do this.
    Refused,
    /// A limit is reached.
    Limit,
    /// An account, user or membership is in a state that does not allow it.
    State,
    /// The store is locked, full, damaged or failed.
    Store,
    /// The handle can no longer be used: closed, forked or poisoned.
    Handle,
    /// A defect in tenantry.
    Internal,
}

impl Class {
    /// All classes, in the order of their definition.
    pub const ALL: [Class; 9] = [
        Class::Invalid,
        Class::NotFound,
        Class::Conflict,
        Class::Refused,
        Class::Limit,
        Class::State,
        Class::Store,
        Class::Handle,
        Class::Internal,
    ];

    /// The stable name, as it stands in error JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Class::Invalid => "invalid",
            Class::NotFound => "not_found",
            Class::Conflict => "conflict",
            Class::Refused => "refused",
            Class::Limit => "limit",
            Class::State => "state",
            Class::Store => "store",
            Class::Handle => "handle",
            Class::Internal => "internal",
        }
    }

    /// One sentence on what the class means, for the bindings' documentation.
    pub const fn sentence(self) -> &'static str {
        match self {
            Class::Invalid => "The request itself is wrong; the same request will never succeed.",
            Class::NotFound => {
                "What the request names does not exist, or the caller cannot see it."
            }
            Class::Conflict => {
                "The request conflicts with what exists: an address that is taken, a stale \
                 revision, a thing that is in use."
            }
            Class::Refused => "The actor may not do this.",
            Class::Limit => "A limit is reached.",
            Class::State => "An account, user or membership is in a state that does not allow it.",
            Class::Store => "The store is locked, full, damaged or failed.",
            Class::Handle => "The handle can no longer be used: closed, forked or poisoned.",
            Class::Internal => "A defect in tenantry.",
        }
    }
}

/// Whether the same request can succeed later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Retry {
    /// Not by waiting: something has to be changed first.
    Never,
    /// After the instant named in `retry_at_ms`.
    Later,
    /// At once, after the current state was read again.
    Again,
    /// After the store was opened again.
    Reopen,
}

impl Retry {
    /// The stable name, as it stands in error JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Retry::Never => "never",
            Retry::Later => "later",
            Retry::Again => "again",
            Retry::Reopen => "reopen",
        }
    }
}

macro_rules! codes {
    ($(
        $variant:ident = $number:literal, $name:literal, $class:ident, $retry:ident,
        $sentence:literal;
    )*) => {
        /// A stable error code (section 14 of the rules).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $(#[doc = $sentence] $variant = $number,)*
        }

        impl Code {
            const TABLE: &'static [Code] = &[$(Code::$variant,)*];

            /// The stable name, such as `rev_conflict`.
            pub const fn name(self) -> &'static str {
                match self { $(Code::$variant => $name,)* }
            }

            /// The class of the code.
            pub const fn class(self) -> Class {
                match self { $(Code::$variant => Class::$class,)* }
            }

            /// Whether the same request can succeed later.
            pub const fn retry(self) -> Retry {
                match self { $(Code::$variant => Retry::$retry,)* }
            }

            /// A sentence that says what the code means in general; an [`Error`](super::Error) says
            /// what happened.
            pub const fn sentence(self) -> &'static str {
                match self { $(Code::$variant => $sentence,)* }
            }
        }
    };
}

codes! {
    // 1..99: any call
    InvalidArgument = 1, "invalid_argument", Invalid, Never, "An argument is missing, unknown, of \
        the wrong type or out of bounds; `field` says which.";
    UnknownOperation = 2, "unknown_operation", Invalid, Never, "The catalogue has no operation of \
        this name.";
    NotFound = 3, "not_found", NotFound, Never, "What the request names does not exist, or belongs \
        to an account that the actor cannot see.";
    PermissionDenied = 4, "permission_denied", Refused, Never, "The actor does not hold the \
        permission that this call needs; `details.missing` names it.";
    ActorNotAllowed = 5, "actor_not_allowed", Refused, Never, "An actor of this kind may not do \
        this.";
    RevConflict = 6, "rev_conflict", Conflict, Again, "The record was changed since it was read; \
        read it again and repeat.";
    IdTaken = 7, "id_taken", Conflict, Never, "Something with this id exists, or existed and was \
        deleted.";
    Busy = 8, "busy", Conflict, Again, "Other callers keep changing the same records; try again.";
    FeatureNotLicensed = 9, "feature_not_licensed", Refused, Never, "The platform's licence does \
        not include this feature; it needs the commercial edition.";
    PolicyForbids = 10, "policy_forbids", Refused, Never, "A policy of the account or of the \
        platform does not allow this; `details.policy` names the policy.";
    SelfForbidden = 11, "self_forbidden", Refused, Never, "Nobody can do this to themselves.";
    IdempotencyMismatch = 12, "idempotency_mismatch", Conflict, Never, "The idempotency key was \
        used for another request; use a new key for a new request.";
    TooLarge = 13, "too_large", Limit, Never, "The operation would change more at once than fits \
        into one commit; do it in parts.";

    // 100..199: the handle and the store
    Closed = 100, "closed", Handle, Reopen, "The handle was closed or freed.";
    Forked = 101, "forked", Handle, Reopen, "The handle was opened before a fork and belongs to \
        the parent; open the store after forking. Only a store that processes share goes on in a \
        child.";
    Poisoned = 102, "poisoned", Handle, Reopen, "The handle refuses writes after a panic or a \
        failure of the store; open the store anew.";
    Internal = 103, "internal", Internal, Reopen, "A defect in tenantry stopped the call; a change \
        that was not acknowledged was not made.";
    StoreLocked = 110, "store_locked", Store, Again, "Another process has the store open; \
        `details` names the process and the folder. With the option `lock_wait_ms`, `open` waits \
        for it.";
    StoreMissing = 111, "store_missing", Store, Never, "There is no store at this path, and the \
        option `create` is off.";
    StoreCorrupt = 112, "store_corrupt", Store, Never, "The store is damaged or incomplete and was \
        not opened; restore a backup.";
    StoreFull = 113, "store_full", Store, Reopen, "The disk is full; nothing that was acknowledged \
        is lost.";
    StoreFailed = 114, "store_failed", Store, Reopen, "Reading or writing the store failed; open \
        the store anew.";
    StoreFormat = 115, "store_format", Store, Never, "The store has a format that this version of \
        the library does not know (see `details.format`); use the version that wrote it.";
    StoreUnreachable = 116, "store_unreachable", Store, Again, "The database does not answer. \
        Nothing was written, unless `details.unknown` is true: then the change may have been \
        written.";
    ClockNotManual = 120, "clock_not_manual", State, Never, "The clock can be set only when the \
        store was opened with a manual clock.";

    // 200..299: roles and permissions
    RoleCycle = 200, "role_cycle", Conflict, Never, "The role would include itself; `details.path` \
        shows how.";
    RoleInUse = 201, "role_in_use", Conflict, Never, "Members, packages or other roles use the \
        role; name a role in `replace_with`.";
    PermissionUnknown = 202, "permission_unknown", Invalid, Never, "The permission tree has no \
        node with this id.";
    PermissionExists = 203, "permission_exists", Conflict, Never, "The permission tree already has \
        a node with this id.";
    EscalationRefused = 204, "escalation_refused", Refused, Never, "Nobody can give more than they \
        hold; `details.missing` lists what the actor does not hold.";
    RoleBuiltIn = 205, "role_built_in", Refused, Never, "A built-in role cannot be edited or \
        deleted; copy it and change the copy.";
    RoleByPackage = 206, "role_by_package", Refused, Never, "The role of a member comes from the \
        account's package, so no other role can be named.";
    RoleSpansAccounts = 207, "role_spans_accounts", Refused, Never, "The user has one role in all \
        accounts of the team; only somebody who administers all of them can change it.";
    IsOperator = 208, "is_operator", Conflict, Never, "The user is an operator of the platform and \
        cannot be a member of an account.";
    IsMember = 209, "is_member", Conflict, Never, "The user is a member of an account and cannot \
        be an operator.";

    // 300..399: packages and limits
    PackageInUse = 300, "package_in_use", Conflict, Never, "Accounts use the package; name a \
        package in `move_to`.";
    PackageRetired = 301, "package_retired", State, Never, "The package is retired and takes no \
        new accounts.";
    AssetNotAssigned = 302, "asset_not_assigned", Refused, Never, "The domain, node or bounce \
        address is not assigned to the account.";
    GuaranteeExceeded = 303, "guarantee_exceeded", Conflict, Never, "The guaranteed parts of the \
        accounts below would exceed the limit of the account above.";
    LimitReached = 304, "limit_reached", Limit, Never, "The call asks for more than a limit of \
        the account allows; `details.limit`, if present, names the limit.";
    MoreThanClaimed = 305, "more_than_claimed", Conflict, Never, "More would be given back than \
        the account has claimed; `details.own` says how many it has.";

    // 400..499: accounts and users
    EmailTaken = 400, "email_taken", Conflict, Never, "The e-mail address already belongs to a \
        user.";
    AccountPending = 401, "account_pending", State, Never, "The account is pending: it waits for \
        its owner.";
    AccountSuspended = 402, "account_suspended", State, Never, "The account, or one above it, is \
        suspended by a hold.";
    AccountClosed = 403, "account_closed", State, Never, "The account, or one above it, is closed.";
    AccountNotClosed = 404, "account_not_closed", State, Never, "Only a closed account can be \
        reopened.";
    GraceOver = 405, "grace_over", State, Never, "The grace period in which the account could be \
        reopened is over.";
    HoldOfHigherLevel = 406, "hold_of_higher_level", Refused, Never, "A higher level placed the \
        hold, and only that level or one above it can clear it.";
    DepthExceeded = 407, "depth_exceeded", Limit, Never, "The tree of accounts would be deeper \
        than the platform allows.";
    ChildrenLeft = 408, "children_left", Conflict, Never, "There are accounts below the account; \
        `children` has to say what happens to them.";
    UserDisabled = 409, "user_disabled", State, Never, "The user is disabled.";
    MemberDisabled = 410, "member_disabled", State, Never, "The membership is disabled.";
    AlreadyMember = 411, "already_member", Conflict, Never, "The user is already a member of the \
        account.";
    OwnerTransferRequired = 412, "owner_transfer_required", Conflict, Never, "An account always \
        has an owner; make another user the owner first.";
    NotMember = 413, "not_member", Refused, Never, "The user is not a member of the account.";
    SeatsExhausted = 414, "seats_exhausted", Limit, Never, "The users and open invitations of the \
        team take all of its seats.";
    OwnerNotExclusive = 415, "owner_not_exclusive", Conflict, Never, "The owner of an account \
        cannot be a member of another account.";
    AlreadyThere = 416, "already_there", Conflict, Never, "The user is already in this account.";
    FieldNotEditable = 417, "field_not_editable", Refused, Never, "The actor may not edit this \
        field of the user; `details.edited_by` says who may.";
    LinkInvalid = 418, "link_invalid", Refused, Never, "The link does not exist, was used already, \
        or was replaced by a newer one.";
    LinkExpired = 419, "link_expired", State, Never, "The link can no longer be used; ask for a \
        new one.";
    CsvInvalid = 420, "csv_invalid", Invalid, Never, "The CSV text cannot be read; `details` names \
        the line and the column.";

    // 500..599: sending
    QuotaExceeded = 500, "quota_exceeded", Limit, Later, "A limit is used up until its window \
        resets.";
    ExceedsLimit = 501, "exceeds_limit", Limit, Never, "The request asks for more than the limit \
        itself; waiting does not help.";
    BounceStop = 502, "bounce_stop", State, Never, "The campaign was stopped, because of its \
        bounces or by hand; resume it first.";

    ReservationOver = 503, "reservation_over", State, Never, "The reservation was committed or \
        released, or has expired.";
    ReservationVoid = 504, "reservation_void", State, Never, "The account was suspended or closed, \
        and the reservation was given back.";

    // 600..699: invitations
    InvitationExpired = 600, "invitation_expired", State, Never, "The invitation has expired; ask \
        for a new one.";
    InvitationDeleted = 601, "invitation_deleted", State, Never, "The invitation was deleted.";
    InvitationSuperseded = 602, "invitation_superseded", State, Never, "A newer invitation, or a \
        newer link, has replaced this one.";
    InvitationAlreadyAccepted = 603, "invitation_already_accepted", State, Never, "The invitation \
        has already been accepted.";
    UserExists = 604, "user_exists", Conflict, Never, "The address belongs to a user of the \
        account or of the team; edit the user instead.";
    UserInOtherAccount = 605, "user_in_other_account", Conflict, Never, "The address belongs to \
        another account of the team; only the parent can give access.";
    AlreadyInvited = 606, "already_invited", Conflict, Never, "The address has an open invitation; \
        edit it, resend it, or delete it first.";
    InvitationDeclined = 607, "invitation_declined", State, Never, "The person who was invited has \
        declined the invitation.";

    // 700..799: groups and resources
    AdminHasNoGroup = 700, "admin_has_no_group", Refused, Never, "Owners and administrators are in \
        no group.";
    LastGroup = 701, "last_group", Refused, Never, "The last group of an account cannot be \
        deleted.";
    NotShareable = 702, "not_shareable", Refused, Never, "Resources of this kind are never shared \
        between accounts.";
    ShareDirection = 703, "share_direction", Refused, Never, "An account can share templates only \
        with the accounts below it.";
    SharedReadOnly = 704, "shared_read_only", Refused, Never, "The template is shared by an \
        account above: it can be used and previewed, not changed.";
    LeaseHeld = 705, "lease_held", Conflict, Later, "Somebody else edits this resource; `details` \
        says who and until when.";
    LeaseLost = 706, "lease_lost", Conflict, Never, "The lease has ended, or somebody has taken it \
        over.";

    // 800..899: credits
    CreditsExhausted = 800, "credits_exhausted", Limit, Never, "There are fewer credits than this \
        call needs; `details.left` says how many there are.";
    RefundExceeded = 801, "refund_exceeded", Conflict, Never, "The refund is larger than the \
        amount that was spent and not refunded yet; `details.left` says how much that is.";

    // 900..999: log-in
    SessionInvalid = 900, "session_invalid", Refused, Never, "The session has ended or never \
        existed; log in again.";
    LoginRefused = 901, "login_refused", Refused, Never, "The e-mail address and the password do \
        not match, or the user may not log in.";
    LoginDelayed = 902, "login_delayed", Limit, Later, "There were too many failed attempts; the \
        next attempt counts after `retry_at_ms`.";
    PasswordTooShort = 903, "password_too_short", Invalid, Never, "The password has fewer \
        characters than the platform requires; `details.min` says how many are required.";
    PasswordBanned = 904, "password_banned", Invalid, Never, "The password is too easy to guess, \
        or the host bans it; `details.weak` says what is weak.";
    IpNotAllowed = 905, "ip_not_allowed", Refused, Never, "An allow-list does not contain the \
        address of the actor, or the call names no address.";

    // 910..919: second factor
    SecondFactorRequired = 910, "second_factor_required", Refused, Never, "The user has a second \
        factor; send its code in `code`.";
    SecondFactorRefused = 911, "second_factor_refused", Refused, Never, "The code of the second \
        factor is wrong, or was used already.";
    SecondFactorMissing = 912, "second_factor_missing", Refused, Never, "A second factor is \
        required here, and the session was begun without one; set one up, or log in with it.";
    LogInAgain = 913, "log_in_again", Refused, Never, "This call needs a more recent log-in; prove \
        the user's identity again with `sessions.renew`.";

    // 920..929: API keys
    ApiKeyInvalid = 920, "api_key_invalid", Refused, Never, "The API key was deleted, has expired, \
        or never existed.";
    NotWithApiKey = 921, "not_with_api_key", Refused, Never, "Only people may do this, not \
        programs with an API key.";

    // 930..939: log-in-as
    NotAsAnother = 930, "not_as_another", Refused, Never, "Only the user in person may do this, \
        not somebody who acts as the user.";

    // 950..979: outbox and audit
    NotTaken = 950, "not_taken", Conflict, Never, "This message of the outbox was not delivered to \
        the consumer.";
}

impl Code {
    /// Every code, in the order of its number.
    pub const fn all() -> &'static [Code] {
        Code::TABLE
    }

    /// The stable number, as C sees it. Zero is success and no code.
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// The code with this number.
    pub fn from_number(number: i32) -> Option<Code> {
        Code::TABLE
            .iter()
            .copied()
            .find(|code| code.number() == number)
    }

    /// The code with this name.
    pub fn from_name(name: &str) -> Option<Code> {
        Code::TABLE.iter().copied().find(|code| code.name() == name)
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.name())
    }
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Code, D::Error> {
        let name = String::deserialize(deserializer)?;
        Code::from_name(&name)
            .ok_or_else(|| serde::de::Error::custom(format!("`{name}` is not an error code")))
    }
}

impl schemars::JsonSchema for Code {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Code".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn numbers_and_names_are_unique_and_sorted() {
        assert!(
            Code::all()
                .windows(2)
                .all(|pair| pair[0].number() < pair[1].number())
        );
        let names: HashSet<_> = Code::all().iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), Code::all().len());
    }

    #[test]
    fn a_code_is_found_by_number_and_by_name() {
        for code in Code::all() {
            assert_eq!(Code::from_number(code.number()), Some(*code));
            assert_eq!(Code::from_name(code.name()), Some(*code));
        }
        assert_eq!(Code::from_number(0), None);
    }
}
