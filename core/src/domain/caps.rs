//! Caps: limits of an account beside those of its package, for members, campaigns, API keys and
//! domains (R-QTA-4, R-QTA-14).

use crate::access::escalation;
use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::access::visibility;
use crate::api::caps::{Cap, CapList, CapRemoved, List, Remove, Set};
use crate::domain::{sending, users};
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::kernel::revision::check_rev;
use crate::model::{self, Actor, CapScope, Count, Id, Name, OverLimit};
use crate::tables::accounts;
use crate::tables::caps::{Caps, caps_of, end, invalidate};

/// The most caps of one account, or of the platform: each is looked at with every send.
const MOST_CAPS: usize = 50;

fn answer_of(cap: model::Cap) -> Cap {
    Cap {
        account: cap.account,
        id: cap.id,
        scope: cap.scope,
        subject: cap.subject,
        channel: cap.channel,
        message_class: cap.message_class,
        window: cap.window,
        limit: cap.limit.get(),
        grows_daily_by: cap.grows_daily_by.map(Count::get),
        over: cap.over,
        burst: cap.burst.get(),
        by_platform: cap.by_platform,
        rev: cap.rev,
        created_at_ms: cap.created_at_ms,
        updated_at_ms: cap.updated_at_ms,
    }
}

/// The memberships that a cap for one member or one API key is about, in its account and below it:
/// those of a person, the one of a key. None for other caps, and where nobody is there.
fn limited(
    ctx: &mut Ctx<'_>,
    account: Option<&Id>,
    scope: CapScope,
    subject: Option<&Name>,
) -> Result<Vec<model::Member>, Error> {
    let Some(subject) = subject.filter(|_| is_about_somebody(scope)) else {
        return Ok(Vec::new());
    };
    let subject = Id::new(subject.as_str()).map_err(|error| Error::invalid("/subject", error))?;
    if scope == CapScope::Member {
        return users::show::memberships_in(ctx, &subject, account);
    }
    let Some(key) = ctx.tx.get::<model::ApiKey>(&keys::api_key(&subject))? else {
        return Ok(Vec::new());
    };
    let mut theirs = users::show::memberships_in(ctx, &key.user, account)?;
    theirs.retain(|member| member.account == key.account);
    Ok(theirs)
}

fn is_about_somebody(scope: CapScope) -> bool {
    matches!(scope, CapScope::Member | CapScope::ApiKey)
}

/// Who is limited is there to the actor: in the account, or below it where the actor manages its
/// team.
fn require_limited(
    ctx: &mut Ctx<'_>,
    account: Option<&Id>,
    scope: CapScope,
    subject: Option<&Name>,
) -> Result<(), Error> {
    let Some(subject) = subject.filter(|_| is_about_somebody(scope)) else {
        return Ok(());
    };
    let mut theirs = limited(ctx, account, scope, Some(subject))?;
    if let Some(account) = account {
        let hidden = visibility::hidden_in(ctx, account)?;
        let manages = ctx.manages_team_of(account)?;
        theirs.retain(|member| {
            !hidden.contains(&member.user) && (manages || member.account == *account)
        });
    }
    let what = if scope == CapScope::Member {
        "member"
    } else {
        "API key"
    };
    if theirs.is_empty() {
        Err(Error::not_found(what, subject.as_str()).at("/subject"))
    } else {
        Ok(())
    }
}

/// Nobody limits one who can do more, nor a program that acts for them (R-ROL-7).
fn refuse_stronger(
    ctx: &mut Ctx<'_>,
    account: Option<&Id>,
    scope: CapScope,
    subject: Option<&Name>,
) -> Result<(), Error> {
    for member in limited(ctx, account, scope, subject)? {
        escalation::members::refuse_stronger_in(ctx, &member.account, &member.user)
            .map_err(|error| error.at("/subject"))?;
    }
    Ok(())
}

/// A user leaves alone what the platform has set.
fn refuse_platforms(ctx: &Ctx<'_>, cap: &model::Cap) -> Result<(), Error> {
    if cap.by_platform && matches!(ctx.actor, Actor::User { .. }) {
        return Err(Error::new(
            Code::PermissionDenied,
            format!(
                "The platform has set the cap `{}`; ask the platform to change it.",
                cap.id
            ),
        )
        .at("/id"));
    }
    Ok(())
}

