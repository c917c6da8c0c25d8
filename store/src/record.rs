//! How a value becomes bytes: the header, the checksum, and the splitting of large values.

use crate::backend::{Batch, StoreError};

/// sled moves pages larger than 128 KiB into files that it never syncs. A page holds up to 16
/// entries, so an entry that stays below this limit (and a key below [`LONGEST_KEY`]) never gets
/// there.
const LARGEST: usize = 4095;
const HEADER: usize = 13;
const LARGEST_PAYLOAD: usize = LARGEST - HEADER;
const LONGEST_KEY: usize = 1024;

/// The first byte of the keys that are the store's own. They sort behind all others.
pub(crate) const OWN: u8 = 0xFF;
pub(crate) const HEAD_KEY: &[u8] = &[OWN, 0];
pub(crate) const CHUNKS_FROM: &[u8] = &[OWN, 1];
pub(crate) const CHUNKS_UNTIL: &[u8] = &[OWN, 2];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The payload is the value.
    Whole = 1,
    /// The payload says how many chunks there are and how long the value is.
    Split = 2,
    Chunk = 3,
    Head = 4,
}

/// A stored record whose checksum was right.
pub(crate) struct Stored<'a> {
    pub checksum: u32,
    pub kind: Kind,
    pub version: u64,
    pub payload: &'a [u8],
}

/// A value as it is stored.
pub(crate) struct Encoded {
    pub main: Vec<u8>,
    pub chunks: Vec<Vec<u8>>,
}

impl Encoded {
    pub(crate) fn checksum(&self) -> u32 {
        checksum_of(&self.main)
    }
}

pub(crate) fn check_key(key: &[u8]) -> Result<(), StoreError> {
    match key.first() {
        None => Err(StoreError::invalid(
            "A key is empty; write one of 1 to 1024 bytes.",
        )),
        Some(&OWN) => Err(StoreError::invalid(
            "A key begins with the byte 0xFF, which is the store's own; choose another.",
        )),
        Some(_) if key.len() > LONGEST_KEY => Err(StoreError::invalid(
            "A key is longer than 1024 bytes; shorten it.",
        )),
        Some(_) => Ok(()),
    }
}

/// A key and its new value; `None` deletes.
pub(crate) type Write = (Vec<u8>, Option<Vec<u8>>);

/// What a batch writes, in the order of the keys: each key is one that may be, and there once.
pub(crate) fn sorted(batch: &Batch) -> Result<Vec<&Write>, StoreError> {
    let mut writes: Vec<_> = batch.writes.iter().collect();
    writes.sort_by(|a, b| a.0.cmp(&b.0));
    let next = writes.iter().skip(1);
    if writes.iter().zip(next).any(|(a, b)| a.0 == b.0) {
        return Err(StoreError::invalid(
            "A batch writes the same key twice; write each key once.",
        ));
    }
    writes.iter().try_for_each(|(key, _)| check_key(key))?;
    Ok(writes)
}

pub(crate) fn printable(key: &[u8]) -> String {
    key.escape_ascii().to_string()
}

pub(crate) fn damaged(key: &[u8], how: &str) -> StoreError {
    StoreError::corrupt(format!("record {}: {how}", printable(key)))
}

fn checksum(key: &[u8], rest: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(rest);
    hasher.finalize()
}

/// checksum (4), kind (1), version (8), payload; numbers are little-endian.
pub(crate) fn seal(key: &[u8], kind: Kind, version: u64, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + payload.len());
    bytes.extend_from_slice(&[0; 4]);
    bytes.push(kind as u8);
    bytes.extend_from_slice(&version.to_le_bytes());
    bytes.extend_from_slice(payload);
    if let Some((place, rest)) = bytes.split_first_chunk_mut::<4>() {
        *place = checksum(key, rest).to_le_bytes();
    }
    bytes
}

/// The checksum of a value that is kept whole, for a backend that keeps its parts by themselves.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) fn checksum_whole(key: &[u8], version: u64, value: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for part in [key, &[Kind::Whole as u8], &version.to_le_bytes(), value] {
        hasher.update(part);
    }
    hasher.finalize()
}

