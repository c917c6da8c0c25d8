//! Whether the records fit each other: every index has what its records say and nothing else, every
//! count is what is there, and nothing names what is not there.
//!
//! `store.verify` asks this after it has checked each record by itself. Every record is looked at
//! once, in the order of the keys, and whatever belongs to it is looked up: so it takes no more
//! memory for a larger store. What is written in two places is looked at from both.

mod audit;
mod credits;

use super::Tx;
use super::keys;
use super::people;
use super::view::{MAX_DEPTH, account_line};
use crate::error::{Code, Error};
use crate::model::{
    Account, ApiKey, BuiltIn, Campaign, DeadMessage, Email, Group, Id, Invitation, InvitationKind,
    InvitationState, Lifecycle, LimitName, Link, Member, OpenMessage, Operator, OutboxMessage,
    Package, PasswordRecord, Reservation, Resource, Role, SecondFactor, Session, Share, Slot,
    Suppression, User,
};
use crate::ops::{accounts, invitations, links, reservations};
use crate::rules::invitation::expires_at_ms;
use crate::rules::limit::{CountedBy, counted_by};
use crate::store::{Backend, Order};
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;

/// How many records are read at once.
const STEP: usize = 500;
/// Letters of keys of which the first id is an account: all of them go with it.
const OF_AN_ACCOUNT: &[u8] = &[
    keys::ACCOUNT_API_KEY,
    keys::CHILD,
    keys::CREDIT,
    keys::GROUP,
    keys::GROUP_MEMBER,
    keys::ACCOUNT_INVITATION,
    keys::AVATAR,
    keys::SEAT,
    keys::LEASE,
    keys::MEMBER,
    keys::RESOURCE,
    keys::METER,
    keys::METER_HISTORY,
    keys::PACE,
    keys::CAP,
    keys::RESERVATION,
    keys::OPEN_RESERVATION,
    keys::ANSWERED,
    keys::POLICY,
    keys::SLOT,
    keys::SLOT_END,
    keys::CAMPAIGN,
    keys::STOPPED_CAMPAIGN,
    keys::SUPPRESSION,
    keys::TALLY,
    keys::OPEN_INVITATION,
    keys::INVITED,
    keys::RESOURCE_OF_OWNER,
    keys::RESOURCE_OF_GROUP,
    keys::TEAM_ACCOUNT,
    keys::SHARE,
    keys::SHARED_WITH,
    keys::TEAM_SUPPRESSION,
];
/// Letters of keys of which the first id is a user.
const OF_A_USER: &[u8] = &[
    keys::LAST_SEEN,
    keys::MEMBERSHIP,
    keys::OPERATOR,
    keys::USER_LINK,
    keys::USER_SESSION,
];

/// What does not fit, at most `most` of it, each with the key at which it was noticed.
pub(crate) fn check(backend: &dyn Backend, most: usize) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    let mut from = keys::FIRST.to_vec();
    loop {
        let rows = backend.range(&from, &[0x7f], Order::Ascending, STEP)?;
        for (key, record) in &rows {
            let mut look = Look {
                backend,
                tx: Tx::new(backend),
                value: &record.value,
                found: Vec::new(),
            };
            match look.at(key) {
                Ok(()) => {}
                Err(error) if matches!(error.code(), Code::StoreCorrupt | Code::NotFound) => {
                    look.found.push(error.message().to_owned())
                }
                Err(error) => return Err(error),
            }
            found.extend(
                look.found
                    .iter()
                    .map(|what| format!("{}: {what}", key.escape_ascii())),
            );
            if found.len() >= most {
                found.truncate(most);
                return Ok(found);
            }
        }
        match rows.last() {
            Some((last, _)) if rows.len() == STEP => from = [last.as_slice(), &[0]].concat(),
            _ => return Ok(found),
        }
    }
}

/// One record that is looked at.
struct Look<'a> {
    backend: &'a dyn Backend,
    tx: Tx<'a>,
    value: &'a [u8],
    found: Vec<String>,
}

fn broken(what: impl Into<String>) -> Error {
    Error::new(Code::StoreCorrupt, what)
}

/// Of these the platform has some, under no id.
const OF_THE_PLATFORM_TOO: &[u8] = &[
    keys::METER,
    keys::METER_HISTORY,
    keys::PACE,
    keys::CAP,
    keys::OPEN_RESERVATION,
];

fn id(text: &str) -> Result<Id, Error> {
    Id::new(text).map_err(|error| broken(format!("`{text}` is no id: {error}")))
}

/// Where an open invitation takes a seat.
fn seats_of(invitation: &Invitation) -> Vec<Vec<u8>> {
    let expires_at_ms = expires_at_ms(invitation);
    invitation
        .counted_in
        .iter()
        .map(|account| keys::open_invitation(account, expires_at_ms, &invitation.id))
        .collect()
}

