//! Indexes follow from records. Where they are written otherwise than they were, a store is brought
//! up to date as it is opened.

use crate::access::request::Ctx;
use crate::access::state::Engine;
use crate::domain::invitations;
use crate::error::Error;
use crate::kernel::keys;
use crate::model::{
    Account, Actor, Invitation, InvitationState, OutboxMessage, Reservation, ReservationState,
    Session, User,
};
use crate::tables::about::{About, INDEXES};
use crate::tables::accounts::Accounts;
use crate::tables::invitations::Invitations;
use crate::tables::people;
use crate::tables::users::{self, Users};
use serde::de::IgnoredAny;

/// How many records are looked at in one commit.
const STEP: usize = 500;

/// Letters of keys whose entries follow from records, and are written anew.
const WRITTEN_ANEW: &[u8] = &[
    keys::PERSON,
    keys::ACCOUNT_ORDER,
    keys::TEAM_ACCOUNT,
    keys::ACCOUNT_INVITATION,
    keys::ADDRESS_INVITATION,
    keys::OUTBOX_PERSON,
];

/// Writes the indexes of an older store anew. Until that is done, whoever opens the store begins
/// with it again.
pub(crate) fn bring_up_to_date(engine: &Engine) -> Result<(), Error> {
    let about: Option<About> = engine.ctx(&Actor::System).tx.get(&keys::token_key())?;
    let Some(about) = about.filter(|about| about.indexes < INDEXES) else {
        return Ok(());
    };
    if about.indexes < 1 {
        write_texts_anew(engine)?;
    }
    each(engine, keys::DUE, part_what_is_forgotten)?;
    let about = About {
        indexes: INDEXES,
        ..about
    };
    engine.commit(&Actor::System, None, |ctx| {
        ctx.tx.put(keys::token_key(), &about)
    })?;
    // What is to be forgotten has its place only now.
    engine.resume()
}

fn write_texts_anew(engine: &Engine) -> Result<(), Error> {
    for letter in WRITTEN_ANEW {
        each(engine, *letter, |ctx, key| {
            ctx.tx.delete(key.to_vec());
            Ok(())
        })?;
    }
    each(engine, keys::USER, |ctx, key| {
        let user = record(ctx, key)?;
        ctx.tx.reindex::<Users>(&user)
    })?;
    each(engine, keys::SEAT, list_seat)?;
    each(engine, keys::ACCOUNT, list_account)?;
    each(engine, keys::INVITATION, list_invitation)?;
    each(engine, keys::OUTBOX, list_message)?;
    each(engine, keys::SESSION, |ctx, key| {
        let session: Session = record(ctx, key)?;
        if session.behind.is_none() {
            users::seen(&mut ctx.tx, &session.user, session.last_seen_at_ms)
        } else {
            Ok(())
        }
    })
}

/// What is only forgotten lay among what becomes due: answers to requests with a key, and
/// reservations that have ended.
fn part_what_is_forgotten(ctx: &mut Ctx<'_>, key: &[u8]) -> Result<(), Error> {
    let is_forgotten = match (keys::part(key, 3), keys::last_pair(key)) {
        (Some(_), Some(_)) if keys::part(key, 4).is_some() => true,
        (Some(_), Some((account, reservation))) => ctx
            .tx
            .get::<Reservation>(&keys::reservation(&account, &reservation))?
            .is_none_or(|reservation| reservation.state != ReservationState::Open),
        _ => false,
    };
    if is_forgotten {
        ctx.tx.delete(key.to_vec());
        let rest = key.get(1..).unwrap_or_default();
        ctx.tx.mark([&[keys::FORGET], rest].concat());
    }
    Ok(())
}

/// Does something for each key that begins with a letter, in bounded commits. What is deleted is
/// remembered as what becomes due.
fn each(
    engine: &Engine,
    letter: u8,
    run: impl Fn(&mut Ctx<'_>, &[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    let (mut from, until) = keys::range(letter, &[]);
    loop {
        let committed = engine.commit(&Actor::System, Some("schedule"), |ctx| {
            let rows = ctx.tx.range::<IgnoredAny>(&from, &until, STEP)?;
            for (key, _) in &rows {
                run(ctx, key)?;
            }
            Ok(rows.into_iter().map(|(key, _)| key).nth(STEP - 1))
        })?;
        match committed.answer {
            Some(last) => from = [last.as_slice(), &[0]].concat(),
            None => return Ok(()),
        }
    }
}

fn record<T: serde::de::DeserializeOwned + Clone + 'static>(
    ctx: &mut Ctx<'_>,
    key: &[u8],
) -> Result<T, Error> {
    ctx.tx.get(key)?.ok_or_else(|| {
        Error::corrupt(format!(
            "The record at `{}` is gone; restore a backup.",
            key.escape_ascii()
        ))
    })
}

/// A user is in the list of an account that they, or an account below, have a seat in.
fn list_seat(ctx: &mut Ctx<'_>, key: &[u8]) -> Result<(), Error> {
    let broken = || {
        Error::corrupt(format!(
            "The key `{}` names no seat; restore a backup.",
            key.escape_ascii()
        ))
    };
    let (account, user) = keys::last_pair(key).ok_or_else(broken)?;
    let user: User = record(ctx, &keys::user(&user))?;
    people::list(&mut ctx.tx, account.as_str(), &user, true);
    Ok(())
}

fn list_account(ctx: &mut Ctx<'_>, key: &[u8]) -> Result<(), Error> {
    let account: Account = record(ctx, key)?;
    ctx.tx.reindex::<Accounts>(&account)
}

