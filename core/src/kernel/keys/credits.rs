//! Keys of credits: their ledgers, and what is left of each grant.

use crate::kernel::keys::codec::{key, range, sortable};
use crate::kernel::keys::prefixes::CREDIT;
use crate::model::{Channel, Id, LimitName};
use crate::rules::credit::Rank;

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
pub(crate) fn credit_bucket(account: &Id, channel: Channel, group: Option<&Id>) -> Vec<u8> {
    credit(account, channel, &["pocket", group.map_or("", Id::as_str)])
}

/// The reserves of the groups of an account: from the first key, until the second.
pub(crate) fn credit_reserves(account: &Id, channel: Channel) -> (Vec<u8>, Vec<u8>) {
    let (from, until) = range(CREDIT, &[account.as_str(), channel.name(), "pocket"]);
    // The free credits lie before them.
    ([from.as_slice(), &[0x01]].concat(), until)
}

/// What is left of a grant in the free credits, or in the reserve of a group; the key sorts by
/// whose turn it is to pay.
pub(crate) fn credit_part(
    account: &Id,
    channel: Channel,
    group: Option<&Id>,
    rank: &Rank,
) -> Vec<u8> {
    let [priority, expires, granted, grant] = rank.numbers().map(sortable);
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
    range(
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
    range(CREDIT, &[account.as_str(), channel.name(), "part"])
}

/// The group and the rank at the end of a key of what is left of a grant.
pub(crate) fn credit_part_at(key: &[u8]) -> Option<(Option<Id>, Rank)> {
    let mut parts = key.rsplit(|byte| *byte == 0);
    let mut number = || u64::from_str_radix(std::str::from_utf8(parts.next()?).ok()?, 16).ok();
    let (grant, granted, expires, priority) = (number()?, number()?, number()?, number()?);
    Some((
        group_at(parts.next()?)?,
        Rank::from_numbers([priority, expires, granted, grant]),
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
    let (from, _) = range(CREDIT, &[account.as_str(), channel.name(), "expiry"]);
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
