//! Resources of members (R-RES-1), and the leases of those who edit them.

use crate::error::Error;
use crate::kernel::check::{Look, broken};
use crate::kernel::table::{Count, Declared, Index, Lines, Owner, Table, id};
use crate::kernel::{Tx, keys};
use crate::model::{AuditKind, Id, Lease, Resource};
use crate::tables::shares;

pub(super) const TABLES: &[Declared] = &[
    Declared::of::<Resources>(),
    Declared::plain(keys::LEASE, None, Owner::Account, |look, _, parts| {
        look.record::<Lease>()?;
        let resource = match parts {
            [account, kind, resource] => key_of(account, kind, resource),
            _ => None,
        };
        let resource = resource.ok_or_else(|| broken("The key of the lease names no resource."))?;
        look.must_have(resource)
    }),
];

pub(crate) struct Resources;

impl Table for Resources {
    type Record = Resource;
    const PREFIX: keys::Prefix = keys::RESOURCE;
    const AUDIT: Option<AuditKind> = Some(AuditKind::Resource);
    const OWNER: Owner = Owner::Account;
    const LINES: &'static [Index] = &[
        Index {
            prefix: keys::RESOURCE_OF_OWNER,
            source: by_third_and_fourth,
        },
        Index {
            prefix: keys::RESOURCE_OF_GROUP,
            source: by_third_and_fourth,
        },
    ];
    const COUNTS: &'static [Count] = &[Count {
        counted: |parts| match parts {
            [account, "owner", owner, kind] => Some(keys::range(
                keys::RESOURCE_OF_OWNER,
                &[account, owner, kind],
            )),
            _ => None,
        },
    }];

    fn key(resource: &Resource) -> Vec<u8> {
        keys::resource(&resource.account, &resource.kind, &resource.id)
    }

    fn lines(_: &mut Tx<'_>, resource: &Resource, lines: &mut Lines) -> Result<(), Error> {
        let Resource {
            account,
            kind,
            id,
            owner,
            ..
        } = resource;
        lines.needs(keys::member(account, owner));
        lines.index(keys::resource_of_owner(account, owner, kind, id));
        lines.count(keys::owner_tally(account, owner, kind));
        if let Some(group) = &resource.group {
            lines.needs(keys::group(account, group));
            lines.index(keys::resource_of_group(account, group, kind, id));
            if resource.shared {
                lines.count(keys::shared_tally(account, group, kind, owner));
            }
        }
        Ok(())
    }
}

/// Both index lines end with the kind and the id.
fn by_third_and_fourth(parts: &[&str], _: &[u8]) -> Option<Vec<u8>> {
    match parts {
        [account, _, kind, resource] => key_of(account, kind, resource),
        _ => None,
    }
}

fn key_of(account: &str, kind: &str, resource: &str) -> Option<Vec<u8>> {
    Some(keys::resource(&id(account)?, &id(kind)?, &id(resource)?))
}

/// How many resources an owner shares in a group: of all that they own, what carries the group and
/// is shared.
pub(super) fn count_shared(look: &mut Look<'_>, parts: [&str; 4]) -> Result<u64, Error> {
    let [account, group, kind, owner] = parts;
    let (account, kind) = (look.id(account)?, look.id(kind)?);
    let span = keys::range(
        keys::RESOURCE_OF_OWNER,
        &[account.as_str(), owner, kind.as_str()],
    );
    let mut there = 0;
    look.each(span, |tx, key, _| {
        let of =
            keys::last_id(key).ok_or_else(|| broken("An index line of a resource names none."))?;
        let resource: Option<Resource> = tx.get(&keys::resource(&account, &kind, &of))?;
        there += u64::from(
            resource
                .is_some_and(|one| one.shared && one.group.is_some_and(|of| of.as_str() == group)),
        );
        Ok(())
    })?;
    Ok(there)
}

pub(crate) fn find(
    tx: &mut Tx<'_>,
    account: &Id,
    kind: &Id,
    id: &Id,
) -> Result<Option<Resource>, Error> {
    tx.get(&keys::resource(account, kind, id))
}

