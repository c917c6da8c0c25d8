//! Lists, a page at a time: with the id of the last record, or with a cursor over index entries.

use super::keys;
use super::tx::Tx;
use crate::error::Error;
use crate::model::{Count, Cursor, Id};
use serde::de::DeserializeOwned;

/// Whoever reads in a transaction: the transaction itself, or what stands above the kernel and has
/// one.
pub(crate) trait Reader<'a> {
    fn tx(&mut self) -> &mut Tx<'a>;
}

impl<'a> Reader<'a> for Tx<'a> {
    fn tx(&mut self) -> &mut Tx<'a> {
        self
    }
}

/// How many items a page may have.
const PAGE_MAX: u64 = 500;
/// How many it has when nothing is said.
const PAGE_DEFAULT: u64 = 50;

pub(crate) fn page_size(asked: Option<Count>) -> Result<usize, Error> {
    let size = asked.map_or(PAGE_DEFAULT, Count::get);
    if !(1..=PAGE_MAX).contains(&size) {
        return Err(Error::invalid(
            "/limit",
            format!("A page has 1 to {PAGE_MAX} items, not {size}."),
        ));
    }
    usize::try_from(size).map_err(|_| {
        Error::invalid(
            "/limit",
            format!("A page of {size} items does not fit into memory; ask for fewer."),
        )
    })
}

/// The rows of a page, and the id to go on from when there are more.
pub(crate) type Page<T> = (Vec<(Id, T)>, Option<Id>);

/// One page below `from..until`: the records after the id `after`, and the id to go on from when
/// there are more.
pub(crate) fn page<'a, T: DeserializeOwned + 'static>(
    reader: &mut impl Reader<'a>,
    range: (Vec<u8>, Vec<u8>),
    after: Option<&Id>,
    limit: Option<Count>,
) -> Result<Page<T>, Error> {
    let size = page_size(limit)?;
    let (mut from, until) = range;
    if let Some(after) = after {
        from.extend_from_slice(after.as_str().as_bytes());
        from.push(0);
    }
    let mut rows = Vec::new();
    for (key, record) in reader.tx().range::<T>(&from, &until, size + 1)? {
        let id = keys::last_id(&key).ok_or_else(|| {
            Error::corrupt(format!(
                "The key `{}` ends in no id; restore a backup.",
                key.escape_ascii()
            ))
        })?;
        rows.push((id, record));
    }
    let more = rows.len() > size;
    rows.truncate(size);
    let next = if more {
        rows.last().map(|(id, _)| id.clone())
    } else {
        None
    };
    Ok((rows, next))
}

/// A range of keys to be listed: from the first until the second, both beginning with the same
/// prefix.
pub(crate) type Span = (Vec<u8>, Vec<u8>);

/// Most index entries that one call looks at: a page may be shorter than asked for, and even empty,
/// while there is a `next`.
pub(crate) const SCAN_MAX: usize = 2000;
/// How many index entries are read at once.
pub(crate) const SCAN_STEP: usize = 128;
/// For so many of them at least it is read at once what a list shows, however little room is left.
const AHEAD_MIN: usize = 8;

/// One page over several spans of index entries, one after the other.
///
/// `keep` is shown each key and answers what to list, or none to leave it out. What is left out
/// counts against [`SCAN_MAX`], so that no call reads without bound, however few fit. The cursor
/// names the place behind the entry that was looked at last: a list stays stable while others
/// change it.
pub(crate) fn walk<'a, R: Reader<'a>, T>(
    reader: &mut R,
    spans: &[Span],
    after: Option<&Cursor>,
    limit: Option<Count>,
    keep: impl FnMut(&mut R, &[u8]) -> Result<Option<T>, Error>,
) -> Result<(Vec<T>, Option<Cursor>), Error> {
    walk_sized(reader, spans, after, page_size(limit)?, keep)
}

/// As [`walk`], with pages of a size of their own.
pub(crate) fn walk_sized<'a, R: Reader<'a>, T>(
    reader: &mut R,
    spans: &[Span],
    after: Option<&Cursor>,
    size: usize,
    keep: impl FnMut(&mut R, &[u8]) -> Result<Option<T>, Error>,
) -> Result<(Vec<T>, Option<Cursor>), Error> {
    walk_ahead(reader, spans, after, size, |_, _| Ok(()), keep)
}

/// As [`walk_sized`]; `ahead` is shown the keys that are looked at next, as many as the page has
/// room for, to [fetch](Tx::fetch) at once what `keep` will read.
pub(crate) fn walk_ahead<'a, R: Reader<'a>, T>(
    reader: &mut R,
    spans: &[Span],
    after: Option<&Cursor>,
    size: usize,
    mut ahead: impl FnMut(&mut R, &[Vec<u8>]) -> Result<(), Error>,
    mut keep: impl FnMut(&mut R, &[u8]) -> Result<Option<T>, Error>,
) -> Result<(Vec<T>, Option<Cursor>), Error> {
    let start = after.map(|cursor| read_cursor(cursor, spans)).transpose()?;
    let (first, mut resume) = start.map_or((0, None), |(span, key)| (span, Some(key)));
    let mut found = Vec::new();
    let mut looked_at = 0;
    for (number, (from, until)) in spans.iter().enumerate().skip(first) {
        let mut next_from = resume.take().unwrap_or_else(|| from.clone());
        loop {
            let rows = reader
                .tx()
                .range::<serde::de::IgnoredAny>(&next_from, until, SCAN_STEP)?;
            let whole = rows.len() < SCAN_STEP;
            let keys: Vec<Vec<u8>> = rows.into_iter().map(|(key, _)| key).collect();
            let mut known = 0;
            for (place, key) in keys.iter().enumerate() {
                if found.len() == size || looked_at == SCAN_MAX {
                    return Ok((found, Some(write_cursor(number, from, &next_from)?)));
                }
                if place == known {
                    known += (size - found.len()).max(AHEAD_MIN);
                    ahead(
                        reader,
                        keys.get(place..known.min(keys.len())).unwrap_or_default(),
                    )?;
                }
                looked_at += 1;
                found.extend(keep(reader, key)?);
                next_from.clone_from(key);
                next_from.push(0);
            }
            if whole {
                break;
            }
        }
    }
    Ok((found, None))
}

