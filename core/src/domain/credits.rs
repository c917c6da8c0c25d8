//! Credits: a ledger for each account and channel, what is left of its grants, and where it lies
//! (R-CRD-1 to R-CRD-3).
//!
//! Entries are only ever added. Beside them lies what they sum up to: how much each grant has left,
//! in the free balance and in the reserve of each group, in the order in which grants pay; so a
//! spend reads the grants that it is paid by, and nothing else.
//!
//! No thread waits for a grant to expire. Every operation first enters what has expired by now,
//! those that only read too: in their own view of the store, which nobody keeps. So an expiry
//! counts at its instant, and the next change writes it down.

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api::credits::{
    Allocate, Balance, CreditBalance, CreditChannel, CreditGroup, CreditLedger, CreditLeft,
    CreditMove, CreditOrder, CreditReserve, Grant, Ledger, Refund, Reserve, Spend, TakeBack,
    Unreserve, Withdraw,
};
use crate::api::operation::Effect;
use crate::domain;
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::kernel::page::page_size;
use crate::model::{
    self, Actor, Channel, Count, CreditEntry, CreditHead, CreditKey, CreditKind, CreditPart,
    CreditPocket, CreditTotals, Id, LimitName,
};
use crate::rules::credit::{Turn, give_back, pay};
use crate::rules::send::Part;
use crate::sending::idempotency;
use crate::tables::{accounts, groups};

/// Most groups, and most grants, that one answer lists.
const MOST_LISTED: usize = 500;
/// The priority of a grant where none is said.
const PRIORITY: u64 = 50;
/// The largest priority.
const LAST_PRIORITY: u64 = 100;
/// How many grants are read at once.
const STEP: usize = 32;
/// How many grants are looked at to say what a send can be paid with later.
const MOST_PARTS: usize = 1000;

/// A limit of the account, and the start of its window, or of the part of a rolling one, in which
/// credits paid for messages.
pub(crate) type Lifted = (LimitName, u64);

/// Credits of a grant that were taken out of the reserve of a group, or of what is free.
struct Taken {
    group: Option<Id>,
    turn: Turn,
    amount: u64,
}

/// A ledger that an operation works with: what has expired by now is entered.
struct Book {
    account: Id,
    channel: Channel,
    head: CreditHead,
}

impl Book {
    fn open(ctx: &mut Ctx<'_>, account: &Id, channel: Channel) -> Result<Book, Error> {
        let head = ctx
            .tx
            .get(&keys::credit_head(account, channel))?
            .unwrap_or_default();
        let mut book = Book {
            account: account.clone(),
            channel,
            head,
        };
        book.expire(ctx)?;
        Ok(book)
    }

    /// Enters what has expired by now.
    fn expire(&mut self, ctx: &mut Ctx<'_>) -> Result<(), Error> {
        let (from, until) = keys::credits_expired(&self.account, self.channel, ctx.now_ms);
        for (key, ()) in ctx.tx.range::<()>(&from, &until, usize::MAX)? {
            let (expires_at_ms, grant, group) =
                keys::credit_expiry_at(&key).ok_or_else(|| broken(&key))?;
            let turn = self.turn_of(ctx, grant)?;
            let amount = self.left_of(ctx, group.as_ref(), &turn)?;
            self.lower(ctx, group.as_ref(), &turn, amount)?;
            let entry = CreditEntry {
                by: Actor::System.label(),
                at_ms: expires_at_ms,
                ..self.entry(ctx, CreditKind::Expired, amount)
            };
            self.append(
                ctx,
                CreditEntry {
                    parts: vec![CreditPart {
                        grant,
                        amount,
                        group,
                    }],
                    ..entry
                },
            )?;
        }
        Ok(())
    }

    /// An entry to be appended.
    fn entry(&self, ctx: &Ctx<'_>, kind: CreditKind, amount: u64) -> CreditEntry {
        CreditEntry {
            account: self.account.clone(),
            channel: self.channel,
            entry: self.head.entries + 1,
            kind,
            amount,
            balance: 0,
            totals: CreditTotals::default(),
            parts: Vec::new(),
            group: None,
            other: None,
            spend: None,
            reason: None,
            reference: None,
            priority: None,
            expires_at_ms: None,
            granted_at_ms: None,
            from_grant: None,
            key: None,
            by: ctx.actor.label(),
            at_ms: ctx.now_ms,
        }
    }

    /// Adds an entry to the ledger.
    fn append(&mut self, ctx: &mut Ctx<'_>, mut entry: CreditEntry) -> Result<CreditEntry, Error> {
        let balance = match entry.kind.adds() {
            Some(true) => self.head.balance.checked_add(entry.amount),
            Some(false) => self.head.balance.checked_sub(entry.amount),
            None => Some(self.head.balance),
        };
        let told = balance.zip(self.head.totals.and(entry.kind, entry.amount));
        // No operation takes more than there is: what is left to refuse is a number that no
        // language could tell.
        let too_many = || {
            Error::invalid(
                "/amount",
                format!(
                    "An account gets and spends at most {} credits; name a smaller `amount`.",
                    Count::MAX
                ),
            )
        };
        (entry.balance, entry.totals) = told.ok_or_else(too_many)?;
        // Entered later than it came about, or with a clock that stepped back, it still does not
        // come before what was entered earlier.
        entry.at_ms = entry.at_ms.max(self.head.at_ms);
        self.head = CreditHead {
            entries: entry.entry,
            balance: entry.balance,
            totals: entry.totals,
            at_ms: entry.at_ms,
        };
        ctx.tx
            .put(keys::credit_head(&self.account, self.channel), &self.head)?;
        ctx.tx.put(
            keys::credit_entry(&self.account, self.channel, entry.entry),
            &entry,
        )?;
        Ok(entry)
    }

    /// Adds an entry that is a grant; all of it is free.
    fn bring_in(&mut self, ctx: &mut Ctx<'_>, entry: CreditEntry) -> Result<CreditEntry, Error> {
        let entry = self.append(ctx, entry)?;
        let turn = Turn::of(&entry)
            .ok_or_else(|| Error::internal("This is a defect to report: a grant has no terms."))?;
        self.raise(ctx, None, &turn, entry.amount)?;
        Ok(entry)
    }

