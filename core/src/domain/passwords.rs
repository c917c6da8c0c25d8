//! Passwords: set, changed, brought along from another platform, and verified (R-SES-1, R-SES-4).
//!
//! Hashing takes its time. It is done before the commit, which looks again at what it was done for.

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::access::visibility;
use crate::api::operation::Request;
use crate::api::passwords::{
    Ban, BannedPasswords, Change, Forgot, ImportHashes, ImportedPassword, PasswordChanged,
    PasswordForgotten, PasswordsImported, Remove, Set, Unban, WeakHashes,
};
use crate::auth::forms::{self, Hash};
use crate::auth::guesses::estimate;
use crate::auth::hasher::{self, Cost};
use crate::domain::{self, links};
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::model::{
    self, Address, EffectivePolicies, Email, Id, LinkKind, Name, PasswordRecord,
    SecondFactorPolicy, Secret,
};
use crate::rules::password::{Weakness, check, folded, normal, weak};
use crate::tables::{second_factors, users};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

const MOST_IMPORTED: usize = 500;
const MOST_WORDS: usize = 1000;
/// The accounts of a user whose names their password is not made of.
const ACCOUNTS_LOOKED_AT: usize = 50;
/// Who is mailed a link is not mailed another for so long.
const MAIL_EVERY_MS: u64 = 60_000;

/// A password that was verified to be the user's. A code that was given besides is still to be used
/// up.
pub(crate) struct VerifiedPassword {
    user: Id,
    code: Option<Secret>,
    ip: Option<Address>,
    /// The hash that it was compared with.
    hash: String,
    /// The hash that takes its place, where that is out of date; its pepper is the newest.
    renewed: Option<String>,
}

impl VerifiedPassword {
    /// Whether with a code of a second factor.
    pub(crate) fn with_second_factor(&self) -> bool {
        self.code.is_some()
    }
}

/// The refusal of every failed log-in, whatever it failed for.
fn refused(field: &str) -> Error {
    Error::new(
        Code::LoginRefused,
        "The `email` and the `password` do not match; check both.",
    )
    .at(field)
}

/// The refusal of the right password alone, where there is a second factor.
fn code_needed() -> Error {
    Error::new(
        Code::SecondFactorRequired,
        "The user has a second factor; send its `code` along with the password.",
    )
    .at("/code")
}

/// The refusal of who failed too often.
fn delayed(retry_at_ms: u64) -> Error {
    Error::new(
        Code::LoginDelayed,
        format!("There were too many failures; try again at {retry_at_ms} ms."),
    )
    .with("retry_at_ms", retry_at_ms)
}

/// The user of an address, unless they are disabled.
fn enabled_user(ctx: &mut Ctx<'_>, email: &Email) -> Result<Option<model::User>, Error> {
    let Some(id) = ctx.tx.get::<Id>(&keys::email(email.key()))? else {
        return Ok(None);
    };
    let user = ctx.tx.get::<model::User>(&keys::user(&id))?;
    Ok(user.filter(|user| !user.disabled))
}

/// The code that is still to be verified after the right password, if the user has a second factor.
/// Without one, the log-in has succeeded.
fn code_to_verify(
    ctx: &mut Ctx<'_>,
    email: &Email,
    user: &Id,
    code: Option<&Secret>,
    ip: Option<Address>,
) -> Result<Option<Secret>, Error> {
    let attempts = ctx.engine.attempts();
    match (second_factors::is_enabled(&mut ctx.tx, user)?, code) {
        (false, _) => {
            attempts.succeeded(email.key(), ip)?;
            Ok(None)
        }
        (true, None) => {
            attempts.withdrawn(email.key(), ip)?;
            Err(code_needed())
        }
        (true, Some(code)) => {
            attempts
                .admit_code(user, ctx.now_ms)?
                .map_err(|retry_at_ms| delayed(retry_at_ms).at("/code"))?;
            Ok(Some(code.clone()))
        }
    }
}

