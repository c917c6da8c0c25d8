//! Users are made.

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api::users::{Create, User};
use crate::domain::users::NamedAt;
use crate::domain::users::show::answer_of;
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::model::{self, Email, Id, Name, Profile};
use crate::tables::users::Users;

/// Writes a new user and its e-mail address.
pub(crate) fn create(
    ctx: &mut Ctx<'_>,
    id: Option<Id>,
    email: Email,
    first_name: Option<Name>,
    last_name: Option<Name>,
    named_at: &NamedAt<'_>,
) -> Result<model::User, Error> {
    if ctx.tx.has(&keys::email(email.key()))? {
        return Err(Error::new(
            Code::EmailTaken,
            format!(
                "`{}` belongs to a user already; name another address.",
                email.as_typed()
            ),
        )
        .at(named_at.email));
    }
    let id = ctx
        .new_id(id, keys::USER, keys::user, "user")
        .map_err(|error| error.at(named_at.id))?;
    let user = model::User {
        id,
        email,
        profile: Profile {
            first_name,
            last_name,
            ..Profile::default()
        },
        disabled: false,
        must_set_password: false,
        first_login_at_ms: None,
        rev: 1,
        created_at_ms: ctx.now_ms,
        updated_at_ms: ctx.now_ms,
    };
    ctx.tx.save::<Users>(&user)?;
    Ok(user)
}

pub(crate) fn check_form(
    value: Option<&Name>,
    fits: impl Fn(&str) -> bool,
    field: &str,
    form: &str,
) -> Result<(), Error> {
    match value {
        Some(value) if !fits(value.as_str()) => Err(Error::invalid(
            field,
            format!("`{value}` does not fit here; write {form}."),
        )),
        _ => Ok(()),
    }
}

impl Operation for Create {
    type Answer = User;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<User, Error> {
        let user = create(
            ctx,
            self.id,
            self.email,
            self.first_name,
            self.last_name,
            &NamedAt {
                id: "/id",
                email: "/email",
            },
        )?;
        answer_of(ctx, user)
    }
}
