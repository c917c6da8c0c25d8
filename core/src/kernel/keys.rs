//! Where each record lies. A key is a letter, a zero byte, and ids with zero bytes between them: no
//! id holds one.

pub(crate) mod meters;

use crate::model::{AuditChain, AuditKind, Channel, Id, LimitName, folded};
use crate::rules::credit::Turn;
use sha2::{Digest, Sha256};

/// As [`TOKEN_KEY`].
pub(crate) const CLOCK: u8 = b'/';
/// Not a letter: it tells about the store itself and is no record that an operation wrote.
pub(crate) const TOKEN_KEY: u8 = b'0';
pub(crate) const PASSWORD: u8 = b'1';
pub(crate) const SESSION: u8 = b'2';
pub(crate) const USER_SESSION: u8 = b'3';
pub(crate) const ALLOW_LIST: u8 = b'4';
pub(crate) const SECOND_FACTOR: u8 = b'5';
pub(crate) const API_KEY: u8 = b'=';
pub(crate) const ACCOUNT_API_KEY: u8 = b'@';
pub(crate) const ACCOUNT: u8 = b'a';
pub(crate) const OPERATOR: u8 = b'b';
pub(crate) const CHILD: u8 = b'c';
pub(crate) const DEFAULTS: u8 = b'd';
pub(crate) const EMAIL: u8 = b'e';
pub(crate) const PERSON: u8 = b'f';
pub(crate) const GROUP: u8 = b'g';
pub(crate) const GROUP_MEMBER: u8 = b'h';
pub(crate) const INVITATION: u8 = b'i';
pub(crate) const ACCOUNT_INVITATION: u8 = b'j';
pub(crate) const SEAT: u8 = b'k';
pub(crate) const LEASE: u8 = b'l';
pub(crate) const MEMBER: u8 = b'm';
pub(crate) const MEMBERSHIP: u8 = b'n';
pub(crate) const OUTBOX: u8 = b'o';
pub(crate) const PACKAGE: u8 = b'p';
pub(crate) const PACKAGE_ACCOUNT: u8 = b'q';
pub(crate) const ROLE: u8 = b'r';
pub(crate) const ROLE_USE: u8 = b's';
pub(crate) const TREE_NODE: u8 = b't';
pub(crate) const USER: u8 = b'u';
pub(crate) const RESOURCE: u8 = b'v';
pub(crate) const METER: u8 = b'w';
pub(crate) const TOMBSTONE: u8 = b'x';
pub(crate) const POLICY: u8 = b'y';
pub(crate) const SUPPRESSION: u8 = b'z';
pub(crate) const ACCOUNT_ORDER: u8 = b'A';
pub(crate) const TEAM_ACCOUNT: u8 = b'B';
pub(crate) const TALLY: u8 = b'C';
pub(crate) const DUE: u8 = b'D';
pub(crate) const OPEN_INVITATION: u8 = b'E';
pub(crate) const SLOT_END: u8 = b'G';
pub(crate) const SLOT: u8 = b'H';
pub(crate) const INVITED: u8 = b'I';
pub(crate) const STOPPED_CAMPAIGN: u8 = b'J';
pub(crate) const CAMPAIGN: u8 = b'K';
pub(crate) const CREDIT: u8 = b'F';
pub(crate) const LINK: u8 = b'L';
pub(crate) const USER_LINK: u8 = b'M';
pub(crate) const PACKAGE_NEXT: u8 = b'N';
pub(crate) const OUTBOX_NEXT: u8 = b'O';
pub(crate) const RESOURCE_OF_OWNER: u8 = b'P';
pub(crate) const RESOURCE_OF_GROUP: u8 = b'Q';
pub(crate) const ACCOUNT_ROLE: u8 = b'R';
pub(crate) const SHARE: u8 = b'S';
pub(crate) const SHARED_WITH: u8 = b'T';
pub(crate) const TEAM_SUPPRESSION: u8 = b'Z';
pub(crate) const AVATAR: u8 = b'V';
pub(crate) const METER_HISTORY: u8 = b'U';
pub(crate) const PACE: u8 = b'~';
pub(crate) const PRUNING: u8 = b'|';
pub(crate) const CAP: u8 = b'W';
pub(crate) const RESERVATION: u8 = b'Y';
pub(crate) const OPEN_RESERVATION: u8 = b'>';
pub(crate) const ANSWERED: u8 = b'X';
pub(crate) const AUDIT: u8 = b'6';
pub(crate) const AUDIT_HEAD: u8 = b'7';
pub(crate) const AUDIT_PERSON: u8 = b'8';
pub(crate) const OUTBOX_CONSUMER: u8 = b'9';
pub(crate) const ADDRESS_INVITATION: u8 = b'[';
pub(crate) const OUTBOX_PERSON: u8 = b']';
pub(crate) const LAST_SEEN: u8 = b'^';
pub(crate) const FORGET: u8 = b'_';
pub(crate) const DELETION: u8 = b'{';

