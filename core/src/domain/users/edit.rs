//! Users are read, edited, disabled and enabled.

use crate::access::escalation::members::refuse_stronger;
use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::access::visibility;
use crate::api::users::{Disable, Edit, Enable, Get, LoggedIn, ProfileField, User};
use crate::domain;
use crate::domain::users::create::check_form;
use crate::domain::users::save;
use crate::domain::users::show::answer_of;
use crate::domain::{links, membership};
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::kernel::revision::check_rev;
use crate::model::{
    self, Actor, Editor, EffectivePolicies, Email, Id, Link, OutboxKind, OutboxMessage, Profile,
};
use crate::rules::user::{FieldGroup, edits_as, is_country, is_language, is_phone, names_of};
use crate::rules::window;
use crate::tables::users::{Users, accounts_of, load, memberships_of, seen};
use crate::tables::{accounts, members, people, sessions};

/// What the password of a user opened is closed: the links that they were sent are dead, a waiting
/// change of address with them, and all sessions end but the one that is kept; answers how many
/// (R-SES-4).
pub(crate) fn end_access(ctx: &mut Ctx<'_>, user: &Id, keep: Option<&Id>) -> Result<u64, Error> {
    links::end_all(ctx, user)?;
    sessions::end_all_of(&mut ctx.tx, user, keep)
}

/// The user has logged in; the first time counts (R-INV-4).
pub(crate) fn logged_in(ctx: &mut Ctx<'_>, user: model::User) -> Result<model::User, Error> {
    seen(&mut ctx.tx, &user.id, ctx.now_ms)?;
    if user.first_login_at_ms.is_some() {
        return Ok(user);
    }
    save(
        ctx,
        &user,
        model::User {
            first_login_at_ms: Some(ctx.now_ms),
            ..user.clone()
        },
    )
}

fn set_disabled(ctx: &mut Ctx<'_>, id: &Id, disabled: bool) -> Result<User, Error> {
    visibility::refuse_self(ctx, id, "disable or enable")?;
    refuse_stronger(ctx, id)?;
    let mut user = load(&mut ctx.tx, id, "/user")?;
    if user.disabled != disabled {
        let was = user.clone();
        user.disabled = disabled;
        user.rev += 1;
        user.updated_at_ms = ctx.now_ms;
        ctx.tx.save::<Users>(&user)?;
        if disabled {
            sessions::end_all_of(&mut ctx.tx, id, None)?;
        }
        for account in memberships_of(&mut ctx.tx, id, usize::MAX)? {
            let member: Option<model::Member> = ctx.tx.get(&keys::member(&account, id))?;
            if member.is_some_and(|member| {
                people::is_idle(&member, &was) != people::is_idle(&member, &user)
            }) {
                membership::change_seat(ctx, &account, &user, disabled)?;
            }
            members::invalidate(&mut ctx.tx, &account)?;
        }
    }
    answer_of(ctx, user)
}

/// What the actor is to a user whose fields they want to edit, and the policies that say what that
/// lets them (R-USR-3).
pub(crate) struct Editing {
    /// Those of every account where the user is; the platform's where they are in none.
    pub(crate) policies: Vec<EffectivePolicies>,
    pub(crate) relations: Vec<Editor>,
    /// The account that a user edits in; none for the host and operators.
    pub(crate) account: Option<Id>,
    /// The host edits everything.
    pub(crate) host: bool,
}

