//! Addresses and domains that are not written to: each account's own, and where the whole
//! team finds them.

use crate::error::{Error, excerpt};
use crate::kernel::page::Span;
use crate::kernel::table::{Declared, Index, Lines, Owner, Table, id};
use crate::kernel::{Tx, keys};
use crate::model::{
    self, AuditKind, Id, LimitName, Mailbox, MessageClass, Recipient, Suppression, normal_domain,
};
use crate::tables::accounts::account_line;
use std::collections::HashMap;

pub(super) const TABLES: &[Declared] = &[Declared::of::<Suppressions>()];

pub(crate) struct Suppressions;

impl Table for Suppressions {
    type Record = Suppression;
    const PREFIX: keys::Prefix = keys::SUPPRESSION;
    const AUDIT: Option<AuditKind> = Some(AuditKind::Suppression);
    const OWNER: Owner = Owner::Account;
    const LINES: &'static [Index] = &[Index {
        prefix: keys::TEAM_SUPPRESSION,
        source: |parts, _| match parts {
            [_, value, class, account] => Some(keys::suppression(&id(account)?, value, class)),
            _ => None,
        },
    }];

    fn key(entry: &Suppression) -> Vec<u8> {
        keys::suppression(&entry.account, &entry.value, entry.message_class.name())
    }

    fn lines(tx: &mut Tx<'_>, entry: &Suppression, lines: &mut Lines) -> Result<(), Error> {
        let Suppression { account, value, .. } = entry;
        if !value.contains('@') {
            lines.needs(keys::gauge(account, LimitName::SuppressedDomains.name()));
        }
        // The team is named by its top account.
        let team = account_line(tx, account)?
            .pop()
            .map_or_else(|| account.clone(), |top| top.id);
        let class = entry.message_class.name();
        lines.index(keys::team_suppression(&team, value, class, account));
        Ok(())
    }
}

/// The top account of the team that an account is in.
pub(crate) fn team_of(tx: &mut Tx<'_>, account: &Id) -> Result<Id, Error> {
    let line = account_line(tx, account).map_err(|error| error.at("/account"))?;
    Ok(line
        .into_iter()
        .next_back()
        .map_or_else(|| account.clone(), |top| top.id))
}

/// The normal form of an address or a domain, and whether it is a domain.
pub(crate) fn normal_form(value: &str, field: &str) -> Result<(String, bool), Error> {
    let value = Mailbox::read(value).address;
    if value.contains('@') {
        let recipient = Recipient::new(value).map_err(|error| Error::invalid(field, error))?;
        return Ok((recipient.key().to_owned(), false));
    }
    let domain = normal_domain(value).map_err(|_| {
        let message = format!(
            "`{}` is neither a domain nor an e-mail address; write one of them.",
            excerpt(value)
        );
        Error::invalid(field, message)
    })?;
    Ok((domain, true))
}

/// Whether an account has an entry of this value, of whatever class.
pub(crate) fn is_suppressed(tx: &mut Tx<'_>, account: &Id, value: &str) -> Result<bool, Error> {
    for class in MessageClass::ALL {
        if tx.has(&keys::suppression(account, value, class.name()))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The class and the account at the end of a key of the team's index.
pub(crate) fn source_of(key: &[u8]) -> Option<(MessageClass, Id)> {
    let mut parts = key.rsplit(|byte| *byte == 0);
    let account = parts
        .next()
        .and_then(|part| Id::new(std::str::from_utf8(part).ok()?).ok())?;
    let name = parts.next()?;
    let class = MessageClass::ALL
        .into_iter()
        .find(|class| class.name().as_bytes() == name)?;
    Some((class, account))
}

/// The parts of a span with the texts that can begin with a folded text: those that do as they
/// stand, and those that do up to a letter that is none of ASCII, which another may fold to.
pub(crate) fn narrowed((from, until): Span, text: &str) -> Vec<Span> {
    if text.is_empty() {
        return vec![(from, until)];
    }
    // No UTF-8 text holds this byte.
    let span = |text: &[u8], first: &[u8]| {
        (
            [from.as_slice(), text, first].concat(),
            [from.as_slice(), text, &[0xff]].concat(),
        )
    };
    let plain = text.bytes().take_while(u8::is_ascii).count();
    let whole = (plain == text.len()).then(|| span(text.as_bytes(), &[]));
    let other = text.as_bytes().get(..plain).into_iter().flat_map(|plain| {
        (0..=plain.len().min(text.len() - 1))
            .rev()
            .map(move |end| plain.get(..end).unwrap_or_default())
    });
    whole
        .into_iter()
        .chain(other.map(|start| span(start, &[0x80])))
        .collect()
}

/// Whether an account is in the pool of its team; `known` spares reading it again.
pub(crate) fn is_pooled(
    tx: &mut Tx<'_>,
    known: &mut HashMap<Id, bool>,
    account: &Id,
) -> Result<bool, Error> {
    if let Some(pooled) = known.get(account) {
        return Ok(*pooled);
    }
    let pooled = tx
        .get::<model::Account>(&keys::account(account))?
        .is_some_and(|account| account.pooled);
    known.insert(account.clone(), pooled);
    Ok(pooled)
}

/// How long the keys of a team's index are before the value begins.
pub(crate) fn span_prefix(team: &Id) -> usize {
    keys::range(keys::TEAM_SUPPRESSION, &[team.as_str()])
        .0
        .len()
}
