//! Keys of invitations.

use crate::kernel::keys::codec::{key, range, sortable};
use crate::kernel::keys::prefixes::{
    ACCOUNT_INVITATION, ADDRESS_INVITATION, INVITATION, INVITED, OPEN_INVITATION,
};
use crate::model::Id;

/// An invitation.
pub(crate) fn invitation(id: &Id) -> Vec<u8> {
    key(INVITATION, &[id.as_str()])
}

/// Index: the invitations to an account in the order `newest` or `email`, by `text`; with all
/// accounts below it in the order `below_newest` or `below_email`.
pub(crate) fn account_invitation(
    account: &Id,
    order: &str,
    text: &str,
    invitation: &Id,
) -> Vec<u8> {
    key(
        ACCOUNT_INVITATION,
        &[account.as_str(), order, text, invitation.as_str()],
    )
}

/// Index: the open invitations to a team or account, by the instant at which they expire.
pub(crate) fn open_invitation(account: &Id, expires_at_ms: u64, invitation: &Id) -> Vec<u8> {
    key(
        OPEN_INVITATION,
        &[
            account.as_str(),
            &sortable(expires_at_ms),
            invitation.as_str(),
        ],
    )
}

/// The first key of the open invitations that expire after an instant.
pub(crate) fn open_invitations_after(account: &Id, now_ms: u64) -> Vec<u8> {
    key(
        OPEN_INVITATION,
        &[account.as_str(), &sortable(now_ms.saturating_add(1))],
    )
}

/// Index: the open invitation of an address to a team, by the address's normal form.
pub(crate) fn invited(team: &Id, email: &str) -> Vec<u8> {
    key(INVITED, &[team.as_str(), email])
}

/// Index: the invitations of an address to whatever team, by its normal form.
pub(crate) fn address_invitation(email: &str, invitation: &Id) -> Vec<u8> {
    key(ADDRESS_INVITATION, &[email, invitation.as_str()])
}

/// Index: the invitations of addresses that a user had before. No address is this word.
pub(crate) fn user_invitation(user: &Id, invitation: &Id) -> Vec<u8> {
    key(
        ADDRESS_INVITATION,
        &[FORMER, user.as_str(), invitation.as_str()],
    )
}

/// The invitations of addresses that a user had before: from the first key, until the second.
pub(crate) fn user_invitations(user: &Id) -> (Vec<u8>, Vec<u8>) {
    range(ADDRESS_INVITATION, &[FORMER, user.as_str()])
}

/// Stands where the address does in the keys of invitations.
const FORMER: &str = "user";
