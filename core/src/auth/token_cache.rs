//! What tokens prove, in memory: a token is looked up in the store once, and again after a change
//! (R-SES-1, R-SES-7).

use super::token::{ShownToken, hash_bytes};
use crate::error::Error;
use crate::kernel::Kernel;
use crate::model::{Address, Id};
use arc_swap::ArcSwapOption;
use foldhash::fast::RandomState;
use parking_lot::RwLock;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What one takes in memory.
const BYTES: u64 = 1024;
/// The most of a kind that are kept, however much memory there is, and how many always are.
const MOST: u64 = 100_000;
const FEWEST: u64 = 256;

/// A record that whoever has its token can use.
pub(crate) trait Credential: Serialize + DeserializeOwned + Clone + 'static {
    /// What its tokens begin with.
    const PREFIX: &'static str;
    /// Where it lies.
    fn key(id: &Id) -> Vec<u8>;
    /// Its id, which the token carries.
    fn id(&self) -> &Id;
    /// The hash of the token.
    fn token_hash(&self) -> &str;
    /// The hash of the token before this one, and until when that is good.
    fn former(&self) -> Option<(&str, u64)> {
        None
    }
    /// When it was used last; 0 for never.
    fn used_at_ms(&self) -> u64;
    /// Who was here when it was used; nobody where that is a program, or somebody who acts as
    /// another.
    fn person(&self) -> Option<&Id>;
    /// It was used.
    fn use_at(&mut self, at_ms: u64, ip: Option<Address>);
}

/// The records of one kind that were looked up.
pub(crate) struct TokenCache<T> {
    known: RwLock<Known<T>>,
    most: usize,
}

struct Known<T> {
    by_id: HashMap<Id, Arc<Live<T>>, RandomState>,
    /// Raised whenever one goes: what was read before is not kept.
    generation: u64,
}

/// A record that was looked up.
pub(crate) struct Live<T> {
    pub(crate) record: T,
    /// The hash of its token; none where the store holds none that could be one.
    hash: Option<[u8; 32]>,
    /// The hash of the token before it, and until when that is good.
    former: Option<([u8; 32], u64)>,
    /// The account that they could enter last.
    pub(crate) entered: ArcSwapOption<Id>,
    /// When it was used last.
    pub(crate) used_ms: AtomicU64,
    /// What the store knows of that.
    pub(crate) written_ms: AtomicU64,
}

impl<T> TokenCache<T> {
    /// With room for what fits into so much memory.
    pub(crate) fn new(bytes: u64) -> TokenCache<T> {
        let most = (bytes / BYTES).clamp(FEWEST, MOST);
        TokenCache {
            known: RwLock::new(Known {
                by_id: HashMap::default(),
                generation: 0,
            }),
            most: usize::try_from(most).unwrap_or(usize::MAX),
        }
    }
}

impl<T: Credential> Live<T> {
    fn new(record: T) -> Live<T> {
        let at_ms = record.used_at_ms();
        let hash = hash_bytes(record.token_hash());
        let former = record
            .former()
            .and_then(|(hash, until_ms)| Some((hash_bytes(hash)?, until_ms)));
        Live {
            record,
            hash,
            former,
            entered: ArcSwapOption::empty(),
            used_ms: at_ms.into(),
            written_ms: at_ms.into(),
        }
    }

    /// Whether the token is the one of the record, or the one before while that is good.
    fn is_of(&self, token: &ShownToken<'_>, kernel: &Kernel) -> bool {
        self.hash.is_some_and(|hash| token.has_hash(&hash))
            || self.former.is_some_and(|(hash, until_ms)| {
                kernel.clock.now_ms() < until_ms && token.has_hash(&hash)
            })
    }

    /// When it was used last, as far as is known here.
    pub(crate) fn used_at_ms(&self) -> u64 {
        self.used_ms.load(Ordering::Acquire)
    }

    /// Looks in the store when others have used it.
    pub(crate) fn look_at_use(&self, kernel: &Kernel) -> Result<(), Error> {
        if let Some(record) = kernel.tx().get::<T>(&T::key(self.record.id()))? {
            let at_ms = record.used_at_ms();
            self.used_ms.fetch_max(at_ms, Ordering::AcqRel);
            self.written_ms.fetch_max(at_ms, Ordering::AcqRel);
        }
        Ok(())
    }
}

impl<T: Credential> TokenCache<T> {
    fn generation(&self) -> u64 {
        self.known.read().generation
    }

    fn get(&self, id: &str) -> Option<Arc<Live<T>>> {
        self.known.read().by_id.get(id).cloned()
    }

    fn keep(&self, live: &Arc<Live<T>>, generation: u64) {
        let mut known = self.known.write();
        if known.generation == generation {
            if known.by_id.len() >= self.most {
                known.by_id.clear();
            }
            known.by_id.insert(live.record.id().clone(), live.clone());
        }
    }

    /// What a token proves; none where it proves nothing. Whether that is over is still to be seen.
    pub(crate) fn verified(
        &self,
        kernel: &Kernel,
        token: &str,
    ) -> Result<Option<Arc<Live<T>>>, Error> {
        let Some(token) = ShownToken::parse(T::PREFIX, token) else {
            return Ok(None);
        };
        if let Some(live) = self.get(token.id()) {
            return Ok(live.is_of(&token, kernel).then_some(live));
        }
        let Some(id) = Id::new(token.id()).ok().filter(|_| token.is_whole()) else {
            return Ok(None);
        };
        let generation = self.generation();
        let record: Option<T> = kernel.tx().get(&T::key(&id))?;
        let live = record
            .map(Live::new)
            .filter(|live| live.is_of(&token, kernel));
        let Some(live) = live else {
            return Ok(None);
        };
        let live = Arc::new(live);
        self.keep(&live, generation);
        Ok(Some(live))
    }

    /// All may have changed, or ended.
    pub(crate) fn forget_all(&self) {
        let mut known = self.known.write();
        known.generation += 1;
        known.by_id.clear();
    }

    /// These have changed, or ended.
    pub(crate) fn forget<'a>(&self, ids: impl IntoIterator<Item = &'a Id>) {
        let mut ids = ids.into_iter().peekable();
        if ids.peek().is_some() {
            let mut known = self.known.write();
            known.generation += 1;
            ids.for_each(|id| drop(known.by_id.remove(id)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Session;

    fn session(number: usize) -> Arc<Live<Session>> {
        let id = |text: String| Id::new(&text).unwrap();
        Arc::new(Live::new(Session {
            id: id(format!("s{number}")),
            user: id("olga".to_owned()),
            token_hash: String::new(),
            device: None,
            ip: None,
            created_at_ms: 0,
            authenticated_at_ms: 0,
            with_second_factor: false,
            last_seen_at_ms: 0,
            last_ip: None,
            expires_at_ms: 1000,
            behind: None,
        }))
    }

    /// 20.4
    #[test]
    fn as_many_are_kept_as_fit() {
        for (bytes, most) in [(0, 256), (512 << 10, 512), (u64::MAX, 100_000)] {
            let cache = TokenCache::<Session>::new(bytes);
            for number in 0..2 * most + 1 {
                cache.keep(&session(number), 0);
                assert!(cache.known.read().by_id.len() <= most);
            }
            assert!(cache.get(&format!("s{}", 2 * most)).is_some());
        }
    }
}
