//! All that is known of a person, as one document (R-USR-4).

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::access::visibility;
use crate::api;
use crate::api::addresses::AddressList;
use crate::api::api_keys::ApiKey;
use crate::api::sessions::SessionDevice;
use crate::api::users::{
    ExportData, OwnedResource, UserAct, UserData, UserHistory, UserInvitation, UserMessage,
};
use crate::domain;
use crate::domain::users::show::answer_of;
use crate::domain::{audit, members, second_factors, sessions};
use crate::error::{Code, Error};
use crate::kernel::keys::{self, Prefix};
use crate::kernel::page::{Span, read_cursor, walk_sized, write_cursor};
use crate::model::{
    self, Actor, AuditKind, AuditRecord, Count, Email, Id, OutboxKind, OutboxMessage,
    PasswordRecord, SecondFactor,
};
use crate::rules::invitation::status;
use crate::tables::users::{self, load};
use crate::tables::{api_keys, invitations};
use serde::de::IgnoredAny;

/// Most of each document: of memberships, sessions, invitations, messages, changes, acts and
/// resources together.
const MOST_ITEMS: u64 = 1000;
/// Where in a cursor the resources are, behind what [`walk_sized`] walks over.
const RESOURCES: usize = 7;

/// A part of the document.
enum Item {
    Membership(Box<api::members::Member>, Option<AddressList>, Vec<ApiKey>),
    Session(Box<SessionDevice>),
    Invitation(UserInvitation),
    Message(UserMessage),
    Change(UserHistory),
    Act(UserAct),
}

impl Operation for ExportData {
    type Answer = UserData;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<UserData, Error> {
        let is_self = visibility::is_self(ctx, &self.user);
        match ctx.actor {
            Actor::Operator { .. } if !is_self => ctx.require_as_operator("clients.view_all")?,
            Actor::User { .. } if !is_self => {
                return Err(Error::new(
                    Code::ActorNotAllowed,
                    "Users can export only their own data; name yourself as `user`.",
                )
                .at("/user"));
            }
            Actor::User { account: home, .. } => ctx.require_in(home, "self.profile")?,
            Actor::System | Actor::Operator { .. } => {}
        }
        let limit = self.limit.map_or(MOST_ITEMS, Count::get);
        if !(1..=MOST_ITEMS).contains(&limit) {
            return Err(Error::invalid(
                "/limit",
                format!("A part has 1 to {MOST_ITEMS} items, not {limit}."),
            ));
        }
        let user = load(&mut ctx.tx, &self.user, "/user")?;
        let (from, until) = keys::range(keys::RESOURCE_OF_OWNER, &[]);
        let mut spans = spans_of(&user.id, &user.email);
        spans.push((from.clone(), until));
        let resources_from = match self
            .after
            .as_ref()
            .map(|after| read_cursor(after, &spans))
            .transpose()?
        {
            Some((RESOURCES, key)) => Some(key),
            _ => None,
        };
        let mut data = known(ctx, user, self.after.is_none())?;
        let size = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut room = size;
        if resources_from.is_none() {
            let walked = spans.get(..RESOURCES).unwrap_or_default();
            let (items, next) = walk_sized(ctx, walked, self.after.as_ref(), size, |ctx, key| {
                item(ctx, &self.user, key)
            })?;
            room = size.saturating_sub(items.len());
            items.into_iter().for_each(|item| data.add(item));
            data.next = next;
        }
        if data.next.is_none() {
            let mut rows = resources_after(
                ctx,
                &self.user,
                &resources_from.unwrap_or_else(|| from.clone()),
                room + 1,
            )?;
            let more = rows.split_off(room.min(rows.len())).into_iter().next();
            data.next = more
                .map(|(key, _)| write_cursor(RESOURCES, &from, &key))
                .transpose()?;
            data.resources
                .extend(rows.into_iter().map(|(_, resource)| resource));
        }
        data.more_resources = data.next.is_some();
        Ok(data)
    }
}

