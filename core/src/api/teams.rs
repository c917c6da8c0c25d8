//! The accounts of a team: further accounts and their price, ownership, lists of accounts, and
//! switching between accounts (R-TEA-1 to R-TEA-5, R-SES-5): requests and answers.
#![cfg_attr(doc, doc = include_str!("../../doc/accounts.md"))]

use crate::error::Code;
use crate::model::{Count, Cursor, Email, Id, Name, Price};
use crate::rules::account::Status;
use tenantry_macros::{answer, request};

/// Shows what a further account below another one costs each month, before it is created (R-TEA-4).
#[request]
pub struct Quote {
    /// The account below which the new account would be created.
    pub parent: Id,
}

/// Creates an account below another one. The new account has its own owner or, by the policy
/// `child_owner`, the owner of the account above.
///
/// An own owner has to confirm their address first: until then, the account is pending. With
/// `skip_verification`, the account can be used at once, and a new owner gets a link to set a
/// password (R-TEA-4).
#[request]
pub struct CreateChild {
    /// The account above.
    pub parent: Id,
    /// The host's own id. When absent, an id is generated.
    pub id: Option<Id>,
    /// The name that people see.
    pub name: Name,
    /// The e-mail address of the owner; absent when the owner of the account above owns the new
    /// account too.
    pub owner_email: Option<Email>,
    /// The id for a new owner; only with `skip_verification`.
    pub owner_user: Option<Id>,
    /// The first name of a new owner; only with `skip_verification`.
    pub owner_first_name: Option<Name>,
    /// The last name of a new owner; only with `skip_verification`.
    pub owner_last_name: Option<Name>,
    /// Whether the account can be used before its owner has confirmed their address.
    #[serde(default)]
    pub skip_verification: bool,
    /// The package; when absent, the values of the account above apply. Users cannot name a
    /// package: the platform chooses it.
    pub package: Option<Id>,
    /// The IANA name of the time zone in which the account's days and months begin. When absent,
    /// the policy `time_zone` names the time zone.
    pub time_zone: Option<Name>,
}

/// Makes a member of an account its owner; the old owner becomes an ordinary member (R-TEA-5).
/// Accounts below that, by the policy `child_owner`, have the owner of their parent get the new
/// owner too.
#[request]
pub struct TransferOwner {
    /// The account.
    pub account: Id,
    /// The member who becomes the owner.
    pub to: Id,
    /// The role that the old owner gets; the default role of the account when absent.
    pub old_owner_role: Option<Id>,
    /// The revision of the account on which the change is based; a stale one is refused with
    /// `rev_conflict`.
    pub expected_rev: Option<Count>,
}

/// Lists the accounts to which a user has access, and says for each account whether the user can
/// enter it now. These are the accounts of which the user is a member, and the accounts below an
/// account whose team the user manages (R-SES-5).
///
/// For a user who cannot enter their own account, the host makes the call and names them in `user`.
#[request]
pub struct Switchable {
    /// The user, to be named by the host and operators. Users can only ask about themselves.
    pub user: Option<Id>,
    /// Where the page begins: the `next` of the previous page. A page may be shorter than `limit`
    /// and still have a `next`.
    pub after: Option<Cursor>,
    /// How many entries the page has at most: 1 to 500; 50 when absent.
    pub limit: Option<Count>,
}

/// Decides whether a user may enter another account (R-SES-5). An account to which the user has no
/// access is refused with `not_found`.
#[request]
pub struct Switch {
    /// The account.
    pub account: Id,
    /// The user, to be named by the host and operators. Users can only ask about themselves.
    pub user: Option<Id>,
}

/// Lists all accounts of a team, each before the accounts below it, a page at a time (R-TEA-3).
#[request]
pub struct Team {
    /// The top account of the team; any other account is refused with `not_found`.
    pub account: Id,
    /// Where the page begins: the `next` of the previous page.
    pub after: Option<Cursor>,
    /// How many entries the page has at most: 1 to 500; 50 when absent.
    pub limit: Option<Count>,
}

/// What a further account would cost.
#[answer]
pub struct AccountQuote {
    /// The account below which the new account would be created.
    pub parent: Id,
    /// The top account of the team, which pays for the new account.
    pub team: Id,
    /// The monthly price, from the package of the team; absent when that package has none.
    pub price: Option<Price>,
}

/// An account that was created below another one.
#[answer]
pub struct ChildCreated {
    /// The account.
    pub account: Id,
    /// The account above.
    pub parent: Id,
    /// The status of the account; pending until the owner has confirmed their address.
    pub status: Status,
    /// The owner; absent until they have confirmed their address.
    pub owner: Option<Id>,
    /// Whether the owner has to set a password before they can enter.
    pub must_set_password: bool,
    /// The invitation with which the owner confirms their address.
    pub invitation: Option<Id>,
    /// The monthly price of the account.
    pub price: Option<Price>,
}

/// An account that got another owner.
#[answer]
pub struct OwnerTransferred {
    /// The account.
    pub account: Id,
    /// The owner.
    pub owner: Id,
    /// The user who owned it before.
    pub old_owner: Id,
    /// The role that the old owner has now.
    pub old_owner_role: Option<Id>,
    /// The revision of the account.
    pub rev: u64,
}

/// How a user enters an account.
#[answer]
pub enum EnterAs {
    /// As the owner of the account.
    Owner,
    /// As a member, with the role that the user has in the account.
    Member,
    /// From an account above whose team the user manages, with the permissions that the user holds
    /// there.
    Ancestor,
}

/// An account to which a user has access.
#[answer]
pub struct SwitchableAccount {
    /// The account.
    pub account: Id,
    /// The name of the account.
    pub name: Name,
    /// The effective status of the account.
    pub status: Status,
    /// How the user enters the account.
    pub how: EnterAs,
    /// The role with which the user enters; an owner needs no role.
    pub role: Option<Id>,
    /// Whether the user can enter the account now.
    pub offered: bool,
    /// If the user cannot enter the account now, the code that says why.
    pub refusal: Option<Code>,
}

/// A page of the accounts to which a user has access.
#[answer]
pub struct SwitchableList {
    /// The accounts.
    pub accounts: Vec<SwitchableAccount>,
    /// The `after` of the next page; absent on the last page.
    pub next: Option<Cursor>,
}

/// An account that a user enters.
#[answer]
pub struct AccountSwitch {
    /// The account.
    pub account: Id,
    /// The name of the account.
    pub name: Name,
    /// The user.
    pub user: Id,
    /// How the user enters the account.
    pub how: EnterAs,
    /// The role with which the user enters; an owner needs no role.
    pub role: Option<Id>,
}

/// An account of a team.
#[answer]
pub struct TeamAccount {
    /// The account.
    pub account: Id,
    /// The name of the account.
    pub name: Name,
    /// The account above.
    pub parent: Option<Id>,
    /// The level of the account in the team; the top account has level 1.
    pub depth: u64,
    /// The owner of the account; absent until the owner has confirmed their address.
    pub owner: Option<Id>,
    /// The owner's e-mail address, as typed.
    pub owner_email: Option<String>,
    /// The effective status of the account.
    pub status: Status,
    /// How many users the account has, including the owner; `members.list` lists them.
    pub users: u64,
    /// How many accounts are directly below the account.
    pub children: u64,
}

/// A page of the accounts of a team.
#[answer]
pub struct TeamList {
    /// The accounts.
    pub accounts: Vec<TeamAccount>,
    /// The `after` of the next page; absent on the last page.
    pub next: Option<Cursor>,
}
