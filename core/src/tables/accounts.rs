//! Accounts (R-ACC-1): where each is listed, on the platform and below others, and what it uses.

use crate::error::Error;
use crate::kernel::Tx;
use crate::kernel::check::Look;
use crate::kernel::keys::{self, due};
use crate::kernel::table::{Count, Declared, Index, Lines, Owner, Table, id};
use crate::model::{self, Account, AuditKind, Email, Id, Lifecycle, Member, User};

pub(super) const TABLES: &[Declared] = &[Declared::of::<Accounts>()];
/// Accounts from a child up to the top; deeper trees are refused when they are made.
pub(crate) const MAX_DEPTH: usize = 8;
/// The count of the accounts below another, at whatever depth.
pub(crate) const DESCENDANTS: &str = "below";

pub(crate) struct Accounts;

impl Table for Accounts {
    type Record = Account;
    const PREFIX: keys::Prefix = keys::ACCOUNT;
    const AUDIT: Option<AuditKind> = Some(AuditKind::Account);
    const OWNER: Owner = Owner::Nobody;
    const LINES: &'static [Index] = &[
        Index {
            prefix: keys::CHILD,
            source: by_last,
        },
        Index {
            prefix: keys::ACCOUNT_ORDER,
            source: by_last,
        },
        Index {
            prefix: keys::TEAM_ACCOUNT,
            source: by_last,
        },
        Index {
            prefix: keys::PACKAGE_ACCOUNT,
            source: by_last,
        },
        Index {
            prefix: keys::PACKAGE_NEXT,
            source: by_last,
        },
        Index {
            prefix: keys::DUE,
            source: |parts, _| match due::PACKAGE.of(parts)? {
                [account] => key_of(account),
                _ => None,
            },
        },
        Index {
            prefix: keys::ROLE_USE,
            source: |parts, _| match parts {
                [_, "account", account] => key_of(account),
                _ => None,
            },
        },
    ];
    const COUNTS: &'static [Count] = &[Count {
        counted: |parts| match parts {
            [account, DESCENDANTS] => Some(keys::range(keys::TEAM_ACCOUNT, &[account, "id"])),
            _ => None,
        },
    }];

    fn key(account: &Account) -> Vec<u8> {
        keys::account(&account.id)
    }

    fn lines(tx: &mut Tx<'_>, account: &Account, lines: &mut Lines) -> Result<(), Error> {
        if account.leaving {
            return Ok(());
        }
        let Account { id, .. } = account;
        let owner = match &account.owner {
            Some(owner) => tx.get::<User>(&keys::user(owner))?.map(|user| user.email),
            None => None,
        };
        for entry in orders(account, owner.as_ref()) {
            lines.index(entry);
        }
        if let Some(parent) = &account.parent {
            lines.index(keys::child(parent, id));
            for ancestor in account_line(tx, parent)? {
                lines.count(keys::tally(&ancestor.id, DESCENDANTS));
                for entry in tree_orders(account, &ancestor.id, owner.as_ref()) {
                    lines.index(entry);
                }
            }
        }
        if let Some(package) = &account.package {
            lines.needs_package(package);
            lines.index(keys::package_account(package, id));
        }
        if let Some(next) = &account.next_package {
            lines.needs_package(&next.package);
            lines.index(keys::package_next(&next.package, id));
            lines.index(due::PACKAGE.key(next.from_ms, &[id.as_str()]));
        }
        if let Some(role) = &account.default_role {
            lines.uses_role(role, "account", &[id.as_str()]);
        }
        lines.needs(keys::group(id, &account.default_group));
        Ok(())
    }

    fn check(account: &Account, look: &mut Look<'_>) -> Result<(), Error> {
        // Refuses a line that is too long.
        account_line(&mut look.tx, &account.id)?;
        match &account.owner {
            _ if account.leaving => {
                let deletion = keys::key(keys::DELETION, &[account.id.as_str()]);
                look.must_have(deletion)?;
            }
            Some(owner) => {
                let member: Option<Member> = look.tx.get(&keys::member(&account.id, owner))?;
                look.must(
                    member.is_some_and(|member| member.owner),
                    "The user whom the account names as its owner is no member who owns it.",
                );
            }
            None => {
                let waits = matches!(
                    account.lifecycle,
                    Lifecycle::Pending
                        | Lifecycle::Closed {
                            was_pending: true,
                            ..
                        }
                );
                look.must(
                    waits,
                    "The account has no owner, and its status says that it waits for none.",
                );
            }
        }
        let children = look.count(keys::CHILD, &[account.id.as_str()])?;
        look.must_count(account.children, children, "accounts directly below it");
        Ok(())
    }
}