impl Look<'_> {
    fn at(&mut self, key: &[u8]) -> Result<(), Error> {
        let mut parts = key
            .split(|byte| *byte == 0)
            .map(|part| std::str::from_utf8(part).map_err(|_| broken("the key is no text")));
        let letter = parts
            .next()
            .transpose()?
            .and_then(|letter| letter.bytes().next())
            .unwrap_or(0);
        let parts: Vec<&str> = parts.collect::<Result<_, _>>()?;
        let of_platform = OF_THE_PLATFORM_TOO.contains(&letter) && parts.first() == Some(&"");
        if let (true, Some(first)) = (
            OF_AN_ACCOUNT.contains(&letter) && !of_platform,
            parts.first(),
        ) {
            self.must_have(keys::account(&id(first)?), "its account is gone")?;
        }
        if let (true, Some(first)) = (OF_A_USER.contains(&letter), parts.first()) {
            self.must_have(keys::user(&id(first)?), "its user is gone")?;
        }
        match (letter, parts.as_slice()) {
            (keys::ACCOUNT, [account]) => self.account(&id(account)?),
            (keys::CHILD, [parent, child]) => {
                let below: Option<Account> = self.tx.get(&keys::account(&id(child)?))?;
                self.must(
                    below.is_some_and(|below| {
                        below.parent.is_some_and(|above| above.as_str() == *parent)
                    }),
                    "the account is not below this one",
                );
                Ok(())
            }
            (keys::EMAIL, [address]) => {
                let user: Id = self.record()?;
                let user: Option<User> = self.tx.get(&keys::user(&user))?;
                self.must(
                    user.is_some_and(|user| user.email.key() == *address),
                    "no user has this address",
                );
                Ok(())
            }
            (keys::USER, [user]) => self.user(&id(user)?),
            (keys::PERSON, [list, _, _, user]) => self.person(key, list, &id(user)?),
            (keys::SEAT, [account, user]) => self.seat(&id(account)?, &id(user)?),
            (keys::MEMBER, [account, user]) => self.member(&id(account)?, &id(user)?),
            (keys::MEMBERSHIP, [user, account]) => self.must_have(
                keys::member(&id(account)?, &id(user)?),
                "the user is no member of the account",
            ),
            (keys::GROUP, [account, group]) => {
                let record: Group = self.record()?;
                self.must(
                    record.account.as_str() == *account && record.id.as_str() == *group,
                    "the record is that of another group",
                );
                self.must_have(keys::tally(&record.account, "groups"), "it is not counted")
            }
            (keys::GROUP_MEMBER, [account, group, user]) => {
                let member: Option<Member> =
                    self.tx.get(&keys::member(&id(account)?, &id(user)?))?;
                self.must(
                    member
                        .is_some_and(|member| member.group.is_some_and(|of| of.as_str() == *group)),
                    "the member is not in the group",
                );
                self.must_have(
                    keys::group_tally(&id(account)?, &id(group)?),
                    "it is not counted",
                )
            }
            (keys::TALLY, [account, "members"]) => self.tally(keys::MEMBER, &[account]),
            (keys::TALLY, [account, "users"]) => self.tally(keys::SEAT, &[account]),
            (keys::TALLY, [account, "idle"]) => self.idle_users(&id(account)?),
            (keys::TALLY, [account, "idle", user]) => self.idle(&id(account)?, &id(user)?),
            (keys::TALLY, [account, "groups"]) => self.tally(keys::GROUP, &[account]),
            (keys::TALLY, [account, accounts::BELOW]) => {
                self.tally(keys::TEAM_ACCOUNT, &[account, "id"])
            }
            (keys::TALLY, [account, "group", group]) => {
                self.tally(keys::GROUP_MEMBER, &[account, group])
            }
            (keys::TALLY, [account, "owner", owner, kind]) => {
                self.tally(keys::RESOURCE_OF_OWNER, &[account, owner, kind])
            }
            (keys::TALLY, [account, "shared", group, kind, owner]) => {
                self.shared(&id(account)?, group, kind, owner)
            }
            (keys::TALLY, [account, "gauge", limit]) => self.gauge(&id(account)?, limit),
            (keys::TALLY, [account, "total", limit]) => self.gauge_total(&id(account)?, limit),
            (keys::TALLY, [_, what]) if what.starts_with("guaranteed ") => {
                self.record::<u64>().map(drop)
            }
            (keys::TALLY, _) => Err(broken("it counts what is not known")),
            (keys::PACKAGE, [package]) => self.package(&id(package)?),
            (keys::PACKAGE_ACCOUNT, [package, account]) => {
                self.must_have(keys::package(&id(package)?), "the package is gone")?;
                let account: Option<Account> = self.tx.get(&keys::account(&id(account)?))?;
                self.must(
                    account.is_some_and(|account| {
                        account.package.is_some_and(|of| of.as_str() == *package)
                    }),
                    "the account does not use it",
                );
                Ok(())
            }
            (keys::ROLE, [role]) => self.role(&id(role)?),
            (keys::ROLE_USE, [role, used_by @ ..]) => self.role_use(&id(role)?, used_by),
            (keys::ACCOUNT_ROLE, [account, role]) => {
                let role: Option<Role> = self.tx.get(&keys::role(&id(role)?))?;
                // Those of the platform are listed under no account.
                let of = role.map(|role| role.account.map_or_else(String::new, String::from));
                self.must(
                    of.as_deref() == Some(*account),
                    "the role is not the account's own",
                );
                Ok(())
            }
            (keys::ACCOUNT_ORDER, [_, _, account]) => {
                let account: Option<Account> = self.tx.get(&keys::account(&id(account)?))?;
                let owner = self.owner_of(account.as_ref())?;
                let listed = account.is_some_and(|account| {
                    accounts::orders(&account, owner.as_ref()).contains(&key.to_vec())
                });
                self.must(listed, "the account is gone or has another name or owner");
                Ok(())
            }
            (keys::TEAM_ACCOUNT, [above, _, _, account]) => {
                let line = account_line(&mut self.tx, &id(account)?)?;
                let above = line.iter().skip(1).find(|one| one.id.as_str() == *above);
                let owner = self.owner_of(line.first())?;
                let listed = |(account, above): (&Account, &Account)| {
                    accounts::orders_below(account, &above.id, owner.as_ref())
                        .contains(&key.to_vec())
                };
                self.must(
                    line.first().zip(above).is_some_and(listed),
                    "the account is not below, or has another name or owner",
                );
                Ok(())
            }
            (keys::PACKAGE_NEXT, [package, account]) => {
                let next = self
                    .tx
                    .get::<Account>(&keys::account(&id(account)?))?
                    .and_then(|account| account.next_package);
                self.must(
                    next.is_some_and(|next| next.package.as_str() == *package),
                    "the account does not wait for it",
                );
                Ok(())
            }
            (keys::DUE, [_, account]) => {
                let next = self
                    .tx
                    .get::<Account>(&keys::account(&id(account)?))?
                    .and_then(|account| account.next_package);
                self.must(
                    next.is_some_and(|next| keys::due_at(key) == Some(next.from_ms)),
                    "nothing becomes due then",
                );
                Ok(())
            }
            (keys::DUE, [_, account, reservation]) => {
                let known: Option<Reservation> = self
                    .tx
                    .get(&keys::reservation(&id(account)?, &id(reservation)?))?;
                self.must(
                    known.is_some_and(|known| keys::due_at(key) == Some(known.due_at_ms())),
                    "nothing happens to the reservation then",
                );
                Ok(())
            }
            (keys::DUE, [_, account, actor, name]) => self.must_have(
                keys::answered(&id(account)?, actor, &id(name)?),
                "the answer is gone",
            ),
            (keys::RESERVATION, [account, reservation]) => {
                let known: Reservation = self.record()?;
                self.must_have(
                    keys::due_reservation(known.due_at_ms(), &id(account)?, &id(reservation)?),
                    "nothing ever happens to it",
                )?;
                for key in
                    reservations::listed_at(&known, &account_line(&mut self.tx, &known.account)?)
                {
                    self.must_have(key, "nobody knows that it comes back")?;
                }
                Ok(())
            }
            (keys::OPEN_RESERVATION, [_, _, account, reservation]) => {
                let (account, reservation) = (id(account)?, id(reservation)?);
                let line = account_line(&mut self.tx, &account)?;
                let known: Option<Reservation> =
                    self.tx.get(&keys::reservation(&account, &reservation))?;
                let listed = known.is_some_and(|known| {
                    reservations::listed_at(&known, &line).contains(&key.to_vec())
                });
                self.must(listed, "no reservation comes back there then");
                Ok(())
            }
            (keys::AVATAR, [account, group]) => {
                self.must_have(keys::group(&id(account)?, &id(group)?), "its group is gone")
            }
            (keys::INVITATION, [invitation]) => self.invitation(&id(invitation)?),
            (keys::ACCOUNT_INVITATION, [_, _, _, invitation])
            | (keys::ADDRESS_INVITATION, [_, invitation] | [_, _, invitation]) => {
                let invitation: Option<Invitation> =
                    self.tx.get(&keys::invitation(&id(invitation)?))?;
                self.must(
                    invitation
                        .is_some_and(|one| invitations::listed_at(&one).contains(&key.to_vec())),
                    "the invitation is gone or offers others",
                );
                Ok(())
            }
            (keys::OPEN_INVITATION, [_, _, invitation]) => {
                let invitation: Option<Invitation> =
                    self.tx.get(&keys::invitation(&id(invitation)?))?;
                let open = invitation.filter(|one| one.state == InvitationState::Open);
                self.must(
                    open.is_some_and(|one| seats_of(&one).contains(&key.to_vec())),
                    "the invitation takes no seat there",
                );
                Ok(())
            }
            (keys::INVITED, [team, address]) => {
                let invitation: Option<Invitation> =
                    self.tx.get(&keys::invitation(&self.record()?))?;
                let open = invitation.filter(|one| {
                    one.state == InvitationState::Open && one.kind == InvitationKind::Member
                });
                let theirs =
                    open.is_some_and(|one| one.team.as_str() == *team && one.address() == *address);
                self.must(theirs, "the address has no open invitation to the team");
                Ok(())
            }
            (keys::LINK, [link]) => {
                let link_record: Link = self.record()?;
                self.must(
                    link_record.id.as_str() == *link,
                    "the record is that of another link",
                );
                let last: Option<Id> = self.tx.get(&keys::user_link(
                    &link_record.user,
                    links::name(link_record.kind),
                ))?;
                self.must(
                    last.as_ref() == Some(&link_record.id),
                    "the user does not know it",
                );
                Ok(())
            }
            (keys::USER_LINK, [user, kind]) => {
                let link: Option<Link> = self.tx.get(&keys::link(&self.record()?))?;
                self.must(
                    link.is_some_and(|link| {
                        link.user.as_str() == *user && links::name(link.kind) == *kind
                    }),
                    "the link is gone, or another's",
                );
                Ok(())
            }
            (keys::PASSWORD, ["", _]) => Ok(()),
            (keys::PASSWORD, [user]) => {
                let _: PasswordRecord = self.record()?;
                self.must_have(keys::user(&id(user)?), "its user is gone")
            }
            (keys::SECOND_FACTOR, [user]) => {
                let _: SecondFactor = self.record()?;
                self.must_have(keys::user(&id(user)?), "its user is gone")
            }
            (keys::SESSION, [session]) => {
                let record: Session = self.record()?;
                self.must(
                    record.id.as_str() == *session,
                    "the record is that of another session",
                );
                self.must_have(
                    keys::user_session(record.person(), &record.id),
                    "the person who uses it does not know it",
                )?;
                self.must_have(
                    keys::user_session(&record.user, &record.id),
                    "the user does not know it",
                )
            }
            (keys::USER_SESSION, [user, session]) => {
                let session: Option<Session> = self.tx.get(&keys::session(&id(session)?))?;
                self.must(
                    session.is_some_and(|session| {
                        [&session.user, session.person()]
                            .iter()
                            .any(|one| one.as_str() == *user)
                    }),
                    "the session is gone, or another's",
                );
                Ok(())
            }
            (keys::API_KEY, [api_key]) => {
                let record: ApiKey = self.record()?;
                self.must(
                    record.id.as_str() == *api_key,
                    "the record is that of another API key",
                );
                self.must_have(
                    keys::account_api_key(&record.account, &record.user, &record.id),
                    "the account does not know it",
                )
            }
            (keys::ACCOUNT_API_KEY, [account, user, api_key]) => {
                let record: Option<ApiKey> = self.tx.get(&keys::api_key(&id(api_key)?))?;
                let theirs = |record: ApiKey| {
                    record.account.as_str() == *account && record.user.as_str() == *user
                };
                self.must(
                    record.is_some_and(theirs),
                    "the API key is gone, or another's",
                );
                self.must_have(
                    keys::member(&id(account)?, &id(user)?),
                    "its membership is gone",
                )
            }
            (keys::ALLOW_LIST, ["user", user]) => {
                self.must_have(keys::user(&id(user)?), "its user is gone")
            }
            (keys::ALLOW_LIST, ["account", account]) => {
                self.must_have(keys::account(&id(account)?), "its account is gone")
            }
            (keys::ALLOW_LIST, ["member", account, user]) => self.must_have(
                keys::member(&id(account)?, &id(user)?),
                "its membership is gone",
            ),
            (keys::OUTBOX, [_]) => {
                let message: OutboxMessage = self.record()?;
                let next = self.tx.get::<u64>(&keys::outbox_next())?;
                let number = keys::last_number(key);
                self.must(
                    number.is_some() && next > number,
                    "the next message would get its number",
                );
                match message.person().zip(number) {
                    Some(((kind, person), number)) => self.must_have(
                        keys::outbox_person(kind, person, number),
                        "whom it tells of does not know it",
                    ),
                    None => Ok(()),
                }
            }
            (keys::OUTBOX_PERSON, [..]) => {
                let number = keys::last_number(key).ok_or_else(|| broken("it names no message"))?;
                let message: Option<OutboxMessage> = self.tx.get(&keys::outbox(number))?;
                let person = message.as_ref().and_then(OutboxMessage::person);
                let theirs = person
                    .is_some_and(|(kind, person)| keys::outbox_person(kind, person, number) == key);
                self.must(theirs, "the message is gone, or tells of somebody else");
                Ok(())
            }
            (keys::SUPPRESSION, [account, value, class]) => {
                let entry: Suppression = self.record()?;
                let same = entry.account.as_str() == *account
                    && entry.value == *value
                    && entry.message_class.name() == *class;
                self.must(same, "the record is that of another entry");
                let team = self.team(&entry.account)?;
                if !value.contains('@') {
                    self.must_have(
                        keys::gauge(&entry.account, LimitName::SuppressedDomains.name()),
                        "it is not counted",
                    )?;
                }
                self.must_have(
                    keys::team_suppression(&team, value, class, &entry.account),
                    "the team does not know it",
                )
            }
            (keys::SLOT, [account, slot]) => {
                let record: Slot = self.record()?;
                self.must(
                    record.account.as_str() == *account && record.id.as_str() == *slot,
                    "the record is that of another slot",
                );
                self.must_have(
                    keys::gauge(&record.account, LimitName::Threads.name()),
                    "it is not counted",
                )?;
                for above in account_line(&mut self.tx, &record.account)? {
                    self.must_have(
                        keys::slot_end(
                            &above.id,
                            record.expires_at_ms,
                            &record.account,
                            &record.id,
                        ),
                        "nobody knows when it ends",
                    )?;
                }
                Ok(())
            }
            (keys::SLOT_END, [above, _, account, slot]) => {
                let (account, slot) = (id(account)?, id(slot)?);
                let line = account_line(&mut self.tx, &account)?;
                self.must(
                    line.iter().any(|one| one.id.as_str() == *above),
                    "the account of the slot is not below",
                );
                let slot: Option<Slot> = self.tx.get(&keys::slot(&account, &slot))?;
                self.must(
                    slot.is_some_and(|slot| keys::slot_end_at(key) == Some(slot.expires_at_ms)),
                    "no slot ends then",
                );
                Ok(())
            }
            (keys::CAMPAIGN, [account, campaign]) => {
                let record: Campaign = self.record()?;
                self.must(
                    record.account.as_str() == *account && record.id.as_str() == *campaign,
                    "the record is that of another campaign",
                );
                let listed = self
                    .tx
                    .has(&keys::stopped_campaign(&record.account, &record.id))?;
                self.must(
                    listed == record.stop.is_some(),
                    "the list of those that are stopped says otherwise",
                );
                Ok(())
            }
            (keys::STOPPED_CAMPAIGN, [account, campaign]) => {
                let campaign: Option<Campaign> = self
                    .tx
                    .get(&keys::campaign(&id(account)?, &id(campaign)?))?;
                self.must(
                    campaign.is_some_and(|campaign| campaign.stop.is_some()),
                    "the campaign is not stopped",
                );
                Ok(())
            }
            (keys::TEAM_SUPPRESSION, [team, value, class, account]) => {
                let account = id(account)?;
                let top = self.team(&account)?;
                self.must(top.as_str() == *team, "the account is in another team");
                self.must_have(
                    keys::suppression(&account, value, class),
                    "the account has no such entry",
                )
            }
            (keys::OPERATOR, [user]) => {
                let operator: Operator = self.record()?;
                self.must(
                    operator.user.as_str() == *user,
                    "the record is that of another operator",
                );
                self.must_be_role(&operator.role)?;
                self.must_have(
                    keys::role_use(&operator.role, "operator", &[user]),
                    "the role does not know it",
                )?;
                let (from, until) = keys::below(keys::MEMBERSHIP, &[user]);
                let is_member = !self
                    .backend
                    .range(&from, &until, Order::Ascending, 1)?
                    .is_empty();
                self.must(!is_member, "an operator is a member of no account");
                Ok(())
            }
            (keys::RESOURCE, [account, kind, resource]) => {
                self.resource(&id(account)?, &id(kind)?, &id(resource)?)
            }
            (keys::RESOURCE_OF_OWNER, [account, owner, kind, resource]) => {
                let resource: Option<Resource> =
                    self.tx
                        .get(&keys::resource(&id(account)?, &id(kind)?, &id(resource)?))?;
                self.must(
                    resource.is_some_and(|resource| resource.owner.as_str() == *owner),
                    "the resource is not theirs",
                );
                Ok(())
            }
            (keys::RESOURCE_OF_GROUP, [account, group, kind, resource]) => {
                let resource: Option<Resource> =
                    self.tx
                        .get(&keys::resource(&id(account)?, &id(kind)?, &id(resource)?))?;
                self.must(
                    resource.is_some_and(|resource| {
                        resource.group.is_some_and(|of| of.as_str() == *group)
                    }),
                    "the resource does not carry the group",
                );
                Ok(())
            }
            (keys::LEASE, [account, kind, resource]) => self.must_have(
                keys::resource(&id(account)?, &id(kind)?, &id(resource)?),
                "the resource is gone",
            ),
            (keys::SHARE, [account, kind, resource]) => {
                let share: Share = self.record()?;
                let same = share.account.as_str() == *account
                    && share.kind.as_str() == *kind
                    && share.id.as_str() == *resource;
                self.must(same, "the record is that of another share");
                self.must_have(
                    keys::resource(&share.account, &share.kind, &share.id),
                    "the resource is gone",
                )?;
                self.must(
                    share.all == share.accounts.is_empty(),
                    "it is shared with all, or with some by name",
                );
                for below in &share.accounts {
                    self.must_have(
                        keys::shared_with(below, &share.account, &share.kind, &share.id),
                        "an account does not know it",
                    )?;
                }
                Ok(())
            }
            (keys::SHARED_WITH, [below, above, kind, resource]) => {
                let line = account_line(&mut self.tx, &id(below)?)?;
                self.must(
                    line.iter()
                        .skip(1)
                        .any(|account| account.id.as_str() == *above),
                    "the account that shares is not above",
                );
                let share: Option<Share> =
                    self.tx
                        .get(&keys::share(&id(above)?, &id(kind)?, &id(resource)?))?;
                self.must(
                    share.is_some_and(|share| {
                        share.accounts.iter().any(|with| with.as_str() == *below)
                    }),
                    "it is not shared with the account",
                );
                Ok(())
            }
            (keys::AUDIT, [of, account, number]) => self.audit(of, account, number),
            (keys::AUDIT_HEAD, [of, account]) => self.audit_head(of, account),
            (keys::AUDIT_PERSON, [keys::ACTOR, user, of, account, number, _]) => {
                self.audit_actor(key, &id(user)?, (of, account), number)
            }
            (keys::AUDIT_PERSON, [_, _, of, account, number, place]) => {
                self.audit_person(key, (of, account), number, place)
            }
            (keys::OUTBOX_CONSUMER, [name]) => self.consumer(name),
            (keys::OUTBOX_CONSUMER, [name, "open", number]) => self
                .record::<OpenMessage>()
                .and_then(|_| self.consumed(name, number)),
            (keys::OUTBOX_CONSUMER, [name, "dead", number]) => self
                .record::<DeadMessage>()
                .and_then(|_| self.consumed(name, number)),
            (keys::OUTBOX_CONSUMER, _) => Err(broken("it is nothing that a consumer has")),
            (keys::CREDIT, [account, parts @ ..]) => self.credits(key, account, parts),
            (keys::TOMBSTONE, ["g", account, group]) => {
                self.must_have(keys::account(&id(account)?), "its account is gone")?;
                let again = self.tx.has(&keys::group(&id(account)?, &id(group)?))?;
                self.must(!again, "an id that was deleted is in use again");
                Ok(())
            }
            (keys::TOMBSTONE, [kind, deleted]) => {
                let living = [kind.as_bytes(), &[0], deleted.as_bytes()].concat();
                let again = self.tx.has(&living)?;
                self.must(!again, "an id that was deleted is in use again");
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn account(&mut self, key: &Id) -> Result<(), Error> {
        let account: Account = self.record()?;
        self.must(account.id == *key, "the record is that of another account");
        if let Some(parent) = &account.parent {
            self.must_have(
                keys::child(parent, key),
                "the account above does not know it",
            )?;
        }
        let line = account_line(&mut self.tx, key)?;
        self.must(line.len() <= MAX_DEPTH, "it lies too deep");
        let owner = self.owner_of(Some(&account))?;
        let mut lists = accounts::orders(&account, owner.as_ref());
        for above in line.iter().skip(1) {
            lists.extend(accounts::orders_below(&account, &above.id, owner.as_ref()));
            self.must_have(
                keys::tally(&above.id, accounts::BELOW),
                "an account above does not count it",
            )?;
        }
        for entry in lists {
            self.must_have(entry, "a list of accounts does not have it")?;
        }
        match &account.owner {
            Some(owner) => {
                let member: Option<Member> = self.tx.get(&keys::member(key, owner))?;
                self.must(
                    member.is_some_and(|member| member.owner),
                    "its owner is no member who owns it",
                );
            }
            None => {
                let waits = matches!(
                    account.lifecycle,
                    Lifecycle::Pending
                        | Lifecycle::Closed {
                            was_pending: true,
                            ..
                        }
                );
                self.must(waits, "it has no owner, and does not wait for one");
            }
        }
        if let Some(package) = &account.package {
            self.must_have(keys::package(package), "its package is gone")?;
            self.must_have(
                keys::package_account(package, key),
                "its package does not know it",
            )?;
        }
        if let Some(next) = &account.next_package {
            self.must_have(keys::package(&next.package), "its next package is gone")?;
            self.must_have(
                keys::package_next(&next.package, key),
                "its next package does not know it",
            )?;
            self.must_have(
                keys::due(next.from_ms, key),
                "its next package never becomes due",
            )?;
        }
        if let Some(role) = &account.default_role {
            self.must_be_role(role)?;
            self.must_have(
                keys::role_use(role, "account", &[key.as_str()]),
                "its default role does not know it",
            )?;
        }
        self.must_have(
            keys::group(key, &account.default_group),
            "its default group is gone",
        )?;
        let children = self.count(keys::CHILD, &[key.as_str()])?;
        self.must(
            account.children == children,
            &format!(
                "it counts {} accounts below, there are {children}",
                account.children
            ),
        );
        Ok(())
    }

    /// The address of who owns an account.
    fn owner_of(&mut self, account: Option<&Account>) -> Result<Option<Email>, Error> {
        let Some(owner) = account.and_then(|account| account.owner.as_ref()) else {
            return Ok(None);
        };
        Ok(self
            .tx
            .get::<User>(&keys::user(owner))?
            .map(|user| user.email))
    }

    fn user(&mut self, key: &Id) -> Result<(), Error> {
        let user: User = self.record()?;
        self.must(user.id == *key, "the record is that of another user");
        let has_address: Option<Id> = self.tx.get(&keys::email(user.email.key()))?;
        self.must(
            has_address.as_ref() == Some(key),
            "the address leads to somebody else",
        );
        self.must_be_listed(people::PLATFORM, &user)
    }

    fn person(&mut self, key: &[u8], list: &str, user: &Id) -> Result<(), Error> {
        let user: User = self
            .tx
            .get(&keys::user(user))?
            .ok_or_else(|| broken("its user is gone"))?;
        self.must(
            people::entries(list, &user)
                .iter()
                .any(|entry| entry == key),
            "the user has another name or address",
        );
        if list != people::PLATFORM {
            self.must_have(
                keys::seat(&id(list)?, &user.id),
                "the user is in no account of this list",
            )?;
        }
        Ok(())
    }

    fn seat(&mut self, account: &Id, key: &Id) -> Result<(), Error> {
        let user: User = self
            .tx
            .get(&keys::user(key))?
            .ok_or_else(|| broken("its user is gone"))?;
        self.must_be_listed(account.as_str(), &user)?;
        self.must_have(keys::tally(account, "users"), "it is not counted")?;
        let counted: u64 = self.record()?;
        let (there, idle) = self.memberships_below(account, &user)?;
        self.must(
            counted == there && there > 0,
            &format!("it counts {counted} memberships, there are {there}"),
        );
        let counted_idle = self
            .tx
            .get::<u64>(&keys::idle_tally(account, key))?
            .unwrap_or(0);
        self.must(
            counted_idle == idle,
            &format!(
                "{counted_idle} of the memberships are counted as without a seat, there are {idle}"
            ),
        );
        if idle == there {
            self.must_have(
                keys::tally(account, "idle"),
                "it is not counted among those without a seat",
            )?;
        }
        Ok(())
    }

    /// How many memberships of a user hold no seat.
    fn idle(&mut self, account: &Id, user: &Id) -> Result<(), Error> {
        let idle: u64 = self.record()?;
        self.must(idle > 0, "it counts nothing");
        self.must_have(keys::seat(account, user), "the user has no membership here")
    }

    /// How many users hold no seat. That each is counted by itself is seen at the seats.
    fn idle_users(&mut self, account: &Id) -> Result<(), Error> {
        let counted: u64 = self.record()?;
        let (mut from, until) = keys::below(keys::TALLY, &[account.as_str(), "idle"]);
        let mut there = 0;
        loop {
            let rows = self.backend.range(&from, &until, Order::Ascending, STEP)?;
            for (key, _) in &rows {
                let user = keys::last_id(key)
                    .ok_or_else(|| broken("a count of memberships names no user"))?;
                let mut tx = Tx::new(self.backend);
                let idle: Option<u64> = tx.get(key)?;
                there += u64::from(idle == tx.get(&keys::seat(account, &user))?);
            }
            match rows.last() {
                Some((last, _)) if rows.len() == STEP => from = [last.as_slice(), &[0]].concat(),
                _ => break,
            }
        }
        self.must(
            counted == there && there > 0,
            &format!("it counts {counted} users without a seat, there are {there}"),
        );
        Ok(())
    }

    /// How many memberships a user has in an account and below it, and how many of them hold no
    /// seat.
    fn memberships_below(&mut self, account: &Id, user: &User) -> Result<(u64, u64), Error> {
        let of = |tx: &mut Tx<'_>, account: &Id| -> Result<(u64, u64), Error> {
            let member: Option<Member> = tx.get(&keys::member(account, &user.id))?;
            Ok(member.map_or((0, 0), |member| {
                (1, u64::from(people::is_idle(&member, user)))
            }))
        };
        let (first, last) = keys::below(keys::CHILD, &[account.as_str()]);
        if self
            .backend
            .range(&first, &last, Order::Ascending, 1)?
            .is_empty()
        {
            return of(&mut self.tx, account);
        }
        let (mut from, until) = keys::below(keys::MEMBERSHIP, &[user.id.as_str()]);
        let mut found = (0, 0);
        loop {
            let rows = self.backend.range(&from, &until, Order::Ascending, STEP)?;
            for (key, _) in &rows {
                let below =
                    keys::last_id(key).ok_or_else(|| broken("a membership names no account"))?;
                let mut tx = Tx::new(self.backend);
                if account_line(&mut tx, &below)?
                    .iter()
                    .any(|above| above.id == *account)
                {
                    let (there, idle) = of(&mut tx, &below)?;
                    found = (found.0 + there, found.1 + idle);
                }
            }
            match rows.last() {
                Some((last, _)) if rows.len() == STEP => from = [last.as_slice(), &[0]].concat(),
                _ => return Ok(found),
            }
        }
    }

    fn member(&mut self, account: &Id, user: &Id) -> Result<(), Error> {
        let member: Member = self.record()?;
        self.must(
            member.account == *account && member.user == *user,
            "the record is that of another membership",
        );
        self.must_have(keys::user(user), "its user is gone")?;
        self.must_have(keys::membership(user, account), "the user does not know it")?;
        self.must_have(keys::tally(account, "members"), "it is not counted")?;
        let line = account_line(&mut self.tx, account)?;
        for above in &line {
            self.must_have(keys::seat(&above.id, user), "it takes no seat")?;
        }
        let owner = line.first().and_then(|account| account.owner.as_ref());
        self.must(
            member.owner == (owner == Some(user)),
            "the account has another owner",
        );
        let mut administrator = false;
        if let Some(role) = &member.role {
            self.must_have(
                keys::role_use(role, "member", &[account.as_str(), user.as_str()]),
                "the role does not know it",
            )?;
            let (of, administrators) = self
                .role_kind(role)?
                .ok_or_else(|| broken("its role is gone"))?;
            let usable = of.is_none_or(|of| line.iter().any(|above| above.id == of));
            self.must(usable, "its role is that of another account");
            administrator = administrators;
        }
        self.must(
            member.administrator == administrator,
            "it is half an administrator's",
        );
        match &member.group {
            Some(group) => {
                self.must(
                    !member.owner && !administrator,
                    "owner and administrators are in no group",
                );
                self.must_have(keys::group(account, group), "its group is gone")?;
                self.must_have(
                    keys::group_member(account, group, user),
                    "the group does not know it",
                )
            }
            None => {
                self.must(
                    member.owner || administrator,
                    "a plain member is in a group",
                );
                Ok(())
            }
        }
    }

    fn package(&mut self, key: &Id) -> Result<(), Error> {
        let package: Package = self.record()?;
        self.must(package.id == *key, "the record is that of another package");
        if let Some(role) = &package.role {
            self.must_be_role(role)?;
            self.must_have(
                keys::role_use(role, "package", &[key.as_str()]),
                "its role does not know it",
            )?;
        }
        let accounts = self.count(keys::PACKAGE_ACCOUNT, &[key.as_str()])?;
        self.must(
            package.accounts == accounts,
            &format!(
                "it counts {} accounts, there are {accounts}",
                package.accounts
            ),
        );
        Ok(())
    }

    fn role(&mut self, key: &Id) -> Result<(), Error> {
        let role: Role = self.record()?;
        self.must(
            role.id == *key && !role.built_in,
            "the record is that of another role",
        );
        for included in &role.includes {
            self.must_be_role(included)?;
            self.must_have(
                keys::role_use(included, "role", &[key.as_str()]),
                "a role that it includes does not know it",
            )?;
        }
        if let Some(candidate) = &role.trial {
            self.must(
                *candidate != role.id && !role.administrator,
                "it cannot be tried in this role's place",
            );
            self.must_be_role(candidate)?;
            self.must_have(
                keys::role_use(candidate, "trial", &[key.as_str()]),
                "the role that is tried does not know it",
            )?;
        }
        match &role.account {
            Some(account) => {
                self.must_have(keys::account(account), "its account is gone")?;
                self.must_have(
                    keys::account_role(account, key),
                    "its account does not know it",
                )
            }
            None => self.must_have(keys::platform_role(key), "the platform does not know it"),
        }
    }

    fn role_use(&mut self, role: &Id, used_by: &[&str]) -> Result<(), Error> {
        self.must_be_role(role)?;
        let used = match used_by {
            ["member", account, user] => self
                .tx
                .get::<Member>(&keys::member(&id(account)?, &id(user)?))?
                .is_some_and(|member| member.role.as_ref() == Some(role)),
            ["package", package] => self
                .tx
                .get::<Package>(&keys::package(&id(package)?))?
                .is_some_and(|package| package.role.as_ref() == Some(role)),
            ["role", other] => self
                .tx
                .get::<Role>(&keys::role(&id(other)?))?
                .is_some_and(|other| other.includes.contains(role)),
            ["trial", other] => self
                .tx
                .get::<Role>(&keys::role(&id(other)?))?
                .is_some_and(|other| other.trial.as_ref() == Some(role)),
            ["operator", user] => self
                .tx
                .get::<Operator>(&keys::operator(&id(user)?))?
                .is_some_and(|operator| operator.role == *role),
            ["account", account] => self
                .tx
                .get::<Account>(&keys::account(&id(account)?))?
                .is_some_and(|account| account.default_role.as_ref() == Some(role)),
            ["invitation", invitation] => {
                let invitation: Option<Invitation> =
                    self.tx.get(&keys::invitation(&id(invitation)?))?;
                let open = invitation.filter(|one| one.state == InvitationState::Open);
                open.is_some_and(|one| {
                    one.grants
                        .iter()
                        .any(|grant| grant.role.as_ref() == Some(role))
                })
            }
            _ => false,
        };
        self.must(used, "nothing there uses the role");
        Ok(())
    }

    fn resource(&mut self, account: &Id, kind: &Id, key: &Id) -> Result<(), Error> {
        let resource: Resource = self.record()?;
        self.must(
            resource.account == *account && resource.kind == *kind && resource.id == *key,
            "the record is that of another resource",
        );
        self.must_have(
            keys::member(account, &resource.owner),
            "its owner is no member",
        )?;
        self.must_have(
            keys::resource_of_owner(account, &resource.owner, kind, key),
            "its owner does not know it",
        )?;
        self.must_have(
            keys::owner_tally(account, &resource.owner, kind),
            "it is not counted",
        )?;
        if let Some(group) = &resource.group {
            self.must_have(keys::group(account, group), "its group is gone")?;
            self.must_have(
                keys::resource_of_group(account, group, kind, key),
                "its group does not know it",
            )?;
            if resource.shared {
                self.must_have(
                    keys::shared_tally(account, group, kind, &resource.owner),
                    "it is not counted as shared",
                )?;
            }
        }
        Ok(())
    }

    /// The count of what an owner shares in a group.
    fn shared(&mut self, account: &Id, group: &str, kind: &str, owner: &str) -> Result<(), Error> {
        self.must_have(keys::group(account, &id(group)?), "its group is gone")?;
        let counted: u64 = self.record()?;
        let mut there = 0;
        let (mut from, until) =
            keys::below(keys::RESOURCE_OF_OWNER, &[account.as_str(), owner, kind]);
        loop {
            let rows = self.backend.range(&from, &until, Order::Ascending, STEP)?;
            for (key, _) in &rows {
                let of =
                    keys::last_id(key).ok_or_else(|| broken("a resource of an owner has no id"))?;
                let resource: Option<Resource> =
                    Tx::new(self.backend).get(&keys::resource(account, &id(kind)?, &of))?;
                there += u64::from(resource.is_some_and(|one| {
                    one.shared && one.group.is_some_and(|of| of.as_str() == group)
                }));
            }
            match rows.last() {
                Some((last, _)) if rows.len() == STEP => from = [last.as_slice(), &[0]].concat(),
                _ => break,
            }
        }
        self.must(
            counted == there && there > 0,
            &format!("it counts {counted}, there are {there}"),
        );
        Ok(())
    }

    /// What an account itself has of what a limit counts: that of which there are records must be
    /// what they are.
    fn gauge(&mut self, account: &Id, limit: &str) -> Result<(), Error> {
        let counted: u64 = self.record()?;
        self.must(counted > 0, "it counts nothing");
        self.must_have(
            keys::gauge_total(account, limit),
            "the total does not count it",
        )?;
        match LimitName::find(limit) {
            Some(LimitName::Threads) => self.tally(keys::SLOT, &[account.as_str()]),
            Some(LimitName::SuppressedDomains) => {
                let there = self.suppressed_domains(account)?;
                self.must(
                    counted == there,
                    &format!("it counts {counted}, there are {there}"),
                );
                Ok(())
            }
            Some(limit) if counted_by(limit) == CountedBy::Host => Ok(()),
            _ => Err(broken("it counts what is not known")),
        }
    }

    /// What an account has with all below it: its own, and what each account directly below has
    /// with all below that.
    fn gauge_total(&mut self, account: &Id, limit: &str) -> Result<(), Error> {
        let counted: u64 = self.record()?;
        let mut there = self
            .tx
            .get::<u64>(&keys::gauge(account, limit))?
            .unwrap_or(0);
        let (mut from, until) = keys::below(keys::CHILD, &[account.as_str()]);
        loop {
            let rows = self.backend.range(&from, &until, Order::Ascending, STEP)?;
            for (key, _) in &rows {
                let child =
                    keys::last_id(key).ok_or_else(|| broken("an account below has no id"))?;
                there += Tx::new(self.backend)
                    .get::<u64>(&keys::gauge_total(&child, limit))?
                    .unwrap_or(0);
            }
            match rows.last() {
                Some((last, _)) if rows.len() == STEP => from = [last.as_slice(), &[0]].concat(),
                _ => break,
            }
        }
        self.must(
            counted == there && there > 0,
            &format!("it counts {counted}, there are {there}"),
        );
        let parent = self
            .tx
            .get::<Account>(&keys::account(account))?
            .and_then(|account| account.parent);
        match parent {
            Some(parent) => self.must_have(
                keys::gauge_total(&parent, limit),
                "the account above does not count it",
            ),
            None => Ok(()),
        }
    }

    /// How many domains an account suppresses, each once, of whatever class.
    fn suppressed_domains(&mut self, account: &Id) -> Result<u64, Error> {
        let (mut from, until) = keys::below(keys::SUPPRESSION, &[account.as_str()]);
        let (mut counted, mut before) = (0, None);
        loop {
            let rows = self.backend.range(&from, &until, Order::Ascending, STEP)?;
            for (key, _) in &rows {
                // The entries of one value lie beside each other.
                let value = key.split(|byte| *byte == 0).nth(2).map(<[u8]>::to_vec);
                let is_domain = value.as_ref().is_some_and(|value| !value.contains(&b'@'));
                counted += u64::from(is_domain && value != before);
                before = value;
            }
            match rows.last() {
                Some((last, _)) if rows.len() == STEP => from = [last.as_slice(), &[0]].concat(),
                _ => return Ok(counted),
            }
        }
    }

    fn invitation(&mut self, key: &Id) -> Result<(), Error> {
        let invitation: Invitation = self.record()?;
        self.must(
            invitation.id == *key && !invitation.grants.is_empty(),
            "the record is that of another invitation, or offers nothing",
        );
        for entry in invitations::listed_at(&invitation) {
            self.must_have(entry, "an account does not list it")?;
        }
        let mut above = BTreeSet::new();
        for grant in &invitation.grants {
            let line = account_line(&mut self.tx, &grant.account)?;
            self.must(
                line.last().is_some_and(|top| top.id == invitation.team),
                "it offers an account of another team",
            );
            above.extend(line.into_iter().map(|account| account.id));
        }
        self.must(
            above.iter().eq(invitation.counted_in.iter()),
            "it is counted in other accounts than those above what it offers",
        );
        if invitation.state != InvitationState::Open {
            return Ok(());
        }
        for entry in seats_of(&invitation) {
            self.must_have(entry, "it takes no seat")?;
        }
        for grant in &invitation.grants {
            if let Some(role) = &grant.role {
                self.must_be_role(role)?;
                self.must_have(
                    keys::role_use(role, "invitation", &[key.as_str()]),
                    "the role does not know it",
                )?;
            }
        }
        if invitation.kind == InvitationKind::Member {
            let of_address: Option<Id> = self
                .tx
                .get(&keys::invited(&invitation.team, invitation.address()))?;
            self.must(
                of_address.as_ref() == Some(key),
                "it is not the one of its address",
            );
        }
        Ok(())
    }

    /// The top of the tree that an account is in.
    fn team(&mut self, account: &Id) -> Result<Id, Error> {
        let line = account_line(&mut self.tx, account)?;
        line.into_iter()
            .last()
            .map(|top| top.id)
            .ok_or_else(|| broken("an account has no line"))
    }

    /// The record itself.
    fn record<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(self.value)
            .map_err(|error| broken(format!("cannot be read: {error}")))
    }

    fn must(&mut self, fits: bool, what: &str) {
        if !fits {
            self.found.push(what.to_owned());
        }
    }

    fn must_have(&mut self, key: Vec<u8>, what: &str) -> Result<(), Error> {
        let there = self.tx.has(&key)?;
        self.must(there, what);
        Ok(())
    }

    /// The account whose own a role is, and whether it is one of administrators.
    fn role_kind(&mut self, id: &Id) -> Result<Option<(Option<Id>, bool)>, Error> {
        match BuiltIn::named(id.as_str()) {
            Some(role) => Ok(Some((None, role.is_administrator()))),
            None => Ok(self
                .tx
                .get::<Role>(&keys::role(id))?
                .map(|role| (role.account, role.administrator))),
        }
    }

    fn must_be_role(&mut self, role: &Id) -> Result<(), Error> {
        let there = self.role_kind(role)?.is_some();
        self.must(there, &format!("the role `{role}` is gone"));
        Ok(())
    }

    fn must_be_listed(&mut self, list: &str, user: &User) -> Result<(), Error> {
        for entry in people::entries(list, user) {
            self.must_have(entry, "a list of users does not have it")?;
        }
        Ok(())
    }

    /// A count must be that of the records below these ids, and is not kept where there are none.
    fn tally(&mut self, letter: u8, parts: &[&str]) -> Result<(), Error> {
        let counted: u64 = self.record()?;
        let there = self.count(letter, parts)?;
        self.must(
            counted == there && there > 0,
            &format!("it counts {counted}, there are {there}"),
        );
        Ok(())
    }

    fn count(&mut self, letter: u8, parts: &[&str]) -> Result<u64, Error> {
        let (mut from, until) = keys::below(letter, parts);
        let mut counted = 0;
        loop {
            let rows = self.backend.range(&from, &until, Order::Ascending, STEP)?;
            counted += rows.len() as u64;
            match rows.last() {
                Some((last, _)) if rows.len() == STEP => from = [last.as_slice(), &[0]].concat(),
                _ => return Ok(counted),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Ctx, Engine};
    use crate::model::{Actor, Count, Name, Policies, PolicyRecord, Profile};
    use crate::ops::{
        Operation, accounts, campaigns, credits, gauges, members, packages, roles, suppressions,
        threads, users,
    };
    use crate::store::Batch;
    use serde_json::{Value, json};
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::Path;

    fn engine() -> std::sync::Arc<Engine> {
        let commercial = serde_json::from_str(r#"{"edition": "commercial"}"#).unwrap();
        let engine = Engine::open(Path::new(":memory:"), &commercial).unwrap();
        change(&engine, |ctx| {
            let set = Policies {
                depth: Some(Count::new(5).unwrap()),
                ..Policies::default()
            };
            ctx.tx
                .put(keys::policy(None), &PolicyRecord { preset: None, set })
        });
        engine
    }

    /// What no operation does yet.
    fn change(engine: &Engine, change: impl FnOnce(&mut Ctx<'_>) -> Result<(), Error>) {
        let mut ctx = engine.ctx(&Actor::System);
        change(&mut ctx).unwrap();
        let (batch, touched) = ctx.tx.finish();
        engine.backend.commit(&batch.unwrap()).unwrap();
        engine.look_again_at(&touched).unwrap();
    }

    fn run<O: Operation>(engine: &Engine, request: Value) -> Result<O::Answer, Code> {
        engine
            .run(
                &Actor::System,
                serde_json::from_value::<O>(request).unwrap(),
            )
            .map_err(|error| error.code())
    }

    fn names(first: &str, last: &str) -> Profile {
        let name = |text: &str| Name::new(text).ok();
        Profile {
            first_name: name(first),
            last_name: name(last),
            ..Profile::default()
        }
    }

    fn rename(engine: &Engine, user: &str, first: &str, last: &str) {
        change(engine, |ctx| {
            let before = users::load(ctx, &Id::new(user).unwrap(), "/user")?;
            let after = User {
                profile: names(first, last),
                ..before.clone()
            };
            let accounts = users::accounts_of(ctx, &before.id, usize::MAX)?;
            people::rename(ctx, &before, &after, &accounts)?;
            ctx.tx.put(keys::user(&after.id), &after)
        });
    }

    fn all(engine: &Engine) -> Vec<(Vec<u8>, Vec<u8>)> {
        let rows = engine
            .backend
            .range(keys::FIRST, &[0x7f], Order::Ascending, usize::MAX)
            .unwrap();
        rows.into_iter()
            .map(|(key, record)| (key, record.value))
            .collect()
    }

    fn write(engine: &Engine, key: &[u8], value: Option<&[u8]>) {
        let batch = Batch {
            writes: vec![(key.to_vec(), value.map(<[u8]>::to_vec))],
            expected: Vec::new(),
            ..Batch::default()
        };
        engine.backend.commit(&batch).unwrap();
    }

    fn breaks(engine: &Engine) -> Vec<String> {
        check(&*engine.backend, 100).unwrap()
    }

    /// A store with something of everything.
    fn filled() -> std::sync::Arc<Engine> {
        let engine = engine();
        run::<roles::Create>(
            &engine,
            json!({"id": "sender", "name": "Sender", "allow": [{"permission": "campaigns"}]}),
        )
        .unwrap();
        run::<roles::Create>(
            &engine,
            json!({"id": "more", "name": "More", "includes": ["sender", "full"]}),
        )
        .unwrap();
        run::<roles::TryOut>(&engine, json!({"role": "sender", "candidate": "author"})).unwrap();
        run::<packages::Create>(
            &engine,
            json!({"id": "small", "name": "Small", "role": "more"}),
        )
        .unwrap();
        let owner = |user: &str| {
            json!({"user": user, "email": format!("{user}@example.com"),
            "first_name": "First", "last_name": user})
        };
        run::<accounts::Create>(
            &engine,
            json!({"id": "top", "name": "Top", "package": "small", "owner": owner("tom")}),
        )
        .unwrap();
        run::<accounts::Create>(
            &engine,
            json!({"id": "kid", "name": "Kid", "parent": "top", "owner": owner("kim")}),
        )
        .unwrap();
        run::<accounts::Create>(
            &engine,
            json!({"id": "kidkid", "name": "Kidkid", "parent": "kid", "owner": {"user": "tom"}}),
        )
        .unwrap();
        for (account, user, role) in [
            ("top", "ann", "sender"),
            ("kid", "ben", "administrator"),
            ("kidkid", "cat", "more"),
        ] {
            run::<members::Add>(
                &engine,
                json!({"account": account, "user": user,
                "email": format!("{user}@example.com"), "role": role}),
            )
            .unwrap();
        }
        run::<members::Add>(
            &engine,
            json!({"account": "kidkid", "user": "ann", "role": "administrator"}),
        )
        .unwrap();
        let far = Count::MAX;
        for request in [
            json!({"account": "top", "channel": "email", "amount": 100, "reason": "bought",
                "expires_at_ms": far, "key": "one"}),
            json!({"account": "top", "channel": "email", "amount": 100, "reason": "bought"}),
            json!({"account": "kid", "channel": "sms", "amount": 9, "reason": "gift",
                "priority": 0}),
        ] {
            run::<credits::Grant>(&engine, request).unwrap();
        }
        run::<credits::Reserve>(
            &engine,
            json!({"account": "top", "group": "default", "channel": "email", "amount": 120}),
        )
        .unwrap();
        run::<credits::Allocate>(
            &engine,
            json!({"account": "kid", "channel": "email", "amount": 30}),
        )
        .unwrap();
        run::<credits::Spend>(
            &engine,
            json!({"account": "top", "channel": "email", "amount": 7,
            "group": "default", "key": "two"}),
        )
        .unwrap();
        run::<credits::Refund>(
            &engine,
            json!({"account": "top", "channel": "email", "spend": 5, "amount": 2}),
        )
        .unwrap();
        run::<accounts::Create>(
            &engine,
            json!({"id": "gone", "name": "Gone", "owner": owner("gus")}),
        )
        .unwrap();
        run::<accounts::Delete>(&engine, json!({"account": "gone"})).unwrap();
        for (account, limit, count) in [
            ("top", "contacts", 3),
            ("kid", "contacts", 4),
            ("kidkid", "lists", 5),
        ] {
            run::<gauges::Claim>(
                &engine,
                json!({"account": account, "limit": limit, "count": count}),
            )
            .unwrap();
        }
        let entry = |value: &str, class: &str| json!({"value": value, "message_class": class});
        let entries = [
            entry("a.example", "marketing"),
            entry("a.example", "transactional"),
            entry("bob@a.example", "marketing"),
        ];
        run::<suppressions::Add>(&engine, json!({"account": "kid", "entries": entries})).unwrap();
        run::<threads::Acquire>(
            &engine,
            json!({"account": "kid", "holder": "ann", "ttl_ms": 5000}),
        )
        .unwrap();
        run::<campaigns::Stop>(&engine, json!({"account": "kid", "campaign": "cat"})).unwrap();
        change(&engine, |ctx| {
            // What the host was told stands alone.
            ctx.tx.delete(keys::outbox(1));
            ctx.tx.delete(keys::outbox_next());
            let operator = Operator {
                user: Id::new("oda").unwrap(),
                role: Id::new("full").unwrap(),
                disabled: false,
                rev: 1,
                created_at_ms: 0,
                updated_at_ms: 0,
            };
            let named_at = users::NamedAt {
                id: "/id",
                email: "/email",
            };
            users::create(
                ctx,
                Some(operator.user.clone()),
                crate::model::Email::new("oda@example.com").unwrap(),
                None,
                None,
                &named_at,
            )?;
            ctx.tx.put(keys::operator(&operator.user), &operator)?;
            ctx.tx.mark(keys::role_use(
                &operator.role,
                "operator",
                &[operator.user.as_str()],
            ));
            let [account, kind, lists, owner, group] =
                ["top", "campaign", "one", "ann", "default"].map(|text| Id::new(text).unwrap());
            let resource = Resource {
                account: account.clone(),
                kind: kind.clone(),
                id: lists.clone(),
                owner: owner.clone(),
                group: Some(group.clone()),
                shared: true,
                rev: 1,
                created_at_ms: 0,
                updated_at_ms: 0,
            };
            ctx.tx
                .put(keys::resource(&account, &kind, &lists), &resource)?;
            ctx.tx
                .mark(keys::resource_of_owner(&account, &owner, &kind, &lists));
            ctx.tx
                .mark(keys::resource_of_group(&account, &group, &kind, &lists));
            people::add(ctx, keys::owner_tally(&account, &owner, &kind), 1)?;
            people::add(ctx, keys::shared_tally(&account, &group, &kind, &owner), 1)?;
            let own = Role {
                id: Id::new("own").unwrap(),
                account: Some(account.clone()),
                ..crate::model::BuiltIn::Author.role(&ctx.tree()).unwrap()
            };
            ctx.tx.put(
                keys::role(&own.id),
                &Role {
                    built_in: false,
                    ..own.clone()
                },
            )?;
            ctx.tx.mark(keys::account_role(&account, &own.id));
            Ok(())
        });
        assert_eq!(breaks(&engine), [""; 0]);
        engine
    }

    /// What stands alone: nothing else tells that it was there.
    const ALONE: &[u8] = &[
        keys::METER,
        keys::PACE,
        keys::POLICY,
        keys::TOMBSTONE,
        keys::OPERATOR,
    ];

    #[test]
    fn every_record_that_is_missing_is_noticed() {
        let engine = filled();
        for (key, value) in all(&engine) {
            write(&engine, &key, None);
            let noticed = !breaks(&engine).is_empty();
            assert!(
                noticed || ALONE.contains(&key[0]),
                "{} can be taken away",
                key.escape_ascii()
            );
            write(&engine, &key, Some(&value));
        }
        assert_eq!(breaks(&engine), [""; 0]);
    }

    /// Each key again, with an id exchanged for another that exists: an index that says too much.
    #[test]
    fn every_entry_too_many_is_noticed() {
        let engine = filled();
        let before = all(&engine);
        let there: BTreeSet<Vec<u8>> = before.iter().map(|(key, _)| key.clone()).collect();
        let mut tried = BTreeMap::new();
        for (key, value) in &before {
            let parts: Vec<&[u8]> = key.split(|byte| *byte == 0).collect();
            for place in 1..parts.len() {
                for other in [
                    "top", "kid", "tom", "ann", "cat", "small", "more", "default", "nobody",
                ] {
                    let mut parts = parts.clone();
                    parts[place] = other.as_bytes();
                    let another = parts.join(&0);
                    if there.contains(&another) || ALONE.contains(&another[0]) {
                        continue;
                    }
                    write(&engine, &another, Some(value));
                    assert!(
                        !breaks(&engine).is_empty(),
                        "{} can be added",
                        another.escape_ascii()
                    );
                    write(&engine, &another, None);
                    *tried.entry(another[0]).or_insert(0) += 1;
                }
            }
        }
        assert!(tried.len() >= 19, "{tried:?}");
    }

    #[test]
    fn every_count_that_is_wrong_and_every_field_that_names_another_is_noticed() {
        let engine = filled();
        for (key, value) in all(&engine) {
            let Ok(record) = serde_json::from_slice::<Value>(&value) else {
                unreachable!()
            };
            let mut altered = Vec::new();
            if let Some(count) = record.as_u64() {
                altered.extend([json!(count - 1), json!(count + 1)]);
            }
            let fields = [
                "id",
                "account",
                "user",
                "owner",
                "parent",
                "package",
                "role",
                "group",
                "default_group",
                "default_role",
                "next_package",
                "email",
                "kind",
                "children",
                "accounts",
                "includes",
                "trial",
                "administrator",
                "built_in",
                "expires_at_ms",
                "stop",
                "entry",
                "entries",
                "amount",
                "balance",
                "totals",
                "channel",
                "spent",
                "left",
                "from_grant",
                "key",
            ];
            let tells = |field: &str| {
                record.get(field).is_some()
                    && !ALONE.contains(&key[0])
                    && (key[0], field) != (keys::ROLE, "administrator")
            };
            for field in fields.into_iter().filter(|field| tells(field)) {
                for other in [
                    json!("nobody"),
                    json!("kid"),
                    json!("tom"),
                    json!(7),
                    json!(true),
                    json!(["nobody"]),
                    Value::Null,
                ] {
                    let mut record = record.clone();
                    if record[field] == other {
                        continue;
                    }
                    record[field] = other;
                    altered.push(record);
                }
            }
            // A ledger of credits.
            for total in record
                .get("totals")
                .and_then(Value::as_object)
                .into_iter()
                .flat_map(|totals| totals.keys())
            {
                let mut record = record.clone();
                record["totals"][total] = json!(record["totals"][total].as_u64().unwrap() + 1);
                altered.push(record);
            }
            if record.get("totals").is_some() && record["entry"] != 1 {
                let mut record = record.clone();
                record["at_ms"] = json!(0);
                altered.push(record);
            }
            for other in altered {
                write(&engine, &key, Some(other.to_string().as_bytes()));
                // An account can have a group and a role for new members by default, or none.
                let harmless = other.get("default_role") != record.get("default_role")
                    && other["default_role"].is_null();
                assert!(
                    harmless || !breaks(&engine).is_empty(),
                    "{} can be {other}",
                    key.escape_ascii()
                );
            }
            write(&engine, &key, Some(&value));
        }
        assert_eq!(breaks(&engine), [""; 0]);
    }

    #[test]
    fn what_is_told_is_bounded() {
        let engine = filled();
        for (key, _) in all(&engine)
            .iter()
            .filter(|(key, _)| key[0] == keys::PERSON)
        {
            write(&engine, key, None);
        }
        assert_eq!(check(&*engine.backend, 3).unwrap().len(), 3);
        assert!(check(&*engine.backend, 1000).unwrap().len() > 10);
    }

    /// What the lists, seats and counts of users have to be, computed from nothing but accounts,
    /// users and memberships.
    fn naively(engine: &Engine) -> BTreeMap<Vec<u8>, u64> {
        let rows = all(engine);
        let of = |letter: u8| {
            rows.iter()
                .filter(move |(key, _)| key[0] == letter)
                .map(|(_, value)| serde_json::from_slice::<Value>(value).unwrap())
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let accounts: BTreeMap<String, Value> = of(keys::ACCOUNT)
            .map(|account| (text(&account["id"]), account))
            .collect();
        let users: BTreeMap<String, Value> = of(keys::USER)
            .map(|user| (text(&user["id"]), user))
            .collect();
        let mut counts: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
        let mut seats: BTreeMap<(String, String), u64> = BTreeMap::new();
        let mut idle: BTreeMap<(String, String), u64> = BTreeMap::new();
        for member in of(keys::MEMBER) {
            let mut account = text(&member["account"]);
            *counts
                .entry(format!("C\0{account}\0members").into_bytes())
                .or_default() += 1;
            if let Some(group) = member["group"].as_str() {
                *counts
                    .entry(format!("C\0{account}\0group\0{group}").into_bytes())
                    .or_default() += 1;
            }
            let is_idle = member["owner"] == false
                && (member["disabled"] == true
                    || users[&text(&member["user"])]["disabled"] == true);
            while !account.is_empty() {
                *seats
                    .entry((account.clone(), text(&member["user"])))
                    .or_default() += 1;
                if is_idle {
                    *idle
                        .entry((account.clone(), text(&member["user"])))
                        .or_default() += 1;
                }
                account = text(&accounts[&account]["parent"]);
            }
        }
        for account in accounts.keys() {
            counts.insert(format!("C\0{account}\0groups").into_bytes(), 1);
            let mut above = text(&accounts[account]["parent"]);
            while !above.is_empty() {
                *counts
                    .entry(format!("C\0{above}\0below").into_bytes())
                    .or_default() += 1;
                above = text(&accounts[&above]["parent"]);
            }
        }
        let mut listed: Vec<(String, String)> = seats.keys().cloned().collect();
        listed.extend(users.keys().map(|user| (String::new(), user.clone())));
        for (list, user) in listed {
            let profile = &users[&user]["profile"];
            let (first, last) = (text(&profile["first_name"]), text(&profile["last_name"]));
            let orders = [
                ("email", text(&users[&user]["email"])),
                ("first", format!("{first} {last}")),
                ("name", format!("{last} {first}")),
            ];
            for (order, by) in orders {
                let mut by = crate::model::folded(&by);
                by.truncate((0..=128).rev().find(|at| by.is_char_boundary(*at)).unwrap());
                counts.insert(format!("f\0{list}\0{order}\0{by}\0{user}").into_bytes(), 0);
            }
        }
        for ((account, user), number) in seats {
            *counts
                .entry(format!("C\0{account}\0users").into_bytes())
                .or_default() += 1;
            if let Some(without) = idle.get(&(account.clone(), user.clone())) {
                counts.insert(format!("C\0{account}\0idle\0{user}").into_bytes(), *without);
                if *without == number {
                    *counts
                        .entry(format!("C\0{account}\0idle").into_bytes())
                        .or_default() += 1;
                }
            }
            counts.insert(format!("k\0{account}\0{user}").into_bytes(), number);
        }
        counts
    }

    /// R-ACC-6, R-INV-9: whoever comes, goes, changes their name, and whatever becomes of the
    /// accounts.
    #[test]
    fn lists_seats_and_counts_are_what_a_look_at_every_record_gives() {
        let mut state = 7_u64;
        let mut roll = |below: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap() % below
        };
        let mut done: BTreeMap<&str, usize> = BTreeMap::new();
        let long = "Ünä".repeat(40);
        for _ in 0..6 {
            let engine = engine();
            for role in ["administrator", "plain"] {
                // The first is there already.
                let _ = run::<roles::Create>(&engine, json!({"id": role, "name": role}));
            }
            for step in 0..120 {
                let rows = all(&engine);
                let mut one_of = |letter: u8| {
                    let ids: Vec<&[u8]> = rows
                        .iter()
                        .map(|(key, _)| key.as_slice())
                        .filter(|key| key[0] == letter)
                        .collect();
                    if ids.is_empty() {
                        "nobody".to_owned()
                    } else {
                        String::from_utf8_lossy(&ids[roll(ids.len())][2..]).into_owned()
                    }
                };
                let (mut account, mut user, parent) = (
                    one_of(keys::ACCOUNT),
                    one_of(keys::USER),
                    one_of(keys::ACCOUNT),
                );
                if let (Some((of, member)), 0..3) = (one_of(keys::MEMBER).split_once('\0'), roll(5))
                {
                    (account, user) = (of.to_owned(), member.to_owned());
                }
                let new = json!({"user": format!("u{step}x"),
                    "email": format!("U{step}@Example.com"), "first_name": "Ann",
                    "last_name": user});
                let role = ["administrator", "plain", "full"][roll(3)];
                let (what, ended) = match roll(24) {
                    0..4 => {
                        let mut request = json!({"id": format!("a{step}"), "name": "A",
                            "owner": if roll(3) == 0 { new } else { json!({"user": user}) }});
                        if roll(4) > 0 {
                            request["parent"] = parent.into();
                        }
                        (
                            "create",
                            run::<accounts::Create>(&engine, request).map(drop),
                        )
                    }
                    4 if roll(2) == 0 => (
                        "delete",
                        run::<accounts::Delete>(
                            &engine,
                            json!({"account": account, "children": "delete"}),
                        )
                        .map(drop),
                    ),
                    4 => (
                        "detach",
                        run::<accounts::Delete>(
                            &engine,
                            json!({"account": account, "children": "detach"}),
                        )
                        .map(drop),
                    ),
                    5..7 => {
                        let request = json!({"id": format!("u{step}"),
                            "email": format!("u{step}@Example.com")});
                        ("user", run::<users::Create>(&engine, request).map(drop))
                    }
                    7..14 => (
                        "add",
                        run::<members::Add>(
                            &engine,
                            json!({"account": account, "user": user, "role": role}),
                        )
                        .map(drop),
                    ),
                    14..16 => (
                        "role",
                        run::<members::SetRole>(
                            &engine,
                            json!({"account": account, "user": user, "role": role}),
                        )
                        .map(drop),
                    ),
                    20..22 if roll(2) == 0 => (
                        "disable",
                        run::<members::Disable>(&engine, json!({"account": account, "user": user}))
                            .map(drop),
                    ),
                    20..22 => (
                        "enable",
                        run::<members::Enable>(&engine, json!({"account": account, "user": user}))
                            .map(drop),
                    ),
                    22 => (
                        "disable user",
                        run::<users::Disable>(&engine, json!({"user": user})).map(drop),
                    ),
                    23 => (
                        "enable user",
                        run::<users::Enable>(&engine, json!({"user": user})).map(drop),
                    ),
                    16..18 => (
                        "remove",
                        run::<members::Remove>(&engine, json!({"account": account, "user": user}))
                            .map(drop),
                    ),
                    _ => {
                        let there = run::<users::Get>(&engine, json!({"user": user})).map(drop);
                        if there.is_ok() {
                            let name = [long.as_str(), "Zoë", "ann", "ANN", ""];
                            rename(&engine, &user, name[roll(5)], name[roll(5)]);
                        }
                        ("rename", there)
                    }
                };
                *done.entry(what).or_default() += usize::from(ended.is_ok());
                let counted =
                    |key: &[u8]| [keys::PERSON, keys::SEAT, keys::TALLY].contains(&key[0]);
                let found: BTreeMap<Vec<u8>, u64> = all(&engine)
                    .into_iter()
                    .filter(|(key, _)| counted(key))
                    .map(|(key, value)| (key, serde_json::from_slice(&value).unwrap_or(0)))
                    .collect();
                let expected = naively(&engine);
                for key in expected.keys().chain(found.keys()) {
                    assert_eq!(
                        found.get(key),
                        expected.get(key),
                        "{} after {what} {account} {user}, step {step}",
                        key.escape_ascii()
                    );
                }
                assert_eq!(
                    breaks(&engine),
                    [""; 0],
                    "after {what} {account} {user}, step {step}"
                );
            }
        }
        assert!(
            done.len() == 12 && done.values().all(|times| *times >= 5),
            "{done:?}"
        );
    }
}