/// The account is there; the caps of the platform are not for users.
fn check_account_of_cap(ctx: &mut Ctx<'_>, account: Option<&Id>) -> Result<(), Error> {
    match (account, ctx.actor) {
        (Some(account), _) => accounts::load(&mut ctx.tx, account, "/account").map(drop),
        (None, Actor::User { .. }) => Err(Error::new(
            Code::ActorNotAllowed,
            "Users have no access to the caps of the platform; name an `account`.",
        )
        .at("/account")),
        (None, Actor::System | Actor::Operator { .. }) => Ok(()),
    }
}

/// An account leaves the one above it, and keeps the caps that counted what it sent: it starts to
/// count by itself. Caps of single API keys are about keys of the account above.
pub(crate) fn keep(ctx: &mut Ctx<'_>, account: &Id, ancestor: &Id) -> Result<(), Error> {
    for cap in caps_of(&mut ctx.tx, Some(ancestor))? {
        if cap.scope == CapScope::ApiKey && cap.subject.is_some() {
            continue;
        }
        let mut id = cap.id.clone();
        while ctx.tx.has(&keys::cap(Some(account), &id))? {
            id = ctx.engine.kernel.ids.next(ctx.now_ms)?;
        }
        let kept = model::Cap {
            account: Some(account.clone()),
            id,
            rev: 1,
            updated_at_ms: ctx.now_ms,
            ..cap
        };
        ctx.tx.save::<Caps>(&kept)?;
        invalidate(&mut ctx.tx, &kept);
    }
    Ok(())
}

impl Set {
    /// Fills in what is absent from the cap as it is known.
    fn fill_from(&mut self, known: &model::Cap) {
        let over = *self.over.get_or_insert(known.over);
        let spreads = over == OverLimit::Spread;
        self.channel = self.channel.or(Some(known.channel));
        self.message_class = self.message_class.or(known.message_class);
        self.grows_daily_by = self
            .grows_daily_by
            .or(known.grows_daily_by.filter(|_| !spreads));
        self.burst = self.burst.or(Some(known.burst).filter(|_| spreads));
    }

    fn check(&self) -> Result<(), Error> {
        let spreads = self.over == Some(OverLimit::Spread);
        if spreads && self.limit.get() == 0 {
            return Err(Error::invalid(
                "/limit",
                "A cap with `over` set to `spread` needs a `limit` of at least 1; raise it.",
            ));
        }
        if !spreads && self.burst.is_some() {
            return Err(Error::invalid(
                "/burst",
                "Only a cap with `over` set to `spread` has a `burst`; leave it out.",
            ));
        }
        if self.burst.is_some_and(|burst| burst.get() == 0) {
            return Err(Error::invalid(
                "/burst",
                "A `burst` is at least 1; name a larger one, or leave it out.",
            ));
        }
        if spreads && self.grows_daily_by.is_some() {
            return Err(Error::invalid(
                "/grows_daily_by",
                "A cap with `over` set to `spread` has no `grows_daily_by`; set a second cap for \
                 the warm-up.",
            ));
        }
        if self.over == Some(OverLimit::UseCredits) {
            return Err(Error::invalid(
                "/over",
                "A cap cannot have `over` set to `use_credits`: credits pay only beyond the limits \
                 of an account.",
            ));
        }
        if self.scope == CapScope::Account && self.subject.is_some() {
            return Err(Error::invalid(
                "/subject",
                "A cap with the scope `account` has no `subject`; leave it out.",
            ));
        }
        Ok(())
    }

    /// The subject in normal form.
    fn normal_subject(&self) -> Result<Option<Name>, Error> {
        match (self.scope, &self.subject) {
            (CapScope::SendingDomain | CapScope::RecipientDomain, Some(domain)) => {
                sending::domain_of(domain.as_str())
                    .map(Some)
                    .map_err(|error| error.at("/subject"))
            }
            (CapScope::Member | CapScope::Campaign | CapScope::ApiKey, Some(id)) => {
                Id::new(id.as_str()).map_err(|error| Error::invalid("/subject", error))?;
                Ok(Some(id.clone()))
            }
            (_, subject) => Ok(subject.clone()),
        }
    }
}

