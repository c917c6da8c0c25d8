//! Records as they were parsed, for the transactions to come: operations ask for the same few, such
//! as those of the platform and of packages, over and over.

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// So many records at most are remembered.
const MOST: usize = 256;

/// A record that was parsed, of whatever type.
pub(super) type Parsed = Arc<dyn Any + Send + Sync>;

type Records = HashMap<Vec<u8>, (u64, Parsed), RandomState>;

/// The records that were parsed last, each with the number of the commit that wrote it. A record is
/// found only by who has just read that number in the store, so that none is out of date.
#[derive(Default)]
pub(crate) struct Remembered {
    records: Mutex<Records>,
}

impl Remembered {
    /// The record that this commit wrote at a key.
    pub(super) fn find(&self, key: &[u8], version: u64) -> Option<Parsed> {
        let records = self.records.lock();
        let (known, record) = records.get(key)?;
        (*known == version).then(|| record.clone())
    }

    pub(super) fn keep(&self, key: &[u8], version: u64, record: Parsed) {
        put(&mut self.records.lock(), key, (version, record));
    }

    /// A commit wrote all these keys, some of them with records that need not be parsed again. What
    /// was known of the others is forgotten.
    pub(super) fn wrote(
        &self,
        version: u64,
        writes: &[(Vec<u8>, Option<Vec<u8>>)],
        mut parsed: BTreeMap<Vec<u8>, Parsed>,
    ) {
        let mut records = self.records.lock();
        for (key, _) in writes {
            match parsed.remove(key) {
                Some(record) => put(&mut records, key, (version, record)),
                None => drop(records.remove(key)),
            }
        }
    }
}

fn put(records: &mut Records, key: &[u8], record: (u64, Parsed)) {
    if records.len() == MOST {
        records.clear();
    }
    records.insert(key.to_vec(), record);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_found_by_the_commit_that_wrote_it_alone() {
        let remembered = Remembered::default();
        remembered.keep(b"a", 7, Arc::new(1_u8));
        assert!(remembered.find(b"a", 7).is_some_and(|one| one.is::<u8>()));
        assert!(remembered.find(b"a", 8).is_none() && remembered.find(b"b", 7).is_none());
        remembered.keep(b"a", 8, Arc::new(2_u8));
        assert!(
            remembered.find(b"a", 7).is_none(),
            "the newest alone is kept"
        );
    }

    #[test]
    fn of_what_a_commit_wrote_what_it_parsed_alone_stays() {
        let remembered = Remembered::default();
        for key in [b"a", b"b", b"c"] {
            remembered.keep(key, 7, Arc::new(1_u8));
        }
        let writes = [(b"a".to_vec(), Some(b"2".to_vec())), (b"b".to_vec(), None)];
        let parsed: Parsed = Arc::new(2_u8);
        remembered.wrote(8, &writes, BTreeMap::from([(b"a".to_vec(), parsed)]));
        assert!(remembered.find(b"a", 8).is_some() && remembered.find(b"c", 7).is_some());
        assert_eq!(
            remembered.records.lock().len(),
            2,
            "what is deleted is gone"
        );
    }

    #[test]
    fn no_more_is_remembered_than_there_is_room_for() {
        let remembered = Remembered::default();
        for number in 0..3 * MOST {
            remembered.keep(&number.to_be_bytes(), 1, Arc::new(number));
            assert!(remembered.records.lock().len() <= MOST);
        }
    }
}