    /// How many entries were made before an instant, and what they sum up to. A ledger may be long:
    /// the last of them is found by halving.
    fn before(&self, ctx: &mut Ctx<'_>, at_ms: u64) -> Result<(u64, CreditTotals), Error> {
        if self.head.at_ms < at_ms {
            return Ok((self.head.entries, self.head.totals));
        }
        let (mut before, mut after) = (0, self.head.entries);
        let mut totals = CreditTotals::default();
        while after.saturating_sub(before) > 1 {
            let middle = before + (after - before) / 2;
            let entry = self.entry_at(ctx, middle)?;
            if entry.at_ms < at_ms {
                (before, totals) = (middle, entry.totals);
            } else {
                after = middle;
            }
        }
        Ok((before, totals))
    }

    fn read(&self, ctx: &mut Ctx<'_>, entry: u64) -> Result<Option<CreditEntry>, Error> {
        ctx.tx
            .get(&keys::credit_entry(&self.account, self.channel, entry))
    }

    /// An entry that is there.
    fn entry_at(&self, ctx: &mut Ctx<'_>, entry: u64) -> Result<CreditEntry, Error> {
        let missing = || {
            Error::corrupt(format!(
                "The ledger of `{}` has no entry {entry}; restore a backup.",
                self.account
            ))
        };
        self.read(ctx, entry)?.ok_or_else(missing)
    }

    /// The entry that made a grant.
    fn grant(&self, ctx: &mut Ctx<'_>, grant: u64) -> Result<CreditEntry, Error> {
        self.read(ctx, grant)?.ok_or_else(|| {
            Error::corrupt(format!(
                "The ledger of `{}` has no grant {grant}; restore a backup.",
                self.account
            ))
        })
    }

    fn turn_of(&self, ctx: &mut Ctx<'_>, grant: u64) -> Result<Turn, Error> {
        let entry = self.grant(ctx, grant)?;
        Turn::of(&entry).ok_or_else(|| {
            Error::corrupt(format!(
                "The entry {grant} of `{}` is no grant; restore a backup.",
                self.account
            ))
        })
    }

    fn pocket(&self, ctx: &mut Ctx<'_>, group: Option<&Id>) -> Result<CreditPocket, Error> {
        Ok(ctx
            .tx
            .get(&keys::credit_pocket(&self.account, self.channel, group))?
            .unwrap_or_default())
    }

    fn save_pocket(
        &self,
        ctx: &mut Ctx<'_>,
        group: Option<&Id>,
        pocket: &CreditPocket,
    ) -> Result<(), Error> {
        // How many a send can be paid with is prepared.
        ctx.tx.touch(&self.account);
        let key = keys::credit_pocket(&self.account, self.channel, group);
        if *pocket == CreditPocket::default() {
            ctx.tx.delete(key);
            Ok(())
        } else {
            ctx.tx.put(key, pocket)
        }
    }

    fn left_of(&self, ctx: &mut Ctx<'_>, group: Option<&Id>, turn: &Turn) -> Result<u64, Error> {
        Ok(ctx
            .tx
            .get(&keys::credit_part(&self.account, self.channel, group, turn))?
            .unwrap_or(0))
    }

    /// Where a payer takes credits from, in this order: the reserve of their group, then what is
    /// free. Where the account has no groups by policy, the reserves bind nobody: they come last
    /// (section 16).
    fn sources(&self, ctx: &mut Ctx<'_>, group: Option<&Id>) -> Result<Vec<Option<Id>>, Error> {
        let mut sources: Vec<_> = group.cloned().map(Some).into_iter().chain([None]).collect();
        if !ctx.policies(Some(&self.account))?.groups {
            let others = self.reserves(ctx)?;
            sources.extend(
                others
                    .into_iter()
                    .filter(|other| Some(other) != group)
                    .map(Some),
            );
        }
        Ok(sources)
    }

    /// The groups that have something in reserve, or have spent something.
    fn reserves(&self, ctx: &mut Ctx<'_>) -> Result<Vec<Id>, Error> {
        let (from, until) = keys::credit_reserves(&self.account, self.channel);
        let rows = ctx.tx.range::<CreditPocket>(&from, &until, usize::MAX)?;
        rows.iter()
            .map(|(key, _)| keys::last_id(key).ok_or_else(|| broken(key)))
            .collect()
    }

    /// How many credits there are in these.
    fn payable(&self, ctx: &mut Ctx<'_>, sources: &[Option<Id>]) -> Result<u64, Error> {
        let mut all: u64 = 0;
        for source in sources {
            all = all.saturating_add(self.pocket(ctx, source.as_ref())?.left);
        }
        Ok(all)
    }

    /// Takes up to so many credits out of these, one after the other; with a giver, only what came
    /// from there.
    fn take(
        &self,
        ctx: &mut Ctx<'_>,
        sources: &[Option<Id>],
        amount: u64,
        giver: Option<Option<&Id>>,
    ) -> Result<Vec<Taken>, Error> {
        let mut taken: Vec<Taken> = Vec::new();
        for source in sources {
            let open = amount.saturating_sub(sum(&taken));
            let from_here = self.take_from(ctx, source.as_ref(), open, giver)?;
            taken.extend(from_here.into_iter().map(|(turn, amount)| Taken {
                group: source.clone(),
                turn,
                amount,
            }));
        }
        Ok(taken)
    }

    /// Puts credits of a grant into the free balance or the reserve of a group.
    fn raise(
        &self,
        ctx: &mut Ctx<'_>,
        group: Option<&Id>,
        turn: &Turn,
        amount: u64,
    ) -> Result<(), Error> {
        let left = self.left_of(ctx, group, turn)?;
        let mut pocket = self.pocket(ctx, group)?;
        pocket.left = pocket.left.saturating_add(amount);
        self.save_pocket(ctx, group, &pocket)?;
        if let Some(expires_at_ms) = turn.expires_at_ms() {
            ctx.tx.mark(keys::credit_expiry(
                &self.account,
                self.channel,
                expires_at_ms,
                turn.grant(),
                group,
            ));
        }
        ctx.tx.put(
            keys::credit_part(&self.account, self.channel, group, turn),
            &left.saturating_add(amount),
        )
    }

