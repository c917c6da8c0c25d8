//! Who somebody is: passwords, second factors, tokens, and how often one may try.

mod attempts;
pub(crate) mod forms;
pub(crate) mod guesses;
pub(crate) mod hasher;
pub(crate) mod throttle;
pub(crate) mod token;
pub(crate) mod token_cache;
pub(crate) mod totp;

use crate::kernel::Kernel;
use crate::model::{ApiKey, Session};
use crate::options::Pepper;
use arc_swap::ArcSwap;
use hasher::Hasher;
use throttle::{Attempts, Throttle};
use token::TokenKey;
use token_cache::TokenCache;

/// What is needed to tell who somebody is, and what is remembered of it.
pub(crate) struct Auth {
    pub(crate) tokens: TokenKey,
    pub(crate) hasher: Hasher,
    throttle: Throttle,
    pub(crate) sessions: TokenCache<Session>,
    pub(crate) api_keys: TokenCache<ApiKey>,
    /// How long a session lasts that is not used, with the epoch that this was read at.
    pub(crate) session_idle: ArcSwap<(Option<u64>, u64)>,
}

impl Auth {
    /// How often somebody may try.
    pub(crate) fn attempts<'a>(&'a self, kernel: &'a Kernel) -> Attempts<'a> {
        Attempts {
            kernel,
            tokens: &self.tokens,
            throttle: &self.throttle,
        }
    }

    /// What tokens prove is kept in so much memory, half of it for sessions.
    pub(crate) fn new(tokens: TokenKey, peppers: Vec<Pepper>, bytes: u64) -> Auth {
        Auth {
            tokens,
            hasher: Hasher::new(peppers),
            throttle: Throttle::default(),
            sessions: TokenCache::new(bytes / 2),
            api_keys: TokenCache::new(bytes / 2),
            session_idle: ArcSwap::default(),
        }
    }
}
