//! Resources of members (R-RES-1), and the leases of those who edit them.

use super::id;
use crate::error::Error;
use crate::kernel::check::{Look, broken};
use crate::kernel::table::{Count, Declared, Index, Lines, Owner, Table};
use crate::kernel::{Tx, keys};
use crate::model::{AuditKind, Lease, Resource};

pub(super) const TABLES: &[Declared] = &[
    Declared::of::<Resources>(),
    Declared::plain(keys::LEASE, None, Owner::Account, |look, _, parts| {
        look.record::<Lease>()?;
        let resource = match parts {
            [account, kind, resource] => key_of(account, kind, resource),
            _ => None,
        };
        let resource = resource.ok_or_else(|| broken("it is on no resource"))?;
        look.must_have(resource, "the resource is gone")
    }),
];

pub(crate) struct Resources;

impl Table for Resources {
    type Record = Resource;
    const PREFIX: u8 = keys::RESOURCE;
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
            [account, "owner", owner, kind] => Some(keys::below(
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
        lines.needs(keys::member(account, owner), "its owner is no member");
        lines.index(keys::resource_of_owner(account, owner, kind, id));
        lines.count(keys::owner_tally(account, owner, kind));
        if let Some(group) = &resource.group {
            lines.needs(keys::group(account, group), "its group is gone");
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

/// The count of what an owner shares in a group: of all that they own, what carries the group and
/// is shared.
pub(super) fn check_shared(look: &mut Look<'_>, parts: [&str; 4]) -> Result<(), Error> {
    let [account, group, kind, owner] = parts;
    let account = look.id(account)?;
    let group_key = keys::group(&account, &look.id(group)?);
    look.must_have(group_key, "its group is gone")?;
    let kind = look.id(kind)?;
    let span = keys::below(
        keys::RESOURCE_OF_OWNER,
        &[account.as_str(), owner, kind.as_str()],
    );
    let mut there = 0;
    look.each(span, |tx, key, _| {
        let of = keys::last_id(key).ok_or_else(|| broken("a resource of an owner has no id"))?;
        let resource: Option<Resource> = tx.get(&keys::resource(&account, &kind, &of))?;
        there += u64::from(
            resource
                .is_some_and(|one| one.shared && one.group.is_some_and(|of| of.as_str() == group)),
        );
        Ok(())
    })?;
    look.must_be_count(there)
}