/// Where it lies what is known of a person, but for the resources, of which each account has a
/// list.
fn spans_of(user: &Id, email: &Email) -> Vec<Span> {
    vec![
        keys::range(keys::MEMBERSHIP, &[user.as_str()]),
        keys::range(keys::USER_SESSION, &[user.as_str()]),
        keys::range(keys::ADDRESS_INVITATION, &[email.key()]),
        keys::user_invitations(user),
        keys::outbox_of_person(AuditKind::User, user),
        keys::audit_of_person(AuditKind::User, user),
        keys::audit_of_actor(user),
    ]
}

/// What there is once of a person; what they have one of belongs to the first part.
fn known(ctx: &mut Ctx<'_>, user: model::User, is_first: bool) -> Result<UserData, Error> {
    let password: Option<PasswordRecord> = ctx.tx.get(&keys::password(&user.id))?;
    let factor: SecondFactor = ctx
        .tx
        .get(&keys::second_factor(&user.id))?
        .unwrap_or_default();
    let own: Option<Vec<model::AddressRange>> = ctx
        .tx
        .get(&keys::user_allow_list(&user.id))?
        .filter(|_| is_first);
    let own = own.map(|addresses| AddressList {
        account: None,
        user: Some(user.id.clone()),
        addresses,
    });
    Ok(UserData {
        password_set_at_ms: password.and_then(|password| password.set_at_ms),
        second_factor: second_factors::status(user.id.clone(), &factor),
        operator_role: ctx
            .tx
            .get::<model::Operator>(&keys::operator(&user.id))?
            .map(|operator| operator.role),
        memberships: Vec::new(),
        allow_lists: own.into_iter().collect(),
        api_keys: Vec::new(),
        sessions: Vec::new(),
        invitations: Vec::new(),
        messages: Vec::new(),
        history: Vec::new(),
        acts: Vec::new(),
        resources: Vec::new(),
        more_resources: false,
        next: None,
        exported_at_ms: ctx.now_ms,
        user: answer_of(ctx, user)?,
    })
}

impl UserData {
    fn add(&mut self, item: Item) {
        match item {
            Item::Membership(member, list, keys) => {
                self.memberships.push(*member);
                self.allow_lists.extend(list);
                self.api_keys.extend(keys);
            }
            Item::Session(session) => self.sessions.push(*session),
            Item::Invitation(invitation) => self.invitations.push(invitation),
            Item::Message(message) => self.messages.push(message),
            Item::Change(change) => self.history.push(change),
            Item::Act(act) => self.acts.push(act),
        }
    }
}

/// What an entry of an index of the person leads to.
fn item(ctx: &mut Ctx<'_>, user: &Id, key: &[u8]) -> Result<Option<Item>, Error> {
    let last = keys::last_id(key);
    match (Prefix::of(key), last) {
        (Some(keys::MEMBERSHIP), Some(account)) => membership(ctx, &account, user),
        (Some(keys::USER_SESSION), Some(session)) => {
            let session = ctx.tx.get::<model::Session>(&keys::session(&session))?;
            Ok(session.map(|session| Item::Session(Box::new(sessions::log_in::device(session)))))
        }
        (Some(keys::ADDRESS_INVITATION), Some(invitation)) => {
            let invitation = invitations::find(&mut ctx.tx, &invitation)?;
            Ok(invitation.map(|invitation| Item::Invitation(invited(ctx, invitation))))
        }
        (Some(keys::OUTBOX_PERSON), _) => message(ctx, user, key),
        (Some(keys::AUDIT_PERSON), _) if keys::part(key, 1) == Some(keys::ACTOR) => {
            act(ctx, user, key)
        }
        (Some(keys::AUDIT_PERSON), _) => change(ctx, key),
        _ => Ok(None),
    }
}

fn membership(ctx: &mut Ctx<'_>, account: &Id, user: &Id) -> Result<Option<Item>, Error> {
    let Some(member) = ctx.tx.get(&keys::member(account, user))? else {
        return Ok(None);
    };
    let member = members::show::answer_of(ctx, member)?;
    let list: Option<Vec<model::AddressRange>> =
        ctx.tx.get(&keys::member_allow_list(account, user))?;
    let list = list.map(|addresses| AddressList {
        account: Some(account.clone()),
        user: Some(user.clone()),
        addresses,
    });
    let keys = api_keys::all_of(&mut ctx.tx, account, Some(user))?
        .into_iter()
        .map(|key| domain::api_keys::answer_of(key, ctx.now_ms))
        .collect();
    Ok(Some(Item::Membership(Box::new(member), list, keys)))
}