/// The first byte of the keys of records: what lies before tells about the store itself.
pub(crate) const FIRST: &[u8] = b"1";

/// Two digits for each byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

/// The key of a letter and ids.
pub(crate) fn key(letter: u8, parts: &[&str]) -> Vec<u8> {
    let mut key = Vec::with_capacity(2 + parts.iter().map(|part| part.len() + 1).sum::<usize>());
    key.push(letter);
    for part in parts {
        key.push(0);
        key.extend_from_slice(part.as_bytes());
    }
    key
}

/// The letter of a key, and its parts.
pub(crate) fn split(key: &[u8]) -> Option<(u8, Vec<&str>)> {
    let (letter, parts) = key.split_first()?;
    let parts = match parts.strip_prefix(&[0]) {
        Some(parts) => parts
            .split(|byte| *byte == 0)
            .map(|part| std::str::from_utf8(part).ok())
            .collect::<Option<_>>()?,
        None if parts.is_empty() => Vec::new(),
        None => return None,
    };
    Some((*letter, parts))
}

/// The keys that begin with the letter and the ids: from the first, until the second.
pub(crate) fn below(letter: u8, parts: &[&str]) -> (Vec<u8>, Vec<u8>) {
    let mut from = key(letter, parts);
    let mut until = from.clone();
    from.push(0);
    until.push(1);
    (from, until)
}

/// The id at the end of a key.
pub(crate) fn last_id(key: &[u8]) -> Option<Id> {
    let text = key.rsplit(|byte| *byte == 0).next()?;
    Id::new(std::str::from_utf8(text).ok()?).ok()
}

/// The last two ids of a key.
pub(crate) fn last_pair(key: &[u8]) -> Option<(Id, Id)> {
    let id = last_id(key)?;
    let above = key.get(..key.len().checked_sub(id.as_str().len() + 1)?)?;
    Some((last_id(above)?, id))
}

/// An account.
pub(crate) fn account(id: &Id) -> Vec<u8> {
    key(ACCOUNT, &[id.as_str()])
}

/// Index: the children of an account.
pub(crate) fn child(parent: &Id, id: &Id) -> Vec<u8> {
    key(CHILD, &[parent.as_str(), id.as_str()])
}

/// The platform's default limits.
pub(crate) fn defaults() -> Vec<u8> {
    key(DEFAULTS, &[])
}

/// Index: the user who has an e-mail address, by its normal form.
pub(crate) fn email(normal_form: &str) -> Vec<u8> {
    key(EMAIL, &[normal_form])
}

/// A membership.
pub(crate) fn member(account: &Id, user: &Id) -> Vec<u8> {
    key(MEMBER, &[account.as_str(), user.as_str()])
}

/// Index: the accounts of a user.
pub(crate) fn membership(user: &Id, account: &Id) -> Vec<u8> {
    key(MEMBERSHIP, &[user.as_str(), account.as_str()])
}

/// A package.
pub(crate) fn package(id: &Id) -> Vec<u8> {
    key(PACKAGE, &[id.as_str()])
}

/// Index: the accounts of a package.
pub(crate) fn package_account(package: &Id, account: &Id) -> Vec<u8> {
    key(PACKAGE_ACCOUNT, &[package.as_str(), account.as_str()])
}

/// A role.
pub(crate) fn role(id: &Id) -> Vec<u8> {
    key(ROLE, &[id.as_str()])
}

/// Index: what uses a role; `kind` is `account` (its default role), `invitation`, `member`,
/// `operator`, `package` or `role`.
pub(crate) fn role_use(role: &Id, kind: &str, parts: &[&str]) -> Vec<u8> {
    let mut all = vec![role.as_str(), kind];
    all.extend_from_slice(parts);
    key(ROLE_USE, &all)
}

/// A node that the host added to the permission tree.
pub(crate) fn tree_node(id: &Id) -> Vec<u8> {
    key(TREE_NODE, &[id.as_str()])
}

/// A user.
pub(crate) fn user(id: &Id) -> Vec<u8> {
    key(USER, &[id.as_str()])
}

/// What is drawn from a limit; `scope` and `subject` are empty for one of the account itself.
pub(crate) fn meter(account: Option<&Id>, name: &str, scope: &str, subject: &str) -> Vec<u8> {
    key(METER, &[carrier(account), scope, subject, name])
}

/// The scope of the meters of a cap; that of a group is `group`, that of an account itself is
/// empty.
pub(crate) fn of_cap(cap: &Id) -> String {
    format!("cap {cap}")
}

/// A window of a meter that is over.
pub(crate) fn meter_history(
    account: Option<&Id>,
    name: &str,
    scope: &str,
    subject: &str,
    starts_at_ms: u64,
) -> Vec<u8> {
    key(
        METER_HISTORY,
        &[
            carrier(account),
            scope,
            subject,
            name,
            &sortable(starts_at_ms),
        ],
    )
}