/// Proves a user by their password. Whoever has none, is disabled, or does not exist costs the same
/// and is answered alike. Whoever has a second factor needs a code of it besides.
pub(crate) fn prove(
    ctx: &mut Ctx<'_>,
    email: &Email,
    password: &Secret,
    code: Option<&Secret>,
    ip: Option<Address>,
    field: &str,
) -> Result<VerifiedPassword, Error> {
    let engine = ctx.engine;
    engine
        .attempts()
        .admit(email.key(), ip, ctx.now_ms)?
        .map_err(delayed)?;
    let cost = Cost::of(&ctx.policies(None)?);
    let (typed, password) = (password.reveal(), normal(password.reveal()));
    let known = enabled_user(ctx, email)?;
    let record = match &known {
        Some(user) => ctx.tx.get::<PasswordRecord>(&keys::password(&user.id))?,
        None => None,
    };
    let (
        Some(user),
        Some(PasswordRecord {
            hash,
            pepper,
            set_at_ms,
        }),
    ) = (known, record)
    else {
        engine.auth.hasher.pretend(&password, cost)?;
        return Err(refused(field));
    };
    let spellings = if set_at_ms.is_some() {
        vec![password.as_str()]
    } else {
        hasher::foreign_spellings(typed, &password)
    };
    let hashed = engine
        .auth
        .hasher
        .find(&spellings, &hash, pepper.as_ref(), cost)?
        .ok_or_else(|| refused(field))?;
    let code = code_to_verify(ctx, email, &user.id, code, ip)?;
    let is_outdated =
        hasher::is_outdated(&hash, cost) || pepper.as_ref() != engine.auth.hasher.pepper();
    let is_of_all = Hash::of(&hash).is_some_and(|hash| hash.is_of_all(hashed));
    let renewed = if is_outdated && is_of_all {
        Some(new_hash(ctx, &password, cost)?)
    } else {
        None
    };
    Ok(VerifiedPassword {
        user: user.id,
        code,
        ip,
        hash,
        renewed,
    })
}

/// Looks again within the commit: the user may have been disabled meanwhile, their password
/// changed, or a second factor begun. Uses the code up.
pub(crate) fn confirm(
    ctx: &mut Ctx<'_>,
    verified: &VerifiedPassword,
    field: &str,
) -> Result<model::User, Error> {
    let user = ctx
        .tx
        .get::<model::User>(&keys::user(&verified.user))?
        .filter(|user| !user.disabled)
        .ok_or_else(|| refused(field))?;
    let record: PasswordRecord = ctx
        .tx
        .get(&keys::password(&user.id))?
        .ok_or_else(|| refused(field))?;
    if record.hash == verified.hash {
        match &verified.code {
            Some(code) => {
                domain::second_factors::take(ctx, &user.id, code)?;
                let attempts = ctx.engine.attempts();
                attempts.succeeded(user.email.key(), verified.ip)?;
                attempts.code_taken(&user.id)?;
            }
            None if second_factors::is_enabled(&mut ctx.tx, &user.id)? => return Err(code_needed()),
            None => {}
        }
        if let Some(hash) = &verified.renewed {
            let pepper = ctx.engine.auth.hasher.pepper().cloned();
            ctx.tx.put(
                keys::password(&user.id),
                &PasswordRecord {
                    hash: hash.clone(),
                    pepper,
                    ..record
                },
            )?;
        }
        return Ok(user);
    }
    // Another log-in may have renewed the hash of the same password just now; it comes next time.
    Err(Error::busy(
        "The password was changed at the same time; try again.",
    ))
}