fn invited(ctx: &Ctx<'_>, invitation: model::Invitation) -> UserInvitation {
    UserInvitation {
        status: status(&invitation, ctx.now_ms),
        invitation: invitation.id,
        kind: invitation.kind,
        email: invitation.email.map(String::from),
        first_name: invitation.first_name,
        last_name: invitation.last_name,
        accounts: invitation.grants,
        sent_at_ms: invitation.sent_at_ms,
        created_at_ms: invitation.created_at_ms,
    }
}

/// A message to the person. One to an address that they asked for and that is not theirs is left
/// out: that there is none would tell them that the address is somebody's.
fn message(ctx: &mut Ctx<'_>, user: &Id, key: &[u8]) -> Result<Option<Item>, Error> {
    let Some(number) = keys::last_number(key) else {
        return Ok(None);
    };
    let email = load(&mut ctx.tx, user, "/user")?.email;
    let is_theirs = |message: &OutboxMessage| {
        message.kind != OutboxKind::EmailChange || message.to.as_ref() == Some(&email)
    };
    let message = ctx.tx.get::<OutboxMessage>(&keys::outbox(number))?;
    Ok(message.filter(is_theirs).map(|message| {
        Item::Message(UserMessage {
            number,
            kind: message.kind,
            to: message.to.map(String::from),
            at_ms: message.at_ms,
        })
    }))
}

/// A change that is remembered: not who made it, which is another's.
fn change(ctx: &mut Ctx<'_>, key: &[u8]) -> Result<Option<Item>, Error> {
    let Some((chain, number, place)) = keys::audit_person_at(key) else {
        return Ok(None);
    };
    let Some(record) = ctx.tx.get::<AuditRecord>(&keys::audit(&chain, number))? else {
        return Ok(None);
    };
    let (at_ms, operation) = (record.at_ms, record.operation);
    let Some(change) = record.changes.into_iter().nth(place) else {
        return Ok(None);
    };
    let change = audit::change(ctx, &chain, number, place, change)?;
    Ok(Some(Item::Change(UserHistory {
        at_ms,
        operation,
        kind: change.kind,
        id: change.id,
        what: change.what,
        fields: change.fields,
    })))
}

/// Something that the person did, and from where.
fn act(ctx: &mut Ctx<'_>, user: &Id, key: &[u8]) -> Result<Option<Item>, Error> {
    let Some((chain, number, _)) = keys::audit_person_at(key) else {
        return Ok(None);
    };
    let Some(record) = ctx.tx.get::<AuditRecord>(&keys::audit(&chain, number))? else {
        return Ok(None);
    };
    let ip = audit::address_of(ctx, user, &chain, number)?;
    Ok(ip.map(|ip| {
        Item::Act(UserAct {
            at_ms: record.at_ms,
            operation: record.operation,
            account: record.actor.account,
            ip,
        })
    }))
}

/// The resources of a person from an entry of the index of owners on, each with its entry.
fn resources_after(
    ctx: &mut Ctx<'_>,
    user: &Id,
    from: &[u8],
    most: usize,
) -> Result<Vec<(Vec<u8>, OwnedResource)>, Error> {
    let mut found = Vec::new();
    let first = keys::part(from, 1).unwrap_or_default().to_owned();
    for account in users::accounts_of(&mut ctx.tx, user, usize::MAX)?
        .into_iter()
        .filter(|account| account.as_str() >= first.as_str())
    {
        let (begin, until) =
            keys::range(keys::RESOURCE_OF_OWNER, &[account.as_str(), user.as_str()]);
        let begin = if account.as_str() == first {
            begin.max(from.to_vec())
        } else {
            begin
        };
        for (key, _) in ctx
            .tx
            .range::<IgnoredAny>(&begin, &until, most - found.len())?
        {
            found.extend(owned(&account, &key).map(|resource| (key, resource)));
        }
        if found.len() >= most {
            break;
        }
    }
    Ok(found)
}