/// A reservation.
pub(crate) fn reservation(account: &Id, reservation: &Id) -> Vec<u8> {
    key(RESERVATION, &[account.as_str(), reservation.as_str()])
}

/// Index: the open reservations of an account and of all below it, or of the platform, by the
/// instant at which they come back.
pub(crate) fn open_reservation(
    above: Option<&Id>,
    expires_at_ms: u64,
    account: &Id,
    reservation: &Id,
) -> Vec<u8> {
    key(
        OPEN_RESERVATION,
        &[
            carrier(above),
            &sortable(expires_at_ms),
            account.as_str(),
            reservation.as_str(),
        ],
    )
}

/// What was answered to a request with a key.
pub(crate) fn answered(account: &Id, actor: &str, name: &Id) -> Vec<u8> {
    key(ANSWERED, &[account.as_str(), actor, name.as_str()])
}

/// A cap.
pub(crate) fn cap(account: Option<&Id>, cap: &Id) -> Vec<u8> {
    key(CAP, &[carrier(account), cap.as_str()])
}

/// An account in the keys of caps and meters, or the platform, which no id can be.
pub(crate) fn carrier(account: Option<&Id>) -> &str {
    account.map_or("", Id::as_str)
}

/// An operator.
pub(crate) fn operator(user: &Id) -> Vec<u8> {
    key(OPERATOR, &[user.as_str()])
}

/// Index: a user among those of an account and all accounts below it, or of the platform where
/// `account` is empty. `order` is `email`, `name` (last name first) or `first`; `text` is what they
/// are ordered by.
pub(crate) fn person(account: &str, order: &str, text: &str, user: &Id) -> Vec<u8> {
    key(PERSON, &[account, order, text, user.as_str()])
}

/// How many memberships a user has in an account and in all accounts below it.
pub(crate) fn seat(account: &Id, user: &Id) -> Vec<u8> {
    key(SEAT, &[account.as_str(), user.as_str()])
}

/// How many of these memberships hold no seat.
pub(crate) fn idle_tally(account: &Id, user: &Id) -> Vec<u8> {
    key(TALLY, &[account.as_str(), "idle", user.as_str()])
}

/// A group.
pub(crate) fn group(account: &Id, group: &Id) -> Vec<u8> {
    key(GROUP, &[account.as_str(), group.as_str()])
}

/// Index: the members of a group.
pub(crate) fn group_member(account: &Id, group: &Id, user: &Id) -> Vec<u8> {
    key(
        GROUP_MEMBER,
        &[account.as_str(), group.as_str(), user.as_str()],
    )
}

/// A number that is counted on the side, so that counting changes no record: `members`, `users` or
/// `groups` of an account.
pub(crate) fn tally(account: &Id, what: &str) -> Vec<u8> {
    key(TALLY, &[account.as_str(), what])
}

/// How many members a group has.
pub(crate) fn group_tally(account: &Id, group: &Id) -> Vec<u8> {
    key(TALLY, &[account.as_str(), "group", group.as_str()])
}

/// How many of what a limit counts an account has itself.
pub(crate) fn gauge(account: &Id, limit: &str) -> Vec<u8> {
    key(TALLY, &[account.as_str(), "gauge", limit])
}

/// How many of what a limit counts an account has with all accounts below it.
pub(crate) fn gauge_total(account: &Id, limit: &str) -> Vec<u8> {
    key(TALLY, &[account.as_str(), "total", limit])
}

/// A slot that a worker has.
pub(crate) fn slot(account: &Id, slot: &Id) -> Vec<u8> {
    key(SLOT, &[account.as_str(), slot.as_str()])
}

/// Index: the slots of an account and of all below it, by the instant at which they are free again.
pub(crate) fn slot_end(above: &Id, expires_at_ms: u64, account: &Id, slot: &Id) -> Vec<u8> {
    key(
        SLOT_END,
        &[
            above.as_str(),
            &sortable(expires_at_ms),
            account.as_str(),
            slot.as_str(),
        ],
    )
}

/// The first key of the slots of an account that are not free at an instant.
pub(crate) fn slot_ends_after(above: &Id, now_ms: u64) -> Vec<u8> {
    key(
        SLOT_END,
        &[above.as_str(), &sortable(now_ms.saturating_add(1))],
    )
}

/// When the slot at a key of this index is free again.
pub(crate) fn slot_end_at(key: &[u8]) -> Option<u64> {
    let at = key.split(|byte| *byte == 0).nth(2)?;
    u64::from_str_radix(std::str::from_utf8(at).ok()?, 16).ok()
}

/// A campaign, by the host's id for it.
pub(crate) fn campaign(account: &Id, campaign: &Id) -> Vec<u8> {
    key(CAMPAIGN, &[account.as_str(), campaign.as_str()])
}

/// Index: the campaigns of an account that are stopped.
pub(crate) fn stopped_campaign(account: &Id, campaign: &Id) -> Vec<u8> {
    key(STOPPED_CAMPAIGN, &[account.as_str(), campaign.as_str()])
}

