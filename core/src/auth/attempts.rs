//! Attempts to log in, counted in a store that other processes may have open: all of them together
//! let nobody try more often than one would.
//!
//! The records are a fixed number of buckets, each with room for so many entries, so that strangers
//! fill neither the store nor push out whom they choose: which bucket an entry is in, and under
//! which name, only who has the key of the tokens can tell. They are told of no state of the store.

use super::token::TokenKey;
use crate::error::Error;
use crate::kernel::keys::hex;
use crate::kernel::{Kernel, decode, keys};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::collections::BTreeMap;
use tenantry_store::{Batch, CommitError};

/// Failures that are forgotten when nothing happens for so long.
pub(super) const FORGOTTEN_MS: u64 = 24 * 3_600_000;
/// How many digits of a name say in which bucket it is: of those there are 4,096.
const BUCKET_DIGITS: usize = 3;
/// How many digits name an entry in its bucket.
const NAME_DIGITS: usize = 32;
/// The most entries of a bucket.
const MOST: usize = 24;
/// How often an attempt is counted against others that count theirs.
const ROUNDS: usize = 64;

/// What is known of a person, a place, both, or of the codes of a user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) failures: u32,
    pub(super) last_ms: u64,
    pub(super) until_ms: u64,
    /// Whether an attempt is scheduled for `until_ms`: then it counts, whatever others have done.
    pub(super) scheduled: bool,
}

/// The entries of one bucket.
#[derive(Default, Serialize, Deserialize)]
struct Bucket(BTreeMap<String, Entry>);

impl Bucket {
    fn put(&mut self, name: &str, entry: Option<Entry>) {
        match entry {
            Some(entry) => self.0.insert(name.to_owned(), entry),
            None => self.0.remove(name),
        };
    }

    /// Forgets what is long ago, and then those who failed least.
    fn make_room(&mut self, now_ms: u64) {
        if self.0.len() > MOST {
            let is_known = |entry: &Entry| now_ms.saturating_sub(entry.last_ms) < FORGOTTEN_MS;
            self.0.retain(|_, entry| is_known(entry));
        }
        let mut least = 0;
        while self.0.len() > MOST {
            self.0.retain(|_, entry| entry.failures > least);
            least = least.saturating_mul(2).saturating_add(1);
        }
    }
}

/// The buckets that are read, by key, with the version of each.
type Buckets = BTreeMap<Vec<u8>, (u64, Bucket)>;

/// Changes what is known of these names, whatever others change meanwhile.
pub(super) fn change<T, const N: usize>(
    kernel: &Kernel,
    tokens: &TokenKey,
    names: &[Option<String>; N],
    now_ms: u64,
    run: impl Fn(&mut [Option<Entry>; N]) -> T,
) -> Result<T, Error> {
    let secret = tokens.derived("log-in attempts")?;
    let mut places = Vec::with_capacity(N);
    for name in names {
        let place = name.as_ref().map(|name| place_of(&*secret, name));
        places.push(place.transpose()?);
    }
    for _ in 0..ROUNDS {
        let mut buckets = read(kernel, places.iter().flatten())?;
        let mut entries = [None; N];
        for (entry, place) in entries.iter_mut().zip(&places) {
            let bucket = place.as_ref().and_then(|(key, _)| buckets.get(key));
            let name = place.as_ref().map(|(_, name)| name);
            *entry = bucket
                .zip(name)
                .and_then(|((_, bucket), name)| bucket.0.get(name).copied());
        }
        let before = entries;
        let done = run(&mut entries);
        if entries == before {
            return Ok(done);
        }
        for ((key, name), entry) in places.iter().zip(entries).filter_map(|(place, entry)| {
            let place = place.as_ref()?;
            Some((place, entry))
        }) {
            if let Some((_, bucket)) = buckets.get_mut(key) {
                bucket.put(name, entry);
            }
        }
        if is_written(kernel, buckets, now_ms)? {
            return Ok(done);
        }
    }
    Err(Error::busy(
        "Too many people are logging in at once; try again.",
    ))
}

/// The key of the bucket of a name, and how it is called there.
fn place_of(secret: &[u8], name: &str) -> Result<(Vec<u8>, String), Error> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret)
        .map_err(|error| Error::internal(error.to_string()))?;
    mac.update(name.as_bytes());
    let digits = hex(&mac.finalize().into_bytes());
    let bucket = digits.get(..BUCKET_DIGITS).unwrap_or_default();
    let end = BUCKET_DIGITS + NAME_DIGITS;
    let name = digits.get(BUCKET_DIGITS..end).unwrap_or_default();
    Ok((keys::attempts(bucket), name.to_owned()))
}

fn read<'p>(
    kernel: &Kernel,
    places: impl Iterator<Item = &'p (Vec<u8>, String)>,
) -> Result<Buckets, Error> {
    let mut buckets = Buckets::new();
    for (key, _) in places {
        let read = match kernel.backend.get(key)? {
            Some(record) => (record.version, decode(key, &record.value)?),
            None => (0, Bucket::default()),
        };
        buckets.insert(key.clone(), read);
    }
    Ok(buckets)
}

/// Not where somebody else has written one of them since. Not synced by itself: what a power loss
/// takes back are the last attempts.
fn is_written(kernel: &Kernel, buckets: Buckets, now_ms: u64) -> Result<bool, Error> {
    let mut batch = Batch::default();
    for (key, (version, mut bucket)) in buckets {
        bucket.make_room(now_ms);
        let bytes =
            serde_json::to_vec(&bucket).map_err(|error| Error::internal(error.to_string()))?;
        batch.expected.push((key.clone(), version));
        batch.writes.push((key, Some(bytes)));
    }
    match kernel.commit_batch(&batch) {
        Ok(_) => Ok(true),
        Err(CommitError::Conflict) => Ok(false),
        Err(CommitError::Store(error)) => Err(kernel.store_failure(error)),
    }
}
