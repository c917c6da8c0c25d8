//! Invitations (R-INV-2): where each is listed, whose seats it takes while it is open, and that it
//! is the one of its address.

use crate::error::Error;
use crate::kernel::check::Look;
use crate::kernel::table::{Declared, Index, Lines, Owner, Table, id, led_to};
use crate::kernel::{Tx, keys};
use crate::model::{
    AccountGrant, AuditKind, Email, Id, Invitation, InvitationKind, InvitationState, User,
};
use crate::rules::invitation::expires_at_ms;
use crate::tables::accounts::account_line;
use crate::tables::groups;
use std::collections::BTreeSet;

pub(super) const TABLES: &[Declared] = &[Declared::of::<Invitations>()];

pub(crate) struct Invitations;

impl Table for Invitations {
    type Record = Invitation;
    const PREFIX: keys::Prefix = keys::INVITATION;
    const AUDIT: Option<AuditKind> = Some(AuditKind::Invitation);
    const OWNER: Owner = Owner::Nobody;
    const LINES: &'static [Index] = &[
        Index {
            prefix: keys::ACCOUNT_INVITATION,
            source: by_last,
        },
        Index {
            prefix: keys::ADDRESS_INVITATION,
            source: by_last,
        },
        Index {
            prefix: keys::OPEN_INVITATION,
            source: by_last,
        },
        Index {
            prefix: keys::INVITED,
            source: |_, value| Some(keys::invitation(&led_to(value)?)),
        },
        Index {
            prefix: keys::ROLE_USE,
            source: |parts, _| match parts {
                [_, "invitation", invitation] => key_of(invitation),
                _ => None,
            },
        },
    ];

    fn key(invitation: &Invitation) -> Vec<u8> {
        keys::invitation(&invitation.id)
    }

    /// It takes its seats, uses its roles and is the one of its address until it is ended, also
    /// after it expired, but that the seat is free from then on.
    fn lines(_: &mut Tx<'_>, invitation: &Invitation, lines: &mut Lines) -> Result<(), Error> {
        list(invitation, lines);
        if invitation.state != InvitationState::Open {
            return Ok(());
        }
        let Invitation { id, team, .. } = invitation;
        for account in &invitation.counted_in {
            lines.index(keys::open_invitation(
                account,
                expires_at_ms(invitation),
                id,
            ));
        }
        for role in invitation
            .grants
            .iter()
            .filter_map(|grant| grant.role.as_ref())
        {
            lines.uses_role(role, "invitation", &[id.as_str()]);
        }
        // The owner of an account to be may be invited to other accounts of the team as well.
        if invitation.kind == InvitationKind::Member {
            lines.leads(keys::invited(team, invitation.address()), id);
        }
        Ok(())
    }

    fn check(invitation: &Invitation, look: &mut Look<'_>) -> Result<(), Error> {
        look.must(
            !invitation.grants.is_empty(),
            "The invitation offers no account.",
        );
        let mut ancestors = BTreeSet::new();
        for grant in &invitation.grants {
            let line = account_line(&mut look.tx, &grant.account)?;
            look.must(
                line.last().is_some_and(|top| top.id == invitation.team),
                "The invitation offers an account of another team.",
            );
            ancestors.extend(line.into_iter().map(|account| account.id));
        }
        look.must(
            ancestors.iter().eq(invitation.counted_in.iter()),
            "The invitation counts in other accounts than those that it offers and those above.",
        );
        Ok(())
    }
}

/// The lists that an invitation is in: of the accounts that it offers, of those above these, of its
/// address, and of the user whose address it was.
fn list(invitation: &Invitation, lines: &mut Lines) {
    let Invitation { id, .. } = invitation;
    let newest = keys::sortable(u64::MAX - invitation.created_at_ms);
    let email = keys::orderable(invitation.address());
    let mut of_account = |account: &Id, [by_time, by_email]: [&str; 2]| {
        lines.index(keys::account_invitation(account, by_time, &newest, id));
        lines.index(keys::account_invitation(account, by_email, &email, id));
    };
    for grant in &invitation.grants {
        of_account(&grant.account, ["newest", "email"]);
    }
    for account in &invitation.counted_in {
        of_account(account, ["below_newest", "below_email"]);
    }
    if let Some(email) = &invitation.email {
        lines.index(keys::address_invitation(email.key(), id));
    }
    if let Some(user) = &invitation.user {
        lines.index(keys::user_invitation(user, id));
    }
}

/// These lines end with the id of the invitation.
fn by_last(parts: &[&str], _: &[u8]) -> Option<Vec<u8>> {
    key_of(parts.last()?)
}

fn key_of(invitation: &str) -> Option<Vec<u8>> {
    Some(keys::invitation(&id(invitation)?))
}

/// How many invitations to the account and to all below it are open now; counted up to `most`.
pub(crate) fn open_invitations(tx: &mut Tx<'_>, account: &Id, most: u64) -> Result<u64, Error> {
    let (_, until) = keys::range(keys::OPEN_INVITATION, &[account.as_str()]);
    let from = keys::open_invitations_after(account, tx.now_ms);
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    Ok(tx.range::<()>(&from, &until, most)?.len() as u64)
}

