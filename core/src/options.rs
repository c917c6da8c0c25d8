//! How a store is opened.

use crate::error::Error;
use crate::model::check_instant;
use crate::model::{Address, Channel, Count, Edition, Id, MessageInput};
use serde::{Deserialize, Serialize};
use std::path::Path;
use tenantry_macros::{options, request};
use tenantry_store::At;
use zeroize::Zeroizing;

/// The path of a store as people may see it: that of a database on a server without its user and
/// its password, any other as it is.
///
/// ```
/// let path = "postgresql://app:secret@db.example/mail?schema=mail";
/// assert_eq!(tenantry::shown_path(path), "postgresql://db.example:5432/mail?schema=mail");
/// assert_eq!(tenantry::shown_path("sqlite:accounts.db"), "sqlite:accounts.db");
/// ```
pub fn shown_path(path: impl AsRef<Path>) -> String {
    At::new(path.as_ref()).shown()
}

/// Options for opening a store. The defaults are right for production.
///
/// ```
/// use tenantry::{Count, ManualClock, OpenOptions};
///
/// let clock = ManualClock::new(Count::new(1_781_524_800_000)?);
/// let options = OpenOptions::default().clock(clock).seed(7);
/// assert!(options.create);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[options]
#[derive(PartialEq, Eq)]
pub struct OpenOptions {
    /// When a write is acknowledged.
    pub durability: Durability,
    /// How much memory the store uses to cache what it has read, in MiB (1 to 65,536).
    pub cache_mib: u64,
    /// Whether to create the store if there is none; otherwise a missing store is refused with
    /// `store_missing`.
    pub create: bool,
    /// How long to wait while another process has the store open, in milliseconds (0 to 600,000);
    /// after that, the call is refused with `store_locked`. Set it for a worker that takes over
    /// from another worker; with 0, the call does not wait.
    pub lock_wait_ms: u64,
    /// From how long on an operation, a commit, a sync or a wait for a lock is told in the log as
    /// slow, in milliseconds (0 to 600,000); with 0, none is. Where this process has the store open
    /// already, what was said then holds.
    pub slow_ms: u64,
    /// How long one query to the database may take, in milliseconds (100 to 60,000); after that,
    /// the call is refused with `store_unreachable`. Only for a store in PostgreSQL.
    pub store_timeout_ms: u64,
    /// The interval at which this process asks the database what other processes have committed, in
    /// milliseconds (20 to 1,000). Checks and sends from memory apply a commit of another process
    /// at most so much later. Only for a store in PostgreSQL.
    pub poll_ms: u64,
    /// How long checks and sends are still decided from memory when the database does not answer,
    /// in milliseconds (ten times `poll_ms` to 600,000); after that, they are refused with
    /// `store_unreachable`. Only for a store in PostgreSQL.
    pub stale_ms: u64,
    /// What the platform's licence includes (R-PLT-1).
    pub edition: Edition,
    /// The key from which tokens are derived, as 64 hexadecimal digits; when absent, the store
    /// keeps a key in a file beside its data. A store in PostgreSQL keeps no key: there, this
    /// option is required, and must be the same in every process.
    pub token_key: Option<HexKey>,
    /// Keys that are mixed into passwords before they are hashed, so that nobody can guess
    /// passwords from stolen hashes. The first key is for new hashes; the other keys are for the
    /// hashes that were made with them, until the users of these hashes log in. A user cannot log
    /// in without the key with which the user's hash was made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub peppers: Vec<Pepper>,
    /// A manual clock, which the caller sets. When absent, the system's clock.
    pub clock: Option<ManualClock>,
    /// A seed that makes the generated ids the same in every run; only with a manual clock.
    pub seed: Option<u64>,
}

/// What a sender is prepared for. The defaults are for e-mail and no other options.
///
/// ```
/// use tenantry::{Id, MessageInput, SenderOptions};
///
/// let spring = MessageInput::new().campaign(Id::new("spring")?);
/// let options = SenderOptions::default().message(spring);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[options]
#[derive(Default, PartialEq, Eq)]
pub struct SenderOptions {
    /// The channel of the sender's messages.
    pub channel: Channel,
    /// What kind of messages they are; the caps of members, campaigns and domains depend on it.
    pub message: Option<MessageInput>,
    /// How the user sends, if the user sends in person: the allow-lists that apply to the user are
    /// checked, as for everything that the user does (R-SES-3). Absent when the host sends on
    /// behalf of a user; then no address is checked.
    pub acting: Option<ActingSender>,
}

/// How a user sends in person.
#[options]
#[derive(Default, PartialEq, Eq)]
pub struct ActingSender {
    /// The address from which the user comes, as the host saw it. If an allow-list applies, a send
    /// without an address is refused with `ip_not_allowed`.
    pub ip: Option<Address>,
    /// The API key with which a program acts for the user, as `api_keys.check` answered it. The
    /// permissions, the addresses, the expiry and the caps of the key apply too (R-SES-7).
    pub api_key: Option<Id>,
}

/// A key of 32 bytes, written as 64 hexadecimal digits. It is never shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HexKey(Zeroizing<[u8; 32]>);

