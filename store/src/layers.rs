//! What commits wrote and the backend has not got yet, in layers over the backend. All reads see
//! them.

use std::cmp::Ordering as Comparison;
use std::collections::VecDeque;
use std::ops::Bound;
use std::sync::Arc;

use crate::backend::{Order, Record, StoreError};
use crate::raw::{Entries, Raw, Writes, Written};
use crate::record::{self, Kind};

/// How many entries are read at once.
pub(crate) const PAGE: usize = 256;

pub(crate) struct Layers<R: Raw> {
    /// `None` once closed.
    raw: Option<Arc<R>>,
    closing: bool,
    /// The newest layer, and how large it is.
    waiting: Writes,
    waiting_bytes: usize,
    /// The layer that the backend is being given. It stays when that fails.
    applying: Arc<Writes>,
}

/// Bytes from the backend or from a layer.
pub(crate) enum Bytes<B> {
    Kept(B),
    New(Arc<[u8]>),
}

impl<B: AsRef<[u8]>> AsRef<[u8]> for Bytes<B> {
    fn as_ref(&self) -> &[u8] {
        match self {
            Bytes::Kept(bytes) => bytes.as_ref(),
            Bytes::New(bytes) => bytes,
        }
    }
}

impl<R: Raw> Layers<R> {
    pub(crate) fn over(raw: R) -> Self {
        Layers {
            raw: Some(Arc::new(raw)),
            closing: false,
            waiting: Writes::new(),
            waiting_bytes: 0,
            applying: Arc::default(),
        }
    }

    /// Refuses reads from now on; [`Layers::hand_over`] still works.
    pub(crate) fn stop(&mut self) {
        self.closing = true;
    }

    /// The backend, for closing it; `None` when it was already taken.
    pub(crate) fn close(&mut self) -> Option<Arc<R>> {
        self.closing = true;
        self.raw.take()
    }

    #[cfg(test)]
    pub(crate) fn raw(&self) -> &R {
        self.raw.as_ref().unwrap()
    }

    #[cfg(test)]
    pub(crate) fn applying(&self) -> &Arc<Writes> {
        &self.applying
    }