impl Editing {
    /// `named` is the account in which the request says that the user is: nobody is edited by the
    /// rules of another one.
    pub(crate) fn new(
        ctx: &mut Ctx<'_>,
        user: &model::User,
        named: Option<Id>,
    ) -> Result<Editing, Error> {
        if let Some(account) = &named {
            Editing::require_member(ctx, account, &user.id)?;
        }
        let mut policies = Vec::new();
        for account in accounts_of(&mut ctx.tx, &user.id, usize::MAX)? {
            policies.push(ctx.policies(Some(&account))?);
        }
        if policies.is_empty() {
            policies.push(ctx.policies(None)?);
        }
        let is_self = visibility::is_in_person(ctx, &user.id);
        let mut relations: Vec<Editor> = is_self.then_some(Editor::OneSelf).into_iter().collect();
        let Actor::User { account: home, .. } = ctx.actor else {
            let host = *ctx.actor == Actor::System;
            if !host {
                match ctx.require_as_operator("clients.edit") {
                    Ok(()) => relations.push(Editor::Operator),
                    Err(error) if !is_self => return Err(error),
                    Err(_) => {}
                }
                refuse_stronger(ctx, &user.id)?;
            }
            return Ok(Editing {
                policies,
                relations,
                account: None,
                host,
            });
        };
        let account = named.unwrap_or_else(|| home.clone());
        if domain::members::show::find(ctx, &account, &user.id)?.is_some() {
            if visibility::holds_in(ctx, &account, "users.edit_profile")? {
                relations.push(Editor::Administrator);
            }
        } else if !is_self && !visibility::sees(ctx, &user.id)? {
            return Err(Error::not_found("user", user.id.as_str()).at("/user"));
        }
        if let Some(ancestor) = visibility::managed(ctx)? {
            // In a team without accounts below the top account is the parent of its own users.
            let direct = u64::from(ctx.tx.has(&keys::member(&ancestor, &user.id))?);
            let seats = people::seats_of(&mut ctx.tx, &ancestor, &user.id)?;
            if seats > direct || (seats > 0 && visibility::parent(ctx)?.is_some()) {
                relations.push(Editor::Parent);
            }
        }
        Ok(Editing {
            policies,
            relations,
            account: Some(account),
            host: false,
        })
    }

    /// An account that is named is there for the actor, and the user is in it.
    fn require_member(ctx: &mut Ctx<'_>, account: &Id, user: &Id) -> Result<(), Error> {
        match ctx.actor {
            Actor::User { .. } => ctx
                .member_in(account)
                .map(drop)
                .map_err(|error| error.at("/account"))?,
            Actor::System | Actor::Operator { .. } => {
                accounts::load(&mut ctx.tx, account, "/account").map(drop)?
            }
        }
        if domain::members::show::find(ctx, account, user)?.is_none() {
            return Err(Error::not_found("user", user.as_str()).at("/user"));
        }
        Ok(())
    }

    /// Who may edit the field, in whichever of the user's accounts one asks.
    fn editors(&self, group: FieldGroup) -> Vec<Editor> {
        let everywhere = |editor: &&Editor| {
            self.policies
                .iter()
                .all(|policies| group.editors(policies).contains(editor))
        };
        self.policies
            .iter()
            .take(1)
            .flat_map(|policies| group.editors(policies))
            .filter(everywhere)
            .copied()
            .collect()
    }

    /// Refuses the field unless the actor may edit it; `field` is where the request names it.
    pub(crate) fn check(
        &self,
        ctx: &mut Ctx<'_>,
        user: &model::User,
        group: FieldGroup,
        field: &str,
    ) -> Result<(), Error> {
        if self.host {
            return Ok(());
        }
        let editors = self.editors(group);
        let edits = edits_as(&self.relations, &editors);
        if edits.themself {
            let allowed = match &self.account {
                Some(account) => ctx.require_in(account, group.own_permission()),
                None => Ok(()),
            };
            match allowed {
                Err(error) if !edits.other => return Err(error.at(field)),
                Err(_) => {}
                Ok(()) => return Ok(()),
            }
        }
        if edits.other && self.may_edit(ctx, user, group)? {
            return Ok(());
        }
        let error = Error::new(
            Code::FieldNotEditable,
            format!(
                "You may not edit `{}` of `{}`; `details.edited_by` says who may.",
                field.trim_start_matches('/'),
                user.id
            ),
        );
        Err(error.at(field).with("edited_by", names_of(&editors)))
    }