    /// Takes credits of a grant, of which there are as many, out of the free balance or the reserve
    /// of a group.
    fn lower(
        &self,
        ctx: &mut Ctx<'_>,
        group: Option<&Id>,
        turn: &Turn,
        amount: u64,
    ) -> Result<(), Error> {
        let left = self.left_of(ctx, group, turn)?.saturating_sub(amount);
        let mut pocket = self.pocket(ctx, group)?;
        pocket.left = pocket.left.saturating_sub(amount);
        self.save_pocket(ctx, group, &pocket)?;
        let key = keys::credit_part(&self.account, self.channel, group, turn);
        if left > 0 {
            return ctx.tx.put(key, &left);
        }
        ctx.tx.delete(key);
        if let Some(expires_at_ms) = turn.expires_at_ms() {
            ctx.tx.delete(keys::credit_expiry(
                &self.account,
                self.channel,
                expires_at_ms,
                turn.grant(),
                group,
            ));
        }
        Ok(())
    }

    /// Takes up to so many credits out of the free balance or the reserve of a group, in the order
    /// in which grants pay; with a giver, only what came from there: an account above, or the
    /// platform, which is no account.
    fn take_from(
        &self,
        ctx: &mut Ctx<'_>,
        group: Option<&Id>,
        amount: u64,
        giver: Option<Option<&Id>>,
    ) -> Result<Vec<(Turn, u64)>, Error> {
        let (mut from, until) = keys::credit_parts(&self.account, self.channel, group);
        let mut open = amount;
        let mut taken = Vec::new();
        while open > 0 {
            let rows = ctx.tx.range::<u64>(&from, &until, STEP)?;
            let Some((last, _)) = rows.last() else { break };
            from = [last.as_slice(), &[0]].concat();
            let mut left = Vec::new();
            for (key, amount) in rows {
                let (_, turn) = keys::credit_part_at(&key).ok_or_else(|| broken(&key))?;
                let wanted = match giver {
                    Some(giver) => self.grant(ctx, turn.grant())?.other.as_ref() == giver,
                    None => true,
                };
                if wanted {
                    left.push((turn, amount));
                }
            }
            for (turn, paid) in pay(&left, open) {
                self.lower(ctx, group, &turn, paid)?;
                open -= paid;
                taken.push((turn, paid));
            }
        }
        Ok(taken)
    }

    /// Moves so many credits, of which there are as many, between the free balance and the reserve
    /// of a group.
    fn shift(
        &mut self,
        ctx: &mut Ctx<'_>,
        kind: CreditKind,
        group: &Id,
        amount: u64,
    ) -> Result<CreditEntry, Error> {
        let (from, to) = if kind == CreditKind::Reserved {
            (None, Some(group))
        } else {
            (Some(group), None)
        };
        let moved = self.take_from(ctx, from, amount, None)?;
        for (turn, part) in &moved {
            self.raise(ctx, to, turn, *part)?;
        }
        let entry = self.entry(ctx, kind, amount);
        let parts = moved
            .iter()
            .map(|(turn, amount)| CreditPart {
                grant: turn.grant(),
                amount: *amount,
                group: None,
            })
            .collect();
        self.append(
            ctx,
            CreditEntry {
                group: Some(group.clone()),
                parts,
                ..entry
            },
        )
    }

    /// Takes in what came back from an account below, where it lay in these grants.
    fn take_in(&mut self, ctx: &mut Ctx<'_>, below: &Book, taken: &[Taken]) -> Result<(), Error> {
        let mut back = Vec::with_capacity(taken.len());
        for Taken { turn, amount, .. } in taken {
            let of = below.grant(ctx, turn.grant())?.from_grant;
            let of = of.ok_or_else(|| {
                Error::corrupt(format!(
                    "A grant of `{}` came from no other grant; restore a backup.",
                    below.account
                ))
            })?;
            let turn = turn.as_grant(of);
            self.raise(ctx, None, &turn, *amount)?;
            back.push(Taken {
                group: None,
                turn,
                amount: *amount,
            });
        }
        let entry = self.entry(ctx, CreditKind::TakenBack, sum(&back));
        self.append(
            ctx,
            CreditEntry {
                other: Some(below.account.clone()),
                parts: parts_of(&back),
                ..entry
            },
        )
        .map(drop)
    }
}

/// What was entered in a future that was none counts as entered now; whether there may be more of
/// it (R-QTA-13). The earliest comes first, so that no entry ever comes before another.
pub(crate) fn leave_future(
    ctx: &mut Ctx<'_>,
    account: &Id,
    channel: Channel,
) -> Result<bool, Error> {
    let (key, at_ms) = (keys::credit_head(account, channel), ctx.now_ms);
    let Some(head) = ctx
        .tx
        .get::<CreditHead>(&key)?
        .filter(|head| head.at_ms > at_ms)
    else {
        return Ok(false);
    };
    let book = Book {
        account: account.clone(),
        channel,
        head,
    };
    let (before, _) = book.before(ctx, at_ms.saturating_add(1))?;
    let until = book.head.entries.min(before.saturating_add(STEP as u64));
    for number in before + 1..=until {
        let entry = book.entry_at(ctx, number)?;
        ctx.tx.put(
            keys::credit_entry(account, channel, number),
            &CreditEntry { at_ms, ..entry },
        )?;
    }
    let more = until < book.head.entries;
    if !more {
        ctx.tx.put(key, &CreditHead { at_ms, ..book.head })?;
    }
    Ok(more)
}

fn broken(key: &[u8]) -> Error {
    Error::corrupt(format!(
        "The key `{}` is not one of credits; restore a backup.",
        key.escape_ascii()
    ))
}

fn sum(taken: &[Taken]) -> u64 {
    taken.iter().map(|part| part.amount).sum()
}

fn parts_of(taken: &[Taken]) -> Vec<CreditPart> {
    taken
        .iter()
        .map(|part| CreditPart {
            grant: part.turn.grant(),
            amount: part.amount,
            group: part.group.clone(),
        })
        .collect()
}

fn exhausted(what: impl Into<String>, left: u64) -> Error {
    Error::new(Code::CreditsExhausted, what)
        .at("/amount")
        .with("left", left)
}

