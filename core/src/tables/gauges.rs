//! Counts on the side: those that follow from records are declared with these, here is what is
//! special.

use crate::error::Error;
use crate::kernel::check::{Look, broken};
use crate::kernel::table::{Declared, Owner};
use crate::kernel::{Tx, keys};
use crate::model::{Account, Id, LimitName};
use crate::rules::limit::{CountedBy, counted_by};
use crate::tables::resources;

pub(super) const TABLES: &[Declared] = &[Declared::plain(
    keys::TALLY,
    None,
    Owner::Account,
    |look, _, parts| count(look, parts),
)];

fn count(look: &mut Look<'_>, parts: &[&str]) -> Result<(), Error> {
    if let Some(span) = (look.counted)(parts) {
        let there = look.count_in(span)?;
        return look.must_be_count(there);
    }
    match parts {
        [account, "shared", group, kind, owner] => {
            resources::check_shared(look, [account, group, kind, owner])
        }
        [account, "gauge", limit] => {
            let account = look.id(account)?;
            gauge(look, &account, limit)
        }
        [account, "total", limit] => {
            let account = look.id(account)?;
            total(look, &account, limit)
        }
        [_, what] if what.starts_with("guaranteed ") => look.record::<u64>().map(drop),
        [account, "idle", ..] | [account, "users"] => {
            let account = look.id(account)?;
            super::people::check_count(look, &account, parts)
        }
        _ => Err(broken("it counts what is not known")),
    }
}

/// What an account itself has of what a limit counts: that of which there are records must be what
/// they are.
fn gauge(look: &mut Look<'_>, account: &Id, limit: &str) -> Result<(), Error> {
    let counted: u64 = look.record()?;
    look.must(counted > 0, "it counts nothing");
    look.must_have(
        keys::gauge_total(account, limit),
        "the total does not count it",
    )?;
    // Of one that is being erased it is no longer counted.
    let of: Option<Account> = look.tx.get(&keys::account(account))?;
    if of.is_some_and(|account| account.leaving) {
        return Ok(());
    }
    match LimitName::find(limit) {
        Some(LimitName::Threads) => {
            let there = look.count(keys::SLOT, &[account.as_str()])?;
            look.must_be_count(there)
        }
        Some(LimitName::SuppressedDomains) => {
            let there = suppressed_domains(look, account)?;
            look.must_be_count(there)
        }
        Some(limit) if counted_by(limit) == CountedBy::Host => Ok(()),
        _ => Err(broken("it counts what is not known")),
    }
}

/// What an account has with all below it: its own, and what each account directly below has with
/// all below that.
fn total(look: &mut Look<'_>, account: &Id, limit: &str) -> Result<(), Error> {
    let mut there = look.tx.count(&keys::gauge(account, limit))?;
    let children = keys::range(keys::CHILD, &[account.as_str()]);
    look.each(children, |tx, key, _| {
        let child = keys::last_id(key).ok_or_else(|| broken("an account below has no id"))?;
        there += tx.count(&keys::gauge_total(&child, limit))?;
        Ok(())
    })?;
    look.must_be_count(there)?;
    let ancestor: Option<Account> = look.tx.get(&keys::account(account))?;
    match ancestor
        .filter(|account| !account.leaving)
        .and_then(|account| account.parent)
    {
        Some(parent) => look.must_have(
            keys::gauge_total(&parent, limit),
            "the account above does not count it",
        ),
        None => Ok(()),
    }
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
