//! A walk through the tree of accounts.

use crate::access::request::Ctx;
use crate::access::view::NominalCache;
use crate::error::Error;
use crate::kernel::keys;
use crate::model::{Cursor, Id};
use crate::tables::accounts::MAX_DEPTH;

/// A place in a tree of accounts: the ids from where the walk began down to the account itself. A
/// walk visits an account before those below it; that it can go on from any place, even one that is
/// no more, is what makes pages stable.
type TreePath = Vec<Id>;

/// The child of an account that follows another one, or the first.
fn child_after(ctx: &mut Ctx<'_>, parent: &Id, after: Option<&Id>) -> Result<Option<Id>, Error> {
    first_after(ctx, keys::range(keys::CHILD, &[parent.as_str()]), after)
}

/// The id at the end of the key that follows that of another id, or of the first key.
fn first_after(
    ctx: &mut Ctx<'_>,
    (mut from, until): crate::kernel::page::Span,
    after: Option<&Id>,
) -> Result<Option<Id>, Error> {
    if let Some(after) = after {
        from.extend_from_slice(after.as_str().as_bytes());
        from.push(0);
    }
    Ok(ctx
        .tx
        .range::<()>(&from, &until, 1)?
        .first()
        .and_then(|(key, ())| keys::last_id(key)))
}

/// The place that follows in the tree; none at its end. Without `enter` what lies below the place
/// is left out.
pub(crate) fn next_in_tree(
    ctx: &mut Ctx<'_>,
    mut path: TreePath,
    enter: bool,
) -> Result<Option<TreePath>, Error> {
    if let Some(last) = path.last().filter(|_| enter)
        && let Some(child) = child_after(ctx, &last.clone(), None)?
    {
        path.push(child);
        return Ok(Some(path));
    }
    while let (Some(last), Some(parent)) = (path.pop(), path.last().cloned()) {
        if let Some(next) = child_after(ctx, &parent, Some(&last))? {
            path.push(next);
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// The place to go on from: as it was, or where the accounts on the way to it were moved meanwhile,
/// as far as they are still there, and one more, which is not entered.
pub(crate) fn resume(ctx: &mut Ctx<'_>, mut path: TreePath) -> Result<(TreePath, bool), Error> {
    let mut ancestor: Option<Id> = None;
    for (at, id) in path.clone().into_iter().enumerate() {
        if let Some(ancestor) = ancestor
            && !ctx.tx.has(&keys::child(&ancestor, &id))?
        {
            path.truncate(at + 1);
            return Ok((path, false));
        }
        ancestor = Some(id);
    }
    Ok((path, true))
}

pub(crate) fn write_path(path: &[Id]) -> Result<Cursor, Error> {
    use base64::Engine;
    let text = path.iter().map(Id::as_str).collect::<Vec<_>>().join("\0");
    Cursor::new(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text))
        .map_err(Error::internal)
}

pub(crate) fn read_path(cursor: &Cursor) -> Result<TreePath, Error> {
    use base64::Engine;
    let read = || -> Option<TreePath> {
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(cursor.as_str())
            .ok()?;
        let path: Option<TreePath> = std::str::from_utf8(&bytes)
            .ok()?
            .split('\0')
            .map(|id| Id::new(id).ok())
            .collect();
        path.filter(|path| path.len() <= MAX_DEPTH)
    };
    read().ok_or_else(|| {
        Error::invalid(
            "/after",
            "`after` must be the `next` of the previous page, unchanged.",
        )
    })
}

/// Whether a membership of this account lets a user reach those below it.
fn manages_descendant(ctx: &mut Ctx<'_>, account: &Id, user: &Id) -> Result<bool, Error> {
    if !ctx.tx.has(&keys::member(account, user))? {
        return Ok(false);
    }
    let tree = ctx.tree();
    ctx.engine.cell(account)?.view(ctx.engine)?.manages_tree(
        &mut ctx.tx,
        &mut NominalCache::new(&tree),
        user,
    )
}

/// The place that follows among the accounts of a user: their memberships in order, and below each
/// whose team they manage the accounts there, but for what they manage by a nearer membership.
pub(crate) fn next_of_user(
    ctx: &mut Ctx<'_>,
    user: &Id,
    place: Option<TreePath>,
) -> Result<Option<TreePath>, Error> {
    let mut root = None;
    if let Some(path) = place {
        let (path, still_there) = resume(ctx, path)?;
        root = path.first().cloned();
        let manages = |ctx: &mut Ctx<'_>, account: Option<&Id>| match account {
            Some(account) => manages_descendant(ctx, account, user),
            None => Ok(false),
        };
        if manages(ctx, root.as_ref())? {
            let nearer = path.len() > 1 && manages(ctx, path.last())?;
            if let Some(next) = next_in_tree(ctx, path, still_there && !nearer)? {
                return Ok(Some(next));
            }
        }
    }
    let next = first_after(
        ctx,
        keys::range(keys::MEMBERSHIP, &[user.as_str()]),
        root.as_ref(),
    )?;
    Ok(next.map(|account| vec![account]))
}
