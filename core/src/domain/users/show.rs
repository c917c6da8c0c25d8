//! Users as callers see them.

use crate::access::request::Ctx;
use crate::access::visibility;
use crate::api::users::{EmailChangeAsked, User};
use crate::auth::forms;
use crate::domain::links;
use crate::error::Error;
use crate::kernel::keys;
use crate::model::{self, Count, Id, LinkKind, PasswordRecord};
use crate::tables::users::{accounts_of, last_seen};

/// Most memberships that a list shows of a user.
pub(crate) const MAX_MEMBERSHIPS: usize = 50;

pub(crate) fn answer_of(ctx: &mut Ctx<'_>, user: model::User) -> Result<User, Error> {
    let to_themself = visibility::home(ctx).is_none() || visibility::is_in_person(ctx, &user.id);
    let (asked, password) = if to_themself {
        let asked = links::open(ctx, &user.id, LinkKind::EmailChange)?;
        let password = ctx.tx.get::<PasswordRecord>(&keys::password(&user.id))?;
        (asked, password)
    } else {
        (None, None)
    };
    Ok(User {
        last_seen_at_ms: last_seen(&mut ctx.tx, &user)?,
        accounts: visibility::accounts_seen(ctx, &user.id, usize::MAX)?,
        id: user.id,
        email: user.email.as_typed().to_owned(),
        profile: user.profile,
        disabled: user.disabled,
        email_change: asked.map(|link| EmailChangeAsked {
            email: link.email.into(),
            expires_at_ms: link.expires_at_ms.get(),
        }),
        must_set_password: user.must_set_password,
        weak_password: password
            .and_then(|password| forms::weak_form(&password.hash))
            .map(str::to_owned),
        first_login_at_ms: user.first_login_at_ms,
        rev: user.rev,
        created_at_ms: user.created_at_ms,
        updated_at_ms: user.updated_at_ms,
    })
}

/// Whether a user was not here since an instant; for who never was, it counts when they were made.
pub(crate) fn is_inactive(
    user: &model::User,
    last_seen_at_ms: Option<u64>,
    since: Option<Count>,
) -> bool {
    since.is_none_or(|since| last_seen_at_ms.unwrap_or(user.created_at_ms) < since.get())
}

/// The memberships of a user in an account and all below it, or anywhere.
pub(crate) fn memberships_in(
    ctx: &mut Ctx<'_>,
    user: &Id,
    scope: Option<&Id>,
) -> Result<Vec<model::Member>, Error> {
    let accounts = accounts_of(&mut ctx.tx, user, usize::MAX)?;
    memberships_among(ctx, user, &accounts, scope)
}

/// The same, where the accounts that the user is in were read before.
pub(crate) fn memberships_among(
    ctx: &mut Ctx<'_>,
    user: &Id,
    accounts: &[Id],
    scope: Option<&Id>,
) -> Result<Vec<model::Member>, Error> {
    let mut found = Vec::new();
    for account in accounts {
        let within = match scope {
            Some(scope) => visibility::is_within(ctx, account, scope)?,
            None => true,
        };
        if within {
            found.extend(ctx.tx.get::<model::Member>(&keys::member(account, user))?);
        }
    }
    Ok(found)
}