/// Changes a resource; its revision stays where nothing changes.
pub(crate) fn change(
    tx: &mut Tx<'_>,
    before: Resource,
    edit: impl FnOnce(&mut Resource),
) -> Result<Resource, Error> {
    let mut after = before.clone();
    edit(&mut after);
    if after == before {
        return Ok(before);
    }
    after.rev += 1;
    after.updated_at_ms = tx.now_ms;
    tx.save::<Resources>(&after)?;
    Ok(after)
}

pub(crate) fn erase(tx: &mut Tx<'_>, resource: &Resource) -> Result<(), Error> {
    shares::end(tx, &resource.account, &resource.kind, &resource.id)?;
    tx.delete(keys::lease(&resource.account, &resource.kind, &resource.id));
    tx.erase::<Resources>(resource)
}

/// The resources that an index names, all of them.
pub(crate) fn indexed(
    tx: &mut Tx<'_>,
    account: &Id,
    (from, until): (Vec<u8>, Vec<u8>),
) -> Result<Vec<Resource>, Error> {
    let mut found = Vec::new();
    for (key, ()) in tx.range::<()>(&from, &until, usize::MAX)? {
        let resource = match keys::last_pair(&key) {
            Some((kind, id)) => find(tx, account, &kind, &id)?,
            None => None,
        };
        found.push(resource.ok_or_else(|| dangling(&key))?);
    }
    Ok(found)
}

pub(crate) fn dangling(key: &[u8]) -> Error {
    Error::corrupt(format!(
        "The index entry `{}` names no resource; restore a backup.",
        key.escape_ascii()
    ))
}

/// How many resources a member owns.
pub(crate) fn count_of(tx: &mut Tx<'_>, account: &Id, owner: &Id) -> Result<u64, Error> {
    let (from, until) = keys::owner_tallies(account, owner);
    Ok(tx
        .range::<u64>(&from, &until, usize::MAX)?
        .into_iter()
        .map(|(_, count)| count)
        .sum())
}

/// The resources of a member take the group that the member came into (R-GRP-4). Answers how many
/// changed.
pub(crate) fn follow(tx: &mut Tx<'_>, account: &Id, owner: &Id, group: &Id) -> Result<u64, Error> {
    let theirs = indexed(
        tx,
        account,
        keys::range(keys::RESOURCE_OF_OWNER, &[account.as_str(), owner.as_str()]),
    )?;
    into_group(tx, theirs, group)
}

/// All resources that carry a group take another one (R-GRP-7). Answers how many.
pub(crate) fn regroup(tx: &mut Tx<'_>, account: &Id, from: &Id, to: &Id) -> Result<u64, Error> {
    let carrying = indexed(
        tx,
        account,
        keys::range(keys::RESOURCE_OF_GROUP, &[account.as_str(), from.as_str()]),
    )?;
    into_group(tx, carrying, to)
}

fn into_group(tx: &mut Tx<'_>, resources: Vec<Resource>, group: &Id) -> Result<u64, Error> {
    let mut changed = 0;
    for resource in resources {
        if resource.group.as_ref() != Some(group) {
            change(tx, resource, |resource| {
                resource.group = Some(group.clone())
            })?;
            changed += 1;
        }
    }
    Ok(changed)
}

/// Whether any resource carries a group.
pub(crate) fn any_in(tx: &mut Tx<'_>, account: &Id, group: &Id) -> Result<bool, Error> {
    let (from, until) = keys::range(keys::RESOURCE_OF_GROUP, &[account.as_str(), group.as_str()]);
    Ok(!tx.range::<()>(&from, &until, 1)?.is_empty())
}

/// Removes what a member owns in an account that is being erased.
pub(crate) fn erase_all_of_owner(tx: &mut Tx<'_>, account: &Id, owner: &Id) -> Result<(), Error> {
    let span = keys::range(keys::RESOURCE_OF_OWNER, &[account.as_str(), owner.as_str()]);
    for resource in indexed(tx, account, span)? {
        erase(tx, &resource)?;
    }
    Ok(())
}

/// Removes the resources of an account that is deleted.
pub(crate) fn erase_all_of(tx: &mut Tx<'_>, account: &Id) -> Result<(), Error> {
    let (from, until) = keys::range(keys::RESOURCE, &[account.as_str()]);
    for (_, resource) in tx.range::<Resource>(&from, &until, usize::MAX)? {
        erase(tx, &resource)?;
    }
    Ok(())
}