    /// Whether somebody above the user reaches far enough for this field: a person who is in
    /// another team too is not theirs to edit. And with the address one gets the password, and with
    /// that all of the accounts.
    fn may_edit(
        &self,
        ctx: &mut Ctx<'_>,
        user: &model::User,
        group: FieldGroup,
    ) -> Result<bool, Error> {
        let Some(acting_in) = &self.account else {
            return Ok(true);
        };
        if !visibility::in_this_team_alone(ctx, &user.id, acting_in)? {
            return Ok(false);
        }
        for account in accounts_of(&mut ctx.tx, &user.id, usize::MAX)? {
            if group == FieldGroup::Email
                && !visibility::holds_in(ctx, &account, "users.edit_profile")?
            {
                return Ok(false);
            }
        }
        refuse_stronger(ctx, &user.id).map(|()| true)
    }
}

/// Empties a field, or gives it what the request holds; both at once is `invalid_argument`.
fn change<T>(
    slot: &mut Option<T>,
    given: Option<T>,
    cleared: bool,
    field: &str,
) -> Result<(), Error> {
    match (given, cleared) {
        (Some(_), true) => {
            return Err(Error::invalid(
                field,
                format!(
                    "The field `{}` is both given and cleared; do one of the two.",
                    field.trim_start_matches('/')
                ),
            ));
        }
        (Some(value), false) => *slot = Some(value),
        (None, true) => *slot = None,
        (None, false) => {}
    }
    Ok(())
}

/// The message to a user, or about them; what is to be sent is made of the link when it is read.
pub(crate) fn tell(
    ctx: &mut Ctx<'_>,
    kind: OutboxKind,
    user: &Id,
    to: &Email,
    link: Option<&Link>,
) -> Result<(), Error> {
    let message = OutboxMessage {
        user: Some(user.clone()),
        to: Some(to.clone()),
        token_of: link.map(|link| (link.id.clone(), link.generation)),
        ..OutboxMessage::about(kind, visibility::home(ctx), ctx.now_ms)
    };
    ctx.enqueue_message(&message)
}

/// A user needs this permission in the account; what the host and operators need was looked at.
pub(crate) fn require_of_user(
    ctx: &mut Ctx<'_>,
    account: &Id,
    permission: &str,
) -> Result<(), Error> {
    if visibility::home(ctx).is_some() {
        ctx.require_in(account, permission)
    } else {
        Ok(())
    }
}

impl Operation for Get {
    type Answer = User;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<User, Error> {
        let (id, address, field) = match (self.user, self.email) {
            (Some(id), None) => (Some(id), None, "/user"),
            (None, Some(email)) => (
                ctx.tx.get::<Id>(&keys::email(email.key()))?,
                Some(email.as_typed().to_owned()),
                "/email",
            ),
            _ => {
                return Err(Error::invalid(
                    "/user",
                    "Name either a `user` or an `email`.",
                ));
            }
        };
        if !id
            .as_ref()
            .is_some_and(|id| visibility::is_in_person(ctx, id))
        {
            match ctx.actor {
                Actor::System => {}
                Actor::Operator { .. } => ctx.require_as_operator("clients.view_all")?,
                Actor::User { account: home, .. } => ctx.require_in(home, "users.view")?,
            }
        }
        let user = match (id, address) {
            (Some(id), _) if visibility::sees(ctx, &id)? => load(&mut ctx.tx, &id, field)?,
            (_, Some(address)) => return Err(Error::not_found("user", &address).at(field)),
            (Some(id), None) => return Err(Error::not_found("user", id.as_str()).at(field)),
            (None, None) => {
                return Err(Error::invalid(
                    "/user",
                    "Name either a `user` or an `email`.",
                ));
            }
        };
        answer_of(ctx, user)
    }
}