/// Credits are of the commercial edition and of the preset `groups`: otherwise they are looked at,
/// and nothing else (R-PLT-1).
fn check(ctx: &mut Ctx<'_>, account: &Id, amount: Option<Count>) -> Result<(), Error> {
    if amount.is_some_and(|amount| amount.get() == 0) {
        return Err(Error::invalid("/amount", "`amount` is at least 1 credit."));
    }
    ctx.require_credits(Some(account), "/amount")
}

/// How many credits a group, or who is in none, could pay with.
pub(crate) fn payable(
    ctx: &mut Ctx<'_>,
    account: &Id,
    channel: Channel,
    group: Option<&Id>,
) -> Result<u64, Error> {
    let book = Book::open(ctx, account, channel)?;
    let sources = book.sources(ctx, group)?;
    book.payable(ctx, &sources)
}

/// How many credits an account has, reserves of groups included.
pub(crate) fn balance(ctx: &mut Ctx<'_>, account: &Id, channel: Channel) -> Result<u64, Error> {
    Ok(Book::open(ctx, account, channel)?.head.balance)
}

/// What a group, or who is in none, could pay with, in the order in which it pays: what is left of
/// grants, and what would come back of open reservations that they paid for. Of very many grants
/// the last are taken for one that does not expire.
pub(crate) fn payable_parts(
    ctx: &mut Ctx<'_>,
    account: &Id,
    channel: Channel,
    group: Option<&Id>,
    open: &[model::Reservation],
) -> Result<Vec<Part>, Error> {
    let book = Book::open(ctx, account, channel)?;
    let sources = book.sources(ctx, group)?;
    let mut parts = Vec::new();
    for source in sources.iter().map(Option::as_ref) {
        let mut left = book.pocket(ctx, source)?.left;
        let (from, until) = keys::credit_parts(account, channel, source);
        for (key, amount) in ctx.tx.range::<u64>(&from, &until, MOST_PARTS)? {
            let (_, turn) = keys::credit_part_at(&key).ok_or_else(|| broken(&key))?;
            left = left.saturating_sub(amount);
            parts.push(Part {
                amount,
                from_ms: 0,
                until_ms: turn.expires_at_ms().unwrap_or(u64::MAX),
            });
        }
        parts.push(Part {
            amount: left,
            from_ms: 0,
            until_ms: u64::MAX,
        });
    }
    // What comes back to the reserve of a group that has none by now is not among the sources yet.
    let binds = ctx.policies(Some(account))?.groups;
    for reservation in open
        .iter()
        .filter(|open| open.account == *account && open.channel == channel)
    {
        let Some(paid) = reservation.credits else {
            continue;
        };
        let (spent, before) = spent(ctx, account, channel, paid.entry)?;
        let amounts: Vec<u64> = spent.parts.iter().map(|part| part.amount).collect();
        let back = give_back(&amounts, before, reservation.paid_of(reservation.count));
        for (part, amount) in spent.parts.iter().zip(back) {
            let into = still_there(ctx, account, part.group.as_ref())?;
            if binds && into.is_some() && into != group {
                continue;
            }
            let until_ms = book
                .turn_of(ctx, part.grant)?
                .expires_at_ms()
                .unwrap_or(u64::MAX);
            parts.push(Part {
                amount,
                from_ms: reservation.expires_at_ms,
                until_ms,
            });
        }
    }
    Ok(parts)
}

/// What became of an account's credits from an instant on and before another (R-ACC-7).
pub(crate) fn totals_within(
    ctx: &mut Ctx<'_>,
    account: &Id,
    channel: Channel,
    from_ms: u64,
    until_ms: u64,
) -> Result<CreditTotals, Error> {
    let book = Book::open(ctx, account, channel)?;
    Ok(book
        .before(ctx, until_ms)?
        .1
        .since(book.before(ctx, from_ms)?.1))
}

/// Pays for messages of a send. The account's own limits were charged so many less in these
/// windows, and their books tell of it as long as it does not come back (R-QTA-6).
pub(crate) fn pay_for_send(
    ctx: &mut Ctx<'_>,
    account: &Id,
    channel: Channel,
    group: Option<&Id>,
    amount: u64,
    lifted: &[Lifted],
) -> Result<CreditEntry, Error> {
    let entry = spend(ctx, account, channel, group, amount, None)?;
    for (limit, starts_at_ms) in lifted {
        let key = keys::credit_paid(account, channel, *limit, *starts_at_ms);
        let paid: u64 = ctx.tx.get(&key)?.unwrap_or(0);
        ctx.tx.put(key, &(paid + amount))?;
    }
    ctx.tx
        .put(keys::credit_lifted(account, channel, entry.entry), &lifted)?;
    Ok(entry)
}

/// The windows that were charged less for a spend; none where no send spent it.
pub(crate) fn lifted_by(
    ctx: &mut Ctx<'_>,
    account: &Id,
    channel: Channel,
    spend: u64,
) -> Result<Option<Vec<Lifted>>, Error> {
    ctx.tx.get(&keys::credit_lifted(account, channel, spend))
}

/// How many messages credits paid for in the windows of a limit that begin from an instant on and
/// before another, without what came back of them, then or later (R-QTA-6).
pub(crate) fn paid_in(
    ctx: &mut Ctx<'_>,
    account: &Id,
    limit: LimitName,
    from_ms: u64,
    until_ms: u64,
) -> Result<u64, Error> {
    let Some(channel) = Channel::of(limit) else {
        return Ok(0);
    };
    let [from, until] =
        [from_ms, until_ms].map(|at_ms| keys::credit_paid(account, channel, limit, at_ms));
    Ok(ctx
        .tx
        .range::<u64>(&from, &until, usize::MAX)?
        .iter()
        .map(|(_, paid)| paid)
        .sum())
}

/// What credits paid for in windows that begin after now counts in the one of now: the clock was
/// wrong (R-QTA-13).
pub(crate) fn count_future_now(
    ctx: &mut Ctx<'_>,
    account: &Id,
    limit: LimitName,
    starts_at_ms: u64,
) -> Result<(), Error> {
    let Some(channel) = Channel::of(limit) else {
        return Ok(());
    };
    let [now, from, until] = [starts_at_ms, ctx.now_ms + 1, u64::MAX]
        .map(|at_ms| keys::credit_paid(account, channel, limit, at_ms));
    let mut moved = 0;
    for (key, paid) in ctx.tx.range::<u64>(&from, &until, usize::MAX)? {
        moved += paid;
        ctx.tx.delete(key);
    }
    if moved == 0 {
        return Ok(());
    }
    let paid: u64 = ctx.tx.get(&now)?.unwrap_or(0);
    ctx.tx.put(now, &(paid + moved))
}