/// The resource that an entry of the index of owners names.
fn owned(account: &Id, key: &[u8]) -> Option<OwnedResource> {
    let id = |number| Id::new(keys::part(key, number)?).ok();
    Some(OwnedResource {
        account: account.clone(),
        kind: id(3)?,
        id: id(4)?,
    })
}

#[cfg(test)]
mod tests {
    use crate::access::operation::Operation;
    use crate::access::state::Engine;
    use crate::api::users::ExportData;
    use crate::kernel::keys;
    use crate::model::{Actor, Id};
    use crate::{OpenOptions, api};
    use serde_json::{Value, json};
    use std::path::Path;
    use std::sync::Arc;
    use tenantry_store::Order;

    fn store() -> Arc<Engine> {
        let engine = Engine::open(Path::new(":memory:"), &OpenOptions::default()).unwrap();
        run::<api::accounts::Create>(
            &engine,
            json!({"id": "acme", "name": "Acme", "owner": {"user": "olga",
                "email": "olga@mail.example"}}),
        );
        engine
    }

    fn run<O: Operation>(engine: &Engine, request: Value) -> O::Answer {
        engine
            .run(
                &Actor::System,
                serde_json::from_value::<O>(request).unwrap(),
            )
            .unwrap()
    }

    fn run_from<O: Operation>(engine: &Engine, actor: &Actor, request: Value) -> O::Answer {
        engine
            .run(actor, serde_json::from_value::<O>(request).unwrap())
            .unwrap()
    }

    /// Where the store holds a text, in keys or values.
    fn holding(engine: &Engine, text: &str) -> Vec<String> {
        let rows = engine
            .kernel
            .backend
            .range(keys::FIRST, &[0x7f], Order::Ascending, usize::MAX)
            .unwrap();
        let holds = |bytes: &[u8]| String::from_utf8_lossy(bytes).to_lowercase().contains(text);
        rows.iter()
            .filter(|(key, record)| holds(key) || holds(&record.value))
            .map(|(key, _)| key.escape_ascii().to_string())
            .collect()
    }

    /// 17.16, R-USR-4: of who was erased there is no name and no address in any record, key or
    /// index.
    #[test]
    fn nothing_in_the_store_tells_who_was_erased() {
        let engine = store();
        let invite = json!({"account": "acme", "addresses": "Quirin Xaver <quirin@old.example>",
            "role": "full"});
        run::<api::invitations::Create>(&engine, invite);
        let token = run::<api::outbox::Read>(&engine, json!({}))
            .messages
            .pop()
            .unwrap()
            .token
            .unwrap();
        run::<api::invitations::Accept>(&engine, json!({"token": token.reveal(), "user": "u1"}));
        run::<api::users::Edit>(
            &engine,
            json!({"user": "u1", "phone": "+49 30 777777", "last_name": "Quirinsen"}),
        );
        run::<api::sessions::Create>(
            &engine,
            json!({"user": "u1", "device": "Quirin's phone", "ip": "203.0.113.77"}),
        );
        run::<api::addresses::Set>(
            &engine,
            json!({"user": "u1", "addresses": ["203.0.113.77"]}),
        );
        run::<api::addresses::Set>(
            &engine,
            json!({"account": "acme", "user": "u1", "addresses": ["203.0.113.77"]}),
        );
        let key = json!({"account": "acme", "user": "u1", "name": "Quirin's key",
            "permissions": [{"permission": "campaigns.view"}], "allow_list": ["203.0.113.77"]});
        run::<api::api_keys::Create>(&engine, key);
        run::<api::users::ChangeEmail>(
            &engine,
            json!({"user": "u1", "email": "quirin@new.example"}),
        );
        run::<api::users::RequestPasswordReset>(&engine, json!({"user": "u1"}));
        let texts = ["quirin", "xaver", "777777", "203.0.113.77"];
        for text in texts {
            assert!(!holding(&engine, text).is_empty(), "{text}");
        }
        run::<api::users::Delete>(&engine, json!({"user": "u1"}));
        for text in texts {
            assert_eq!(holding(&engine, text), Vec::<String>::new(), "{text}");
        }
        for chain in [json!({"chain": "users"}), json!({"account": "acme"})] {
            assert!(run::<api::audit::Verify>(&engine, chain).whole);
        }
        assert_eq!(
            crate::tables::check::check(&*engine.kernel.backend, 10).unwrap(),
            []
        );
    }

