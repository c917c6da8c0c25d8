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

/// The most of a kind that are kept.
const MOST: usize = 100_000;

/// A record that whoever has its token can use.
pub(crate) trait Proven: Serialize + DeserializeOwned + Clone + 'static {
    /// What its tokens begin with.
    const PREFIX: &'static str;
    /// Where it lies.
    fn key(id: &Id) -> Vec<u8>;
    /// Its id, which the token carries.
    fn id(&self) -> &Id;
    /// The hash of the token.
    fn token_hash(&self) -> &str;
    /// When it was used last; 0 for never.
    fn used_at_ms(&self) -> u64;
    /// Who was here when it was used; nobody where that is a program, or somebody who acts as
    /// another.
    fn person(&self) -> Option<&Id>;
    /// It was used.
    fn use_at(&mut self, at_ms: u64, ip: Option<Address>);
}

/// The records of one kind that were looked up.
pub(crate) struct TokenCache<T>(RwLock<Known<T>>);

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
    /// The account that they could enter last.
    pub(crate) entered: ArcSwapOption<Id>,
    /// When it was used last.
    pub(crate) used_ms: AtomicU64,
    /// What the store knows of that.
    pub(crate) written_ms: AtomicU64,
}

impl<T> Default for TokenCache<T> {
    fn default() -> TokenCache<T> {
        TokenCache(RwLock::new(Known {
            by_id: HashMap::default(),
            generation: 0,
        }))
    }
}

impl<T: Proven> Live<T> {
    fn new(record: T) -> Live<T> {
        let at_ms = record.used_at_ms();
        let hash = hash_bytes(record.token_hash());
        Live {
            record,
            hash,
            entered: ArcSwapOption::empty(),
            used_ms: at_ms.into(),
            written_ms: at_ms.into(),
        }
    }

    fn is_of(&self, token: &ShownToken<'_>) -> bool {
        self.hash.is_some_and(|hash| token.has_hash(&hash))
    }

    /// When it was used last.
    pub(crate) fn used_at_ms(&self) -> u64 {
        self.used_ms.load(Ordering::Acquire)
    }
}

impl<T: Proven> TokenCache<T> {
    fn generation(&self) -> u64 {
        self.0.read().generation
    }

    fn get(&self, id: &str) -> Option<Arc<Live<T>>> {
        self.0.read().by_id.get(id).cloned()
    }

    fn keep(&self, live: &Arc<Live<T>>, generation: u64) {
        let mut known = self.0.write();
        if known.generation == generation {
            if known.by_id.len() >= MOST {
                known.by_id.clear();
            }
            known.by_id.insert(live.record.id().clone(), live.clone());
        }
    }

    /// What a token proves; none where it proves nothing. Whether that is over is still to be seen.
    pub(crate) fn proven(
        &self,
        kernel: &Kernel,
        token: &str,
    ) -> Result<Option<Arc<Live<T>>>, Error> {
        let Some(token) = ShownToken::parse(T::PREFIX, token) else {
            return Ok(None);
        };
        if let Some(live) = self.get(token.id()) {
            return Ok(live.is_of(&token).then_some(live));
        }
        let Some(id) = Id::new(token.id()).ok().filter(|_| token.is_whole()) else {
            return Ok(None);
        };
        let generation = self.generation();
        let record: Option<T> = kernel.tx().get(&T::key(&id))?;
        let Some(live) = record.map(Live::new).filter(|live| live.is_of(&token)) else {
            return Ok(None);
        };
        let live = Arc::new(live);
        self.keep(&live, generation);
        Ok(Some(live))
    }

    /// These have changed, or ended.
    pub(crate) fn forget<'a>(&self, ids: impl IntoIterator<Item = &'a Id>) {
        let mut ids = ids.into_iter().peekable();
        if ids.peek().is_some() {
            let mut known = self.0.write();
            known.generation += 1;
            ids.for_each(|id| drop(known.by_id.remove(id)));
        }
    }
}
