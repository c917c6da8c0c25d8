//! What is an account's is erased: at once where it is little, and otherwise in steps, each a whole
//! commit (R-QTA-16).
//!
//! An account that is erased in steps is marked first: from then on it is there for nobody, is
//! listed nowhere, and counts for none above. Its record stays until its people are gone, because
//! the lists of the accounts above are kept by it.

use crate::access::request::Ctx;
use crate::api::accounts::Children;
use crate::domain::{credits, gauges, invitations, limits, membership, packages, roles, sharing};
use crate::error::Error;
use crate::kernel::page::Span;
use crate::kernel::table::Lines;
use crate::kernel::{Erased, Job, keys};
use crate::model::{Account, AuditActor, Id, Invitation, Member, Resource};
use crate::tables::accounts::{Accounts, account_line, load, save};
use crate::tables::deletions::{self, Deletion};
use crate::tables::slots::Slots;
use crate::tables::{self, groups, replacements, resources};
use serde::de::{DeserializeOwned, IgnoredAny};

/// How many records a step reads at once.
const PAGE: usize = 128;
/// What follows from each of these records concerns nothing but them and the lists above.
const ERASED_ALONE: [keys::Prefix; 2] = [keys::SUPPRESSION, keys::RESERVATION];

/// Whether an account, with those below it that go with it, is so small that one commit erases it.
/// While other work is under way it waits for its turn: accounts that are being erased may lie
/// below it, and its members may have to be written anew.
pub(crate) fn fits(
    ctx: &mut Ctx<'_>,
    account: &Id,
    children: Option<Children>,
) -> Result<bool, Error> {
    let is_busy =
        deletions::are_under_way(&mut ctx.tx)? || replacements::are_under_way(&mut ctx.tx)?;
    if is_busy || !has_room(ctx) {
        return Ok(false);
    }
    let mut left = ctx.engine.background.at_once();
    let mut open = vec![account.clone()];
    while let Some(id) = open.pop() {
        left -= tables::count_of_account(&ctx.tx, &id, left)?;
        if children == Some(Children::Delete) {
            let (from, until) = keys::range(keys::CHILD, &[id.as_str()]);
            let rows = ctx.tx.range::<()>(&from, &until, left)?;
            open.extend(rows.iter().filter_map(|(key, ())| keys::last_id(key)));
        }
        if left <= open.len() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether a commit may erase more.
fn has_room(ctx: &Ctx<'_>) -> bool {
    ctx.tx.written_count() < ctx.engine.background.written_at_once()
}

/// The accounts above one that count what it has: one that is being erased counts for none above
/// it, and neither does what is below that.
fn counted_ancestors(line: &[Account]) -> &[Account] {
    let ancestors = line.get(1..).unwrap_or_default();
    let first_leaving = ancestors.iter().position(|account| account.leaving);
    first_leaving.map_or(ancestors, |at| ancestors.get(..=at).unwrap_or_default())
}

/// An account is one of those below its parent no longer. It is not written itself.
fn part(ctx: &mut Ctx<'_>, account: &Account) -> Result<(), Error> {
    if let Some(parent) = &account.parent {
        let mut ancestor = load(&mut ctx.tx, parent, "/account")?;
        ancestor.children = ancestor.children.saturating_sub(1);
        ctx.tx.save::<Accounts>(&ancestor)?;
    }
    Ok(())
}

/// Removes an account with all that is its, of what nothing follows from at most so many records;
/// answers how many users went with it.
pub(crate) fn at_once(ctx: &mut Ctx<'_>, id: &Id, most: usize) -> Result<u64, Error> {
    let account = load(&mut ctx.tx, id, "/account")?;
    if !account.leaving {
        part(ctx, &account)?;
    }
    resources::erase_all_of(&mut ctx.tx, &account.id)?;
    let line = account_line(&mut ctx.tx, &account.id)?;
    // Its owner may go with it, by whose address it is listed.
    let listed = ctx.tx.lines_stored::<Accounts>(&account)?;
    ctx.tx.replace_lines(listed, Lines::default())?;
    let (from, until) = keys::range(keys::MEMBER, &[account.id.as_str()]);
    let mut users = 0;
    for (_, member) in ctx.tx.range::<Member>(&from, &until, usize::MAX)? {
        users += u64::from(membership::erase(ctx, &member)?);
    }
    let mut leaving = account.clone();
    limits::give_back(ctx, &mut leaving)?;
    packages::relink(ctx, &account.id, account.package.as_ref(), None)?;
    groups::erase_all(&mut ctx.tx, &account.id)?;
    invitations::records::erase_all_of(ctx, &account.id)?;
    roles::delete::erase_all_of(ctx, &account)?;
    sharing::erase_all_of(ctx, &account.id)?;
    if !account.leaving {
        gauges::leave(ctx, &account.id, counted_ancestors(&line))?;
    }
    credits::transfers::return_to_parent(ctx, &account)?;
    tables::erase_of_account(&mut ctx.tx, &account.id, most)?;
    ctx.tx.delete(keys::account_allow_list(&account.id));
    ctx.tx.delete(keys::account(&account.id));
    ctx.tx.mark(keys::tombstone(keys::ACCOUNT, &account.id));
    ctx.tx.remove_account(&account.id);
    Ok(users)
}

/// An account is deleted: it is there for nobody any more, and what is its is erased step by step.
pub(crate) fn leave(ctx: &mut Ctx<'_>, id: &Id, root: &Id) -> Result<(), Error> {
    let mut account = load(&mut ctx.tx, id, "/account")?;
    let line = account_line(&mut ctx.tx, id)?;
    part(ctx, &account)?;
    ctx.tx.erase_range::<Slots>(&[id.as_str()], usize::MAX)?;
    gauges::leave(ctx, id, counted_ancestors(&line))?;
    limits::give_back(ctx, &mut account)?;
    packages::relink(ctx, id, account.package.as_ref(), None)?;
    account.package = None;
    account.next_package = None;
    account.leaving = true;
    save(&mut ctx.tx, account)?;
    ctx.tx.remove_account(id);
    ctx.tx.schedule_job(Job::Erase(root.clone()));
    let deletion = Deletion {
        account: id.clone(),
        root: root.clone(),
        depth: line.len(),
        // Where they came from stands with the commit that began it.
        actor: AuditActor {
            ip: None,
            ..ctx.audit_actor()
        },
        began_at_ms: ctx.now_ms,
        accounts: 0,
        users: 0,
    };
    deletions::save(&mut ctx.tx, &deletion)
}

/// Erases a part of what is still to be erased; whether there may be more.
pub(crate) fn step(ctx: &mut Ctx<'_>) -> Result<bool, Error> {
    ctx.tx.find_leaving();
    let Some(mut deletion) = deletions::next(&mut ctx.tx)? else {
        return Ok(false);
    };
    ctx.on_behalf = Some(deletion.actor.clone());
    let id = deletion.account.clone();
    if ctx.tx.has(&keys::account(&id))? {
        if erase_descendants(ctx, &mut deletion)? && erase_some(ctx, &mut deletion)? {
            let most = ctx.engine.background.written_at_once();
            deletion.users += at_once(ctx, &id, most)?;
            deletion.accounts += 1;
        }
        deletions::save(&mut ctx.tx, &deletion)?;
        return Ok(true);
    }
    let most = ctx.engine.background.written_at_once();
    if tables::erase_of_account(&mut ctx.tx, &id, most)? == most {
        return Ok(true);
    }
    deletions::end(&mut ctx.tx, &deletion)?;
    let Deletion {
        accounts, users, ..
    } = deletion;
    if deletion.root == id {
        ctx.tx.end_job(Job::Erase(id), Erased { accounts, users });
        return Ok(true);
    }
    if let Some(mut root) = ctx.tx.get::<Deletion>(&deletions::key(&deletion.root))? {
        root.accounts += accounts;
        root.users += users;
        deletions::save(&mut ctx.tx, &root)?;
    }
    Ok(true)
}

/// The accounts below one that is being erased go first; whether all are gone.
fn erase_descendants(ctx: &mut Ctx<'_>, deletion: &mut Deletion) -> Result<bool, Error> {
    while has_room(ctx) {
        let Some(lowest) = lowest_descendant(ctx, &deletion.account)? else {
            return Ok(true);
        };
        let most = ctx.engine.background.at_once();
        if tables::count_of_account(&ctx.tx, &lowest, most)? == most {
            // It has steps of its own, which come before those of this one.
            return leave(ctx, &lowest, &deletion.root).map(|()| false);
        }
        deletion.users += at_once(ctx, &lowest, usize::MAX)?;
        deletion.accounts += 1;
    }
    Ok(false)
}

/// An account below another, and none below that.
fn lowest_descendant(ctx: &mut Ctx<'_>, account: &Id) -> Result<Option<Id>, Error> {
    let mut lowest = None;
    let mut at = account.clone();
    loop {
        let (from, until) = keys::range(keys::CHILD, &[at.as_str()]);
        let rows = ctx.tx.range::<()>(&from, &until, 1)?;
        match rows.first().and_then(|(key, ())| keys::last_id(key)) {
            Some(child) => at = child,
            None => return Ok(lowest),
        }
        lowest = Some(at.clone());
    }
}

/// Erases what others know of, as far as the commit has room; whether all of it is gone. The owner
/// stays to the end.
fn erase_some(ctx: &mut Ctx<'_>, deletion: &mut Deletion) -> Result<bool, Error> {
    let id = &deletion.account.clone();
    let records_of = |prefix| keys::range(prefix, &[id.as_str()]);
    let is_clear = each(
        ctx,
        records_of(keys::RESOURCE),
        |ctx, _, resource: Resource| resources::erase(&mut ctx.tx, &resource),
    )? && each(ctx, records_of(keys::MEMBER), |ctx, _, member: Member| {
        if !member.owner {
            deletion.users += u64::from(membership::erase(ctx, &member)?);
        }
        Ok(())
    })? && each(
        ctx,
        keys::range(keys::ACCOUNT_INVITATION, &[id.as_str(), "newest"]),
        |ctx, key, _: IgnoredAny| {
            let invitation = match keys::last_id(key) {
                Some(id) => ctx.tx.get::<Invitation>(&keys::invitation(&id))?,
                None => None,
            };
            invitation.map_or(Ok(()), |invitation| {
                invitations::records::withdraw(ctx, invitation, id)
            })
        },
    )?;
    if !is_clear {
        return Ok(false);
    }
    for prefix in ERASED_ALONE {
        let most = PAGE.min(ctx.engine.background.at_once());
        let Some(table) = tables::of(prefix) else {
            continue;
        };
        while (table.erase_range)(&mut ctx.tx, prefix, &[id.as_str()], most)? == most {
            if !has_room(ctx) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Shows the records of a span, a page at a time, as long as the commit has room; whether all were
/// shown.
fn each<'a, T: DeserializeOwned + 'static>(
    ctx: &mut Ctx<'a>,
    (mut from, until): Span,
    mut show: impl FnMut(&mut Ctx<'a>, &[u8], T) -> Result<(), Error>,
) -> Result<bool, Error> {
    loop {
        let rows = ctx.tx.range::<T>(&from, &until, PAGE)?;
        let is_last = rows.len() < PAGE;
        for (key, record) in rows {
            if !has_room(ctx) {
                return Ok(false);
            }
            show(ctx, &key, record)?;
            from = [key.as_slice(), &[0]].concat();
        }
        if is_last {
            return Ok(true);
        }
    }
}