    fn whole(engine: &Engine) {
        for chain in [
            json!({"chain": "users"}),
            json!({"chain": "platform"}),
            json!({"account": "acme"}),
        ] {
            assert!(run::<api::audit::Verify>(engine, chain).whole);
        }
        assert_eq!(
            crate::tables::check::check(&*engine.kernel.backend, 10).unwrap(),
            []
        );
    }

    /// 17.16, R-USR-4: nor where somebody came from when they did something, in person, as another
    /// or with a key, whoever it was done to.
    #[test]
    fn nothing_in_the_store_tells_where_who_was_erased_acted_from() {
        let engine = store();
        let id = |text: &str| Id::new(text).unwrap();
        run::<api::policies::Set>(&engine, json!({"policies": {"operators_log_in_as": true}}));
        run::<api::roles::Create>(
            &engine,
            json!({"id": "staff", "name": "Staff", "allow": [{"permission": "clients.login_as"},
                {"permission": "clients.edit"}]}),
        );
        run::<api::operators::Add>(
            &engine,
            json!({"user": "opal", "email": "opal@platform.example", "role": "staff"}),
        );
        for user in ["ann", "bob"] {
            run::<api::members::Add>(
                &engine,
                json!({"account": "acme", "user": user, "role": "administrator",
                    "email": format!("{user}@mail.example")}),
            );
        }
        let acting = |user, ip: &str| Actor::in_account(id(user), id("acme"), ip.parse().ok());
        let ann = acting("ann", "203.0.113.77");
        let opal = Actor::operator(id("opal"), "203.0.113.88".parse().ok());
        let invite = json!({"account": "acme", "addresses": "new@mail.example", "role": "full"});
        run_from::<api::invitations::Create>(&engine, &ann, invite);
        run_from::<api::users::Edit>(&engine, &ann, json!({"user": "ann", "last_name": "Lee"}));
        run_from::<api::members::Disable>(&engine, &ann, json!({"account": "acme", "user": "bob"}));
        run_from::<api::members::Enable>(&engine, &ann, json!({"account": "acme", "user": "bob"}));
        run_from::<api::accounts::Edit>(
            &engine,
            &opal,
            json!({"account": "acme", "name": "Acme 2"}),
        );
        let log_in = json!({"account": "acme", "user": "bob", "reason": "A ticket",
            "device": "Desk of opal"});
        let token = run_from::<api::sessions::CreateAs>(&engine, &opal, log_in).token;
        let as_bob = json!({"kind": "session", "token": token.reveal(), "ip": "203.0.113.88"});
        let caller = crate::handle::read_caller(as_bob.to_string().as_bytes()).unwrap();
        let as_bob = engine.prove(&caller).unwrap();
        let register = json!({"account": "acme", "kind": "campaign", "id": "june"});
        run_from::<api::resources::Register>(&engine, &as_bob, register);
        let shown = |operation: &str| {
            let list = json!({"account": "acme", "operation": operation});
            let record = run::<api::audit::List>(&engine, list).records.remove(0);
            (record.actor.user.unwrap().to_string(), record.actor.ip)
        };
        let from = |user: &str, ip: Option<&str>| (user.to_owned(), ip.map(str::to_owned));
        assert_eq!(shown("members.disable"), from("ann", Some("203.0.113.77")));
        assert_eq!(
            shown("resources.register"),
            from("opal", Some("203.0.113.88"))
        );
        let known = run::<ExportData>(&engine, json!({"user": "ann"}));
        let acts = known.acts.iter();
        assert_eq!(
            acts.map(|act| (act.operation.as_str(), act.ip.as_str()))
                .collect::<Vec<_>>(),
            [
                ("invitations.create", "203.0.113.77"),
                ("members.disable", "203.0.113.77"),
                ("members.enable", "203.0.113.77"),
                ("users.edit", "203.0.113.77"),
            ]
        );
        whole(&engine);

        // What somebody does by which they are erased is not told of them once more.
        run_from::<api::members::Remove>(&engine, &ann, json!({"account": "acme", "user": "ann"}));
        run::<api::operators::Remove>(&engine, json!({"user": "opal"}));
        for text in ["203.0.113.77", "203.0.113.88", "desk of opal"] {
            assert_eq!(holding(&engine, text), Vec::<String>::new(), "{text}");
        }
        assert_eq!(shown("members.disable"), from("ann", None));
        assert_eq!(shown("members.remove"), from("ann", None));
        assert_eq!(shown("resources.register"), from("opal", None));
        whole(&engine);
    }