/// One page over several spans at once, in the order of what follows their prefixes; `keep` is told
/// of which span a key is.
pub(crate) fn walk_merged<'a, R: Reader<'a>, T>(
    reader: &mut R,
    spans: &[Span],
    after: Option<&Cursor>,
    limit: Option<Count>,
    mut keep: impl FnMut(&mut R, usize, &[u8]) -> Result<Option<T>, Error>,
) -> Result<(Vec<T>, Option<Cursor>), Error> {
    let size = page_size(limit)?;
    // A place is kept as if it were one of the first span.
    let first = spans.first().cloned().unwrap_or_default();
    let mut place = match after {
        Some(cursor) => read_cursor(cursor, std::slice::from_ref(&first))?
            .1
            .split_off(first.0.len()),
        None => Vec::new(),
    };
    let mut streams: Vec<Stream> = spans
        .iter()
        .map(|(from, until)| Stream::new(from, until, &place))
        .collect();
    let (mut found, mut looked_at) = (Vec::new(), 0);
    loop {
        let mut next: Option<(Vec<u8>, usize)> = None;
        for (number, stream) in streams.iter_mut().enumerate() {
            if let Some(rest) = stream.peek(reader)?
                && next
                    .as_ref()
                    .is_none_or(|(least, _)| rest < least.as_slice())
            {
                next = Some((rest.to_vec(), number));
            }
        }
        let Some((rest, number)) = next else {
            return Ok((found, None));
        };
        if found.len() == size || looked_at == SCAN_MAX {
            let at = [first.0.as_slice(), &place].concat();
            return Ok((found, Some(write_cursor(0, &first.0, &at)?)));
        }
        looked_at += 1;
        place = [rest.as_slice(), &[0]].concat();
        if let Some(key) = streams.get_mut(number).and_then(Stream::take) {
            found.extend(keep(reader, number, &key)?);
        }
    }
}

/// The keys of a span, some read at once.
struct Stream {
    prefix: usize,
    next_from: Vec<u8>,
    until: Vec<u8>,
    keys: std::collections::VecDeque<Vec<u8>>,
    whole: bool,
}

impl Stream {
    fn new(from: &[u8], until: &[u8], place: &[u8]) -> Stream {
        let (next_from, until) = ([from, place].concat(), until.to_vec());
        Stream {
            prefix: from.len(),
            next_from,
            until,
            keys: std::collections::VecDeque::new(),
            whole: false,
        }
    }

    /// What follows the prefix in the next key.
    fn peek<'a>(&mut self, reader: &mut impl Reader<'a>) -> Result<Option<&[u8]>, Error> {
        if self.keys.is_empty() && !self.whole {
            let rows = reader.tx().range::<serde::de::IgnoredAny>(
                &self.next_from,
                &self.until,
                SCAN_STEP,
            )?;
            self.whole = rows.len() < SCAN_STEP;
            self.keys = rows.into_iter().map(|(key, _)| key).collect();
            if let Some(last) = self.keys.back() {
                self.next_from = [last.as_slice(), &[0]].concat();
            }
        }
        Ok(self.keys.front().and_then(|key| key.get(self.prefix..)))
    }

    fn take(&mut self) -> Option<Vec<u8>> {
        self.keys.pop_front()
    }
}

/// The number of the span, and what follows its prefix in the key at which to go on.
pub(crate) fn write_cursor(span: usize, from: &[u8], key: &[u8]) -> Result<Cursor, Error> {
    use base64::Engine;
    let rest = key.get(from.len()..).unwrap_or_default();
    let text = format!(
        "{span}.{}",
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(rest)
    );
    Cursor::new(text).map_err(Error::internal)
}

pub(crate) fn read_cursor(cursor: &Cursor, spans: &[Span]) -> Result<(usize, Vec<u8>), Error> {
    use base64::Engine;
    let broken = || {
        Error::invalid(
            "/after",
            "`after` must be the `next` of the previous page, unchanged.",
        )
    };
    let (span, rest) = cursor.as_str().split_once('.').ok_or_else(broken)?;
    let span: usize = span.parse().map_err(|_| broken())?;
    let rest = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(rest)
        .map_err(|_| broken())?;
    let (from, until) = spans.get(span).ok_or_else(broken)?;
    let key = [from.as_slice(), &rest].concat();
    if key < *until {
        Ok((span, key))
    } else {
        Err(broken())
    }
}