/// Of one that was deleted before, name and address are forgotten as they are now.
fn list_invitation(ctx: &mut Ctx<'_>, key: &[u8]) -> Result<(), Error> {
    let invitation: Invitation = record(ctx, key)?;
    ctx.tx.reindex::<Invitations>(&invitation)?;
    if invitation.state == InvitationState::Deleted {
        invitations::records::forget_whom(ctx, invitation)
    } else {
        Ok(())
    }
}

/// What was to be sent to somebody who is gone by now tells of nobody any more.
fn list_message(ctx: &mut Ctx<'_>, key: &[u8]) -> Result<(), Error> {
    let mut message: OutboxMessage = record(ctx, key)?;
    let Some(number) = keys::last_number(key) else {
        return Ok(());
    };
    let Some((kind, person)) = message.person() else {
        return Ok(());
    };
    let (record, entry) = (
        keys::record_of_person(kind, person),
        keys::outbox_person(kind, person, number),
    );
    if is_known(ctx, &record)? {
        ctx.tx.mark(entry);
        return Ok(());
    }
    message.forget_person();
    ctx.tx.put(key.to_vec(), &message)
}

/// Whether there is a person at a key: a user, or an invitation that says whom it is for.
fn is_known(ctx: &mut Ctx<'_>, key: &[u8]) -> Result<bool, Error> {
    let found: Option<serde_json::Value> = ctx.tx.get(key)?;
    Ok(found.is_some_and(|record| record.get("email").is_some_and(|email| !email.is_null())))
}

#[cfg(test)]
mod tests {

    use crate::access::operation::Operation;
    use crate::access::state::Engine;
    use crate::domain::indexes::{WRITTEN_ANEW, bring_up_to_date, record};
    use crate::kernel::keys;
    use crate::model::{Actor, Id, Invitation, InvitationState};
    use crate::tables::about::About;
    use crate::tables::check::check;
    use crate::tables::invitations::Invitations;
    use crate::{OpenOptions, api};
    use serde::de::IgnoredAny;
    use serde_json::{Value, json};
    use std::path::Path;

    fn run<O: Operation>(engine: &Engine, request: Value) -> O::Answer {
        engine
            .run(
                &Actor::System,
                serde_json::from_value::<O>(request).unwrap(),
            )
            .unwrap()
    }

    /// 17.17, R-USR-6: a store from before is searched as every other, and name and address of what
    /// was deleted are gone (17.16).
    #[test]
    fn a_store_from_before_is_brought_up_to_date() {
        let engine = Engine::open(Path::new(":memory:"), &OpenOptions::default()).unwrap();
        run::<api::accounts::Create>(
            &engine,
            json!({"id": "acme", "name": "Acme", "owner": {"user": "olga",
                "email": "olga@mail.example"}}),
        );
        run::<api::accounts::Create>(
            &engine,
            json!({"id": "shop", "name": "Shop", "parent": "acme", "owner": {"user": "sue",
                "email": "sue@mail.example"}}),
        );
        let ann = json!({"account": "shop", "user": "ann", "email": "ann@mail.example",
            "first_name": "Luc\u{ed}a", "role": "full"});
        run::<api::members::Add>(&engine, ann);
        let invite = json!({"account": "acme", "addresses": "cid@mail.example dan@mail.example",
            "role": "full"});
        let invited = run::<api::invitations::Create>(&engine, invite).results;
        engine
            .commit(&Actor::System, None, |ctx| {
                for letter in WRITTEN_ANEW {
                    let (from, until) = keys::range(*letter, &[]);
                    for (key, _) in ctx.tx.range::<IgnoredAny>(&from, &until, usize::MAX)? {
                        ctx.tx.delete(key);
                    }
                }
                ctx.tx.mark(keys::person(
                    "",
                    "first",
                    "luc\u{ed}a ",
                    &Id::new("ann").unwrap(),
                ));
                let deleted = keys::invitation(invited[0].subject.invitation.as_ref().unwrap());
                let mut deleted_record: Invitation = record(ctx, &deleted)?;
                deleted_record.state = InvitationState::Deleted;
                ctx.tx.save::<Invitations>(&deleted_record)?;
                let about: About = record(ctx, &keys::token_key())?;
                ctx.tx.put(keys::token_key(), &about.token_key)
            })
            .unwrap();
        assert!(!check(&*engine.kernel.backend, 100).unwrap().is_empty());
        bring_up_to_date(&engine).unwrap();
        assert_eq!(
            check(&*engine.kernel.backend, 100).unwrap(),
            Vec::<String>::new()
        );
        let found = run::<api::users::List>(&engine, json!({"search": "lucia"})).users;
        assert_eq!(
            found
                .iter()
                .map(|user| user.id.as_str())
                .collect::<Vec<_>>(),
            ["ann"]
        );
        let found = run::<api::accounts::List>(&engine, json!({"search": "sue@"})).accounts;
        assert_eq!(
            found
                .iter()
                .map(|account| account.id.as_str())
                .collect::<Vec<_>>(),
            ["shop"]
        );
        let left =
            run::<api::invitations::List>(&engine, json!({"account": "acme", "order": "email"}))
                .invitations;
        assert_eq!(
            left.iter()
                .map(|one| one.email.as_deref())
                .collect::<Vec<_>>(),
            [None, Some("dan@mail.example")]
        );
        let messages = run::<api::outbox::Read>(&engine, json!({})).messages;
        assert_eq!(
            messages
                .iter()
                .map(|one| one.to.as_deref())
                .collect::<Vec<_>>(),
            [None, Some("dan@mail.example")]
        );
        let commits = engine.kernel.backend.last_commit();
        bring_up_to_date(&engine).unwrap();
        assert_eq!(engine.kernel.backend.last_commit(), commits, "once");
    }
}
