//! Campaigns, and whether they are stopped.

use crate::error::{Code, Error};
use crate::kernel::table::{Declared, Index, Lines, Owner, Table, id};
use crate::kernel::{Tx, keys};
use crate::model::{AuditKind, Campaign, Id};

pub(super) const TABLES: &[Declared] = &[Declared::of::<Campaigns>()];

pub(crate) struct Campaigns;

impl Table for Campaigns {
    type Record = Campaign;
    const PREFIX: keys::Prefix = keys::CAMPAIGN;
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

/// Whether a campaign is stopped: nothing of it goes out.
pub(crate) fn is_stopped(tx: &mut Tx<'_>, account: &Id, campaign: &Id) -> Result<bool, Error> {
    tx.has(&keys::stopped_campaign(account, campaign))
}

/// What who wants to go on with a campaign that is stopped is told.
pub(crate) fn bounce_stop(campaign: &Id) -> Error {
    Error::new(
        Code::BounceStop,
        format!("The campaign `{campaign}` is stopped; resume it first."),
    )
    .with("campaign", campaign.as_str())
}

pub(crate) fn find(
    tx: &mut Tx<'_>,
    account: &Id,
    campaign: &Id,
) -> Result<Option<Campaign>, Error> {
    tx.get(&keys::campaign(account, campaign))
}

pub(crate) fn load(tx: &mut Tx<'_>, account: &Id, campaign: &Id) -> Result<Campaign, Error> {
    find(tx, account, campaign)?
        .ok_or_else(|| Error::not_found("campaign", campaign.as_str()).at("/campaign"))
}

pub(crate) fn save(tx: &mut Tx<'_>, mut campaign: Campaign) -> Result<Campaign, Error> {
    campaign.updated_at_ms = tx.now_ms;
    tx.save::<Campaigns>(&campaign)?;
    Ok(campaign)
}
