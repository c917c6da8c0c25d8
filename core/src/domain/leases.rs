//! Edit leases: one person at a time edits a resource (R-RES-3).

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api::leases::{Acquire, EditLease, Get, LeaseState, Release, Renew, TakeOver};
use crate::domain::resources::{EDIT, Kind, Need, acting, look_to_change, look_to_read, require};
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::model::{self, Actor, Count, Id, Resource};
use crate::rules::account::refuse_unless_active;
use crate::tables::accounts::account_line;

const SHORTEST_MS: u64 = 5_000;
const LONGEST_MS: u64 = 3_600_000;
/// From how many people a lease remembers to have been taken over.
const MOST_TAKEN_FROM: usize = 16;

/// The lease that counts now: none where it has run out, or its holder may edit the resource no
/// longer.
fn current(
    ctx: &mut Ctx<'_>,
    kind: &Kind,
    resource: &Resource,
) -> Result<Option<model::Lease>, Error> {
    let key = keys::lease(&resource.account, &resource.kind, &resource.id);
    let Some(lease) = ctx
        .tx
        .get::<model::Lease>(&key)?
        .filter(|lease| ctx.now_ms < lease.expires_at_ms)
    else {
        return Ok(None);
    };
    match require(ctx, &lease.user, kind, resource, EDIT, Need::Any) {
        Ok(()) => Ok(Some(lease)),
        Err(error) if error.code() == Code::PermissionDenied => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a lease began after now, or lives for longer than any can.
pub(crate) fn is_ahead(lease: &model::Lease, now_ms: u64) -> bool {
    lease.since_ms > now_ms || lease.expires_at_ms > now_ms.saturating_add(LONGEST_MS)
}

/// Refuses while another than `user` edits the resource.
pub(crate) fn refuse_if_leased(
    ctx: &mut Ctx<'_>,
    kind: &Kind,
    resource: &Resource,
    user: Option<&Id>,
) -> Result<(), Error> {
    match current(ctx, kind, resource)? {
        Some(lease) if Some(&lease.user) != user => Err(refusal(&lease, user)),
        _ => Ok(()),
    }
}

/// What somebody is told while another has the lease: they lost it to them, or never had it.
fn refusal(lease: &model::Lease, user: Option<&Id>) -> Error {
    let lost = user.is_some_and(|user| lease.taken_from.contains(user));
    let error = if lost {
        Error::new(
            Code::LeaseLost,
            format!(
                "`{}` took the lease over; ask them before you edit this again.",
                lease.user
            ),
        )
    } else {
        Error::new(
            Code::LeaseHeld,
            format!(
                "`{}` is editing this; try again when their lease has ended.",
                lease.user
            ),
        )
        .with("retry_at_ms", lease.expires_at_ms)
    };
    error
        .with("user", lease.user.as_str())
        .with("expires_at_ms", lease.expires_at_ms)
}

fn check_life(life_ms: Count) -> Result<u64, Error> {
    if (SHORTEST_MS..=LONGEST_MS).contains(&life_ms.get()) {
        return Ok(life_ms.get());
    }
    Err(Error::invalid(
        "/life_ms",
        format!(
            "A lease lasts {SHORTEST_MS} to {LONGEST_MS} ms, not {}.",
            life_ms.get()
        ),
    ))
}

fn state(resource: &Resource, lease: Option<model::Lease>) -> LeaseState {
    LeaseState {
        account: resource.account.clone(),
        kind: resource.kind.clone(),
        id: resource.id.clone(),
        lease: lease.map(|lease| EditLease {
            user: lease.user,
            since_ms: lease.since_ms,
            expires_at_ms: lease.expires_at_ms,
        }),
    }
}

fn grant(ctx: &mut Ctx<'_>, resource: &Resource, lease: model::Lease) -> Result<LeaseState, Error> {
    ctx.tx.put(
        keys::lease(&resource.account, &resource.kind, &resource.id),
        &lease,
    )?;
    Ok(state(resource, Some(lease)))
}

/// A resource, and who edits it: somebody who may.
fn open(
    ctx: &mut Ctx<'_>,
    account: &Id,
    kind: Id,
    id: &Id,
    user: Option<Id>,
) -> Result<(Kind, Resource, Id), Error> {
    let (kind, resource) = look_to_change(ctx, account, kind, id)?;
    let user =
        acting(ctx, user)?.ok_or_else(|| Error::invalid("/user", "Name the `user` who edits."))?;
    refuse_unless_active(&account_line(&mut ctx.tx, account)?)?;
    require(ctx, &user, &kind, &resource, EDIT, Need::Any)?;
    Ok((kind, resource, user))
}

impl Operation for Acquire {
    type Answer = LeaseState;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<LeaseState, Error> {
        let life_ms = check_life(self.life_ms)?;
        let (kind, resource, user) = open(ctx, &self.account, self.kind, &self.id, self.user)?;
        let (since_ms, taken_from) = match current(ctx, &kind, &resource)? {
            Some(lease) if lease.user != user => return Err(refusal(&lease, None)),
            Some(lease) => (lease.since_ms, lease.taken_from),
            None => (ctx.now_ms, Vec::new()),
        };
        let expires_at_ms = ctx.now_ms.saturating_add(life_ms);
        grant(
            ctx,
            &resource,
            model::Lease {
                user,
                since_ms,
                expires_at_ms,
                taken_from,
            },
        )
    }
}

/// The lease of this user, who may have lost it.
fn own(
    ctx: &mut Ctx<'_>,
    kind: &Kind,
    resource: &Resource,
    user: &Id,
) -> Result<model::Lease, Error> {
    match current(ctx, kind, resource)? {
        Some(lease) if lease.user == *user => Ok(lease),
        Some(lease) => Err(Error::new(
            Code::LeaseLost,
            format!(
                "`{}` has the lease now; ask for a lease again when theirs has ended.",
                lease.user
            ),
        )
        .with("user", lease.user.as_str())
        .with("expires_at_ms", lease.expires_at_ms)),
        None => Err(Error::new(
            Code::LeaseLost,
            "The lease has ended; ask for a new one.",
        )),
    }
}

impl Operation for Renew {
    type Answer = LeaseState;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<LeaseState, Error> {
        let life_ms = check_life(self.life_ms)?;
        let (kind, resource, user) = open(ctx, &self.account, self.kind, &self.id, self.user)?;
        let lease = own(ctx, &kind, &resource, &user)?;
        let expires_at_ms = ctx.now_ms.saturating_add(life_ms);
        grant(
            ctx,
            &resource,
            model::Lease {
                expires_at_ms,
                ..lease
            },
        )
    }
}

impl Operation for Release {
    type Answer = LeaseState;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<LeaseState, Error> {
        let (kind, resource) = look_to_change(ctx, &self.account, self.kind, &self.id)?;
        if let Some(user) = acting(ctx, self.user)? {
            own(ctx, &kind, &resource, &user)?;
        }
        ctx.tx
            .delete(keys::lease(&resource.account, &resource.kind, &resource.id));
        Ok(state(&resource, None))
    }
}

impl Operation for TakeOver {
    type Answer = LeaseState;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<LeaseState, Error> {
        let life_ms = check_life(self.life_ms)?;
        let (kind, resource, user) = open(ctx, &self.account, self.kind, &self.id, self.user)?;
        if let Actor::User { .. } = ctx.actor {
            let member = ctx
                .tx
                .get::<model::Member>(&keys::member(&self.account, &user))?;
            match member {
                Some(member) if member.owner || member.administrator => {}
                // Who manages the team from above needs no place here, and loses nothing by a small
                // one.
                _ => {
                    require(ctx, &user, &kind, &resource, EDIT, Need::All)?;
                    if !ctx.member_in(&self.account)?.from_ancestor {
                        return Err(Error::new(
                            Code::PermissionDenied,
                            "Only the owner and administrators take over a lease of another; ask \
                             one of them.",
                        ));
                    }
                }
            }
        }
        let expires_at_ms = ctx.now_ms.saturating_add(life_ms);
        let mut lease = model::Lease {
            user,
            since_ms: ctx.now_ms,
            expires_at_ms,
            taken_from: Vec::new(),
        };
        if let Some(before) = current(ctx, &kind, &resource)? {
            lease.taken_from = before.taken_from;
            if before.user == lease.user {
                lease.since_ms = before.since_ms;
            } else {
                lease.taken_from.push(before.user);
            }
            lease.taken_from.retain(|other| *other != lease.user);
            let forgotten = lease.taken_from.len().saturating_sub(MOST_TAKEN_FROM);
            lease.taken_from.drain(..forgotten);
        }
        grant(ctx, &resource, lease)
    }
}

impl Operation for Get {
    type Answer = LeaseState;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<LeaseState, Error> {
        let (kind, resource) = look_to_read(ctx, &self.account, self.kind, &self.id)?;
        let sees_lease =
            resource.account == self.account || !matches!(ctx.actor, Actor::User { .. });
        let lease = if sees_lease {
            current(ctx, &kind, &resource)?
        } else {
            None
        };
        Ok(state(&resource, lease))
    }
}