pub(crate) fn unseal<'a>(key: &[u8], bytes: &'a [u8]) -> Result<Stored<'a>, StoreError> {
    let (_, rest) = bytes
        .split_first_chunk::<4>()
        .ok_or_else(|| damaged(key, "too short"))?;
    let stored = checksum_of(bytes);
    if stored != checksum(key, rest) {
        return Err(damaged(key, "the checksum is wrong"));
    }
    let (kind, rest) = rest
        .split_first()
        .ok_or_else(|| damaged(key, "too short"))?;
    let (version, payload) = rest
        .split_first_chunk::<8>()
        .ok_or_else(|| damaged(key, "too short"))?;
    let kind = match kind {
        1 => Kind::Whole,
        2 => Kind::Split,
        3 => Kind::Chunk,
        4 => Kind::Head,
        other => {
            return Err(damaged(
                key,
                &format!("kind {other} is not known to this version"),
            ));
        }
    };
    Ok(Stored {
        checksum: stored,
        kind,
        version: u64::from_le_bytes(*version),
        payload,
    })
}

pub(crate) fn encode(key: &[u8], version: u64, value: &[u8]) -> Encoded {
    if value.len() <= LARGEST_PAYLOAD {
        return Encoded {
            main: seal(key, Kind::Whole, version, value),
            chunks: Vec::new(),
        };
    }
    let chunks: Vec<Vec<u8>> = value
        .chunks(LARGEST_PAYLOAD)
        .zip(0..)
        .map(|(part, number)| seal(&chunk_key(key, number), Kind::Chunk, version, part))
        .collect();
    let mut sizes = Vec::with_capacity(16);
    sizes.extend_from_slice(&(chunks.len() as u64).to_le_bytes());
    sizes.extend_from_slice(&(value.len() as u64).to_le_bytes());
    Encoded {
        main: seal(key, Kind::Split, version, &sizes),
        chunks,
    }
}

/// The stored checksum, right or wrong.
pub(crate) fn checksum_of(bytes: &[u8]) -> u32 {
    bytes
        .first_chunk::<4>()
        .map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// How many chunks belong to the record, and how long its value is.
pub(crate) fn sizes(key: &[u8], stored: &Stored<'_>) -> Result<(u64, u64), StoreError> {
    match stored.kind {
        Kind::Whole => Ok((0, stored.payload.len() as u64)),
        Kind::Split => {
            let wrong = || damaged(key, "the sizes of a split value are missing");
            let (chunks, rest) = stored.payload.split_first_chunk::<8>().ok_or_else(wrong)?;
            let length = rest.first_chunk::<8>().ok_or_else(wrong)?;
            Ok((u64::from_le_bytes(*chunks), u64::from_le_bytes(*length)))
        }
        Kind::Chunk | Kind::Head => Err(damaged(key, "not a value")),
    }
}

/// Two chunks can only have the same key when record and number are the same: the number's length
/// is fixed.
pub(crate) fn chunk_key(key: &[u8], number: u64) -> Vec<u8> {
    [CHUNKS_FROM, key, &number.to_be_bytes()].concat()
}

/// The record that a chunk belongs to, and its number.
pub(crate) fn chunk_owner(key: &[u8]) -> Option<(&[u8], u64)> {
    let (owner, number) = key.strip_prefix(CHUNKS_FROM)?.split_last_chunk::<8>()?;
    Some((owner, u64::from_be_bytes(*number)))
}

/// What every commit writes about the whole store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub commit: u64,
    pub records: u64,
    /// The checksums of all records, added up (wrapping).
    pub sum: u64,
    pub id: [u8; 16],
}