/// The picture of a group, apart from the group: lists do not read it.
pub(crate) fn avatar(account: &Id, group: &Id) -> Vec<u8> {
    key(AVATAR, &[account.as_str(), group.as_str()])
}

/// The id of a group that was deleted; it is never used again in its account.
pub(crate) fn group_tombstone(account: &Id, group: &Id) -> Vec<u8> {
    key(TOMBSTONE, &["g", account.as_str(), group.as_str()])
}

/// The ids of the groups of an account that were deleted: from the first, until the second.
pub(crate) fn group_tombstones(account: &Id) -> (Vec<u8>, Vec<u8>) {
    below(TOMBSTONE, &["g", account.as_str()])
}

/// An invitation.
pub(crate) fn invitation(id: &Id) -> Vec<u8> {
    key(INVITATION, &[id.as_str()])
}

/// Index: the invitations to an account in the order `newest` or `email`, by `text`; with all
/// accounts below it in the order `below_newest` or `below_email`.
pub(crate) fn account_invitation(
    account: &Id,
    order: &str,
    text: &str,
    invitation: &Id,
) -> Vec<u8> {
    key(
        ACCOUNT_INVITATION,
        &[account.as_str(), order, text, invitation.as_str()],
    )
}

/// Index: the open invitations to a team or account, by the instant at which they expire.
pub(crate) fn open_invitation(account: &Id, expires_at_ms: u64, invitation: &Id) -> Vec<u8> {
    key(
        OPEN_INVITATION,
        &[
            account.as_str(),
            &sortable(expires_at_ms),
            invitation.as_str(),
        ],
    )
}

/// The first key of the open invitations that expire after an instant.
pub(crate) fn open_invitations_after(account: &Id, now_ms: u64) -> Vec<u8> {
    key(
        OPEN_INVITATION,
        &[account.as_str(), &sortable(now_ms.saturating_add(1))],
    )
}

/// Index: the open invitation of an address to a team, by the address's normal form.
pub(crate) fn invited(team: &Id, email: &str) -> Vec<u8> {
    key(INVITED, &[team.as_str(), email])
}

/// Index: the invitations of an address to whatever team, by its normal form.
pub(crate) fn address_invitation(email: &str, invitation: &Id) -> Vec<u8> {
    key(ADDRESS_INVITATION, &[email, invitation.as_str()])
}

/// Index: the invitations of addresses that a user had before. No address is this word.
pub(crate) fn user_invitation(user: &Id, invitation: &Id) -> Vec<u8> {
    key(
        ADDRESS_INVITATION,
        &[FORMER, user.as_str(), invitation.as_str()],
    )
}

/// The invitations of addresses that a user had before: from the first key, until the second.
pub(crate) fn user_invitations(user: &Id) -> (Vec<u8>, Vec<u8>) {
    below(ADDRESS_INVITATION, &[FORMER, user.as_str()])
}

/// Stands where the address does in the keys of invitations.
const FORMER: &str = "user";

/// When a user was last here.
pub(crate) fn last_seen(user: &Id) -> Vec<u8> {
    key(LAST_SEEN, &[user.as_str()])
}

/// A link that a user was sent.
pub(crate) fn link(id: &Id) -> Vec<u8> {
    key(LINK, &[id.as_str()])
}

/// Index: the link of a kind that a user was sent last.
pub(crate) fn user_link(user: &Id, kind: &str) -> Vec<u8> {
    key(USER_LINK, &[user.as_str(), kind])
}

/// The password of a user.
pub(crate) fn password(user: &Id) -> Vec<u8> {
    key(PASSWORD, &[user.as_str()])
}

/// A password that nobody may have, as it is compared: by its hash, since passwords that somebody
/// wants are looked for with it.
pub(crate) fn banned_password(word: &str) -> Vec<u8> {
    key(PASSWORD, &["", &hex(&Sha256::digest(word.as_bytes()))])
}

/// The second factor of a user.
pub(crate) fn second_factor(user: &Id) -> Vec<u8> {
    key(SECOND_FACTOR, &[user.as_str()])
}

/// A session.
pub(crate) fn session(id: &Id) -> Vec<u8> {
    key(SESSION, &[id.as_str()])
}

/// Index: the sessions of a user.
pub(crate) fn user_session(user: &Id, session: &Id) -> Vec<u8> {
    key(USER_SESSION, &[user.as_str(), session.as_str()])
}

/// An API key.
pub(crate) fn api_key(id: &Id) -> Vec<u8> {
    key(API_KEY, &[id.as_str()])
}

/// Index: the API keys of an account, by their user.
pub(crate) fn account_api_key(account: &Id, user: &Id, api_key: &Id) -> Vec<u8> {
    key(
        ACCOUNT_API_KEY,
        &[account.as_str(), user.as_str(), api_key.as_str()],
    )
}