    pub(crate) fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    pub(crate) fn waiting_records(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn write(&mut self, key: Vec<u8>, written: Written) {
        self.waiting_bytes += key.len() + written.as_ref().map_or(0, |bytes| bytes.len());
        self.waiting.insert(key, written);
    }

    /// The newest layer, and the backend that it is for. New commits go into the next one.
    pub(crate) fn hand_over(&mut self) -> Result<(Arc<R>, Arc<Writes>), StoreError> {
        let raw = self.raw.clone().ok_or(StoreError::Closed)?;
        self.applying = Arc::new(std::mem::take(&mut self.waiting));
        self.waiting_bytes = 0;
        Ok((raw, self.applying.clone()))
    }

    /// The backend has what it was given.
    pub(crate) fn handed_over(&mut self) {
        self.applying = Arc::default();
    }

    pub(crate) fn open(&self) -> Result<&R, StoreError> {
        match &self.raw {
            Some(raw) if !self.closing => Ok(raw),
            _ => Err(StoreError::Closed),
        }
    }

    pub(crate) fn bytes(&self, key: &[u8]) -> Result<Option<Bytes<R::Bytes>>, StoreError> {
        let raw = self.open()?;
        match self.waiting.get(key).or_else(|| self.applying.get(key)) {
            Some(written) => Ok(written.clone().map(Bytes::New)),
            None => Ok(raw.get(key)?.map(Bytes::Kept)),
        }
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Record>, StoreError> {
        let bytes = self.bytes(key)?;
        bytes
            .map(|bytes| self.load(key, bytes.as_ref()))
            .transpose()
    }

    pub(crate) fn entries(
        &self,
        from: &[u8],
        until: &[u8],
        order: Order,
        limit: usize,
    ) -> Result<Entries<Bytes<R::Bytes>>, StoreError> {
        let raw = self.open()?;
        if from >= until || limit == 0 {
            return Ok(Vec::new());
        }
        let mut waiting = between(&self.waiting, from, until, order).peekable();
        let mut applying = between(&self.applying, from, until, order).peekable();
        if waiting.peek().is_none() && applying.peek().is_none() {
            let entries = raw.scan(from, until, order, limit)?;
            return Ok(entries
                .into_iter()
                .map(|(key, bytes)| (key, Bytes::Kept(bytes)))
                .collect());
        }
        let mut kept = Pages {
            raw,
            from: from.to_vec(),
            until: until.to_vec(),
            order,
            page: VecDeque::new(),
            last: false,
        };
        let mut entries = Vec::new();
        while entries.len() < limit {
            let keys = [
                waiting.peek().map(|(key, _)| *key),
                applying.peek().map(|(key, _)| *key),
                kept.peek()?,
            ];
            let Some(next) = keys
                .into_iter()
                .flatten()
                .min_by(|a, b| order.compare(a, b))
                .cloned()
            else {
                break;
            };
            // The newest layer that has the key decides; the others pass it over.
            let newest = waiting
                .next_if(|(key, _)| **key == next)
                .map(|(_, written)| written);
            let older = applying
                .next_if(|(key, _)| **key == next)
                .map(|(_, written)| written);
            let oldest = kept.next_if(&next);
            let bytes = match newest.or(older) {
                Some(written) => written.clone().map(Bytes::New),
                None => oldest.map(Bytes::Kept),
            };
            if let Some(bytes) = bytes {
                entries.push((next, bytes));
            }
        }
        Ok(entries)
    }

    pub(crate) fn version(&self, key: &[u8]) -> Result<u64, StoreError> {
        record::check_key(key)?;
        match self.bytes(key)? {
            Some(bytes) => Ok(record::unseal(key, bytes.as_ref())?.version),
            None => Ok(0),
        }
    }

    /// Checks a record and puts its chunks together.
    pub(crate) fn load(&self, key: &[u8], bytes: &[u8]) -> Result<Record, StoreError> {
        let stored = record::unseal(key, bytes)?;
        if stored.kind == Kind::Whole {
            return Ok(Record {
                version: stored.version,
                value: stored.payload.to_vec(),
            });
        }
        let (chunks, length) = record::sizes(key, &stored)?;
        let mut value = Vec::new();
        for number in 0..chunks {
            let chunk_key = record::chunk_key(key, number);
            let Some(bytes) = self.bytes(&chunk_key)? else {
                return Err(record::damaged(
                    key,
                    &format!("chunk {number} of {chunks} is missing"),
                ));
            };
            let chunk = record::unseal(&chunk_key, bytes.as_ref())?;
            if chunk.version != stored.version {
                return Err(record::damaged(
                    key,
                    &format!("chunk {number} of {chunks} is of another commit"),
                ));
            }
            value.extend_from_slice(chunk.payload);
        }
        if value.len() as u64 != length {
            return Err(record::damaged(key, "the value has the wrong length"));
        }
        Ok(Record {
            version: stored.version,
            value,
        })
    }
}

/// The entries of the backend, read page by page.
struct Pages<'a, R: Raw> {
    raw: &'a R,
    from: Vec<u8>,
    until: Vec<u8>,
    order: Order,
    page: VecDeque<(Vec<u8>, R::Bytes)>,
    last: bool,
}

impl<R: Raw> Pages<'_, R> {
    fn peek(&mut self) -> Result<Option<&Vec<u8>>, StoreError> {
        if self.page.is_empty() && !self.last {
            self.page = self
                .raw
                .scan(&self.from, &self.until, self.order, PAGE)?
                .into();
            match (self.page.back(), self.order) {
                (Some((key, _)), Order::Ascending) => self.from = next_key(key),
                (Some((key, _)), Order::Descending) => self.until.clone_from(key),
                (None, _) => {}
            }
            self.last = self.page.len() < PAGE;
        }
        Ok(self.page.front().map(|(key, _)| key))
    }

    fn next_if(&mut self, key: &[u8]) -> Option<R::Bytes> {
        self.page
            .pop_front_if(|(first, _)| first == key)
            .map(|(_, bytes)| bytes)
    }
}

impl Order {
    fn compare(self, a: &[u8], b: &[u8]) -> Comparison {
        match self {
            Order::Ascending => a.cmp(b),
            Order::Descending => b.cmp(a),
        }
    }
}

fn between<'a>(
    layer: &'a Writes,
    from: &[u8],
    until: &[u8],
    order: Order,
) -> Box<dyn Iterator<Item = (&'a Vec<u8>, &'a Written)> + 'a> {
    let range = layer.range::<[u8], _>((Bound::Included(from), Bound::Excluded(until)));
    match order {
        Order::Ascending => Box::new(range),
        Order::Descending => Box::new(range.rev()),
    }
}

pub(crate) fn next_key(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}