impl Head {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let payload = [
            &self.records.to_le_bytes()[..],
            &self.sum.to_le_bytes()[..],
            &self.id[..],
        ]
        .concat();
        seal(HEAD_KEY, Kind::Head, self.commit, &payload)
    }

    /// All heads that lie somewhere in `bytes`.
    pub(crate) fn find_all(bytes: &[u8]) -> impl Iterator<Item = Head> {
        const LENGTH: usize = HEADER + 8 + 8 + 16;
        // The kind first: a cheap question that almost every place answers with no.
        bytes
            .windows(LENGTH)
            .filter(|place| place.get(4) == Some(&(Kind::Head as u8)))
            .filter_map(|place| Head::decode(place).ok())
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Head, StoreError> {
        let stored = unseal(HEAD_KEY, bytes)?;
        let wrong = || damaged(HEAD_KEY, "the head of the store is too short");
        let (records, rest) = stored.payload.split_first_chunk::<8>().ok_or_else(wrong)?;
        let (sum, rest) = rest.split_first_chunk::<8>().ok_or_else(wrong)?;
        let id = rest.first_chunk::<16>().ok_or_else(wrong)?;
        Ok(Head {
            commit: stored.version,
            records: u64::from_le_bytes(*records),
            sum: u64::from_le_bytes(*sum),
            id: *id,
        })
    }
}

/// Takes the checksum `old` off the number and the sum of records, and adds `new`.
pub(crate) fn count(records: &mut u64, sum: &mut u64, old: Option<u32>, new: Option<u32>) {
    if let Some(checksum) = old {
        *records = records.wrapping_sub(1);
        *sum = sum.wrapping_sub(u64::from(checksum));
    }
    if let Some(checksum) = new {
        *records = records.wrapping_add(1);
        *sum = sum.wrapping_add(u64::from(checksum));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_comes_back_and_nothing_stored_is_large() {
        for length in [0, 1, 4081, 4082, 4083, 4095, 4096, 100 * 1024] {
            let value: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
            let encoded = encode(b"a/key", 7, &value);
            let main = unseal(b"a/key", &encoded.main).unwrap();
            assert_eq!(
                (main.version, sizes(b"a/key", &main).unwrap()),
                (7, (encoded.chunks.len() as u64, length as u64))
            );
            assert_eq!(encoded.chunks.is_empty(), length <= 4082, "{length}");
            let mut whole = if encoded.chunks.is_empty() {
                main.payload.to_vec()
            } else {
                Vec::new()
            };
            for (number, chunk) in encoded.chunks.iter().enumerate() {
                whole.extend_from_slice(
                    unseal(&chunk_key(b"a/key", number as u64), chunk)
                        .unwrap()
                        .payload,
                );
            }
            assert_eq!(whole, value);
            assert!(
                encoded
                    .chunks
                    .iter()
                    .chain([&encoded.main])
                    .all(|bytes| bytes.len() < 4096)
            );
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let bytes = seal(b"k", Kind::Whole, 1, b"value");
        for position in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[position / 8] ^= 1 << (position % 8);
            assert!(
                matches!(unseal(b"k", &flipped), Err(StoreError::Corrupt { .. })),
                "bit {position}"
            );
        }
        for length in 0..bytes.len() {
            assert!(
                matches!(
                    unseal(b"k", &bytes[..length]),
                    Err(StoreError::Corrupt { .. })
                ),
                "{length} bytes"
            );
        }
        assert!(
            unseal(b"other", &bytes).is_err(),
            "a record under another key"
        );
    }

    #[test]
    fn a_value_that_is_kept_in_parts_has_the_same_checksum() {
        for value in [&b""[..], b"value"] {
            let sealed = seal(b"k", Kind::Whole, 7, value);
            assert_eq!(checksum_whole(b"k", 7, value), checksum_of(&sealed));
        }
    }

    #[test]
    fn the_owner_of_a_chunk_is_found() {
        assert_eq!(chunk_owner(&chunk_key(b"ab", 3)), Some((&b"ab"[..], 3)));
        assert_eq!(chunk_owner(b"ab"), None);
    }

    #[test]
    fn keys_that_are_not_allowed() {
        assert!(check_key(b"a").is_ok() && check_key(&[b'k'; 1024]).is_ok());
        for key in [&b""[..], &[0xFF], &[b'k'; 1025]] {
            assert!(matches!(check_key(key), Err(StoreError::Invalid { .. })));
        }
    }
}