/// Where a user may come from.
pub(crate) fn user_allow_list(user: &Id) -> Vec<u8> {
    key(ALLOW_LIST, &["user", user.as_str()])
}

/// Where whoever acts in an account may come from.
pub(crate) fn account_allow_list(account: &Id) -> Vec<u8> {
    key(ALLOW_LIST, &["account", account.as_str()])
}

/// Where a member may come from.
pub(crate) fn member_allow_list(account: &Id, user: &Id) -> Vec<u8> {
    key(ALLOW_LIST, &["member", account.as_str(), user.as_str()])
}

/// A message of the outbox.
pub(crate) fn outbox(number: u64) -> Vec<u8> {
    key(OUTBOX, &[&sortable(number)])
}

/// Index: the messages of the outbox that tell who a person is.
pub(crate) fn outbox_person(kind: AuditKind, person: &Id, number: u64) -> Vec<u8> {
    key(
        OUTBOX_PERSON,
        &[person_kind(kind), person.as_str(), &sortable(number)],
    )
}

/// The messages of the outbox that tell who a person is: from the first key, until the second.
pub(crate) fn outbox_of_person(kind: AuditKind, person: &Id) -> (Vec<u8>, Vec<u8>) {
    below(OUTBOX_PERSON, &[person_kind(kind), person.as_str()])
}

/// The number at the end of a key, such as that of a message of the outbox.
pub(crate) fn last_number(key: &[u8]) -> Option<u64> {
    let text = key.rsplit(|byte| *byte == 0).next()?;
    u64::from_str_radix(std::str::from_utf8(text).ok()?, 16).ok()
}

/// The number of the next message of the outbox.
pub(crate) fn outbox_next() -> Vec<u8> {
    key(OUTBOX_NEXT, &[])
}

/// A consumer of the outbox.
pub(crate) fn consumer(name: &Id) -> Vec<u8> {
    key(OUTBOX_CONSUMER, &[name.as_str()])
}

/// A message that a consumer was given and has not acknowledged.
pub(crate) fn open_message(consumer: &Id, number: u64) -> Vec<u8> {
    key(
        OUTBOX_CONSUMER,
        &[consumer.as_str(), "open", &sortable(number)],
    )
}

/// The messages that a consumer was given and has not acknowledged: from the first key, until the
/// second.
pub(crate) fn open_messages(consumer: &Id) -> (Vec<u8>, Vec<u8>) {
    below(OUTBOX_CONSUMER, &[consumer.as_str(), "open"])
}

/// A message that a consumer gave up.
pub(crate) fn dead_message(consumer: &Id, number: u64) -> Vec<u8> {
    key(
        OUTBOX_CONSUMER,
        &[consumer.as_str(), "dead", &sortable(number)],
    )
}

/// The messages that a consumer gave up: from the first key, until the second.
pub(crate) fn dead_messages(consumer: &Id) -> (Vec<u8>, Vec<u8>) {
    below(OUTBOX_CONSUMER, &[consumer.as_str(), "dead"])
}

/// A record of a chain of the audit.
pub(crate) fn audit(chain: &AuditChain, number: u64) -> Vec<u8> {
    let [kind, id] = chain.parts();
    key(AUDIT, &[kind, id, &sortable(number)])
}

/// The records of a chain: from the first key, until the second.
pub(crate) fn audits(chain: &AuditChain) -> (Vec<u8>, Vec<u8>) {
    below(AUDIT, &chain.parts())
}

/// Where a chain begins and ends.
pub(crate) fn audit_head(chain: &AuditChain) -> Vec<u8> {
    key(AUDIT_HEAD, &chain.parts())
}

/// What a change tells of a person, by its place in a record; also the index of the records that
/// are about them.
pub(crate) fn audit_person(
    kind: AuditKind,
    person: &Id,
    chain: &AuditChain,
    number: u64,
    place: usize,
) -> Vec<u8> {
    let [of, id] = chain.parts();
    key(
        AUDIT_PERSON,
        &[
            person_kind(kind),
            person.as_str(),
            of,
            id,
            &sortable(number),
            &sortable(place as u64),
        ],
    )
}

/// Where the actor of a record came from; also the index of what somebody did.
pub(crate) fn audit_actor(user: &Id, chain: &AuditChain, number: u64) -> Vec<u8> {
    let [of, id] = chain.parts();
    key(
        AUDIT_PERSON,
        &[
            ACTOR,
            user.as_str(),
            of,
            id,
            &sortable(number),
            &sortable(0),
        ],
    )
}

/// What the audit knows of where somebody acted from: from the first key, until the second.
pub(crate) fn audit_of_actor(user: &Id) -> (Vec<u8>, Vec<u8>) {
    below(AUDIT_PERSON, &[ACTOR, user.as_str()])
}

/// What the audit knows of a person: from the first key, until the second.
pub(crate) fn audit_of_person(kind: AuditKind, person: &Id) -> (Vec<u8>, Vec<u8>) {
    below(AUDIT_PERSON, &[person_kind(kind), person.as_str()])
}

