//! The file of a backup: JSON lines, of which docs/backup-file.md says what they hold.
//!
//! The first line says what the file is, each further one is a record, in the order of the keys,
//! and the last one has their number and fingerprint, and a checksum of all lines: without it the
//! file was cut.

use super::StateHasher;
use crate::api::store::StoreStateHash;
use crate::error::{Code, Error};
use crate::kernel::keys::{self, Prefix};
use crate::options::HexKey;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};

/// How the lines are written.
const VERSION: u32 = 1;
/// The longest line that is read; a record is far shorter.
const LONGEST_LINE: u64 = 64 << 20;

/// The first line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Head {
    /// `backup`.
    pub(super) tenantry: String,
    /// How the lines are written.
    pub(super) version: u32,
    /// How the records are written: the format of the store.
    pub(super) format: u32,
    /// The library that wrote it.
    pub(super) library: String,
    pub(super) store_id: String,
    pub(super) last_commit: u64,
    pub(super) made_at_ms: u64,
    /// The key of the tokens, where it lay beside the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) token_key: Option<HexKey>,
}

/// A line of a record.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    kind: Cow<'a, str>,
    key: Vec<Cow<'a, str>>,
    #[serde(borrow)]
    value: &'a RawValue,
}

/// The last line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    records: u64,
    state_hash: String,
    /// SHA-256 of all lines before, in hexadecimal.
    sha256: String,
}

impl Head {
    pub(super) const KIND: &str = "backup";

    pub(super) fn new(store_id: String, last_commit: u64, made_at_ms: u64) -> Head {
        Head {
            tenantry: Head::KIND.to_owned(),
            version: VERSION,
            format: tenantry_store::FORMAT,
            library: env!("CARGO_PKG_VERSION").to_owned(),
            store_id,
            last_commit,
            made_at_ms,
            token_key: None,
        }
    }

    fn check(&self) -> Result<(), Error> {
        if self.tenantry != Head::KIND {
            return Err(no_backup());
        }
        for (what, found, known) in [
            ("lines", self.version, VERSION),
            ("records", self.format, tenantry_store::FORMAT),
        ] {
            if found != known {
                let message = format!(
                    "The {what} of the backup have format {found}, and this version reads only \
                     format {known}; restore it with the version that wrote it."
                );
                return Err(Error::new(Code::StoreFormat, message)
                    .with("format", found)
                    .with("known", known));
            }
        }
        Ok(())
    }
}

/// Writes the lines of a file, and computes the fingerprint.
pub(super) struct Lines<W> {
    to: W,
    sha256: Sha256,
    hash: StateHasher,
}

impl<W: Write> Lines<W> {
    pub(super) fn begin(to: W, head: &Head) -> Result<Lines<W>, Error> {
        let mut lines = Lines {
            to,
            sha256: Sha256::new(),
            hash: StateHasher::default(),
        };
        lines.write_line(head)?;
        Ok(lines)
    }

    pub(super) fn write(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        let unknown = || {
            Error::corrupt(format!(
                "The store has a record of an unknown kind, `{}`; check the store with \
                 `store.verify`.",
                key.escape_ascii()
            ))
        };
        let (prefix, parts) = keys::split(key).ok_or_else(unknown)?;
        let kind = prefix.name().ok_or_else(unknown)?;
        let value = serde_json::from_slice(value).map_err(|_| unknown())?;
        let key_parts = parts.into_iter().map(Cow::Borrowed).collect();
        self.hash.add(key, RawValue::get(value).as_bytes());
        self.write_line(&Line {
            kind: kind.into(),
            key: key_parts,
            value,
        })
    }

    pub(super) fn finish(mut self) -> Result<(W, StoreStateHash), Error> {
        let hash = std::mem::take(&mut self.hash).finish();
        let sha256 = keys::hex(&self.sha256.clone().finalize());
        self.write_line(&End {
            records: hash.records,
            state_hash: hash.state_hash.clone(),
            sha256,
        })?;
        Ok((self.to, hash))
    }

    fn write_line(&mut self, line: &impl Serialize) -> Result<(), Error> {
        let line = serde_json::to_vec(line).map_err(std::io::Error::from);
        let written = line.and_then(|mut line| {
            line.push(b'\n');
            self.sha256.update(&line);
            self.to.write_all(&line)
        });
        written.map_err(|error| failed("write", &error))
    }
}

