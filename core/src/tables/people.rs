//! The lists of users: of an account with all accounts below it, and of the platform; by e-mail
//! address and by name.
//!
//! Each list is an index, so that a page of it reads the same number of records however many users
//! there are.

use crate::error::Error;
use crate::kernel::check::{Look, broken};
use crate::kernel::table::{Declared, MARK, Owner};
use crate::kernel::{Tx, keys};
use crate::model::{Account, Email, Id, Member, Name, Profile, User, folded};
use crate::tables::accounts::account_line;
use crate::tables::deletions;

pub(super) const TABLES: &[Declared] = &[
    Declared::derived(keys::PERSON, Owner::Nobody, check_entry),
    Declared::derived(keys::SEAT, Owner::Account, |look, _, parts| match parts {
        [account, user] => {
            let (account, user) = (look.id(account)?, look.id(user)?);
            check_seat(look, &account, &user)
        }
        _ => look.no_such_key(),
    }),
];
/// Stands for the platform where lists are named by account.
pub(crate) const PLATFORM: &str = "";

/// What a list is ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Email,
    /// Last name first.
    Name,
    /// First name first.
    First,
}

impl Order {
    const ALL: [Order; 3] = [Order::Email, Order::Name, Order::First];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Order::Email => "email",
            Order::Name => "name",
            Order::First => "first",
        }
    }

    fn text(self, user: &User) -> String {
        let Profile {
            first_name,
            last_name,
            ..
        } = &user.profile;
        let (first, last) = (
            first_name.as_ref().map_or("", |name| name.as_str()),
            last_name.as_ref().map_or("", |name| name.as_str()),
        );
        match self {
            Order::Email => keys::orderable(user.email.key()),
            Order::Name => keys::orderable(&format!("{last} {first}")),
            Order::First => keys::orderable(&format!("{first} {last}")),
        }
    }
}

/// The span of a list; with a prefix, of those in it whose text begins with that.
pub(crate) fn span(account: &str, order: Order, prefix: &str) -> (Vec<u8>, Vec<u8>) {
    let (from, until) = keys::range(keys::PERSON, &[account, order.name()]);
    let prefix = keys::orderable(prefix);
    if prefix.is_empty() {
        return (from, until);
    }
    let from = [from, prefix.into_bytes()].concat();
    let mut until = from.clone();
    // No UTF-8 text holds this byte.
    until.push(0xff);
    (from, until)
}

/// What a list is searched by: an address in its normal form, every other text as lists are ordered
/// by it.
pub(crate) fn searched(text: &str) -> String {
    match Email::new(text) {
        Ok(email) => keys::orderable(email.key()),
        Err(_) => keys::orderable(text),
    }
}

/// Whether the name or an address of somebody holds a text that was made by [`searched`].
pub(crate) fn is_named(
    [first, last]: [Option<&Name>; 2],
    addresses: [&str; 2],
    words: &str,
) -> bool {
    let [first, last] =
        [first, last].map(|name| name.map_or_else(String::new, |name| folded(name.as_str())));
    let holds = |text: &str| text.contains(words);
    holds(&format!("{first} {last}"))
        || holds(&format!("{last} {first}"))
        || addresses.iter().any(|address| holds(&folded(address)))
}

/// As [`is_named`], of a user.
pub(crate) fn is_user_named(user: &User, words: &str) -> bool {
    let Profile {
        first_name,
        last_name,
        ..
    } = &user.profile;
    is_named(
        [first_name.as_ref(), last_name.as_ref()],
        [user.email.key(), user.email.as_typed()],
        words,
    )
}

/// What a list of people looks at, one index after the other: without a text to search for the one
/// that it is ordered by, with one the parts of all of them that begin with it.
pub(crate) struct Search {
    orders: Vec<Order>,
    prefix: String,
}

impl Search {
    pub(crate) fn new(order: Order, text: Option<&str>) -> Search {
        let mut orders = vec![order];
        if text.is_some() {
            orders.extend(Order::ALL.into_iter().filter(|other| *other != order));
        }
        Search {
            orders,
            prefix: text.map(searched).unwrap_or_default(),
        }
    }

    /// The spans to walk over in the list of an account, or of the platform.
    pub(crate) fn spans(&self, account: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.orders
            .iter()
            .map(|order| span(account, *order, &self.prefix))
            .collect()
    }

    /// Whether an entry is the first at which a user is found: whoever is found in several ways is
    /// listed once.
    pub(crate) fn is_first(&self, key: &[u8], user: &User) -> bool {
        let found_by = key.split(|byte| *byte == 0).nth(2).unwrap_or_default();
        let earlier = self
            .orders
            .iter()
            .take_while(|order| order.name().as_bytes() != found_by);
        earlier
            .into_iter()
            .all(|order| !order.text(user).starts_with(&self.prefix))
    }
}