/// The account and those above it, up to the top.
pub(crate) fn account_line(tx: &mut Tx<'_>, id: &Id) -> Result<Vec<Account>, Error> {
    let mut line: Vec<Account> = Vec::new();
    let mut next = Some(id.clone());
    while let Some(id) = next {
        let account: Account = tx
            .get(&keys::account(&id))?
            .ok_or_else(|| Error::not_found("account", id.as_str()))?;
        next = account.parent.clone();
        line.push(account);
        if line.len() > MAX_DEPTH {
            return Err(Error::corrupt(format!(
                "The accounts above `{id}` form a circle; restore a backup."
            )));
        }
    }
    Ok(line)
}

/// As [`account_line`], for who only finds accounts that are not being erased.
pub(crate) fn living_line(tx: &mut Tx<'_>, id: &Id) -> Result<Vec<Account>, Error> {
    let line = account_line(tx, id)?;
    match line.first() {
        Some(account) if account.leaving => Err(Error::not_found("account", id.as_str())),
        _ => Ok(line),
    }
}

/// Where an account is listed among all accounts.
pub(crate) fn orders(account: &Account, owner: Option<&Email>) -> Vec<Vec<u8>> {
    let listed = texts(account, owner);
    listed
        .iter()
        .map(|(order, text)| keys::account_order(order, text, &account.id))
        .collect()
}

/// Where an account is listed among those below another.
pub(crate) fn tree_orders(account: &Account, ancestor: &Id, owner: Option<&Email>) -> Vec<Vec<u8>> {
    let listed = texts(account, owner);
    let by_id = ("id", String::new());
    listed
        .iter()
        .chain([&by_id])
        .map(|(order, text)| keys::team_account(ancestor, order, text, &account.id))
        .collect()
}

/// What an account is ordered by, in each order.
fn texts(account: &Account, owner: Option<&Email>) -> Vec<(&'static str, String)> {
    let by_owner = owner.map(|email| ("owner", keys::orderable(email.key())));
    let others = [
        ("name", keys::orderable(account.name.as_str())),
        ("created", keys::sortable(account.created_at_ms)),
    ];
    others.into_iter().chain(by_owner).collect()
}

/// The lines of an account end with its id.
fn by_last(parts: &[&str], _: &[u8]) -> Option<Vec<u8>> {
    key_of(parts.last()?)
}

fn key_of(account: &str) -> Option<Vec<u8>> {
    Some(keys::account(&id(account)?))
}

/// Reads an account inside an operation. One that is being erased is not there, except for who
/// erases it.
pub(crate) fn load(tx: &mut Tx<'_>, id: &Id, field: &str) -> Result<model::Account, Error> {
    let finds_leaving = tx.finds_leaving();
    tx.get::<Account>(&keys::account(id))?
        .filter(|account| finds_leaving || !account.leaving)
        .ok_or_else(|| Error::not_found("account", id.as_str()).at(field))
}

/// Writes an account that was changed.
pub(crate) fn save(tx: &mut Tx<'_>, mut account: model::Account) -> Result<(), Error> {
    account.rev += 1;
    account.updated_at_ms = tx.now_ms;
    // What is guaranteed to it is kept apart from what others send.
    if account.children > 0 || !account.guaranteed.is_empty() {
        tx.invalidate_all();
    } else {
        tx.invalidate_account(&account.id);
    }
    tx.save::<Accounts>(&account)
}

/// Those of some accounts that a user owns.
pub(crate) fn owned_by(tx: &mut Tx<'_>, user: &Id, accounts: &[Id]) -> Result<Vec<Id>, Error> {
    let mut owned = Vec::new();
    for id in accounts {
        let account: Option<Account> = tx.get(&keys::account(id))?;
        if account.is_some_and(|account| account.owner.as_ref() == Some(user)) {
            owned.push(id.clone());
        }
    }
    Ok(owned)
}

/// What follows from some accounts as things are.
pub(crate) fn lines_of(tx: &mut Tx<'_>, accounts: &[Id]) -> Result<Lines, Error> {
    let mut lines = Lines::default();
    for id in accounts {
        let account = load(tx, id, "/account")?;
        lines.extend(tx.lines_now::<Accounts>(&account)?);
    }
    Ok(lines)
}

/// The part of a span whose texts begin with a prefix.
pub(crate) fn starting_with((from, until): (Vec<u8>, Vec<u8>), prefix: &str) -> (Vec<u8>, Vec<u8>) {
    if prefix.is_empty() {
        return (from, until);
    }
    let from = [from.as_slice(), prefix.as_bytes()].concat();
    let mut until = from.clone();
    // No UTF-8 text holds this byte.
    until.push(0xff);
    (from, until)
}

/// The accounts directly below one.
pub(crate) fn children_of(tx: &mut Tx<'_>, id: &Id) -> Result<Vec<Id>, Error> {
    let (from, until) = keys::range(keys::CHILD, &[id.as_str()]);
    Ok(tx
        .range::<()>(&from, &until, usize::MAX)?
        .iter()
        .filter_map(|(key, ())| keys::last_id(key))
        .collect())
}