/// Of what a spend paid for so much did not go out.
fn unpay(
    ctx: &mut Ctx<'_>,
    account: &Id,
    channel: Channel,
    spend: u64,
    amount: u64,
) -> Result<(), Error> {
    for (limit, starts_at_ms) in lifted_by(ctx, account, channel, spend)?.unwrap_or_default() {
        let [first, own, next] = [0, starts_at_ms, starts_at_ms.saturating_add(1)]
            .map(|at_ms| keys::credit_paid(account, channel, limit, at_ms));
        let counted = match ctx.tx.get::<u64>(&own)? {
            Some(paid) => Some((own, paid)),
            // A window of the future has moved into the last one before it.
            None => ctx.tx.range::<u64>(&first, &next, usize::MAX)?.pop(),
        };
        if let Some((key, paid)) = counted {
            ctx.tx.put(key, &paid.saturating_sub(amount))?;
        }
    }
    Ok(())
}

/// Pays with credits, all or nothing; the answer says which grants paid (R-CRD-2).
///
/// What it is worth for is the caller's to say: neither the package's switch nor the account's
/// status is looked at.
pub(crate) fn spend(
    ctx: &mut Ctx<'_>,
    account: &Id,
    channel: Channel,
    group: Option<&Id>,
    amount: u64,
    reference: Option<Id>,
) -> Result<CreditEntry, Error> {
    ctx.require_credits(Some(account), "/amount")?;
    let mut book = Book::open(ctx, account, channel)?;
    let sources = book.sources(ctx, group)?;
    let left = book.payable(ctx, &sources)?;
    if left < amount {
        return Err(exhausted(
            format!("`{account}` would pay {amount} credits and has {left}; ask for less."),
            left,
        ));
    }
    let parts = parts_of(&book.take(ctx, &sources, amount, None)?);
    let mut pocket = book.pocket(ctx, group)?;
    pocket.spent = pocket.spent.saturating_add(amount);
    book.save_pocket(ctx, group, &pocket)?;
    let entry = book.entry(ctx, CreditKind::Spent, amount);
    book.append(
        ctx,
        CreditEntry {
            group: group.cloned(),
            reference,
            parts,
            ..entry
        },
    )
}

/// Gives back a part of what was spent, to the grants that paid; once (R-CRD-2).
fn refund(
    ctx: &mut Ctx<'_>,
    account: &Id,
    channel: Channel,
    spend: u64,
    amount: u64,
) -> Result<CreditEntry, Error> {
    ctx.require_credits(Some(account), "/amount")?;
    let (spent, before) = spent(ctx, account, channel, spend)?;
    let left = spent.amount.saturating_sub(before);
    if amount > left {
        let error = Error::new(
            Code::RefundExceeded,
            format!("`amount` is {left} at most: {before} credits are refunded already."),
        );
        return Err(error.at("/amount").with("left", left));
    }
    give_back_of(ctx, account, channel, spent, before, amount)
}

/// Gives back to the grants that paid for a send, but no more than they have not got back yet;
/// answers how much that was. What the licence includes by now does not matter: they were paid
/// with.
pub(crate) fn refund_at_most(
    ctx: &mut Ctx<'_>,
    account: &Id,
    channel: Channel,
    spend: u64,
    amount: u64,
) -> Result<u64, Error> {
    let (spent, before) = spent(ctx, account, channel, spend)?;
    let amount = amount.min(spent.amount.saturating_sub(before));
    if amount > 0 {
        give_back_of(ctx, account, channel, spent, before, amount)?;
    }
    Ok(amount)
}

/// What was spent, and how much of it came back already.
pub(crate) fn spent(
    ctx: &mut Ctx<'_>,
    account: &Id,
    channel: Channel,
    spend: u64,
) -> Result<(CreditEntry, u64), Error> {
    let spent = Book::open(ctx, account, channel)?
        .read(ctx, spend)?
        .filter(|entry| entry.kind == CreditKind::Spent);
    let spent = spent.ok_or_else(|| Error::not_found("spend", &spend.to_string()).at("/spend"))?;
    let before: u64 = ctx
        .tx
        .get(&keys::credit_refunded(account, channel, spend))?
        .unwrap_or(0);
    Ok((spent, before))
}

fn give_back_of(
    ctx: &mut Ctx<'_>,
    account: &Id,
    channel: Channel,
    spent: CreditEntry,
    before: u64,
    amount: u64,
) -> Result<CreditEntry, Error> {
    let mut book = Book::open(ctx, account, channel)?;
    ctx.tx.put(
        keys::credit_refunded(account, channel, spent.entry),
        &(before + amount),
    )?;
    unpay(ctx, account, channel, spent.entry, amount)?;
    let group = still_there(ctx, account, spent.group.as_ref())?;
    let paid: Vec<u64> = spent.parts.iter().map(|part| part.amount).collect();
    let mut parts = Vec::new();
    for (part, back) in spent
        .parts
        .iter()
        .zip(give_back(&paid, before, amount))
        .filter(|(_, back)| *back > 0)
    {
        let turn = book.turn_of(ctx, part.grant)?;
        let into = still_there(ctx, account, part.group.as_ref())?;
        book.raise(ctx, into, &turn, back)?;
        parts.push(CreditPart {
            grant: part.grant,
            amount: back,
            group: into.cloned(),
        });
    }
    if group.is_some() == spent.group.is_some() {
        let mut pocket = book.pocket(ctx, group)?;
        pocket.spent = pocket.spent.saturating_sub(amount);
        book.save_pocket(ctx, group, &pocket)?;
    }
    let entry = book.entry(ctx, CreditKind::Refunded, amount);
    let entry = book.append(
        ctx,
        CreditEntry {
            group: spent.group,
            spend: Some(spent.entry),
            parts,
            ..entry
        },
    )?;
    book.expire(ctx)?;
    Ok(entry)
}