/// The entries of a user in one list.
pub(crate) fn entries(account: &str, user: &User) -> [Vec<u8>; 3] {
    Order::ALL.map(|order| keys::person(account, order.name(), &order.text(user), &user.id))
}

/// Puts a user into one list, or takes them out of it.
pub(crate) fn list(tx: &mut Tx<'_>, account: &str, user: &User, listed: bool) {
    for key in entries(account, user) {
        if listed {
            tx.mark(key);
        } else {
            tx.delete(key);
        }
    }
}

/// A user has become a member of an account: they are in its list, and in those of all accounts
/// above, once in each.
pub(crate) fn join(tx: &mut Tx<'_>, member: &Member, user: &User) -> Result<(), Error> {
    let line = account_line(tx, &member.account)?;
    let idle = i64::from(is_idle(member, user));
    line.iter()
        .try_for_each(|ancestor| count_in(tx, &ancestor.id, user, 1, idle))
}

/// A user is no longer a member of an account.
pub(crate) fn leave(tx: &mut Tx<'_>, member: &Member, user: &User) -> Result<(), Error> {
    let line = account_line(tx, &member.account)?;
    leave_lists(tx, &line, member, user)
}

/// One membership of a user no longer counts for these accounts.
pub(crate) fn leave_lists(
    tx: &mut Tx<'_>,
    line: &[Account],
    member: &Member,
    user: &User,
) -> Result<(), Error> {
    let idle = i64::from(is_idle(member, user));
    line.iter()
        .try_for_each(|ancestor| count_in(tx, &ancestor.id, user, -1, -idle))
}

/// A membership that held a seat holds none any longer, or the other way round; that there is one
/// was seen before.
pub(crate) fn set_idle(
    tx: &mut Tx<'_>,
    account: &Id,
    user: &User,
    idle: bool,
) -> Result<(), Error> {
    let line = account_line(tx, account)?;
    line.iter()
        .try_for_each(|ancestor| count_in(tx, &ancestor.id, user, 0, if idle { 1 } else { -1 }))
}

/// Whether a membership holds no seat: it is disabled, or its user is. An owner always holds one
/// (R-INV-9).
pub(crate) fn is_idle(member: &Member, user: &User) -> bool {
    !member.owner && (member.disabled || user.disabled)
}

/// So many memberships of a user more, or fewer, count for an account, and so many of those that
/// hold no seat.
fn count_in(
    tx: &mut Tx<'_>,
    account: &Id,
    user: &User,
    memberships: i64,
    idle: i64,
) -> Result<(), Error> {
    let (was_there, held) = (
        seats_of(tx, account, &user.id)? > 0,
        holds_seat(tx, account, &user.id)?,
    );
    let is_there = tx.add(keys::seat(account, &user.id), memberships)? > 0;
    tx.add(keys::idle_tally(account, &user.id), idle)?;
    if was_there != is_there {
        list(tx, account.as_str(), user, is_there);
        tx.add(
            keys::tally(account, "users"),
            i64::from(is_there) - i64::from(was_there),
        )?;
    }
    let holds = holds_seat(tx, account, &user.id)?;
    let (was_idle, is_idle) = (was_there && !held, is_there && !holds);
    tx.add(
        keys::tally(account, "idle"),
        i64::from(is_idle) - i64::from(was_idle),
    )
    .map(drop)
}

/// Whether a user holds a seat in an account: by a membership there, or below it.
pub(crate) fn holds_seat(tx: &mut Tx<'_>, account: &Id, user: &Id) -> Result<bool, Error> {
    Ok(seats_of(tx, account, user)? > tx.count(&keys::idle_tally(account, user))?)
}

/// How many users hold a seat in an account.
pub(crate) fn seats_held(tx: &mut Tx<'_>, account: &Id) -> Result<u64, Error> {
    let users = tx.count(&keys::tally(account, "users"))?;
    Ok(users.saturating_sub(tx.count(&keys::tally(account, "idle"))?))
}

/// The name or the address of a user has changed: the lists of these accounts, and of those
/// above, show them in their new place.
pub(crate) fn rename(
    tx: &mut Tx<'_>,
    before: &User,
    after: &User,
    accounts: &[Id],
) -> Result<(), Error> {
    let mut lists: Vec<String> = Vec::new();
    for account in accounts {
        for ancestor in account_line(tx, account)? {
            if !lists.iter().any(|list| list == ancestor.id.as_str()) {
                lists.push(ancestor.id.to_string());
            }
        }
    }
    for account in lists {
        list(tx, &account, before, false);
        list(tx, &account, after, true);
    }
    Ok(())
}

