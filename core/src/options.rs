//! How a store is opened.

use crate::error::Error;
use crate::model::check_instant;
use crate::model::{Address, Channel, Count, Edition, Id, MessageInput};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Options for opening a store. The defaults are right for production.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OpenOptions {
    /// When a write is acknowledged.
    pub durability: Durability,
    /// How much memory the store keeps for what it read, in MiB (1 to 65,536).
    pub cache_mib: u64,
    /// Make the store when there is none; otherwise that is `store_missing`.
    pub create: bool,
    /// How long to wait for a process that has the store open, before that is `store_locked`: 0 to
    /// 600,000 milliseconds. A worker that takes over from another one waits; 0 does not.
    pub lock_wait_ms: u64,
    /// What the platform's licence includes (R-PLT-1).
    pub edition: Edition,
    /// The key that tokens are derived with, as 64 hexadecimal digits; absent, the store keeps one
    /// in a file beside its data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_key: Option<HexKey>,
    /// Keys that passwords are mixed with before they are hashed, so that hashes that are stolen
    /// cannot be guessed at: the first for new hashes, the others for those that were made with
    /// them, until their users log in. Without the one that a hash was made with its user cannot
    /// log in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub peppers: Vec<Pepper>,
    /// The system's clock, or one that the caller sets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock: Option<ManualClock>,
    /// Makes generated ids the same in every run; only with a manual clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

/// What a sender is prepared for. The defaults are e-mail of which nothing more is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SenderOptions {
    /// How its messages go out.
    pub channel: Channel,
    /// What they are; caps of members, campaigns and domains look at it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageInput>,
    /// The user sends themself: the allow-lists on their way count as for everything that they do
    /// (R-SES-3). A sender of the host, which sends on behalf of somebody, goes without, and comes
    /// from nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acting: Option<ActingSender>,
}

/// How a user sends themself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ActingSender {
    /// Where they come from, as the host saw it; where an allow-list applies, a send without is
    /// `ip_not_allowed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<Address>,
    /// The API key that a program of theirs acts with, as `api_keys.check` answered it: what it
    /// lists, its addresses, its end and its caps count too (R-SES-7).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key: Option<Id>,
}

/// A key of 32 bytes, written as 64 hexadecimal digits. It never shows itself.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HexKey(Zeroizing<[u8; 32]>);

impl HexKey {
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
        const FORM: &str = "A key has 64 hexadecimal digits, and this one does not; generate one.";
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

/// A key that passwords are mixed with, which the store does not have (R-SES-1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pepper {
    /// Its name, which the store keeps beside each hash: never used again for another key.
    pub id: Id,
    /// The key.
    pub key: HexKey,
}

impl Pepper {
    /// The most at once.
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
                format!("There is another pepper `{id}`; give each an id of its own."),
            )),
            None => Ok(()),
        }
    }
}

/// Ten minutes.
const LONGEST_LOCK_WAIT_MS: u64 = 600_000;

/// When a write is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// Once it survives a power loss.
    #[default]
    Full,
    /// Once it is in the store's memory: a crash can lose the last moments.
    Relaxed,
}

/// A clock that stands still until `clock.set` moves it: for tests and replays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManualClock {
    /// The time that it starts with, in unix milliseconds.
    pub manual_ms: Count,
}

impl Default for OpenOptions {
    fn default() -> OpenOptions {
        OpenOptions {
            durability: Durability::Full,
            cache_mib: 64,
            create: true,
            lock_wait_ms: 0,
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
        if !(1..=65_536).contains(&self.cache_mib) {
            return Err(Error::invalid(
                "/cache_mib",
                format!(
                    "`cache_mib` must be from 1 to 65536, and is {}.",
                    self.cache_mib
                ),
            ));
        }
        if self.lock_wait_ms > LONGEST_LOCK_WAIT_MS {
            return Err(Error::invalid(
                "/lock_wait_ms",
                format!(
                    "`lock_wait_ms` must be from 0 to {LONGEST_LOCK_WAIT_MS}, and is {}.",
                    self.lock_wait_ms
                ),
            ));
        }
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
