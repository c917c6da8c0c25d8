//! What sends leave behind: meters with their history, paces, and campaigns.

use crate::error::Error;
use crate::kernel::table::{Declared, Index, Lines, Owner, Table, id};
use crate::kernel::{Tx, keys};
use crate::model::{AuditKind, Campaign};

pub(super) const TABLES: &[Declared] = &[
    Declared::of::<Campaigns>(),
    Declared::plain(
        keys::METER,
        None,
        Owner::AccountOrPlatform,
        |_, _, _| Ok(()),
    ),
    Declared::plain(
        keys::METER_HISTORY,
        None,
        Owner::AccountOrPlatform,
        |_, _, _| Ok(()),
    ),
    Declared::plain(keys::PACE, None, Owner::AccountOrPlatform, |_, _, _| Ok(())),
];

pub(crate) struct Campaigns;

impl Table for Campaigns {
    type Record = Campaign;
    const PREFIX: u8 = keys::CAMPAIGN;
    const AUDIT: Option<AuditKind> = Some(AuditKind::Campaign);
    const OWNER: Owner = Owner::Account;
    const LINES: &'static [Index] = &[Index {
        prefix: keys::STOPPED_CAMPAIGN,
        source: |parts, _| match parts {
            [account, campaign] => Some(keys::campaign(&id(account)?, &id(campaign)?)),
            _ => None,
        },
    }];

    fn key(campaign: &Campaign) -> Vec<u8> {
        keys::campaign(&campaign.account, &campaign.id)
    }

    fn lines(_: &mut Tx<'_>, campaign: &Campaign, lines: &mut Lines) -> Result<(), Error> {
        if campaign.stop.is_some() {
            lines.index(keys::stopped_campaign(&campaign.account, &campaign.id));
        }
        Ok(())
    }
}