/// How many memberships a user has in an account and in all accounts below it.
pub(crate) fn seats_of(tx: &mut Tx<'_>, account: &Id, user: &Id) -> Result<u64, Error> {
    tx.count(&keys::seat(account, user))
}

/// An entry of a list of people.
fn check_entry(look: &mut Look<'_>, key: &[u8], parts: &[&str]) -> Result<(), Error> {
    let [list, _, _, user] = parts else {
        return look.no_such_key();
    };
    let user = look.id(user)?;
    let is_theirs = match look.user(&user)? {
        Some(user) => entries(list, &user).iter().any(|entry| entry == key),
        None => false,
    };
    let is_listed = if *list == PLATFORM {
        true
    } else {
        let account = look.id(list)?;
        look.tx.has(&keys::seat(&account, &user))? || seats(look, &account, &user)?.0 > 0
    };
    let right = (is_theirs && is_listed).then(|| MARK.to_vec());
    look.must_be_line(key.to_vec(), right)
}

fn check_seat(look: &mut Look<'_>, account: &Id, user: &Id) -> Result<(), Error> {
    let (there, idle) = seats(look, account, user)?;
    look.must_be_count(there);
    let idle_key = keys::idle_tally(account, user);
    let counted = look.stored(&idle_key)?;
    look.must_count_at(idle_key, counted.as_deref(), idle);
    let Some(user) = look.user(user)?.filter(|_| there > 0) else {
        return Ok(());
    };
    for entry in entries(account.as_str(), &user) {
        look.must_be_line(entry, Some(MARK.to_vec()))?;
    }
    look.must_have(keys::tally(account, "users"))?;
    if idle == there {
        look.must_have(keys::tally(account, "idle"))?;
    }
    Ok(())
}

/// How many memberships a user has in an account and below it, and how many of them hold no seat;
/// of a user who is gone, none count.
pub(super) fn seats(look: &mut Look<'_>, account: &Id, user: &Id) -> Result<(u64, u64), Error> {
    match look.user(user)? {
        Some(user) => memberships_of_descendants(look, account, &user),
        None => Ok((0, 0)),
    }
}

/// How many memberships a user has in an account and below it, and how many of them hold no seat.
fn memberships_of_descendants(
    look: &mut Look<'_>,
    account: &Id,
    user: &User,
) -> Result<(u64, u64), Error> {
    let of = |tx: &mut Tx<'_>, account: &Id| -> Result<(u64, u64), Error> {
        let member: Option<Member> = tx.get(&keys::member(account, &user.id))?;
        Ok(member.map_or((0, 0), |member| (1, u64::from(is_idle(&member, user)))))
    };
    // Accounts that are being erased are listed below none.
    if look.is_empty(keys::range(keys::CHILD, &[account.as_str()]))?
        && !deletions::are_under_way(&mut look.tx)?
    {
        return of(&mut look.tx, account);
    }
    let mut found = (0, 0);
    look.each(
        keys::range(keys::MEMBERSHIP, &[user.id.as_str()]),
        |tx, key, _| {
            let descendant =
                keys::last_id(key).ok_or_else(|| broken("An index line names no account."))?;
            if account_line(tx, &descendant)?
                .iter()
                .any(|ancestor| ancestor.id == *account)
            {
                let (there, idle) = of(tx, &descendant)?;
                found = (found.0 + there, found.1 + idle);
            }
            Ok(())
        },
    )?;
    Ok(found)
}

/// What the counts of users have to be: of all, of those who hold no seat, and of the memberships
/// of each of these.
pub(super) fn count(look: &mut Look<'_>, account: &Id, parts: &[&str]) -> Result<u64, Error> {
    match parts {
        [_, "users"] => look.count(keys::SEAT, &[account.as_str()]),
        // That each of them is counted by itself is seen at the seats.
        [_, "idle"] => {
            let mut there = 0;
            look.each(
                keys::range(keys::TALLY, &[account.as_str(), "idle"]),
                |tx, key, _| {
                    let user = keys::last_id(key)
                        .ok_or_else(|| broken("A count of memberships names no user."))?;
                    there += u64::from(tx.count(key)? == tx.count(&keys::seat(account, &user))?);
                    Ok(())
                },
            )?;
            Ok(there)
        }
        [_, "idle", user] => {
            let user = look.id(user)?;
            Ok(seats(look, account, &user)?.1)
        }
        _ => {
            look.no_such_key()?;
            Ok(0)
        }
    }
}
