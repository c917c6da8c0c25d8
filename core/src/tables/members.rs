//! Memberships: what an account, a user, a role and a group know of them. The lists and
//! seats of people, which hold for all accounts above too, are in [`people`](super::people).

use crate::error::Error;
use crate::kernel::check::{Look, broken};
use crate::kernel::keys::due;
use crate::kernel::table::{Count, Declared, Index, Lines, Owner, Table, id};
use crate::kernel::{Tx, keys};
use crate::model::{self, Account, AuditKind, Id, Member};
use crate::tables::accounts::{self, account_line};

pub(super) const TABLES: &[Declared] = &[Declared::of::<Members>()];

pub(crate) struct Members;

impl Table for Members {
    type Record = Member;
    const PREFIX: keys::Prefix = keys::MEMBER;
    const AUDIT: Option<AuditKind> = Some(AuditKind::Member);
    const OWNER: Owner = Owner::Account;
    const LINES: &'static [Index] = &[
        Index {
            prefix: keys::MEMBERSHIP,
            source: |parts, _| match parts {
                [user, account] => key_of(account, user),
                _ => None,
            },
        },
        Index {
            prefix: keys::GROUP_MEMBER,
            source: |parts, _| match parts {
                [account, _, user] => key_of(account, user),
                _ => None,
            },
        },
        Index {
            prefix: keys::ROLE_USE,
            source: |parts, _| match parts {
                [_, "member" | "next_role", account, user] => key_of(account, user),
                _ => None,
            },
        },
        Index {
            prefix: keys::DUE,
            source: |parts, _| match due::MEMBERSHIP.of(parts).or(due::ROLE.of(parts))? {
                [account, user] => key_of(account, user),
                _ => None,
            },
        },
    ];
    const COUNTS: &'static [Count] = &[
        Count {
            counted: |parts| match parts {
                [account, "members"] => Some(keys::range(keys::MEMBER, &[account])),
                _ => None,
            },
        },
        Count {
            counted: |parts| match parts {
                [account, "group", group] => {
                    Some(keys::range(keys::GROUP_MEMBER, &[account, group]))
                }
                _ => None,
            },
        },
    ];

    fn key(member: &Member) -> Vec<u8> {
        keys::member(&member.account, &member.user)
    }

    fn lines(_: &mut Tx<'_>, member: &Member, lines: &mut Lines) -> Result<(), Error> {
        let Member { account, user, .. } = member;
        lines.needs(keys::user(user));
        lines.index(keys::membership(user, account));
        lines.count(keys::tally(account, "members"));
        if let Some(role) = &member.role {
            lines.uses_role(role, "member", &[account.as_str(), user.as_str()]);
        }
        if let Some(next) = &member.next_role {
            lines.uses_role(&next.role, "next_role", &[account.as_str(), user.as_str()]);
            lines.index(due::ROLE.key(next.from_ms, &[account.as_str(), user.as_str()]));
        }
        if let Some(until_ms) = member.until_ms {
            lines.index(due::MEMBERSHIP.key(until_ms, &[account.as_str(), user.as_str()]));
        }
        if let Some(group) = &member.group {
            lines.needs(keys::group(account, group));
            lines.index(keys::group_member(account, group, user));
            lines.count(keys::group_tally(account, group));
        }
        Ok(())
    }

    fn check(member: &Member, look: &mut Look<'_>) -> Result<(), Error> {
        let line = account_line(&mut look.tx, &member.account)?;
        for ancestor in &line {
            look.must_have(keys::seat(&ancestor.id, &member.user))?;
        }
        let owner = line.first().and_then(|account| account.owner.as_ref());
        look.must(
            member.owner == (owner == Some(&member.user)),
            "The membership and the account disagree on whether this user is the owner.",
        );
        let administrator = by_role(member.role.as_ref(), &line, look)?;
        by_role(
            member.next_role.as_ref().map(|next| &next.role),
            &line,
            look,
        )?;
        look.must(
            member.administrator == administrator,
            "The membership and its role disagree on whether the member is an administrator.",
        );
        let is_apart = member.owner || administrator;
        match &member.group {
            Some(_) => look.must(
                !is_apart,
                "The owner or an administrator is in a group; they must be in none.",
            ),
            None => look.must(
                is_apart,
                "The member is in no group, and is neither the owner nor an administrator.",
            ),
        }
        Ok(())
    }
}

/// Whether the role of a membership makes an administrator; it must be one that the account can
/// use.
fn by_role(role: Option<&Id>, line: &[Account], look: &mut Look<'_>) -> Result<bool, Error> {
    let Some(role) = role else {
        return Ok(false);
    };
    let (of, administrators) = look
        .role_kind(role)?
        .ok_or_else(|| broken("The role of the membership does not exist."))?;
    let usable = of.is_none_or(|of| line.iter().any(|ancestor| ancestor.id == of));
    look.must(
        usable,
        "The role of the membership belongs to an account that is not above this one.",
    );
    Ok(administrators)
}

fn key_of(account: &str, user: &str) -> Option<Vec<u8>> {
    Some(keys::member(&id(account)?, &id(user)?))
}

pub(crate) fn load(tx: &mut Tx<'_>, account: &Id, user: &Id) -> Result<model::Member, Error> {
    accounts::load(tx, account, "/account")?;
    tx.get(&keys::member(account, user))?
        .ok_or_else(|| Error::not_found("member", user.as_str()).at("/user"))
}

/// Writes a member, be they new or changed: everybody who does comes through here. What is cached
/// of them is for the caller to invalidate, since how far that goes depends on what has changed.
pub(crate) fn save(tx: &mut Tx<'_>, mut member: model::Member) -> Result<model::Member, Error> {
    member.rev += 1;
    member.updated_at_ms = tx.now_ms;
    let next_role_ms = member.next_role.as_ref().map(|next| next.from_ms);
    for at_ms in member.until_ms.into_iter().chain(next_role_ms) {
        tx.schedule_due(at_ms);
    }
    tx.save::<Members>(&member)?;
    Ok(member)
}

/// What is cached of who reaches an account, by their place in it or in one above, is out of date.
pub(crate) fn invalidate(tx: &mut Tx<'_>, account: &Id) -> Result<(), Error> {
    let record: Option<Account> = tx.get(&keys::account(account))?;
    if record.is_some_and(|account| account.children > 0) {
        tx.invalidate_all();
    }
    tx.invalidate_account(account);
    Ok(())
}
