//! The verification of an owner (R-TEA-4), and what only other domains bring about.

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::access::state::Engine;
use crate::api;
use crate::api::bulk::BulkResults;
use crate::api::invitations::{
    Accept, AcceptReceived, Create, Decline, Delete, InvitationAccepted, InvitedAddress, List,
    LookUp, Received, Resend,
};
use crate::domain::invitations::offer::invite_owner;
use crate::domain::membership;
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::model::{
    self, Actor, Count, Email, Id, InvitationKind, Lifecycle, Policies, PolicyRecord,
    Resend as ResendPolicy, Secret,
};
use crate::options::OpenOptions;
use crate::rules::invitation::InvitationStatus;
use crate::tables::accounts;
use std::path::Path;

const HOUR_MS: u64 = 3_600_000;

fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

fn email(text: &str) -> Email {
    Email::new(text).unwrap()
}

/// A team: `acme` of olga, and below it `north`, which waits for its owner.
fn engine() -> std::sync::Arc<Engine> {
    let options: OpenOptions =
        serde_json::from_str(r#"{"clock":{"manual_ms":1000},"seed":1}"#).unwrap();
    let engine = Engine::open(Path::new(":memory:"), &options).unwrap();
    for (account, parent, owner) in [("acme", None, "olga"), ("north", Some("acme"), "nora")] {
        let request = serde_json::json!({"id": account, "name": account, "parent": parent,
            "owner": {"user": owner, "email": format!("{owner}@acme.example")}});
        engine
            .run(
                &Actor::System,
                serde_json::from_value::<api::accounts::Create>(request).unwrap(),
            )
            .unwrap();
    }
    write(&engine, |ctx| {
        let nora = ctx
            .tx
            .get(&keys::member(&id("north"), &id("nora")))?
            .unwrap();
        membership::erase(ctx, &nora)?;
        let mut north = accounts::load(&mut ctx.tx, &id("north"), "")?;
        north.owner = None;
        north.lifecycle = Lifecycle::Pending;
        accounts::save(&mut ctx.tx, north)
    });
    engine
}

fn write<T>(engine: &Engine, work: impl FnOnce(&mut Ctx<'_>) -> Result<T, Error>) -> T {
    let mut ctx = Ctx {
        engine,
        actor: &Actor::System,
        now_ms: engine.kernel.clock.now_ms(),
        tx: engine.kernel.tx(),
        on_behalf: None,
        also_audited: Vec::new(),
    };
    let answer = work(&mut ctx).unwrap();
    if let (Some(batch), _) = ctx.tx.finish() {
        engine
            .kernel
            .backend
            .commit(&batch)
            .map_err(|_| "a conflict")
            .unwrap();
    }
    engine
        .views
        .epoch
        .fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    answer
}

fn run<O: Operation>(engine: &Engine, request: O) -> Result<O::Answer, Code> {
    engine
        .run(&Actor::System, request)
        .map_err(|error| error.code())
}

fn set_policies(engine: &Engine, set: Policies) {
    write(engine, |ctx| {
        ctx.tx
            .put(keys::policy(None), &PolicyRecord { preset: None, set })
    });
}

/// The token of the last message.
fn last_token(engine: &Engine) -> Option<Secret> {
    run(
        engine,
        api::outbox::Read {
            after: None,
            limit: None,
        },
    )
    .unwrap()
    .messages
    .pop()
    .unwrap()
    .token
}

fn accept(engine: &Engine, token: Option<Secret>) -> Result<InvitationAccepted, Code> {
    run(
        engine,
        Accept {
            token: token.unwrap(),
            user: None,
            first_name: None,
            last_name: None,
        },
    )
}

fn set_clock(engine: &Engine, now_ms: u64) {
    run(
        engine,
        api::clock::Set {
            now_ms: Count::new(now_ms).unwrap(),
        },
    )
    .unwrap();
}

fn invite(engine: &Engine, account: &str, addresses: &str) -> BulkResults<InvitedAddress> {
    let request = serde_json::json!({"account": account, "addresses": addresses, "role": "full"});
    run(engine, serde_json::from_value::<Create>(request).unwrap()).unwrap()
}

#[test]
fn an_owner_confirms_within_three_days_and_the_account_is_active() {
    let engine = engine();
    let first = write(&engine, |ctx| {
        invite_owner(ctx, &id("north"), email("nina@new.example"))
    });
    let link = last_token(&engine);
    let offer = run(
        &engine,
        LookUp {
            token: link.clone().unwrap(),
        },
    )
    .unwrap();
    assert_eq!(
        (offer.kind, offer.expires_at_ms),
        (InvitationKind::Owner, 1000 + 72 * HOUR_MS)
    );
    set_clock(&engine, 1000 + 72 * HOUR_MS);
    assert_eq!(accept(&engine, link.clone()), Err(Code::InvitationExpired));
    let shown = run(
        &engine,
        Resend {
            invitation: first.clone(),
        },
    )
    .unwrap();
    assert_eq!(
        (shown.status, shown.expires_at_ms),
        (InvitationStatus::Pending, 1000 + 144 * HOUR_MS)
    );
    assert_eq!(accept(&engine, link), Err(Code::InvitationSuperseded));
    assert_eq!(
        run(&engine, Delete { invitation: first }),
        Err(Code::OwnerTransferRequired)
    );
    let accepted = accept(&engine, last_token(&engine)).unwrap();
    assert_eq!(
        (accepted.created, accepted.accounts.as_slice()),
        (true, [id("north")].as_slice())
    );
    let north = write(&engine, |ctx| accounts::load(&mut ctx.tx, &id("north"), ""));
    assert_eq!(
        (north.owner, north.lifecycle),
        (Some(accepted.user.clone()), Lifecycle::Active)
    );
    let member = write(&engine, |ctx| {
        Ok(ctx
            .tx
            .get::<model::Member>(&keys::member(&id("north"), &accepted.user))?
            .unwrap())
    });
    assert!(member.owner && member.role.is_none() && member.group.is_none());
}

#[test]
fn another_address_supersedes_the_verification_and_a_member_can_become_the_owner() {
    let engine = engine();
    write(&engine, |ctx| {
        invite_owner(ctx, &id("north"), email("typo@new.example"))
    });
    let typo = last_token(&engine);
    invite(&engine, "north", "nina@new.example");
    let nina = accept(&engine, last_token(&engine)).unwrap().user;
    write(&engine, |ctx| {
        invite_owner(ctx, &id("north"), email("nina@new.example"))
    });
    assert_eq!(accept(&engine, typo), Err(Code::InvitationSuperseded));
    let accepted = accept(&engine, last_token(&engine)).unwrap();
    assert_eq!((accepted.created, &accepted.user), (false, &nina));
    let member = write(&engine, |ctx| {
        Ok(ctx
            .tx
            .get::<model::Member>(&keys::member(&id("north"), &nina))?
            .unwrap())
    });
    assert!(member.owner && member.role.is_none() && member.group.is_none() && member.rev == 2);
    // Nobody uses the role that she had.
    let (from, until) = keys::range(keys::ROLE_USE, &["full"]);
    assert!(write(&engine, |ctx| ctx.tx.range::<()>(&from, &until, 10)).is_empty());
}

#[test]
fn an_owner_who_may_be_no_member_elsewhere_is_refused_when_they_accept() {
    let engine = engine();
    set_policies(
        &engine,
        Policies {
            owner_exclusive: Some(true),
            ..Policies::default()
        },
    );
    write(&engine, |ctx| {
        invite_owner(ctx, &id("north"), email("olga@acme.example"))
    });
    assert_eq!(
        accept(&engine, last_token(&engine)),
        Err(Code::OwnerNotExclusive)
    );
    let north = write(&engine, |ctx| accounts::load(&mut ctx.tx, &id("north"), ""));
    assert_eq!((north.owner, north.lifecycle), (None, Lifecycle::Pending));
}

#[test]
fn an_operators_address_is_invited_like_any_and_fails_when_it_is_used() {
    let engine = engine();
    let op = run(
        &engine,
        api::users::Create {
            id: Some(id("op")),
            email: email("op@platform.example"),
            first_name: None,
            last_name: None,
        },
    )
    .unwrap()
    .id;
    let operator = model::Operator {
        user: op.clone(),
        role: id("full"),
        disabled: false,
        rev: 1,
        created_at_ms: 0,
        updated_at_ms: 0,
    };
    write(&engine, |ctx| ctx.tx.put(keys::operator(&op), &operator));
    assert_eq!(invite(&engine, "acme", "op@platform.example").refused, 0);
    assert_eq!(accept(&engine, last_token(&engine)), Err(Code::IsOperator));
}

#[test]
fn policies_decide_what_resending_does() {
    let engine = engine();
    let invited = invite(&engine, "acme", "ann@new.example")
        .results
        .remove(0)
        .subject
        .invitation
        .unwrap();
    let link = last_token(&engine);
    set_policies(
        &engine,
        Policies {
            resend: Some(ResendPolicy::Reuse),
            ..Policies::default()
        },
    );
    set_clock(&engine, 2000);
    run(
        &engine,
        Resend {
            invitation: invited.clone(),
        },
    )
    .unwrap();
    assert_eq!(last_token(&engine), link);
    set_policies(
        &engine,
        Policies {
            resend: Some(ResendPolicy::Forbid),
            ..Policies::default()
        },
    );
    assert_eq!(
        run(
            &engine,
            Resend {
                invitation: invited
            }
        ),
        Err(Code::PolicyForbids)
    );
    assert_eq!(accept(&engine, link).unwrap().accounts, [id("acme")]);
}

/// What is left of an invitation once it was accepted, deleted, or its account deleted: no index
/// entry that says it is open.
#[test]
fn an_ended_invitation_leaves_nothing_open() {
    let engine = engine();
    let batch = invite(
        &engine,
        "north",
        "ann@new.example bob@new.example cid@new.example",
    );
    let link = |at: usize| {
        run(
            &engine,
            api::outbox::Read {
                after: None,
                limit: None,
            },
        )
        .unwrap()
        .messages
        .remove(at)
        .token
    };
    accept(&engine, link(0)).unwrap();
    run(
        &engine,
        Delete {
            invitation: batch.results[1].subject.invitation.clone().unwrap(),
        },
    )
    .unwrap();
    let cid = link(2).unwrap();
    run(
        &engine,
        api::accounts::Delete {
            account: id("north"),
            children: None,
            expected_rev: None,
        },
    )
    .unwrap();
    for prefix in [
        keys::OPEN_INVITATION,
        keys::INVITED,
        keys::ROLE_USE,
        keys::ACCOUNT_INVITATION,
        keys::INVITATION,
    ] {
        let (from, until) = keys::range(prefix, &[]);
        let left = write(&engine, |ctx| {
            ctx.tx.range::<serde::de::IgnoredAny>(&from, &until, 10)
        });
        assert!(left.is_empty(), "{}", left[0].0.escape_ascii());
    }
    assert_eq!(
        run(&engine, LookUp { token: cid.clone() }),
        Err(Code::InvitationDeleted)
    );
    let cid = cid.reveal();
    let forged = format!("{}0", &cid[..cid.len() - 1]);
    assert!(
        forged == cid
            || run(
                &engine,
                LookUp {
                    token: Secret::new(forged).unwrap()
                }
            ) == Err(Code::LinkInvalid)
    );
}

/// R-ACC-3: the accounts below one that is deleted become teams of their own.
#[test]
fn an_offer_follows_an_account_that_leaves_its_team() {
    let engine = engine();
    let south = serde_json::json!({"id": "south", "name": "South", "parent": "acme",
        "owner": {"email": "sam@acme.example"}});
    run(
        &engine,
        serde_json::from_value::<api::accounts::Create>(south).unwrap(),
    )
    .unwrap();
    let offer = |addresses: &str, offered: &[&str]| {
        let offered: Vec<_> = offered
            .iter()
            .map(|account| serde_json::json!({"account": account, "role": "full"}))
            .collect();
        let request = serde_json::json!({"addresses": addresses, "accounts": offered});
        run(&engine, serde_json::from_value::<Create>(request).unwrap()).unwrap();
        last_token(&engine)
    };
    let links = [
        offer("a@new.example", &["acme", "north"]),
        offer("b@new.example", &["acme"]),
        offer("c@new.example", &["north", "south"]),
    ];
    let request = api::accounts::Delete {
        account: id("acme"),
        children: Some(api::accounts::Children::Detach),
        expected_rev: None,
    };
    run(&engine, request).unwrap();
    let left = run(
        &engine,
        serde_json::from_value::<List>(
            serde_json::json!({"account": "north", "include_descendants": true, "order": "email"}),
        )
        .unwrap(),
    )
    .unwrap();
    let left: Vec<&str> = left
        .invitations
        .iter()
        .map(|invitation| invitation.email.as_deref().unwrap())
        .collect();
    assert_eq!(left, ["a@new.example", "c@new.example"]);
    let [a, b, c] = links;
    assert_eq!(accept(&engine, a).unwrap().accounts, [id("north")]);
    assert_eq!(accept(&engine, b), Err(Code::InvitationDeleted));
    assert_eq!(accept(&engine, c).unwrap().accounts, [id("north")]);
    let (from, until) = keys::range(keys::OPEN_INVITATION, &[]);
    assert!(write(&engine, |ctx| ctx.tx.range::<()>(&from, &until, 10)).is_empty());
}

/// R-INV-11: as many decline as were invited, and as many can be invited again; what waits for an
/// owner goes on waiting.
#[test]
fn who_declines_frees_a_seat_and_no_account_loses_who_is_to_own_it() {
    let engine = engine();
    let decline = |token: Option<Secret>| {
        let token = token.unwrap();
        run(&engine, Decline { token }).map(|declined| declined.invitation)
    };
    let owner = write(&engine, |ctx| {
        invite_owner(ctx, &id("north"), email("nina@new.example"))
    });
    let verification = last_token(&engine);
    assert_eq!(
        decline(verification.clone()),
        Err(Code::OwnerTransferRequired)
    );
    let taken = || {
        write(&engine, |ctx| {
            membership::seats_taken(ctx, &id("acme"), 100)
        })
    };
    let before = taken();
    for _ in 0..3 {
        let invited = invite(&engine, "acme", "ann@new.example");
        assert_eq!((invited.refused, taken()), (0, before + 1));
        let (made, link) = (
            invited.results[0].subject.invitation.clone(),
            last_token(&engine),
        );
        assert_eq!(decline(link.clone()).ok(), made);
        assert_eq!(taken(), before);
        assert_eq!(decline(link.clone()), Err(Code::InvitationDeclined));
        assert_eq!(accept(&engine, link), Err(Code::InvitationDeclined));
    }
    let accepted = accept(&engine, verification).unwrap();
    assert_eq!(accepted.invitation, owner);
}

/// R-INV-13: what is listed is what can be accepted, and the link and the id accept the same once.
#[test]
fn what_was_received_is_accepted_once_by_its_id_or_by_its_link() {
    let engine = engine();
    let received = || {
        let request = Received {
            email: email("ANN@new.example"),
            after: None,
            limit: None,
        };
        let listed = run(&engine, request).unwrap().invitations;
        let ids = listed.into_iter().map(|offer| offer.invitation);
        ids.collect::<Vec<Id>>()
    };
    let accept_received = |invitation: &Id, address: &str| {
        let request = AcceptReceived {
            invitation: invitation.clone(),
            email: email(address),
            user: None,
            first_name: None,
            last_name: None,
        };
        run(&engine, request)
    };
    let invited = invite(&engine, "acme", "ann@new.example bob@new.example");
    let [ann, bob] =
        [0, 1].map(|at: usize| invited.results[at].subject.invitation.clone().unwrap());
    assert_eq!(received(), std::slice::from_ref(&ann));
    assert_eq!(
        accept_received(&bob, "ann@new.example").err(),
        Some(Code::NotFound)
    );
    let joined = accept_received(&ann, "ann@new.example").unwrap();
    assert_eq!((joined.created, received()), (true, Vec::new()));
    assert_eq!(
        accept_received(&ann, "ann@new.example").err(),
        Some(Code::InvitationAlreadyAccepted)
    );
    // And the other way round.
    let bobs = accept(&engine, last_token(&engine)).unwrap();
    assert_eq!(bobs.invitation, bob);
    assert_eq!(
        accept_received(&bob, "bob@new.example").err(),
        Some(Code::InvitationAlreadyAccepted)
    );
}
