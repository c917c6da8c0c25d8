//! Caps and policies, which accounts have and the platform too (R-PLT-3).

use crate::error::Error;
use crate::kernel::table::{Declared, Lines, Owner, Table};
use crate::kernel::{Lowered, Tx, keys};
use crate::model::{self, AuditKind, Cap, CapScope, Id};
use crate::tables::accounts::account_line;

pub(super) const TABLES: &[Declared] = &[
    Declared::of::<Caps>(),
    Declared::plain(
        keys::POLICY,
        Some(AuditKind::Policies),
        Owner::AccountOrPlatform,
        |_, _, _| Ok(()),
    ),
];

pub(crate) struct Caps;

impl Table for Caps {
    type Record = Cap;
    const PREFIX: keys::Prefix = keys::CAP;
    const AUDIT: Option<AuditKind> = Some(AuditKind::Cap);
    const OWNER: Owner = Owner::AccountOrPlatform;

    fn key(cap: &Cap) -> Vec<u8> {
        keys::cap(cap.account.as_ref(), &cap.id)
    }

    fn lines(_: &mut Tx<'_>, _: &Cap, _: &mut Lines) -> Result<(), Error> {
        Ok(())
    }
}

/// The caps that an account carries, or the platform.
pub(crate) fn caps_of(tx: &mut Tx<'_>, account: Option<&Id>) -> Result<Vec<Cap>, Error> {
    let (from, until) = keys::range(keys::CAP, &[keys::account_or_platform(account)]);
    Ok(tx
        .range::<Cap>(&from, &until, usize::MAX)?
        .into_iter()
        .map(|(_, cap)| cap)
        .collect())
}

/// The read model is out of date: the accounts below send under the cap, too. The first and the
/// last cap of the platform say which lock guards the meters.
pub(crate) fn invalidate(tx: &mut Tx<'_>, cap: &model::Cap) {
    match &cap.account {
        Some(account) => {
            tx.invalidate_all();
            tx.recheck_limits(Lowered::Account(account.clone()));
        }
        None => {
            tx.invalidate_meters();
            tx.recheck_limits(Lowered::Platform);
        }
    }
}

/// Removes what the counters of a cap have counted.
fn forget_counts(tx: &mut Tx<'_>, account: Option<&Id>, cap: &Id) -> Result<(), Error> {
    for prefix in [keys::METER, keys::METER_HISTORY, keys::PACE] {
        let (from, until) = keys::range(
            prefix,
            &[keys::account_or_platform(account), &keys::of_cap(cap)],
        );
        for (key, _) in tx.range::<serde::de::IgnoredAny>(&from, &until, usize::MAX)? {
            tx.delete(key);
        }
    }
    Ok(())
}

/// An API key is deleted: with it go its caps, in its account, those above and the platform
/// (R-SES-7).
pub(crate) fn end_all_of_key(tx: &mut Tx<'_>, account: &Id, api_key: &Id) -> Result<(), Error> {
    let line = account_line(tx, account)?;
    for owner in line.iter().map(|account| Some(&account.id)).chain([None]) {
        for cap in caps_of(tx, owner)? {
            if cap.scope == CapScope::ApiKey
                && cap
                    .subject
                    .as_ref()
                    .is_some_and(|subject| subject.as_str() == api_key.as_str())
            {
                end(tx, &cap)?;
            }
        }
    }
    Ok(())
}

/// Removes a cap and what it has counted.
pub(crate) fn end(tx: &mut Tx<'_>, cap: &model::Cap) -> Result<(), Error> {
    tx.delete(keys::cap(cap.account.as_ref(), &cap.id));
    forget_counts(tx, cap.account.as_ref(), &cap.id)?;
    invalidate(tx, cap);
    Ok(())
}
