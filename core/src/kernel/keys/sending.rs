//! Keys of what is sent: reservations, answers, campaigns and suppressions.

use crate::kernel::keys::codec::{key, sortable};
use crate::kernel::keys::meters::account_or_platform;
use crate::kernel::keys::prefixes::{
    ANSWERED, CAMPAIGN, OPEN_RESERVATION, RESERVATION, STOPPED_CAMPAIGN, SUPPRESSION,
    TEAM_SUPPRESSION,
};
use crate::model::Id;

/// A reservation.
pub(crate) fn reservation(account: &Id, reservation: &Id) -> Vec<u8> {
    key(RESERVATION, &[account.as_str(), reservation.as_str()])
}

/// Index: the open reservations of an account and of all below it, or of the platform, by the
/// instant at which they come back.
pub(crate) fn open_reservation(
    ancestor: Option<&Id>,
    expires_at_ms: u64,
    account: &Id,
    reservation: &Id,
) -> Vec<u8> {
    key(
        OPEN_RESERVATION,
        &[
            account_or_platform(ancestor),
            &sortable(expires_at_ms),
            account.as_str(),
            reservation.as_str(),
        ],
    )
}

/// What was answered to a request with a key.
pub(crate) fn answered(account: &Id, actor: &str, name: &Id) -> Vec<u8> {
    key(ANSWERED, &[account.as_str(), actor, name.as_str()])
}

/// A campaign, by the host's id for it.
pub(crate) fn campaign(account: &Id, campaign: &Id) -> Vec<u8> {
    key(CAMPAIGN, &[account.as_str(), campaign.as_str()])
}

/// Index: the campaigns of an account that are stopped.
pub(crate) fn stopped_campaign(account: &Id, campaign: &Id) -> Vec<u8> {
    key(STOPPED_CAMPAIGN, &[account.as_str(), campaign.as_str()])
}

/// A suppression of an account.
pub(crate) fn suppression(account: &Id, value: &str, class: &str) -> Vec<u8> {
    key(SUPPRESSION, &[account.as_str(), value, class])
}

/// Index: the accounts of a team that suppress a value.
pub(crate) fn team_suppression(team: &Id, value: &str, class: &str, account: &Id) -> Vec<u8> {
    key(
        TEAM_SUPPRESSION,
        &[team.as_str(), value, class, account.as_str()],
    )
}
