//! Addresses and passwords of users change.

use crate::access::escalation::members::refuse_stronger;
use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::access::visibility;
use crate::api::users::{
    ChangeEmail, ConfirmEmail, EmailChanged, PasswordResetRequested, PasswordWasSet,
    RequestPasswordReset, User,
};
use crate::domain::links;
use crate::domain::users::edit::{Editing, end_access, tell};
use crate::domain::users::save;
use crate::domain::users::show::answer_of;
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::kernel::revision::check_rev;
use crate::model::{self, Actor, Editor, Email, Id, LinkKind, OutboxKind, PasswordRecord};
use crate::rules::user::FieldGroup;
use crate::tables::invitations;
use crate::tables::users::{accounts_of, load};

/// The password of a user was taken away, and they are told; answers how many sessions ended
/// (R-SES-4).
pub(crate) fn password_was_removed(ctx: &mut Ctx<'_>, user: &model::User) -> Result<u64, Error> {
    notify(ctx, OutboxKind::PasswordChanged, user)?;
    ctx.tx.delete(keys::password(&user.id));
    end_access(ctx, &user.id, None)
}

/// The user has another password, however that came about, and is told; answers how many sessions
/// ended (R-SES-4). The step is done where they were asked for one (R-TEA-4): of the first that
/// they have, nobody has to tell them. `record` is what is known of it here; the host may keep it
/// itself.
pub(crate) fn password_was_set(
    ctx: &mut Ctx<'_>,
    user: model::User,
    record: Option<&PasswordRecord>,
    keep: Option<&Id>,
) -> Result<(model::User, u64), Error> {
    let key = keys::password(&user.id);
    if !user.must_set_password || ctx.tx.has(&key)? {
        notify(ctx, OutboxKind::PasswordChanged, &user)?;
    }
    if let Some(record) = record {
        ctx.tx.put(key, record)?;
    }
    let sessions_ended = end_access(ctx, &user.id, keep)?;
    let user = if user.must_set_password {
        save(
            ctx,
            &user,
            model::User {
                must_set_password: false,
                ..user.clone()
            },
        )?
    } else {
        user
    };
    Ok((user, sessions_ended))
}

/// Sends a user the link that sets a new password; answers how long it can be used.
pub(crate) fn send_reset(ctx: &mut Ctx<'_>, user: &model::User) -> Result<u64, Error> {
    let life_ms = links::reset_life(ctx)?;
    let link = links::create(
        ctx,
        LinkKind::PasswordReset,
        &user.id,
        user.email.clone(),
        life_ms,
    )?;
    tell(
        ctx,
        OutboxKind::PasswordReset,
        &user.id,
        &user.email,
        Some(&link),
    )?;
    Ok(link.expires_at_ms.get())
}

/// Gives a user another address, of which the old one is told (R-SES-4). Links that went to that
/// one are dead.
fn set_email(
    ctx: &mut Ctx<'_>,
    user: &model::User,
    email: Email,
    field: &str,
) -> Result<model::User, Error> {
    if email.key() != user.email.key() {
        if ctx.tx.has(&keys::email(email.key()))? {
            return Err(Error::new(
                Code::EmailTaken,
                format!(
                    "`{}` belongs to a user already; name another address.",
                    email.as_typed()
                ),
            )
            .at(field));
        }
        invitations::keep(&mut ctx.tx, &user.id, &user.email)?;
        notify(ctx, OutboxKind::EmailChangeNotice, user)?;
    }
    links::end_all(ctx, &user.id)?;
    let user = save(
        ctx,
        user,
        model::User {
            email,
            ..user.clone()
        },
    )?;
    for account in accounts_of(&mut ctx.tx, &user.id, usize::MAX)? {
        invitations::supersede(&mut ctx.tx, &account, &user)?;
    }
    Ok(user)
}

/// Tells a user what has become of that which they log in with.
pub(crate) fn notify(ctx: &mut Ctx<'_>, kind: OutboxKind, user: &model::User) -> Result<(), Error> {
    tell(ctx, kind, &user.id, &user.email, None)
}

impl Operation for ChangeEmail {
    type Answer = EmailChanged;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<EmailChanged, Error> {
        let user = visibility::load_visible(ctx, &self.user, "/user")?;
        let editing = Editing::new(ctx, &user, self.account)?;
        editing.check(ctx, &user, FieldGroup::Email, "/email")?;
        check_rev(self.expected_rev, user.rev)?;
        let email = self.email.as_typed().to_owned();
        // Another spelling of the same address needs no proof. Operators who change their own are
        // asked for it like anybody.
        let same = self.email.key() == user.email.key();
        if same
            || editing.host
            || !editing.relations.contains(&Editor::OneSelf) && editing.account.is_none()
        {
            let changed = set_email(ctx, &user, self.email, "/email")?;
            return Ok(EmailChanged {
                user: changed.id,
                email,
                changed: true,
                expires_at_ms: None,
            });
        }
        // Whoever asks must not learn whom an address belongs to: only the mail to it is left out.
        let taken = ctx.tx.has(&keys::email(self.email.key()))?;
        let life_ms = ctx.policies(editing.account.as_ref())?.link_life_ms;
        let link = links::create(ctx, LinkKind::EmailChange, &user.id, self.email, life_ms)?;
        match taken {
            true => ctx.tx.leave_out_message()?,
            false => tell(
                ctx,
                OutboxKind::EmailChange,
                &user.id,
                &link.email,
                Some(&link),
            )?,
        }
        notify(ctx, OutboxKind::EmailChangeNotice, &user)?;
        Ok(EmailChanged {
            user: user.id,
            email,
            changed: false,
            expires_at_ms: Some(link.expires_at_ms.get()),
        })
    }
}

impl Operation for ConfirmEmail {
    type Answer = User;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<User, Error> {
        let link = links::take(ctx, &self.token, LinkKind::EmailChange)?;
        let user = load(&mut ctx.tx, &link.user, "/token")?;
        if user.disabled {
            return Err(Error::new(
                Code::UserDisabled,
                format!("`{}` is disabled; enable the user first.", user.id),
            )
            .at("/token"));
        }
        let user = set_email(ctx, &user, link.email, "/token")?;
        answer_of(ctx, user)
    }
}

impl Operation for RequestPasswordReset {
    type Answer = PasswordResetRequested;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<PasswordResetRequested, Error> {
        let is_self = visibility::is_self(ctx, &self.user);
        match (visibility::home(ctx), ctx.actor) {
            (Some(home), _) if is_self => ctx.require_in(&home, "self.password")?,
            (Some(home), _) => ctx.require_in(&home, "users.reset_password")?,
            (None, Actor::Operator { .. }) if !is_self => {
                ctx.require_as_operator("clients.edit")?;
            }
            (None, _) => {}
        }
        let user = visibility::load_visible(ctx, &self.user, "/user")?;
        if !is_self {
            refuse_stronger(ctx, &user.id)?;
        }
        if user.disabled {
            return Err(Error::new(
                Code::UserDisabled,
                format!("`{}` is disabled; enable the user first.", user.id),
            )
            .at("/user"));
        }
        let expires_at_ms = send_reset(ctx, &user)?;
        Ok(PasswordResetRequested {
            user: user.id,
            expires_at_ms,
        })
    }
}

impl Operation for PasswordWasSet {
    type Answer = User;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<User, Error> {
        let user = load(&mut ctx.tx, &self.user, "/user")?;
        let (user, _) = password_was_set(ctx, user, None, None)?;
        answer_of(ctx, user)
    }
}