impl HexKey {
    pub(crate) fn new(bytes: [u8; 32]) -> HexKey {
        HexKey(Zeroizing::new(bytes))
    }

    pub(crate) fn bytes(&self) -> [u8; 32] {
        *self.0
    }
}

impl std::fmt::Debug for HexKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("HexKey")
    }
}

impl TryFrom<String> for HexKey {
    type Error = &'static str;
    fn try_from(text: String) -> Result<HexKey, &'static str> {
        const FORM: &str =
            "A key must have 64 hexadecimal digits, and this one does not; generate one.";
        let (text, mut bytes) = (Zeroizing::new(text), Zeroizing::new([0; 32]));
        if text.len() != 64 || !text.is_ascii() {
            return Err(FORM);
        }
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = text
                .get(at * 2..at * 2 + 2)
                .and_then(|pair| u8::from_str_radix(pair, 16).ok())
                .ok_or(FORM)?;
        }
        Ok(HexKey(bytes))
    }
}

impl From<HexKey> for String {
    fn from(key: HexKey) -> String {
        key.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// A key that is mixed into passwords before they are hashed, and that is not in the store
/// (R-SES-1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Pepper {
    /// The name of the key, which the store keeps with each hash. The name must never be used again
    /// for another key.
    pub id: Id,
    /// The key.
    pub key: HexKey,
}

impl Pepper {
    /// The key `key` under the name `id`.
    #[must_use]
    pub fn new(id: Id, key: HexKey) -> Pepper {
        Pepper { id, key }
    }

    /// The most keys at once.
    const MOST: usize = 16;

    fn check(peppers: &[Pepper]) -> Result<(), Error> {
        if peppers.len() > Pepper::MOST {
            return Err(Error::invalid(
                "/peppers",
                format!(
                    "There are at most {} peppers, and the list has {}; leave some out.",
                    Pepper::MOST,
                    peppers.len()
                ),
            ));
        }
        match peppers
            .iter()
            .enumerate()
            .find(|(at, one)| peppers.iter().take(*at).any(|before| before.id == one.id))
        {
            Some((at, Pepper { id, .. })) => Err(Error::invalid(
                format!("/peppers/{at}/id"),
                format!("Two peppers have the id `{id}`; give each an id of its own."),
            )),
            None => Ok(()),
        }
    }
}

/// The longest wait for a locked store: ten minutes.
const LONGEST_LOCK_WAIT_MS: u64 = 600_000;

/// The longest time from which on something is slow: ten minutes.
const LONGEST_SLOW_MS: u64 = 600_000;

fn in_bounds(option: &str, value: u64, least: u64, most: u64) -> Result<(), Error> {
    match (least..=most).contains(&value) {
        true => Ok(()),
        false => Err(Error::invalid(
            format!("/{option}"),
            format!("`{option}` must be from {least} to {most}, and is {value}."),
        )),
    }
}

/// When a write is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Durability {
    /// When the write is on disk, so that it survives a power loss.
    #[default]
    Full,
    /// When the write is in the store's memory; a crash can lose the last writes.
    Relaxed,
}

/// A clock that stands still until `clock.set` moves it, for tests and replays.
#[request]
#[derive(Copy, PartialEq, Eq)]
pub struct ManualClock {
    /// The time at which the clock starts, in unix milliseconds.
    pub manual_ms: Count,
}

impl Default for OpenOptions {
    fn default() -> OpenOptions {
        OpenOptions {
            durability: Durability::Full,
            cache_mib: 64,
            create: true,
            lock_wait_ms: 0,
            slow_ms: 1_000,
            store_timeout_ms: 5_000,
            poll_ms: 100,
            stale_ms: 5_000,
            edition: Edition::Standard,
            token_key: None,
            peppers: Vec::new(),
            clock: None,
            seed: None,
        }
    }
}

impl OpenOptions {
    pub(crate) fn manual_clock_ms(&self) -> Option<u64> {
        self.clock.map(|clock| clock.manual_ms.get())
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        in_bounds("cache_mib", self.cache_mib, 1, 65_536)?;
        in_bounds("lock_wait_ms", self.lock_wait_ms, 0, LONGEST_LOCK_WAIT_MS)?;
        in_bounds("slow_ms", self.slow_ms, 0, LONGEST_SLOW_MS)?;
        in_bounds("store_timeout_ms", self.store_timeout_ms, 100, 60_000)?;
        in_bounds("poll_ms", self.poll_ms, 20, 1_000)?;
        in_bounds("stale_ms", self.stale_ms, 10 * self.poll_ms, 600_000)?;
        Pepper::check(&self.peppers)?;
        if let Some(now_ms) = self.manual_clock_ms() {
            check_instant(now_ms).map_err(|error| Error::invalid("/clock/manual_ms", error))?;
        }
        if self.seed.is_some() && self.clock.is_none() {
            return Err(Error::invalid(
                "/seed",
                "`seed` is for tests and goes only with a manual clock; leave it out, or set \
                 `clock`.",
            ));
        }
        Ok(())
    }
}