/// Whether who is in these accounts can do nothing anywhere without a second factor.
fn is_second_factor_needed(ctx: &mut Ctx<'_>, accounts: &[Id]) -> Result<bool, Error> {
    if accounts.is_empty() {
        return Ok(ctx.policies(None)?.second_factor == SecondFactorPolicy::Required);
    }
    for account in accounts {
        if ctx.policies(Some(account))?.second_factor != SecondFactorPolicy::Required {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Refuses a new password that is too short or too easily guessed; answers its normal form.
fn acceptable(
    ctx: &mut Ctx<'_>,
    user: &model::User,
    password: &Secret,
    policies: &EffectivePolicies,
    field: &str,
) -> Result<Zeroizing<String>, Error> {
    let password = normal(password.reveal());
    // The last label of a domain is everybody's.
    let address = user
        .email
        .key()
        .rsplit_once('.')
        .map_or(user.email.key(), |(address, _)| address);
    let mut words: Vec<String> = address.split('@').map(str::to_owned).collect();
    words.extend(policies.password_words.iter().map(Name::to_string));
    words.extend(
        [&user.profile.first_name, &user.profile.last_name]
            .into_iter()
            .flatten()
            .map(Name::to_string),
    );
    let accounts = users::accounts_of(&mut ctx.tx, &user.id, usize::MAX)?;
    for account in accounts.iter().take(ACCOUNTS_LOOKED_AT) {
        words.extend(
            ctx.tx
                .get::<model::Account>(&keys::account(account))?
                .map(|account| account.name.to_string()),
        );
    }
    let least = match is_second_factor_needed(ctx, &accounts)? {
        true => policies.password_min_with_second_factor,
        false => policies.password_min,
    };
    check(&password, least.get(), &words, estimate, field)?;
    if ctx.tx.has(&keys::banned_password(&folded(&password)))? {
        return Err(weak(Weakness::Banned, field));
    }
    Ok(password)
}

/// Makes the hash of a password that was found acceptable.
fn hashed(
    ctx: &mut Ctx<'_>,
    user: &model::User,
    password: &Secret,
    field: &str,
) -> Result<String, Error> {
    let policies = ctx.policies(None)?;
    let password = acceptable(ctx, user, password, &policies, field)?;
    new_hash(ctx, &password, Cost::of(&policies))
}

/// Hashes a password in normal form, mixed with the newest pepper.
fn new_hash(ctx: &Ctx<'_>, password: &str, cost: Cost) -> Result<String, Error> {
    let hasher = &ctx.engine.auth.hasher;
    let peppered = hasher.peppered(password, hasher.pepper()).ok_or_else(|| {
        Error::internal("This is a defect to report: the newest pepper is not there.")
    })?;
    hasher.hash(&peppered, ctx.salt()?, cost)
}

/// Writes a new password; all sessions end but the one that is kept.
fn save(
    ctx: &mut Ctx<'_>,
    user: model::User,
    hash: &str,
    keep: Option<&Id>,
) -> Result<PasswordChanged, Error> {
    let pepper = ctx.engine.auth.hasher.pepper().cloned();
    let record = PasswordRecord {
        hash: hash.to_owned(),
        pepper,
        set_at_ms: Some(ctx.now_ms),
    };
    let (user, sessions_ended) =
        domain::users::email::password_was_set(ctx, user, Some(&record), keep)?;
    Ok(PasswordChanged {
        user: user.id,
        sessions_ended,
    })
}

impl Operation for Set {
    type Answer = PasswordChanged;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<PasswordChanged, Error> {
        let field = if self.token.is_some() {
            "/token"
        } else {
            "/user"
        };
        let id = match (&self.token, &self.user) {
            (Some(token), None) => links::look_up(ctx, token, LinkKind::PasswordReset)?.user,
            (None, Some(user)) => user.clone(),
            _ => {
                return Err(Error::invalid(
                    "/user",
                    "Name either a `user` or the `token` of a link.",
                ));
            }
        };
        let user = users::load(&mut ctx.tx, &id, field)?;
        if user.disabled && self.token.is_some() {
            return Err(Error::new(
                Code::UserDisabled,
                format!("`{id}` is disabled; enable the user first."),
            )
            .at(field));
        }
        let hash = hashed(ctx, &user, &self.password, "/password")?;
        let changed = ctx
            .engine
            .commit_durably(ctx.actor, Some(Self::NAME), |ctx| {
                if let Some(token) = &self.token {
                    links::take(ctx, token, LinkKind::PasswordReset)?;
                }
                let user = users::load(&mut ctx.tx, &id, field)?;
                if user.disabled && self.token.is_some() {
                    return Err(Error::new(
                        Code::UserDisabled,
                        format!("`{id}` is disabled; enable the user first."),
                    )
                    .at(field));
                }
                save(ctx, user, &hash, None)
            })?;
        let attempts = ctx.engine.attempts();
        attempts.succeeded(user.email.key(), None)?;
        Ok(changed)
    }
}

impl Operation for Change {
    type Answer = PasswordChanged;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<PasswordChanged, Error> {
        visibility::require_self(ctx, &self.user, "self.password")?;
        let user = users::load(&mut ctx.tx, &self.user, "/user")?;
        let verified = prove(
            ctx,
            &user.email,
            &self.old_password,
            self.code.as_ref(),
            ctx.actor.ip(),
            "/old_password",
        )?;
        let hash = hashed(ctx, &user, &self.new_password, "/new_password")?;
        ctx.engine
            .commit_durably(ctx.actor, Some(Self::NAME), |ctx| {
                let user = confirm(ctx, &verified, "/old_password")?;
                save(ctx, user, &hash, self.keep_session.as_ref())
            })
    }
}

impl Operation for Forgot {
    type Answer = PasswordForgotten;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<PasswordForgotten, Error> {
        let life_ms = links::reset_life(ctx)?.get();
        let expires_at_ms = ctx.now_ms.saturating_add(life_ms);
        if let Some(id) = ctx.tx.get::<Id>(&keys::email(self.email.key()))? {
            let user = users::load(&mut ctx.tx, &id, "/email")?;
            let last = links::open(ctx, &id, LinkKind::PasswordReset)?;
            let just_mailed = last.is_some_and(|link| {
                expires_at_ms.saturating_sub(link.expires_at_ms.get()) < MAIL_EVERY_MS
            });
            if !user.disabled && !just_mailed {
                domain::users::email::send_reset(ctx, &user)?;
            }
        }
        Ok(PasswordForgotten { expires_at_ms })
    }
}

impl Operation for ImportHashes {
    type Answer = PasswordsImported;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<PasswordsImported, Error> {
        if self.passwords.len() > MOST_IMPORTED {
            return Err(Error::invalid(
                "/passwords",
                format!(
                    "One call imports at most {MOST_IMPORTED} passwords, not {}; send the rest \
                     in another call.",
                    self.passwords.len()
                ),
            ));
        }
        let mut weak = BTreeMap::new();
        for (at, ImportedPassword { user, hash }) in self.passwords.iter().enumerate() {
            let user = users::load(&mut ctx.tx, user, &format!("/passwords/{at}/user"))?;
            let form = forms::check_imported(hash.reveal())
                .map_err(|error| Error::invalid(format!("/passwords/{at}/hash"), error))?;
            if form.is_weak {
                *weak.entry(form.name).or_default() += 1;
            }
            let record = PasswordRecord {
                hash: hash.reveal().to_owned(),
                pepper: None,
                set_at_ms: None,
            };
            domain::users::email::password_was_set(ctx, user, Some(&record), None)?;
        }
        let weak = weak.into_iter().map(|(form, count)| WeakHashes {
            form: form.to_owned(),
            count,
        });
        Ok(PasswordsImported {
            imported: self.passwords.len() as u64,
            weak: Some(weak.collect()).filter(|weak: &Vec<_>| !weak.is_empty()),
        })
    }
}

impl Operation for Remove {
    type Answer = PasswordChanged;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<PasswordChanged, Error> {
        let user = users::load(&mut ctx.tx, &self.user, "/user")?;
        let sessions_ended = domain::users::email::password_was_removed(ctx, &user)?;
        Ok(PasswordChanged {
            user: user.id,
            sessions_ended,
        })
    }
}

/// Puts words onto the list of banned passwords, or takes them off it.
fn set_banned(
    ctx: &mut Ctx<'_>,
    words: &[Name],
    is_banned: bool,
) -> Result<BannedPasswords, Error> {
    if words.len() > MOST_WORDS {
        return Err(Error::invalid(
            "/words",
            format!(
                "One call takes at most {MOST_WORDS} words, not {}; send the rest in another call.",
                words.len()
            ),
        ));
    }
    let mut changed = 0;
    for word in words {
        let key = keys::banned_password(&folded(word.as_str()));
        if ctx.tx.has(&key)? != is_banned {
            changed += 1;
            if is_banned {
                ctx.tx.mark(key)
            } else {
                ctx.tx.delete(key)
            }
        }
    }
    Ok(BannedPasswords { changed })
}

impl Operation for Ban {
    type Answer = BannedPasswords;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<BannedPasswords, Error> {
        set_banned(ctx, &self.words, true)
    }
}

impl Operation for Unban {
    type Answer = BannedPasswords;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<BannedPasswords, Error> {
        set_banned(ctx, &self.words, false)
    }
}
