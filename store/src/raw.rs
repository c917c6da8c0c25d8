//! Plain ordered bytes: what a backend has to bring.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use crate::backend::{Order, StoreError};

/// New bytes for a raw key; `None` deletes.
pub(crate) type Written = Option<Arc<[u8]>>;
pub(crate) type Writes = BTreeMap<Vec<u8>, Written>;
pub(crate) type Entries<B> = Vec<(Vec<u8>, B)>;

/// What a backend has to bring.
pub(crate) trait Raw: Send + Sync {
    type Bytes: AsRef<[u8]> + Send + Sync;

    fn get(&self, key: &[u8]) -> Result<Option<Self::Bytes>, StoreError>;

    fn scan(
        &self,
        from: &[u8],
        until: &[u8],
        order: Order,
        limit: usize,
    ) -> Result<Entries<Self::Bytes>, StoreError>;

    /// All writes or, after a crash, none. One call at a time.
    fn apply(&self, writes: &Writes) -> Result<(), StoreError>;
}

/// The first error that ended writing, shared by all who write.
pub(crate) type Failure = Arc<OnceLock<StoreError>>;