/// The record of a person: of a user, or of somebody who was invited.
pub(crate) fn record_of_person(kind: AuditKind, person: &Id) -> Vec<u8> {
    if kind == AuditKind::Invitation {
        invitation(person)
    } else {
        user(person)
    }
}

/// What stands in the place of the kind of a person, where it is the one who acted.
pub(crate) const ACTOR: &str = "actor";

fn person_kind(kind: AuditKind) -> &'static str {
    if kind == AuditKind::Invitation {
        "invitation"
    } else {
        "user"
    }
}

/// What is known of the clock.
pub(crate) fn clock() -> Vec<u8> {
    key(CLOCK, &[])
}

/// The chain, the number of the record, and the place of the change in it, at a key of what the
/// audit knows of a person.
pub(crate) fn audit_person_at(key: &[u8]) -> Option<(AuditChain, u64, usize)> {
    let number = |at| u64::from_str_radix(part(key, at)?, 16).ok();
    let chain = AuditChain::from_parts(part(key, 3)?, part(key, 4)?)?;
    Some((chain, number(5)?, usize::try_from(number(6)?).ok()?))
}

/// What the store knows of itself: the fingerprint of the key that tokens are derived with, and how
/// indexes are written.
pub(crate) fn token_key() -> Vec<u8> {
    key(TOKEN_KEY, &[])
}

/// The policies of an account, or of the platform.
pub(crate) fn policy(account: Option<&Id>) -> Vec<u8> {
    match account {
        Some(id) => key(POLICY, &[id.as_str()]),
        None => key(POLICY, &[]),
    }
}

/// A resource.
pub(crate) fn resource(account: &Id, kind: &Id, id: &Id) -> Vec<u8> {
    key(RESOURCE, &[account.as_str(), kind.as_str(), id.as_str()])
}

/// Index: the resources of an owner.
pub(crate) fn resource_of_owner(account: &Id, owner: &Id, kind: &Id, id: &Id) -> Vec<u8> {
    key(
        RESOURCE_OF_OWNER,
        &[account.as_str(), owner.as_str(), kind.as_str(), id.as_str()],
    )
}

/// Index: the resources that carry a group.
pub(crate) fn resource_of_group(account: &Id, group: &Id, kind: &Id, id: &Id) -> Vec<u8> {
    key(
        RESOURCE_OF_GROUP,
        &[account.as_str(), group.as_str(), kind.as_str(), id.as_str()],
    )
}

/// How many resources of a kind an owner has.
pub(crate) fn owner_tally(account: &Id, owner: &Id, kind: &Id) -> Vec<u8> {
    key(
        TALLY,
        &[account.as_str(), "owner", owner.as_str(), kind.as_str()],
    )
}

/// How many resources of a kind an owner shares in a group; also the index of those who share any
/// there.
pub(crate) fn shared_tally(account: &Id, group: &Id, kind: &Id, owner: &Id) -> Vec<u8> {
    key(
        TALLY,
        &[
            account.as_str(),
            "shared",
            group.as_str(),
            kind.as_str(),
            owner.as_str(),
        ],
    )
}

/// The counts of what an owner has: from the first, until the second.
pub(crate) fn owner_tallies(account: &Id, owner: &Id) -> (Vec<u8>, Vec<u8>) {
    below(TALLY, &[account.as_str(), "owner", owner.as_str()])
}

/// The counts of those who share resources of a kind in a group: from the first, until the second.
pub(crate) fn shared_tallies(account: &Id, group: &Id, kind: &Id) -> (Vec<u8>, Vec<u8>) {
    below(
        TALLY,
        &[account.as_str(), "shared", group.as_str(), kind.as_str()],
    )
}

/// Who edits a resource.
pub(crate) fn lease(account: &Id, kind: &Id, id: &Id) -> Vec<u8> {
    key(LEASE, &[account.as_str(), kind.as_str(), id.as_str()])
}

/// Index: the roles of an account's own.
pub(crate) fn account_role(account: &Id, role: &Id) -> Vec<u8> {
    key(ACCOUNT_ROLE, &[account.as_str(), role.as_str()])
}

/// Index: the roles of the platform, but for the built-in ones.
pub(crate) fn platform_role(role: &Id) -> Vec<u8> {
    key(ACCOUNT_ROLE, &["", role.as_str()])
}

/// How a resource is shared with the accounts below.
pub(crate) fn share(account: &Id, kind: &Id, id: &Id) -> Vec<u8> {
    key(SHARE, &[account.as_str(), kind.as_str(), id.as_str()])
}

/// Index: what an account above shares with one account by name.
pub(crate) fn shared_with(below: &Id, above: &Id, kind: &Id, id: &Id) -> Vec<u8> {
    key(
        SHARED_WITH,
        &[below.as_str(), above.as_str(), kind.as_str(), id.as_str()],
    )
}