impl Operation for Set {
    type Answer = Cap;

    fn run(mut self, ctx: &mut Ctx<'_>) -> Result<Cap, Error> {
        check_account_of_cap(ctx, self.account.as_ref())?;
        let known: Option<model::Cap> = ctx.tx.get(&keys::cap(self.account.as_ref(), &self.id))?;
        if let Some(known) = known.as_ref().filter(|known| known.scope == self.scope) {
            self.fill_from(known);
        }
        self.check()?;
        let subject = self.normal_subject()?;
        require_limited(ctx, self.account.as_ref(), self.scope, subject.as_ref())?;
        refuse_stronger(ctx, self.account.as_ref(), self.scope, subject.as_ref())?;
        let channel = self.channel.unwrap_or_default();
        match &known {
            Some(known) => {
                check_rev(self.expected_rev, known.rev)?;
                refuse_platforms(ctx, known)?;
                let counts = |scope, subject, channel, window| (scope, subject, channel, window);
                if counts(known.scope, &known.subject, known.channel, known.window)
                    != counts(self.scope, &subject, channel, self.window)
                {
                    return Err(Error::invalid(
                        "/id",
                        format!(
                            "The scope, subject, channel and window of the cap `{}` cannot change; \
                             remove it, and set another.",
                            self.id
                        ),
                    )
                    .with("cap", self.id.as_str()));
                }
            }
            None if caps_of(&mut ctx.tx, self.account.as_ref())?.len() >= MOST_CAPS => {
                return Err(Error::new(
                    Code::LimitReached,
                    format!(
                        "An account has at most {MOST_CAPS} caps; remove one before you set `{}`.",
                        self.id
                    ),
                )
                .at("/id"));
            }
            None => check_rev(self.expected_rev, 0)?,
        }
        let cap = model::Cap {
            account: self.account,
            id: self.id,
            scope: self.scope,
            subject,
            channel,
            message_class: self.message_class,
            window: self.window,
            limit: self.limit,
            grows_daily_by: self.grows_daily_by.filter(|by| by.get() > 0),
            over: self.over.unwrap_or_default(),
            burst: self
                .burst
                .unwrap_or_else(|| Count::new(1).unwrap_or_default()),
            by_platform: !matches!(ctx.actor, Actor::User { .. }),
            rev: known.as_ref().map_or(1, |known| known.rev + 1),
            created_at_ms: known.map_or(ctx.now_ms, |known| known.created_at_ms),
            updated_at_ms: ctx.now_ms,
        };
        ctx.tx.save::<Caps>(&cap)?;
        invalidate(&mut ctx.tx, &cap);
        Ok(answer_of(cap))
    }
}

impl Operation for Remove {
    type Answer = CapRemoved;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<CapRemoved, Error> {
        check_account_of_cap(ctx, self.account.as_ref())?;
        let cap: Option<model::Cap> = ctx.tx.get(&keys::cap(self.account.as_ref(), &self.cap))?;
        let cap = cap.ok_or_else(|| Error::not_found("cap", self.cap.as_str()).at("/cap"))?;
        check_rev(self.expected_rev, cap.rev)?;
        refuse_platforms(ctx, &cap).map_err(|error| error.at("/cap"))?;
        refuse_stronger(ctx, cap.account.as_ref(), cap.scope, cap.subject.as_ref())
            .map_err(|error| error.at("/cap"))?;
        end(&mut ctx.tx, &cap)?;
        Ok(CapRemoved { id: self.cap })
    }
}

impl Operation for List {
    type Answer = CapList;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<CapList, Error> {
        check_account_of_cap(ctx, self.account.as_ref())?;
        Ok(CapList {
            caps: caps_of(&mut ctx.tx, self.account.as_ref())?
                .into_iter()
                .map(answer_of)
                .collect(),
        })
    }
}
