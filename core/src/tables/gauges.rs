//! Counts on the side: those that follow from records are declared with these, here is what is
//! special.

use crate::error::Error;
use crate::kernel::check::{Look, broken};
use crate::kernel::table::{Declared, Owner};
use crate::kernel::{Tx, keys};
use crate::model::{Account, Id, LimitName};
use crate::rules::limit::{CountedBy, counted_by};
use crate::tables::resources;

pub(super) const TABLES: &[Declared] = &[Declared::derived(keys::TALLY, Owner::Account, check)];

fn check(look: &mut Look<'_>, _: &[u8], parts: &[&str]) -> Result<(), Error> {
    match there(look, parts)? {
        Some(0) => {
            look.must_be_count(0);
            return Ok(());
        }
        Some(there) => look.must_be_count(there),
        None => {
            let counted: u64 = look.record()?;
            look.must(counted > 0, "A count of nothing is kept.");
            let account = look.id(parts.first().copied().unwrap_or_default())?;
            look.must_have(keys::account(&account))?;
        }
    }
    match parts {
        [account, "gauge", limit] => {
            let account = look.id(account)?;
            look.must_have(keys::gauge_total(&account, limit))
        }
        [account, "total", limit] => {
            let account = look.id(account)?;
            let above: Option<Account> = look.tx.get(&keys::account(&account))?;
            let above = above.filter(|account| !account.leaving);
            match above.and_then(|account| account.parent) {
                Some(parent) => look.must_have(keys::gauge_total(&parent, limit)),
                None => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

/// What a count has to be, from the parts of its key; none where it is not of records, but of what
/// the host says, or of what is guaranteed.
pub(super) fn there(look: &mut Look<'_>, parts: &[&str]) -> Result<Option<u64>, Error> {
    if let Some(span) = (look.derived.counted)(parts) {
        return look.count_in(span).map(Some);
    }
    match parts {
        [account, "shared", group, kind, owner] => {
            resources::count_shared(look, [account, group, kind, owner]).map(Some)
        }
        [account, "gauge", limit] => {
            let account = look.id(account)?;
            gauge(look, &account, limit)
        }
        [account, "total", limit] => {
            let account = look.id(account)?;
            total(look, &account, limit).map(Some)
        }
        [_, what] if what.starts_with("guaranteed ") => Ok(None),
        [account, "users" | "idle", ..] => {
            let account = look.id(account)?;
            super::people::count(look, &account, parts).map(Some)
        }
        _ => {
            look.no_such_key()?;
            Ok(None)
        }
    }
}

/// What an account itself has of what a limit counts, where there are records of that.
fn gauge(look: &mut Look<'_>, account: &Id, limit: &str) -> Result<Option<u64>, Error> {
    // Of one that is being erased it is no longer counted.
    let of: Option<Account> = look.tx.get(&keys::account(account))?;
    if of.is_some_and(|account| account.leaving) {
        return Ok(None);
    }
    match LimitName::find(limit) {
        Some(LimitName::Threads) => look.count(keys::SLOT, &[account.as_str()]).map(Some),
        Some(LimitName::SuppressedDomains) => suppressed_domains(look, account).map(Some),
        Some(limit) if counted_by(limit) == CountedBy::Host => Ok(None),
        _ => Err(broken("The count is of a limit that counts nothing here.")),
    }
}

/// What an account has with all below it: its own, and what each account directly below has with
/// all below that.
fn total(look: &mut Look<'_>, account: &Id, limit: &str) -> Result<u64, Error> {
    let mut there = look.tx.count(&keys::gauge(account, limit))?;
    let children = keys::range(keys::CHILD, &[account.as_str()]);
    look.each(children, |tx, key, _| {
        let child =
            keys::last_id(key).ok_or_else(|| broken("An index line names no account below."))?;
        there += tx.count(&keys::gauge_total(&child, limit))?;
        Ok(())
    })?;
    Ok(there)
}

/// How many domains an account suppresses, each once, of whatever class.
fn suppressed_domains(look: &mut Look<'_>, account: &Id) -> Result<u64, Error> {
    let (mut counted, mut before) = (0, None);
    let entries = keys::range(keys::SUPPRESSION, &[account.as_str()]);
    look.each(entries, |_, key, _| {
        // The entries of one value lie beside each other.
        let value = key.split(|byte| *byte == 0).nth(2).map(<[u8]>::to_vec);
        let is_domain = value.as_ref().is_some_and(|value| !value.contains(&b'@'));
        counted += u64::from(is_domain && value != before);
        before = value;
        Ok(())
    })?;
    Ok(counted)
}

/// Changes the counts of the first account of a line and of those above it.
pub(crate) fn change(
    tx: &mut Tx<'_>,
    line: &[Account],
    limit: LimitName,
    by: i64,
) -> Result<(), Error> {
    if let Some(account) = line.first() {
        tx.add(keys::gauge(&account.id, limit.name()), by)?;
    }
    for ancestor in line {
        tx.add(keys::gauge_total(&ancestor.id, limit.name()), by)?;
    }
    Ok(())
}

/// No count is larger than what every language can say, which is far from the end of this type.
pub(crate) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
