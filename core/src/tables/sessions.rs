//! Sessions (R-SES-1).

use crate::error::Error;
use crate::kernel::table::{Declared, Index, Lines, Owner, Table, id};
use crate::kernel::{Tx, keys};
use crate::model::{AuditKind, Id, Session};

pub(super) const TABLES: &[Declared] = &[Declared::of::<Sessions>()];

pub(crate) struct Sessions;

impl Table for Sessions {
    type Record = Session;
    const PREFIX: keys::Prefix = keys::SESSION;
    const AUDIT: Option<AuditKind> = Some(AuditKind::Session);
    const OWNER: Owner = Owner::Nobody;
    const LINES: &'static [Index] = &[Index {
        prefix: keys::USER_SESSION,
        source: |parts, _| match parts {
            [_, session] => Some(keys::session(&id(session)?)),
            _ => None,
        },
    }];

    fn key(session: &Session) -> Vec<u8> {
        keys::session(&session.id)
    }

    /// A session is known to its user, and to the person who acts as them.
    fn lines(_: &mut Tx<'_>, session: &Session, lines: &mut Lines) -> Result<(), Error> {
        for user in [&session.user, session.person()] {
            lines.needs(keys::user(user));
            lines.index(keys::user_session(user, &session.id));
        }
        Ok(())
    }
}

/// The sessions of a user and those in which they act as others, those included that are over.
pub(crate) fn all_of(tx: &mut Tx<'_>, user: &Id) -> Result<Vec<Session>, Error> {
    let (from, until) = keys::range(keys::USER_SESSION, &[user.as_str()]);
    let rows = tx.range::<serde::de::IgnoredAny>(&from, &until, usize::MAX)?;
    let mut sessions = Vec::with_capacity(rows.len());
    for id in rows.iter().filter_map(|(key, _)| keys::last_id(key)) {
        sessions.extend(tx.get::<Session>(&keys::session(&id))?);
    }
    Ok(sessions)
}

pub(crate) fn end(tx: &mut Tx<'_>, session: &Session) -> Result<(), Error> {
    tx.erase::<Sessions>(session)?;
    tx.invalidate_session(&session.id);
    Ok(())
}

/// Ends the sessions in which somebody acts as another: of an operator, or of who is no longer in
/// an account, as whom or from which they were begun.
pub(crate) fn end_log_ins_as(
    tx: &mut Tx<'_>,
    user: &Id,
    account: Option<&Id>,
) -> Result<(), Error> {
    for session in all_of(tx, user)? {
        let Some(behind) = &session.behind else {
            continue;
        };
        let begun = behind.user == *user && behind.from_account.as_ref() == account;
        if begun || (session.user == *user && Some(&behind.account) == account) {
            end(tx, &session)?;
        }
    }
    Ok(())
}

/// Ends the sessions of a user and those in which they act as others, all but one; answers how many
/// ended.
pub(crate) fn end_all_of(tx: &mut Tx<'_>, user: &Id, keep: Option<&Id>) -> Result<u64, Error> {
    let mut ended = 0;
    for session in all_of(tx, user)?
        .iter()
        .filter(|session| Some(&session.id) != keep)
    {
        end(tx, session)?;
        ended += 1;
    }
    Ok(ended)
}

/// As [`end_all_of`], where the second factor of the user has changed: the session that is kept has
/// one now, or none.
pub(crate) fn end_all_but(
    tx: &mut Tx<'_>,
    user: &Id,
    keep: Option<&Id>,
    with_second_factor: bool,
) -> Result<u64, Error> {
    if let Some(keep) = keep
        && let Some(mut session) = tx.get::<Session>(&keys::session(keep))?
        && session.user == *user
        && session.behind.is_none()
    {
        session.with_second_factor = with_second_factor;
        tx.save::<Sessions>(&session)?;
        tx.invalidate_session(keep);
    }
    end_all_of(tx, user, keep)
}