/// A suppression of an account.
pub(crate) fn suppression(account: &Id, value: &str, class: &str) -> Vec<u8> {
    key(SUPPRESSION, &[account.as_str(), value, class])
}

/// Index: the accounts of a team that suppress a value.
pub(crate) fn team_suppression(team: &Id, value: &str, class: &str, account: &Id) -> Vec<u8> {
    key(
        TEAM_SUPPRESSION,
        &[team.as_str(), value, class, account.as_str()],
    )
}

/// Index: an account among all of the platform; `order` is `name`, `owner` (by the address) or
/// `created`.
pub(crate) fn account_order(order: &str, text: &str, id: &Id) -> Vec<u8> {
    key(ACCOUNT_ORDER, &[order, text, id.as_str()])
}

/// Index: an account among all below another; `order` is `id` (with an empty text), `name`, `owner`
/// (by the address) or `created`.
pub(crate) fn team_account(above: &Id, order: &str, text: &str, id: &Id) -> Vec<u8> {
    key(TEAM_ACCOUNT, &[above.as_str(), order, text, id.as_str()])
}

/// Index: the accounts that get a package later.
pub(crate) fn package_next(package: &Id, account: &Id) -> Vec<u8> {
    key(PACKAGE_NEXT, &[package.as_str(), account.as_str()])
}

/// Index: what becomes due for an account, and when.
pub(crate) fn due(at_ms: u64, account: &Id) -> Vec<u8> {
    key(DUE, &[&sortable(at_ms), account.as_str()])
}

/// Index: when something happens to a reservation by itself, or it is forgotten.
pub(crate) fn due_reservation(letter: u8, at: u64, account: &Id, reservation: &Id) -> Vec<u8> {
    key(
        letter,
        &[&sortable(at), account.as_str(), reservation.as_str()],
    )
}

/// A part of a key, from 0 for its letter.
pub(crate) fn part(key: &[u8], number: usize) -> Option<&str> {
    std::str::from_utf8(key.split(|byte| *byte == 0).nth(number)?).ok()
}

/// The first key of what becomes due, or is forgotten, after an instant.
pub(crate) fn due_after(letter: u8, now_ms: u64) -> Vec<u8> {
    key(letter, &[&sortable(now_ms.saturating_add(1))])
}

/// When what lies at a key becomes due.
pub(crate) fn due_at(key: &[u8]) -> Option<u64> {
    let at = key.split(|byte| *byte == 0).nth(1)?;
    u64::from_str_radix(std::str::from_utf8(at).ok()?, 16).ok()
}

/// What an account has of credits begins with this, for a channel or for all.
fn credit(account: &Id, channel: Channel, parts: &[&str]) -> Vec<u8> {
    let mut all = vec![account.as_str(), channel.name()];
    all.extend_from_slice(parts);
    key(CREDIT, &all)
}

/// Where a ledger of credits stands.
pub(crate) fn credit_head(account: &Id, channel: Channel) -> Vec<u8> {
    credit(account, channel, &["head"])
}

/// An entry of a ledger of credits.
pub(crate) fn credit_entry(account: &Id, channel: Channel, entry: u64) -> Vec<u8> {
    credit(account, channel, &["entry", &sortable(entry)])
}

/// The free credits of an account, or the reserve of a group.
pub(crate) fn credit_pocket(account: &Id, channel: Channel, group: Option<&Id>) -> Vec<u8> {
    credit(account, channel, &["pocket", group.map_or("", Id::as_str)])
}

/// The reserves of the groups of an account: from the first key, until the second.
pub(crate) fn credit_reserves(account: &Id, channel: Channel) -> (Vec<u8>, Vec<u8>) {
    let (from, until) = below(CREDIT, &[account.as_str(), channel.name(), "pocket"]);
    // The free credits lie before them.
    ([from.as_slice(), &[0x01]].concat(), until)
}

/// What is left of a grant in the free credits, or in the reserve of a group; the key sorts by
/// whose turn it is to pay.
pub(crate) fn credit_part(
    account: &Id,
    channel: Channel,
    group: Option<&Id>,
    turn: &Turn,
) -> Vec<u8> {
    let [priority, expires, granted, grant] = turn.numbers().map(sortable);
    credit(
        account,
        channel,
        &[
            "part",
            group.map_or("", Id::as_str),
            &priority,
            &expires,
            &granted,
            &grant,
        ],
    )
}

/// What is left of grants in the free credits, or in the reserve of a group, in the order in which
/// they pay.
pub(crate) fn credit_parts(
    account: &Id,
    channel: Channel,
    group: Option<&Id>,
) -> (Vec<u8>, Vec<u8>) {
    below(
        CREDIT,
        &[
            account.as_str(),
            channel.name(),
            "part",
            group.map_or("", Id::as_str),
        ],
    )
}