/// A group, where it is still there: the reserve of one that is gone has become free.
fn still_there<'g>(
    ctx: &mut Ctx<'_>,
    account: &Id,
    group: Option<&'g Id>,
) -> Result<Option<&'g Id>, Error> {
    match group {
        Some(group) if ctx.tx.has(&keys::group(account, group))? => Ok(Some(group)),
        _ => Ok(None),
    }
}

/// What the reserve of a group that is deleted holds becomes free (R-CRD-3).
pub(crate) fn release_group(ctx: &mut Ctx<'_>, account: &Id, group: &Id) -> Result<(), Error> {
    for channel in Channel::ALL {
        let mut book = Book::open(ctx, account, channel)?;
        let left = book.pocket(ctx, Some(group))?.left;
        if left > 0 {
            book.shift(ctx, CreditKind::Unreserved, group, left)?;
        }
        book.save_pocket(ctx, Some(group), &CreditPocket::default())?;
    }
    Ok(())
}

/// An account is deleted: what is left of what came from the account above goes back (R-CRD-3).
pub(crate) fn return_to_parent(ctx: &mut Ctx<'_>, account: &model::Account) -> Result<(), Error> {
    if let Some(parent) = &account.parent {
        for channel in Channel::ALL {
            let book = Book::open(ctx, &account.id, channel)?;
            let mut sources = vec![None];
            sources.extend(book.reserves(ctx)?.into_iter().map(Some));
            let taken = book.take(ctx, &sources, u64::MAX, Some(Some(parent)))?;
            if !taken.is_empty() {
                Book::open(ctx, parent, channel)?.take_in(ctx, &book, &taken)?;
            }
        }
    }
    Ok(())
}

