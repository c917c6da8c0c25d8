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
    /// The account below which it would be created.
    pub parent: Id,
}

/// Creates an account below another one, with an owner of its own or, by the policy `child_owner`,
/// with the owner of the account above.
///
/// An owner of its own has to confirm their address first: the account is pending until then. With
/// `skip_verification`, the account can be used at once, and a new owner gets a link to set a
/// password (R-TEA-4).
#[request]
pub struct CreateChild {
    /// The account above.
    pub parent: Id,
    /// The host's own id; one is generated when it is absent.
    pub id: Option<Id>,
    /// The name that people see.
    pub name: Name,
    /// The e-mail address of the owner; absent when the owner of the account above owns it.
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
    /// The package; when absent, the values of the account above apply. Users cannot name one: the
    /// platform chooses it.
    pub package: Option<Id>,
    /// The IANA name of the time zone of its days and months; that of the policy `time_zone` when
    /// absent.
    pub time_zone: Option<Name>,
}

/// Makes a member of an account its owner; the old owner becomes an ordinary member (R-TEA-5).
/// Accounts below that have the owner of their parent get the new owner too.
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

/// Lists the accounts to which a user has access, and says for each whether they can enter it now:
/// the accounts of which they are a member, and those below an account whose team they manage
/// (R-SES-5).
///
/// A user who cannot enter their own account has to ask through the host, which names them in
/// `user`.
#[request]
pub struct Switchable {
    /// The user, named by the host or an operator; users ask about themselves.
    pub user: Option<Id>,
    /// Where the page begins: the `next` of the previous page. A page may be shorter than `limit`
    /// and still have a `next`.
    pub after: Option<Cursor>,
    /// How many entries the page has at most: 1 to 500; 50 when absent.
    pub limit: Option<Count>,
}

/// Decides whether a user may enter another account (R-SES-5). An account to which they have no
/// access is refused with `not_found`.
#[request]
pub struct Switch {
    /// The account.
    pub account: Id,
    /// The user, named by the host or an operator; users ask about themselves.
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
    /// The account below which it would be created.
    pub parent: Id,
    /// The top account of the team, which pays for it.
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
    /// Its status; pending until the owner has confirmed their address.
    pub status: Status,
    /// The owner; absent until they have confirmed their address.
    pub owner: Option<Id>,
    /// Whether the owner has to set a password before they can enter.
    pub must_set_password: bool,
    /// The invitation with which the owner confirms their address.
    pub invitation: Option<Id>,
    /// Its monthly price.
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
    /// As its owner.
    Owner,
    /// As a member, with the role that they have in it.
    Member,
    /// From an account above whose team they manage, with the permissions that they hold there.
    Ancestor,
}

/// An account to which a user has access.
#[answer]
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
    pub role: Option<Id>,
    /// Whether they can enter it now.
    pub offered: bool,
    /// The code with which entering it is refused.
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
    /// Its name.
    pub name: Name,
    /// The user.
    pub user: Id,
    /// How they enter it.
    pub how: EnterAs,
    /// The role that they enter with; an owner needs none.
    pub role: Option<Id>,
}

/// An account of a team.
#[answer]
pub struct TeamAccount {
    /// The account.
    pub account: Id,
    /// Its name.
    pub name: Name,
    /// The account above.
    pub parent: Option<Id>,
    /// Its level in the team; the top account has level 1.
    pub depth: u64,
    /// Its owner; absent until they have confirmed their address.
    pub owner: Option<Id>,
    /// The owner's e-mail address, as typed.
    pub owner_email: Option<String>,
    /// Its effective status.
    pub status: Status,
    /// How many users it has, including the owner; `members.list` lists them.
    pub users: u64,
    /// How many accounts are directly below it.
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
