//! Accounts in teams: further accounts with their price, ownership, the accounts of a team,
//! switching between accounts (R-TEA-1 to R-TEA-5, R-SES-5): requests and answers.

use crate::error::Code;
use crate::model::{Count, Cursor, Email, Id, Name, Price};
use crate::rules::account::Status;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Says what a further account below another costs each month, before it is made (R-TEA-4).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quote {
    /// The account that it would lie below.
    pub parent: Id,
}

/// Makes an account below another, with an owner of its own or, by policy `child_owner`, the owner
/// of the account above.
///
/// Its own owner confirms their address first: the account is pending until then. With
/// `skip_verification` it can be used at once; an owner who is new then gets a link to set a
/// password (R-TEA-4).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateChild {
    /// The account above.
    pub parent: Id,
    /// The host's own id; made when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Id>,
    /// The name that people see.
    pub name: Name,
    /// The e-mail address of the owner; absent where the parent's owner owns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_email: Option<Email>,
    /// The id that a new owner gets; with `skip_verification` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_user: Option<Id>,
    /// First name of a new owner; with `skip_verification` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_first_name: Option<Name>,
    /// Last name of a new owner; with `skip_verification` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_last_name: Option<Name>,
    /// Whether the account can be used before its owner has confirmed their address.
    #[serde(default)]
    pub skip_verification: bool,
    /// The package; without one the parent's values count. Not for users: the platform chooses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<Id>,
    /// IANA name of the time zone of its days and months; that of the policy when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<Name>,
}

/// Makes a member of an account its owner; the owner until now becomes an ordinary member
/// (R-TEA-5). Where accounts below have their parent's owner, they get the new one too.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TransferOwner {
    /// The account.
    pub account: Id,
    /// The member who becomes the owner.
    pub to: Id,
    /// The role that the owner until now gets; the default role of the account when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_owner_role: Option<Id>,
    /// The revision of the account that the change was made from; a stale one is `rev_conflict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_rev: Option<Count>,
}

/// Lists the accounts that a user has access to, each with whether they can enter it now: those
/// that they are a member of, and those below an account whose team they manage (R-SES-5).
///
/// A user whose own account cannot be entered asks through the host, which names them in `user`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Switchable {
    /// The user, where the host or an operator asks; users ask about themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    /// Go on here: `next` of the page before. A page may be shorter than `limit` and still have a
    /// `next`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// At most this many (1 to 500, 50 when absent).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Count>,
}

/// Decides whether a user enters another account (R-SES-5). An account that they have no access to
/// is `not_found`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Switch {
    /// The account.
    pub account: Id,
    /// The user, where the host or an operator asks; users ask about themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
}

/// Lists all accounts of a team, each before those below it, a page at a time (R-TEA-3).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Team {
    /// The top account of the team; any other is `not_found`.
    pub account: Id,
    /// Go on here: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// At most this many (1 to 500, 50 when absent).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Count>,
}

/// What a further account costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AccountQuote {
    /// The account that it would lie below.
    pub parent: Id,
    /// The top account of the team, which pays for it.
    pub team: Id,
    /// The price of each month, from the package of the team; absent where that names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
}

/// An account that was made below another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChildCreated {
    /// The account.
    pub account: Id,
    /// The account above.
    pub parent: Id,
    /// Its status: pending until the owner has confirmed their address.
    pub status: Status,
    /// The owner; absent until they have confirmed their address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<Id>,
    /// Whether the owner has to set a password before they enter.
    pub must_set_password: bool,
    /// The invitation that the owner confirms their address with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invitation: Option<Id>,
    /// What it costs each month.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
}

/// An account that has another owner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OwnerTransferred {
    /// The account.
    pub account: Id,
    /// The owner.
    pub owner: Id,
    /// Who owned it until now.
    pub old_owner: Id,
    /// The role that they have now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_owner_role: Option<Id>,
    /// The revision of the account.
    pub rev: u64,
}

/// How a user enters an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EnterAs {
    /// As its owner.
    Owner,
    /// As a member, with the role that they have there.
    Member,
    /// From an account above whose team they manage, with what they may do there.
    Above,
}

/// An account that a user has access to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SwitchableAccount {
    /// The account.
    pub account: Id,
    /// Its name.
    pub name: Name,
    /// Its effective status.
    pub status: Status,
    /// How they enter it.
    pub how: EnterAs,
    /// The role that they enter with; an owner needs none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Id>,
    /// Whether they can enter it now.
    pub offered: bool,
    /// The code that entering it is refused with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Code>,
}

/// A page of accounts that a user has access to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SwitchableList {
    /// The accounts.
    pub accounts: Vec<SwitchableAccount>,
    /// Where to go on; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Cursor>,
}

/// An account that a user enters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AccountSwitch {
    /// The account.
    pub account: Id,
    /// Its name.
    pub name: Name,
    /// The user.
    pub user: Id,
    /// How they enter it.
    pub how: EnterAs,
    /// The role that they enter with; an owner needs none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Id>,
}

/// An account of a team.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TeamAccount {
    /// The account.
    pub account: Id,
    /// Its name.
    pub name: Name,
    /// The account above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<Id>,
    /// How deep it lies: 1 for the top account.
    pub depth: u64,
    /// Its owner; absent until they have confirmed their address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<Id>,
    /// The owner's e-mail address, as typed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner_email: Option<String>,
    /// Its effective status.
    pub status: Status,
    /// How many users it has, the owner included; `members.list` lists them.
    pub users: u64,
    /// How many accounts lie directly below it.
    pub children: u64,
}

/// A page of the accounts of a team.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TeamList {
    /// The accounts.
    pub accounts: Vec<TeamAccount>,
    /// Where to go on; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Cursor>,
}