impl Edit {
    /// The fields of the profile: whether the request gives each, and who edits it.
    fn fields(&self) -> [(bool, ProfileField, FieldGroup, &'static str); 7] {
        [
            (
                self.first_name.is_some(),
                ProfileField::FirstName,
                FieldGroup::Names,
                "/first_name",
            ),
            (
                self.last_name.is_some(),
                ProfileField::LastName,
                FieldGroup::Names,
                "/last_name",
            ),
            (
                self.phone.is_some(),
                ProfileField::Phone,
                FieldGroup::Profile,
                "/phone",
            ),
            (
                self.sending_country.is_some(),
                ProfileField::SendingCountry,
                FieldGroup::Profile,
                "/sending_country",
            ),
            (
                self.language.is_some(),
                ProfileField::Language,
                FieldGroup::Profile,
                "/language",
            ),
            (
                self.time_zone.is_some(),
                ProfileField::TimeZone,
                FieldGroup::Profile,
                "/time_zone",
            ),
            (
                self.notifications.is_some(),
                ProfileField::Notifications,
                FieldGroup::Notifications,
                "/notifications",
            ),
        ]
    }

    fn check_forms(&self) -> Result<(), Error> {
        check_form(
            self.phone.as_ref(),
            is_phone,
            "/phone",
            "digits, with spaces and `+ - ( ) . / x` between them, in at most 40 bytes",
        )?;
        check_form(
            self.sending_country.as_ref(),
            is_country,
            "/sending_country",
            "two capital letters, as in ISO 3166",
        )?;
        check_form(
            self.language.as_ref(),
            is_language,
            "/language",
            "a tag such as `de` or `pt-BR`",
        )?;
        check_form(
            self.time_zone.as_ref(),
            |name| window::zone(name).is_some(),
            "/time_zone",
            "an IANA time zone such as `Europe/Berlin`",
        )
    }

    /// Changes what the request gives or clears.
    fn change_profile(self, profile: &mut Profile) -> Result<(), Error> {
        let cleared = |field| self.clear.contains(&field);
        change(
            &mut profile.first_name,
            self.first_name,
            cleared(ProfileField::FirstName),
            "/first_name",
        )?;
        change(
            &mut profile.last_name,
            self.last_name,
            cleared(ProfileField::LastName),
            "/last_name",
        )?;
        change(
            &mut profile.phone,
            self.phone,
            cleared(ProfileField::Phone),
            "/phone",
        )?;
        change(
            &mut profile.sending_country,
            self.sending_country,
            cleared(ProfileField::SendingCountry),
            "/sending_country",
        )?;
        change(
            &mut profile.language,
            self.language,
            cleared(ProfileField::Language),
            "/language",
        )?;
        change(
            &mut profile.time_zone,
            self.time_zone,
            cleared(ProfileField::TimeZone),
            "/time_zone",
        )?;
        let notifications = self
            .notifications
            .map(|edit| edit.of(profile.notifications.unwrap_or_default()));
        change(
            &mut profile.notifications,
            notifications,
            cleared(ProfileField::Notifications),
            "/notifications",
        )
    }
}

impl Operation for Edit {
    type Answer = User;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<User, Error> {
        let before = visibility::load_visible(ctx, &self.user, "/user")?;
        let editing = Editing::new(ctx, &before, self.account.clone())?;
        check_rev(self.expected_rev, before.rev)?;
        for (given, field, group, at) in self.fields() {
            if given || self.clear.contains(&field) {
                editing.check(ctx, &before, group, if given { at } else { "/clear" })?;
            }
        }
        self.check_forms()?;
        let mut user = before.clone();
        self.change_profile(&mut user.profile)?;
        if user.profile == before.profile {
            return answer_of(ctx, user);
        }
        let user = save(ctx, &before, user)?;
        answer_of(ctx, user)
    }
}

impl Operation for LoggedIn {
    type Answer = User;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<User, Error> {
        let user = load(&mut ctx.tx, &self.user, "/user")?;
        let user = logged_in(ctx, user)?;
        answer_of(ctx, user)
    }
}

impl Operation for Disable {
    type Answer = User;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<User, Error> {
        set_disabled(ctx, &self.user, true)
    }
}

impl Operation for Enable {
    type Answer = User;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<User, Error> {
        set_disabled(ctx, &self.user, false)
    }
}