/// What is left of grants anywhere in an account: the free credits, then the reserve of each group.
pub(crate) fn all_credit_parts(account: &Id, channel: Channel) -> (Vec<u8>, Vec<u8>) {
    below(CREDIT, &[account.as_str(), channel.name(), "part"])
}

/// The group and the turn at the end of a key of what is left of a grant.
pub(crate) fn credit_part_at(key: &[u8]) -> Option<(Option<Id>, Turn)> {
    let mut parts = key.rsplit(|byte| *byte == 0);
    let mut number = || u64::from_str_radix(std::str::from_utf8(parts.next()?).ok()?, 16).ok();
    let (grant, granted, expires, priority) = (number()?, number()?, number()?, number()?);
    Some((
        group_at(parts.next()?)?,
        Turn::from_numbers([priority, expires, granted, grant]),
    ))
}

/// The group that a part of a key names; the outer none where it is no id, the inner one where it
/// is empty.
fn group_at(part: &[u8]) -> Option<Option<Id>> {
    match std::str::from_utf8(part).ok()? {
        "" => Some(None),
        group => Id::new(group).ok().map(Some),
    }
}

/// Index: what is left of a grant, by the instant at which it is gone.
pub(crate) fn credit_expiry(
    account: &Id,
    channel: Channel,
    expires_at_ms: u64,
    grant: u64,
    group: Option<&Id>,
) -> Vec<u8> {
    credit(
        account,
        channel,
        &[
            "expiry",
            &sortable(expires_at_ms),
            &sortable(grant),
            group.map_or("", Id::as_str),
        ],
    )
}

/// What has expired by an instant: from the first key, until the second.
pub(crate) fn credits_expired(account: &Id, channel: Channel, now_ms: u64) -> (Vec<u8>, Vec<u8>) {
    let (from, _) = below(CREDIT, &[account.as_str(), channel.name(), "expiry"]);
    (
        from,
        credit(
            account,
            channel,
            &["expiry", &sortable(now_ms.saturating_add(1))],
        ),
    )
}

/// When what lies at a key of the index expires, of which grant it is, and in which group's
/// reserve.
pub(crate) fn credit_expiry_at(key: &[u8]) -> Option<(u64, u64, Option<Id>)> {
    let mut parts = key.rsplit(|byte| *byte == 0);
    let group = group_at(parts.next()?)?;
    let mut number = || u64::from_str_radix(std::str::from_utf8(parts.next()?).ok()?, 16).ok();
    let (grant, expires_at_ms) = (number()?, number()?);
    Some((expires_at_ms, grant, group))
}

/// How much of a spend was refunded.
pub(crate) fn credit_refunded(account: &Id, channel: Channel, spend: u64) -> Vec<u8> {
    credit(account, channel, &["refunded", &sortable(spend)])
}

/// Which windows of the account's own limits were charged less, because a spend paid for it.
pub(crate) fn credit_lifted(account: &Id, channel: Channel, spend: u64) -> Vec<u8> {
    credit(account, channel, &["lifted", &sortable(spend)])
}

/// What credits paid for in a window of a limit of the account, or in the part of a rolling one.
pub(crate) fn credit_paid(
    account: &Id,
    channel: Channel,
    limit: LimitName,
    starts_at_ms: u64,
) -> Vec<u8> {
    credit(
        account,
        channel,
        &["paid", limit.name(), &sortable(starts_at_ms)],
    )
}

/// What somebody asked for with a key; both ledgers of the account share the keys.
pub(crate) fn credit_key(account: &Id, by: &str, asked_with: &Id) -> Vec<u8> {
    key(CREDIT, &[account.as_str(), "key", by, asked_with.as_str()])
}

/// A number as a text that sorts like it.
pub(crate) fn sortable(number: u64) -> String {
    format!("{number:016x}")
}

/// A text to order and to search by: without regard to case and accents, and short enough for a
/// key.
pub(crate) fn orderable(text: &str) -> String {
    const LONGEST: usize = 128;
    let mut text = folded(text);
    while text.len() > LONGEST {
        text.pop();
    }
    text
}

/// An id that was deleted and is never used again; `kind` is the letter of what it named.
pub(crate) fn tombstone(kind: u8, id: &Id) -> Vec<u8> {
    let mut key = vec![TOMBSTONE, 0, kind, 0];
    key.extend_from_slice(id.as_str().as_bytes());
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_holds_its_own_and_no_neighbour() {
        let id = |text: &str| Id::new(text).unwrap();
        let (from, until) = below(MEMBER, &["acme"]);
        let within = |key: &[u8]| from.as_slice() <= key && key < until.as_slice();
        assert!(within(&member(&id("acme"), &id("ann"))));
        assert!(within(&member(&id("acme"), &id("\u{10ffff}"))));
        assert!(!within(&member(&id("acme2"), &id("ann"))));
        assert!(!within(&member(&id("acm"), &id("ann"))));
        assert_eq!(last_id(&member(&id("acme"), &id("ann"))), Some(id("ann")));
    }
}
