//! How a key is written and read: two letters, and ids with a zero byte before each.

use crate::kernel::keys::prefixes::Prefix;
use crate::model::{Id, folded};

/// The key of a prefix and ids.
pub(crate) fn key(prefix: Prefix, parts: &[&str]) -> Vec<u8> {
    let mut key = Vec::with_capacity(3 + parts.iter().map(|part| part.len() + 1).sum::<usize>());
    key.extend_from_slice(&prefix.0);
    for part in parts {
        key.push(0);
        key.extend_from_slice(part.as_bytes());
    }
    key
}

/// The prefix of a key, and its parts.
pub(crate) fn split(key: &[u8]) -> Option<(Prefix, Vec<&str>)> {
    let (prefix, parts) = key.split_first_chunk()?;
    let parts = match parts.strip_prefix(&[0]) {
        Some(parts) => parts
            .split(|byte| *byte == 0)
            .map(|part| std::str::from_utf8(part).ok())
            .collect::<Option<_>>()?,
        None if parts.is_empty() => Vec::new(),
        None => return None,
    };
    Some((Prefix(*prefix), parts))
}

/// The keys that begin with the prefix and the ids: from the first, until the second.
pub(crate) fn range(prefix: Prefix, parts: &[&str]) -> (Vec<u8>, Vec<u8>) {
    let mut from = key(prefix, parts);
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

/// A part of a key, from 0 for its prefix.
pub(crate) fn part(key: &[u8], number: usize) -> Option<&str> {
    std::str::from_utf8(key.split(|byte| *byte == 0).nth(number)?).ok()
}

/// The number at the end of a key, such as that of a message of the outbox.
pub(crate) fn last_number(key: &[u8]) -> Option<u64> {
    let text = key.rsplit(|byte| *byte == 0).next()?;
    u64::from_str_radix(std::str::from_utf8(text).ok()?, 16).ok()
}

/// Two digits for each byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
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