/// An error of the disk that the file lies on.
pub(super) fn failed(doing: &str, error: &std::io::Error) -> Error {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    let code = match error.kind() {
        StorageFull | QuotaExceeded | FileTooLarge => Code::StoreFull,
        _ => Code::StoreFailed,
    };
    let message = format!("Cannot {doing} the file of the backup: {error}. Check its disk.");
    Error::new(code, message)
}

/// A record of a file: key and value.
pub(super) type Row = (Vec<u8>, Vec<u8>);

/// Reads a file from its beginning to its end.
pub(super) struct Records {
    from: BufReader<File>,
    /// How many lines were read.
    number: u64,
    last: Vec<u8>,
    /// Of all lines before the one that was read last.
    sha256: Sha256,
    hash: StateHasher,
    /// The line that was read last, without its end.
    line: Vec<u8>,
    /// Whether that is the last line.
    is_at_end: bool,
}

impl Records {
    pub(super) fn begin(file: File) -> Result<(Head, Records), Error> {
        let mut records = Records {
            from: BufReader::with_capacity(1 << 18, file),
            number: 0,
            last: Vec::new(),
            sha256: Sha256::new(),
            hash: StateHasher::default(),
            line: Vec::new(),
            is_at_end: false,
        };
        if !records.next_line()? {
            return Err(no_backup());
        }
        let head: Head = serde_json::from_slice(&records.line).map_err(|_| no_backup())?;
        head.check()?;
        Ok((head, records))
    }

    fn next_line(&mut self) -> Result<bool, Error> {
        if self.number > 0 {
            self.sha256.update(&self.line);
            self.sha256.update(b"\n");
        }
        self.line.clear();
        let mut line = (&mut self.from).take(LONGEST_LINE);
        line.read_until(b'\n', &mut self.line)
            .map_err(|error| failed("read", &error))?;
        self.number += 1;
        if self.line.is_empty() {
            return Ok(false);
        }
        match self.line.pop() {
            Some(b'\n') => Ok(true),
            _ => Err(self.broken("the file was cut off there")),
        }
    }

    fn broken(&self, what: &str) -> Error {
        Error::corrupt(format!(
            "Line {} of the backup cannot be read: {what}. Use another backup.",
            self.number
        ))
    }

    /// The next records, at most so many; none at the end, which must be the one that was written.
    pub(super) fn next(&mut self, most: usize) -> Result<Vec<Row>, Error> {
        let mut rows = Vec::new();
        while rows.len() < most && !self.is_at_end {
            if !self.next_line()? {
                return Err(self.broken("the last line is missing"));
            }
            let Ok(line) = serde_json::from_slice::<Line<'_>>(&self.line) else {
                // What it says is for `finish`.
                self.is_at_end = true;
                break;
            };
            let unknown = || self.broken("its kind of record is unknown");
            let prefix = Prefix::named(&line.kind).ok_or_else(unknown)?;
            if line.key.iter().any(|part| part.contains('\0')) {
                return Err(self.broken("a part of its key has a zero byte"));
            }
            let parts: Vec<_> = line.key.iter().map(Cow::as_ref).collect();
            let (key, value) = (keys::key(prefix, &parts), line.value.get().as_bytes());
            if key <= self.last {
                return Err(self.broken("its key is not in order"));
            }
            self.hash.add(&key, value);
            rows.push((key.clone(), value.to_vec()));
            self.last = key;
        }
        Ok(rows)
    }

    /// The fingerprint of what was read, once there are no more records; refused where that is not
    /// what was written, unless somebody has changed it.
    pub(super) fn finish(mut self, is_edited: bool) -> Result<StoreStateHash, Error> {
        let end: End = serde_json::from_slice(&self.line)
            .map_err(|_| self.broken("it is neither a record nor the last line"))?;
        let sha256 = keys::hex(&self.sha256.clone().finalize());
        if self.next_line()? {
            return Err(self.broken("it comes after the last line"));
        }
        let found = self.hash.finish();
        let is_as_written = sha256 == end.sha256
            && (end.records, &end.state_hash) == (found.records, &found.state_hash);
        if !is_as_written && !is_edited {
            return Err(Error::corrupt(
                "The backup was changed after it was written; use another one, or set `edited` if \
                 it was changed on purpose.",
            ));
        }
        Ok(found)
    }
}

fn no_backup() -> Error {
    Error::invalid(
        "/backup",
        "The file is not a backup of tenantry; name one that `store.backup` has written.",
    )
}