/// Reads an invitation inside an operation.
pub(crate) fn load(tx: &mut Tx<'_>, id: &Id) -> Result<Invitation, Error> {
    find(tx, id)?.ok_or_else(|| Error::not_found("invitation", id.as_str()).at("/invitation"))
}

/// An invitation, where there is one. In the place of a group that was deleted since it offers the
/// one that took in its members.
pub(crate) fn find(tx: &mut Tx<'_>, id: &Id) -> Result<Option<Invitation>, Error> {
    let Some(mut invitation) = tx.get::<Invitation>(&keys::invitation(id))? else {
        return Ok(None);
    };
    for grant in &mut invitation.grants {
        if let Some(group) = grant.group.take() {
            grant.group = groups::now(tx, &grant.account, &group)?;
        }
    }
    Ok(Some(invitation))
}

/// Writes an invitation that was changed.
pub(crate) fn save(tx: &mut Tx<'_>, invitation: &mut Invitation) -> Result<(), Error> {
    invitation.rev += 1;
    invitation.updated_at_ms = tx.now_ms;
    tx.save::<Invitations>(invitation)
}

/// The accounts that are offered and all above them, each once.
pub(crate) fn lines_of(tx: &mut Tx<'_>, grants: &[AccountGrant]) -> Result<Vec<Id>, Error> {
    let mut all = BTreeSet::new();
    for grant in grants {
        all.extend(
            account_line(tx, &grant.account)?
                .into_iter()
                .map(|account| account.id),
        );
    }
    Ok(all.into_iter().collect())
}

/// The top of the tree that an account is in.
pub(crate) fn team_of(tx: &mut Tx<'_>, account: &Id) -> Result<Id, Error> {
    Ok(account_line(tx, account)?
        .pop()
        .map_or_else(|| account.clone(), |top| top.id))
}

/// Whether an invitation was sent after now.
pub(crate) fn is_ahead(invitation: &Invitation, now_ms: u64) -> bool {
    invitation.sent_at_ms > now_ms
}

/// The life of an invitation that was sent in a wrong future begins now (R-QTA-13).
pub(crate) fn undo_future(tx: &mut Tx<'_>, mut invitation: Invitation) -> Result<(), Error> {
    invitation.sent_at_ms = tx.now_ms;
    save(tx, &mut invitation)
}

/// Ends an open invitation.
pub(crate) fn end(
    tx: &mut Tx<'_>,
    invitation: &mut Invitation,
    state: InvitationState,
) -> Result<(), Error> {
    invitation.state = state;
    save(tx, invitation)
}

/// The open invitation of an address to a team, expired or not.
pub(crate) fn of_address(
    tx: &mut Tx<'_>,
    team: &Id,
    email: &Email,
) -> Result<Option<Invitation>, Error> {
    let Some(id) = tx.get::<Id>(&keys::invited(team, email.key()))? else {
        return Ok(None);
    };
    tx.get(&keys::invitation(&id))
}

/// A user has become a member of an account: what their address was offered in that team is
/// superseded. Who is in the team is given access to further accounts, not invited (R-INV-7).
pub(crate) fn supersede(tx: &mut Tx<'_>, account: &Id, user: &User) -> Result<(), Error> {
    let team = team_of(tx, account)?;
    match of_address(tx, &team, &user.email)? {
        Some(mut invitation) => end(tx, &mut invitation, InvitationState::Superseded),
        None => Ok(()),
    }
}

/// The invitations of an address, to whatever team.
pub(crate) fn all_of_address(tx: &mut Tx<'_>, email: &Email) -> Result<Vec<Invitation>, Error> {
    all_within(tx, keys::range(keys::ADDRESS_INVITATION, &[email.key()]))
}

pub(crate) fn all_within(
    tx: &mut Tx<'_>,
    (from, until): (Vec<u8>, Vec<u8>),
) -> Result<Vec<Invitation>, Error> {
    let mut found = Vec::new();
    for (key, ()) in tx.range::<()>(&from, &until, usize::MAX)? {
        if let Some(id) = keys::last_id(&key) {
            found.extend(tx.get::<Invitation>(&keys::invitation(&id))?);
        }
    }
    Ok(found)
}

/// A user has another address from now on: the invitations of the one until now stay theirs.
pub(crate) fn keep(tx: &mut Tx<'_>, user: &Id, email: &Email) -> Result<(), Error> {
    for mut invitation in all_of_address(tx, email)? {
        invitation.user = Some(user.clone());
        save(tx, &mut invitation)?;
    }
    Ok(())
}

/// All invitations to an account.
pub(crate) fn of_account(tx: &mut Tx<'_>, account: &Id) -> Result<Vec<Invitation>, Error> {
    let (from, until) = keys::range(keys::ACCOUNT_INVITATION, &[account.as_str(), "newest"]);
    let mut found = Vec::new();
    for (key, ()) in tx.range::<()>(&from, &until, usize::MAX)? {
        if let Some(id) = keys::last_id(&key) {
            found.extend(tx.get::<Invitation>(&keys::invitation(&id))?);
        }
    }
    Ok(found)
}