    /// 17.16, R-USR-4: who was only invited is gone as well, by whichever way.
    #[test]
    fn nothing_in_the_store_tells_who_was_invited() {
        let engine = store();
        for way in 0..3 {
            let invite = json!({"account": "acme",
                "addresses": "Quirin Xaver <quirin@old.example>", "role": "full"});
            let invited = run::<api::invitations::Create>(&engine, invite)
                .results
                .remove(0)
                .subject
                .invitation;
            let bounce = json!({"invitation": invited, "outcome": "bounced",
                "note": "550 <quirin@old.example>"});
            run::<api::invitations::ReportDelivery>(&engine, bounce);
            run::<api::invitations::Resend>(&engine, json!({"invitation": invited}));
            match way {
                0 => drop(run::<api::invitations::Delete>(
                    &engine,
                    json!({"invitation": invited}),
                )),
                1 => drop(run::<api::invitations::Erase>(
                    &engine,
                    json!({"email": "Quirin@old.example"}),
                )),
                _ => drop(run::<api::accounts::Delete>(
                    &engine,
                    json!({"account": "acme"}),
                )),
            }
            for text in ["quirin", "xaver"] {
                assert_eq!(holding(&engine, text), Vec::<String>::new(), "{text} {way}");
            }
            assert_eq!(
                crate::tables::check::check(&*engine.kernel.backend, 10).unwrap(),
                []
            );
        }
    }

    /// 17.16, R-USR-4: of 600 memberships and more resources than a part holds nothing is cut
    /// without a word.
    #[test]
    fn a_document_is_whole_or_says_that_there_is_more() {
        let engine = store();
        run::<api::users::Create>(&engine, json!({"id": "ann", "email": "ann@mail.example"}));
        for number in 0..600 {
            let owner = json!({"email": format!("o{number}@mail.example")});
            run::<api::accounts::Create>(
                &engine,
                json!({"id": format!("a{number:03}"), "name": "A", "owner": owner}),
            );
            run::<api::members::Add>(
                &engine,
                json!({"account": format!("a{number:03}"), "user": "ann", "role": "full"}),
            );
        }
        for number in 0..20 {
            let resource = json!({"account": format!("a{:03}", number % 7), "kind": "list",
                "id": format!("l{number}"), "owner": "ann"});
            run::<api::resources::Register>(&engine, resource);
        }
        assert_eq!(
            run::<api::users::Get>(&engine, json!({"user": "ann"}))
                .accounts
                .len(),
            600
        );
        let first = run::<ExportData>(&engine, json!({"user": "ann"}));
        assert_eq!(
            (first.memberships.len(), first.user.accounts.len()),
            (600, 600)
        );
        for limit in [1000, 333] {
            let (mut memberships, mut resources, mut after) = (Vec::new(), Vec::new(), None);
            loop {
                let part = run::<ExportData>(
                    &engine,
                    json!({"user": "ann", "limit": limit, "after": after}),
                );
                memberships.extend(part.memberships.into_iter().map(|member| member.account));
                resources.extend(part.resources.into_iter().map(|resource| resource.id));
                assert_eq!(part.more_resources, part.next.is_some());
                match part.next {
                    Some(next) => after = Some(next),
                    None => break,
                }
            }
            memberships.dedup();
            assert_eq!(memberships.len(), 600);
            resources.sort();
            resources.dedup();
            assert_eq!(resources.len(), 20);
        }
    }
}