/// Carries out a request, unless the actor asked the same with the same key before: then it answers
/// what it answered then. The ledger is what remembers it, for ever.
fn entered<O: Operation<Answer = CreditEntry>>(
    ctx: &mut Ctx<'_>,
    request: O,
    key: Option<Id>,
    run: impl FnOnce(&mut Ctx<'_>, O) -> Result<CreditEntry, Error>,
) -> Result<CreditEntry, Error> {
    let (Some(key), Some(account)) = (key, request.account().cloned()) else {
        return run(ctx, request);
    };
    let fingerprint = idempotency::digest(&request)?;
    let index = keys::credit_key(&account, &ctx.actor.label(), &key);
    if let Some(before) = ctx.tx.get::<CreditKey>(&index)? {
        if before.fingerprint != fingerprint {
            return Err(Error::new(
                Code::IdempotencyMismatch,
                format!("The key `{key}` was used for another request; take a new key."),
            )
            .at("/key"));
        }
        let entry = ctx
            .tx
            .get(&keys::credit_entry(&account, before.channel, before.entry))?;
        return entry.ok_or_else(|| {
            Error::corrupt(format!(
                "The entry of the key `{key}` is gone; restore a backup."
            ))
        });
    }
    let entry = CreditEntry {
        key: Some(key),
        ..run(ctx, request)?
    };
    ctx.tx.put(
        index,
        &CreditKey {
            fingerprint,
            channel: entry.channel,
            entry: entry.entry,
        },
    )?;
    ctx.tx.put(
        keys::credit_entry(&account, entry.channel, entry.entry),
        &entry,
    )?;
    Ok(entry)
}

impl Operation for Grant {
    type Answer = CreditEntry;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<CreditEntry, Error> {
        accounts::load(&mut ctx.tx, &self.account, "/account")?;
        let key = self.key.clone();
        entered(ctx, self, key, |ctx, request| {
            check(ctx, &request.account, Some(request.amount))?;
            let priority = request.priority.map_or(PRIORITY, Count::get);
            if priority > LAST_PRIORITY {
                return Err(Error::invalid(
                    "/priority",
                    format!("A priority is from 0 to {LAST_PRIORITY}, not {priority}."),
                ));
            }
            let expires_at_ms = request.expires_at_ms.map(Count::get);
            if expires_at_ms.is_some_and(|end| end <= ctx.now_ms) {
                return Err(Error::invalid(
                    "/expires_at_ms",
                    "`expires_at_ms` is over already; name a later time.",
                ));
            }
            let mut book = Book::open(ctx, &request.account, request.channel)?;
            let entry = book.entry(ctx, CreditKind::Granted, request.amount.get());
            let granted_at_ms = Some(ctx.now_ms);
            book.bring_in(
                ctx,
                CreditEntry {
                    reason: Some(request.reason),
                    priority: Some(priority),
                    expires_at_ms,
                    granted_at_ms,
                    ..entry
                },
            )
        })
    }
}

impl Operation for Balance {
    type Answer = CreditBalance;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<CreditBalance, Error> {
        let Balance {
            account,
            channel,
            group,
        } = self;
        accounts::load(&mut ctx.tx, &account, "/account")?;
        if let Some(group) = &group {
            groups::load(&mut ctx.tx, &account, group, "/group")?;
        }
        let mut channels = Vec::new();
        for of in Channel::ALL
            .into_iter()
            .filter(|of| channel.is_none_or(|channel| channel == *of))
        {
            channels.push(balance_of(ctx, &account, of, group.as_ref())?);
        }
        Ok(CreditBalance { account, channels })
    }
}

/// What is kept for a group, and what it has spent.
pub(crate) fn of_group(
    ctx: &mut Ctx<'_>,
    account: &Id,
    channel: Channel,
    group: &Id,
) -> Result<(u64, u64), Error> {
    let CreditPocket { left, spent } =
        Book::open(ctx, account, channel)?.pocket(ctx, Some(group))?;
    Ok((left, spent))
}

fn balance_of(
    ctx: &mut Ctx<'_>,
    account: &Id,
    channel: Channel,
    group: Option<&Id>,
) -> Result<CreditChannel, Error> {
    let book = Book::open(ctx, account, channel)?;
    let mut shown = CreditChannel {
        channel,
        total: book.head.balance,
        free: book.pocket(ctx, None)?.left,
        groups: Vec::new(),
        grants: Vec::new(),
        complete: true,
    };
    let (from, until) = match group {
        Some(group) => {
            let CreditPocket { left, spent } = book.pocket(ctx, Some(group))?;
            shown.groups.push(CreditGroup {
                group: group.clone(),
                reserve: left,
                spent,
            });
            keys::credit_parts(account, channel, Some(group))
        }
        None => {
            let (from, until) = keys::credit_reserves(account, channel);
            for (key, CreditPocket { left, spent }) in
                ctx.tx.range(&from, &until, MOST_LISTED + 1)?
            {
                let group = keys::last_id(&key).ok_or_else(|| broken(&key))?;
                shown.groups.push(CreditGroup {
                    group,
                    reserve: left,
                    spent,
                });
            }
            keys::all_credit_parts(account, channel)
        }
    };
    for (key, left) in ctx.tx.range::<u64>(&from, &until, MOST_LISTED + 1)? {
        let (group, turn) = keys::credit_part_at(&key).ok_or_else(|| broken(&key))?;
        shown.grants.push(CreditLeft {
            grant: turn.grant(),
            group,
            left,
            priority: turn.priority(),
            expires_at_ms: turn.expires_at_ms(),
            granted_at_ms: turn.granted_at_ms(),
        });
    }
    shown.complete = shown.groups.len() <= MOST_LISTED && shown.grants.len() <= MOST_LISTED;
    shown.groups.truncate(MOST_LISTED);
    shown.grants.truncate(MOST_LISTED);
    Ok(shown)
}

impl Operation for Ledger {
    type Answer = CreditLedger;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<CreditLedger, Error> {
        let size = page_size(self.limit)?;
        accounts::load(&mut ctx.tx, &self.account, "/account")?;
        let book = Book::open(ctx, &self.account, self.channel)?;
        let (most, last) = (size as u64, book.head.entries);
        let after = self.after.map(Count::get);
        // Numbers have no gaps: a page is a range of them, from the first until the second.
        let newest = self.order.unwrap_or_default() == CreditOrder::Newest;
        let (from, until) = if newest {
            let until = after.map_or(last + 1, |after| after.min(last + 1));
            (until.saturating_sub(most).max(1), until)
        } else {
            let from = after.map_or(1, |after| after.min(last) + 1);
            (from, from.saturating_add(most).min(last + 1))
        };
        let span =
            [from, until].map(|entry| keys::credit_entry(&self.account, self.channel, entry));
        let [first, end] = &span;
        let mut entries: Vec<CreditEntry> = ctx
            .tx
            .range(first, end, size)?
            .into_iter()
            .map(|(_, entry)| entry)
            .collect();
        if newest {
            entries.reverse();
        }
        let more = if newest { from > 1 } else { until <= last };
        let next = if more {
            entries.last().map(|entry| entry.entry)
        } else {
            None
        };
        Ok(CreditLedger { entries, next })
    }
}

impl Operation for Spend {
    type Answer = CreditEntry;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<CreditEntry, Error> {
        accounts::load(&mut ctx.tx, &self.account, "/account")?;
        let key = self.key.clone();
        entered(
            ctx,
            self,
            key,
            |ctx,
             Spend {
                 account,
                 channel,
                 amount,
                 group,
                 reference,
                 ..
             }| {
                check(ctx, &account, Some(amount))?;
                if let Some(group) = &group {
                    groups::load(&mut ctx.tx, &account, group, "/group")?;
                }
                spend(
                    ctx,
                    &account,
                    channel,
                    group.as_ref(),
                    amount.get(),
                    reference,
                )
            },
        )
    }
}

impl Operation for Refund {
    type Answer = CreditEntry;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<CreditEntry, Error> {
        accounts::load(&mut ctx.tx, &self.account, "/account")?;
        let key = self.key.clone();
        entered(ctx, self, key, |ctx, request| {
            check(ctx, &request.account, Some(request.amount))?;
            refund(
                ctx,
                &request.account,
                request.channel,
                request.spend.get(),
                request.amount.get(),
            )
        })
    }
}

fn reserve_of(
    ctx: &mut Ctx<'_>,
    book: &Book,
    entry: CreditEntry,
    group: Id,
) -> Result<CreditReserve, Error> {
    Ok(CreditReserve {
        channel: entry.channel,
        amount: entry.amount,
        reserve: book.pocket(ctx, Some(&group))?.left,
        free: book.pocket(ctx, None)?.left,
        account: entry.account,
        group,
    })
}

impl Operation for Reserve {
    type Answer = CreditReserve;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<CreditReserve, Error> {
        idempotency::written(ctx, &self, self.key.as_ref(), |ctx| {
            self.clone().carry_out(ctx)
        })
    }
}

impl Reserve {
    fn carry_out(self, ctx: &mut Ctx<'_>) -> Result<CreditReserve, Error> {
        let account = domain::groups::enter(ctx, &self.account, Effect::Write)?.id;
        let group = groups::load(&mut ctx.tx, &account, &self.group, "/group")?.id;
        check(ctx, &self.account, Some(self.amount))?;
        let mut book = Book::open(ctx, &account, self.channel)?;
        let (amount, free) = (self.amount.get(), book.pocket(ctx, None)?.left);
        if free < amount {
            return Err(exhausted(
                format!(
                    "`{account}` would keep {amount} for `{group}` and has {free} free credits."
                ),
                free,
            ));
        }
        let entry = book.shift(ctx, CreditKind::Reserved, &group, amount)?;
        reserve_of(ctx, &book, entry, group)
    }
}

impl Operation for Unreserve {
    type Answer = CreditReserve;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<CreditReserve, Error> {
        idempotency::written(ctx, &self, self.key.as_ref(), |ctx| {
            self.clone().carry_out(ctx)
        })
    }
}

impl Unreserve {
    fn carry_out(self, ctx: &mut Ctx<'_>) -> Result<CreditReserve, Error> {
        let account = domain::groups::enter(ctx, &self.account, Effect::Write)?.id;
        let group = groups::load(&mut ctx.tx, &account, &self.group, "/group")?.id;
        check(ctx, &self.account, self.amount)?;
        let mut book = Book::open(ctx, &account, self.channel)?;
        let kept = book.pocket(ctx, Some(&group))?.left;
        let amount = self.amount.map_or(kept, Count::get);
        if kept < amount || kept == 0 {
            return Err(exhausted(
                format!("`{group}` has {kept} credits in reserve; take back no more."),
                kept,
            ));
        }
        let entry = book.shift(ctx, CreditKind::Unreserved, &group, amount)?;
        reserve_of(ctx, &book, entry, group)
    }
}

/// The account above, for whoever may move credits between it and this one.
fn above(ctx: &mut Ctx<'_>, id: &Id) -> Result<Id, Error> {
    match ctx.actor {
        Actor::System => {}
        // As for credits that are added: editing a client does not imply it.
        Actor::Operator { .. } => ctx.require_as_operator("clients.add_credits")?,
        Actor::User { account: home, .. } if home == id => {
            return Err(Error::new(
                Code::PermissionDenied,
                format!("The credits of `{id}` are given by the account above it; ask there."),
            )
            .at("/account"));
        }
        Actor::User { .. } => {
            if !ctx
                .manages_team_of(id)
                .map_err(|error| error.at("/account"))?
            {
                return Err(Error::not_found("account", id.as_str()).at("/account"));
            }
        }
    }
    let parent = accounts::load(&mut ctx.tx, id, "/account")?.parent;
    let parent = parent.ok_or_else(|| {
        Error::invalid(
            "/account",
            format!("`{id}` has no account above it; give credits with `credits.grant`."),
        )
    })?;
    if let Actor::User { .. } = ctx.actor {
        ctx.require_in(&parent, "credits.allocate")?;
    }
    Ok(parent)
}

fn moved(ctx: &mut Ctx<'_>, parent: &Book, child: Book, amount: u64) -> Result<CreditMove, Error> {
    Ok(CreditMove {
        free_above: parent.pocket(ctx, None)?.left,
        parent: parent.account.clone(),
        channel: child.channel,
        amount,
        balance: child.head.balance,
        account: child.account,
    })
}

impl Operation for Allocate {
    type Answer = CreditMove;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<CreditMove, Error> {
        idempotency::written(ctx, &self, self.key.as_ref(), |ctx| {
            self.clone().carry_out(ctx)
        })
    }
}

impl Allocate {
    fn carry_out(self, ctx: &mut Ctx<'_>) -> Result<CreditMove, Error> {
        let parent = above(ctx, &self.account)?;
        check(ctx, &self.account, Some(self.amount))?;
        let mut from = Book::open(ctx, &parent, self.channel)?;
        let mut to = Book::open(ctx, &self.account, self.channel)?;
        let sources = from.sources(ctx, None)?;
        let (amount, free) = (self.amount.get(), from.payable(ctx, &sources)?);
        if free < amount {
            return Err(exhausted(
                format!("`{parent}` would give {amount} credits, and {free} are free; give less."),
                free,
            ));
        }
        let taken = from.take(ctx, &sources, amount, None)?;
        let entry = from.entry(ctx, CreditKind::Allocated, amount);
        from.append(
            ctx,
            CreditEntry {
                other: Some(self.account),
                parts: parts_of(&taken),
                ..entry
            },
        )?;
        for Taken {
            turn, amount: part, ..
        } in taken
        {
            let entry = CreditEntry {
                other: Some(parent.clone()),
                from_grant: Some(turn.grant()),
                priority: Some(turn.priority()),
                expires_at_ms: turn.expires_at_ms(),
                granted_at_ms: Some(turn.granted_at_ms()),
                ..to.entry(ctx, CreditKind::Received, part)
            };
            to.bring_in(ctx, entry)?;
        }
        moved(ctx, &from, to, amount)
    }
}

impl Operation for TakeBack {
    type Answer = CreditMove;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<CreditMove, Error> {
        idempotency::written(ctx, &self, self.key.as_ref(), |ctx| {
            self.clone().carry_out(ctx)
        })
    }
}

impl TakeBack {
    fn carry_out(self, ctx: &mut Ctx<'_>) -> Result<CreditMove, Error> {
        let parent = above(ctx, &self.account)?;
        check(ctx, &self.account, self.amount)?;
        let mut from = Book::open(ctx, &self.account, self.channel)?;
        let mut to = Book::open(ctx, &parent, self.channel)?;
        let sources = from.sources(ctx, None)?;
        let taken = from.take(
            ctx,
            &sources,
            self.amount.map_or(u64::MAX, Count::get),
            Some(Some(&parent)),
        )?;
        let amount = sum(&taken);
        if taken.is_empty() || self.amount.is_some_and(|wanted| wanted.get() > amount) {
            return Err(exhausted(
                format!(
                    "`{}` has {amount} free credits from `{parent}`; take back no more.",
                    self.account
                ),
                amount,
            ));
        }
        to.take_in(ctx, &from, &taken)?;
        let entry = from.entry(ctx, CreditKind::Returned, amount);
        from.append(
            ctx,
            CreditEntry {
                other: Some(parent),
                parts: parts_of(&taken),
                ..entry
            },
        )?;
        moved(ctx, &to, from, amount)
    }
}

impl Operation for Withdraw {
    type Answer = CreditEntry;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<CreditEntry, Error> {
        accounts::load(&mut ctx.tx, &self.account, "/account")?;
        let key = self.key.clone();
        entered(
            ctx,
            self,
            key,
            |ctx,
             Withdraw {
                 account,
                 channel,
                 amount,
                 reason,
                 ..
             }| {
                check(ctx, &account, amount)?;
                let mut book = Book::open(ctx, &account, channel)?;
                let sources = book.sources(ctx, None)?;
                let taken = book.take(
                    ctx,
                    &sources,
                    amount.map_or(u64::MAX, Count::get),
                    Some(None),
                )?;
                let withdrawn = sum(&taken);
                if taken.is_empty() || amount.is_some_and(|wanted| wanted.get() > withdrawn) {
                    return Err(exhausted(
                        format!(
                            "`{account}` has {withdrawn} free credits from the platform; withdraw \
                             no more."
                        ),
                        withdrawn,
                    ));
                }
                let entry = book.entry(ctx, CreditKind::Withdrawn, withdrawn);
                book.append(
                    ctx,
                    CreditEntry {
                        reason: Some(reason),
                        parts: parts_of(&taken),
                        ..entry
                    },
                )
            },
        )
    }
}
