//! Invitations (R-INV-2): where each is listed, whose seats it takes while it is open, and that it
//! is the one of its address.

use super::accounts::account_line;
use super::{id, led_to};
use crate::error::Error;
use crate::kernel::check::Look;
use crate::kernel::table::{Declared, Index, Lines, Owner, Table};
use crate::kernel::{Tx, keys};
use crate::model::{AuditKind, Id, Invitation, InvitationKind, InvitationState};
use crate::rules::invitation::expires_at_ms;
use std::collections::BTreeSet;

pub(super) const TABLES: &[Declared] = &[Declared::of::<Invitations>()];

pub(crate) struct Invitations;

impl Table for Invitations {
    type Record = Invitation;
    const PREFIX: u8 = keys::INVITATION;
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
        look.must(!invitation.grants.is_empty(), "it offers nothing");
        let mut above = BTreeSet::new();
        for grant in &invitation.grants {
            let line = account_line(&mut look.tx, &grant.account)?;
            look.must(
                line.last().is_some_and(|top| top.id == invitation.team),
                "it offers an account of another team",
            );
            above.extend(line.into_iter().map(|account| account.id));
        }
        look.must(
            above.iter().eq(invitation.counted_in.iter()),
            "it is counted in other accounts than those above what it offers",
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
