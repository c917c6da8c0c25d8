use std::collections::BTreeMap;

use super::*;
use crate::backend::{Backend, Options};
use crate::raw::Entries;
use crate::scratch::Scratch;
use crate::{At, memory};

/// Runs a test against every backend.
fn each(test: impl Fn(&dyn Backend)) {
    test(&*memory().unwrap());
    let options = Options {
        cache_bytes: 16 << 20,
        create: true,
    };
    let scratch = Scratch::new();
    let mut kept = vec![At::Folder(scratch.store())];
    if cfg!(feature = "sqlite") {
        kept.push(At::Sqlite(scratch.path().join("store.db")));
    }
    for at in kept {
        let store = crate::open(&at, &options).unwrap();
        test(&*store);
        store.close().unwrap();
    }
}

fn write(key: &[u8], value: Option<Vec<u8>>) -> Batch {
    Batch {
        writes: vec![(key.to_vec(), value)],
        expected: Vec::new(),
        ..Batch::default()
    }
}

fn text(length: usize, seed: usize) -> Vec<u8> {
    (0..length).map(|i| ((i * 31 + seed) % 251) as u8).collect()
}

#[test]
fn several_keys_are_read_at_once_in_the_order_that_they_are_asked_for() {
    each(|store| {
        store.commit(&write(b"a", Some(text(10, 1)))).unwrap();
        let synced = store
            .commit(&write(b"c", Some(text(100 * 1024, 1))))
            .unwrap();
        store.sync(synced).unwrap();
        store.commit(&write(b"d", Some(text(10, 2)))).unwrap();
        store.commit(&write(b"a", None)).unwrap();
        let keys = ["d", "b", "c", "a", "d"].map(|key| key.as_bytes().to_vec());
        let read: Vec<_> = keys.iter().map(|key| store.get(key).unwrap()).collect();
        let there: Vec<_> = read.iter().map(Option::is_some).collect();
        assert_eq!(there, [true, false, true, false, true]);
        assert_eq!(store.get_many(&keys).unwrap(), read);
        let refused = store.get_many(&[b"a".to_vec(), vec![0xff]]);
        assert!(matches!(refused, Err(StoreError::Invalid { .. })));
    });
}

const SIZES: [usize; 9] = [100 * 1024, 0, 4095, 4082, 4083, 4096, 1, 20_000, 0];

#[test]
fn values_of_every_size_replace_each_other() {
    each(|store| {
        for first in SIZES {
            for second in SIZES {
                store.commit(&write(b"k", Some(text(first, 1)))).unwrap();
                if (first + second) % 3 == 0 {
                    store.sync(store.last_commit()).unwrap();
                }
                let version = store.commit(&write(b"k", Some(text(second, 2)))).unwrap();
                if first % 2 == 0 {
                    store.sync(version).unwrap();
                }
                assert_eq!(
                    store.get(b"k").unwrap(),
                    Some(Record {
                        version,
                        value: text(second, 2)
                    })
                );
                let verified = store.verify().unwrap();
                assert_eq!(
                    (verified.records, verified.bytes, verified.damaged),
                    (1, 1 + second as u64, Vec::new())
                );
                store.commit(&write(b"k", None)).unwrap();
                assert_eq!(store.get(b"k").unwrap(), None);
                let verified = store.verify().unwrap();
                assert_eq!(
                    (verified.records, verified.damaged),
                    (0, Vec::new()),
                    "{first} then {second} then deleted"
                );
            }
        }
    });
}

#[test]
fn a_conflict_changes_nothing() {
    each(|store| {
        assert_eq!(store.commit(&write(b"a", Some(b"1".to_vec()))), Ok(1));
        assert_eq!(store.commit(&write(b"b", Some(b"1".to_vec()))), Ok(2));
        for expected in [
            vec![(b"a".to_vec(), 2)],
            vec![(b"a".to_vec(), 0)],
            vec![(b"a".to_vec(), 1), (b"c".to_vec(), 1)],
            vec![(b"a".to_vec(), 1), (b"b".to_vec(), 1)],
        ] {
            let writes = vec![(b"a".to_vec(), None), (b"c".to_vec(), Some(text(9000, 3)))];
            assert_eq!(
                store.commit(&Batch {
                    writes,
                    expected: expected.clone(),
                    ..Batch::default()
                }),
                Err(CommitError::Conflict)
            );
            assert_eq!(
                store.commit(&Batch {
                    writes: Vec::new(),
                    expected,
                    ..Batch::default()
                }),
                Err(CommitError::Conflict)
            );
        }
        assert_eq!(store.last_commit(), 2);
        assert_eq!(
            store.range(b"", b"z", Order::Ascending, 10).unwrap().len(),
            2
        );
        let expected = vec![(b"a".to_vec(), 1), (b"b".to_vec(), 2), (b"c".to_vec(), 0)];
        assert_eq!(
            store.commit(&Batch {
                writes: vec![(b"a".to_vec(), None)],
                expected,
                ..Batch::default()
            }),
            Ok(3)
        );
        assert_eq!(store.get(b"a").unwrap(), None);
        assert_eq!(
            store.commit(&Batch {
                writes: Vec::new(),
                expected: vec![(b"a".to_vec(), 0)],
                ..Batch::default()
            }),
            Ok(3)
        );
    });
}

#[test]
fn ranges_are_ordered_bounded_and_never_show_chunks() {
    each(|store| {
        let writes = (0..40_u8)
            .rev()
            .map(|i| (vec![b'k', i], Some(text(usize::from(i) * 500, 1))))
            .collect();
        store
            .commit(&Batch {
                writes,
                expected: Vec::new(),
                ..Batch::default()
            })
            .unwrap();
        let keys = |from: &[u8], until: &[u8], order, limit| -> Vec<u8> {
            let found = store.range(from, until, order, limit).unwrap();
            found.iter().for_each(|(key, record)| {
                assert_eq!(record.value, text(usize::from(key[1]) * 500, 1))
            });
            found.iter().map(|(key, _)| key[1]).collect()
        };
        assert_eq!(
            keys(b"", &[0xFF, 0xFF], Order::Ascending, 1000),
            (0..40).collect::<Vec<_>>()
        );
        assert_eq!(
            keys(&[b'k', 10], &[b'k', 13], Order::Ascending, 9),
            [10, 11, 12]
        );
        assert_eq!(
            keys(&[b'k', 10], &[b'k', 13], Order::Descending, 2),
            [12, 11]
        );
        assert!(keys(&[b'k', 13], &[b'k', 10], Order::Ascending, 9).is_empty());
        assert!(keys(b"k", b"l", Order::Ascending, 0).is_empty());
    });
}

#[test]
fn batches_that_cannot_be_are_refused_and_harmless() {
    each(|store| {
        let twice = vec![
            (b"b".to_vec(), None),
            (b"a".to_vec(), None),
            (b"b".to_vec(), Some(Vec::new())),
        ];
        for writes in [
            twice,
            vec![(vec![0xFF, 1], Some(Vec::new()))],
            vec![(Vec::new(), None)],
        ] {
            let refused = store.commit(&Batch {
                writes,
                expected: Vec::new(),
                ..Batch::default()
            });
            assert!(
                matches!(refused, Err(CommitError::Store(StoreError::Invalid { .. }))),
                "{refused:?}"
            );
        }
        assert!(matches!(store.sync(1), Err(StoreError::Invalid { .. })));
        assert_eq!(store.commit(&write(b"a", None)), Ok(1));
    });
}

#[test]
fn versions_are_checked_by_one_writer_at_a_time() {
    each(|store| {
        store
            .commit(&write(b"n", Some(0_u64.to_le_bytes().to_vec())))
            .unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        loop {
                            let seen = store.get(b"n").unwrap().unwrap();
                            let value = u64::from_le_bytes(seen.value.try_into().unwrap()) + 1;
                            let writes = vec![(b"n".to_vec(), Some(value.to_le_bytes().to_vec()))];
                            match store.commit(&Batch {
                                writes,
                                expected: vec![(b"n".to_vec(), seen.version)],
                                ..Batch::default()
                            }) {
                                Ok(_) => break,
                                Err(error) => assert_eq!(error, CommitError::Conflict),
                            }
                        }
                    }
                });
            }
        });
        assert_eq!(
            store.get(b"n").unwrap().unwrap().value,
            400_u64.to_le_bytes()
        );
    });
}

#[test]
fn readers_and_verifiers_see_whole_commits_only() {
    each(|store| {
        // Two records and a split one always carry the same number.
        let set = |number: usize| Batch {
            writes: [b"a".to_vec(), b"m".to_vec(), b"z".to_vec()]
                .into_iter()
                .zip([10, 9000 + number % 3 * 5000, 10])
                .map(|(key, length)| (key, Some(text(length, number))))
                .chain((0..300).map(|i| {
                    (
                        format!("p{i:03}").into_bytes(),
                        (i + number).is_multiple_of(2).then(|| text(20, i)),
                    )
                }))
                .collect(),
            expected: Vec::new(),
            ..Batch::default()
        };
        store.commit(&set(0)).unwrap();
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                (1..150).for_each(|number| assert!(store.commit(&set(number)).is_ok()));
                done.store(true, Ordering::Release);
            });
            scope.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    store.sync(store.last_commit()).unwrap();
                }
            });
            scope.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    let found = store.range(b"a", b"zz", Order::Ascending, 1000).unwrap();
                    assert_eq!(found.len(), 153);
                    assert!(
                        found
                            .iter()
                            .filter(|(key, _)| key[0] != b'p')
                            .all(|(_, r)| r.version == found[0].1.version)
                    );
                }
            });
            while !done.load(Ordering::Acquire) {
                assert_eq!(store.verify().unwrap().damaged, Vec::<String>::new());
            }
        });
    });
}

/// A backend that can fail in the middle of a batch, like sled when a page cannot be read.
#[derive(Default)]
struct Breaking {
    map: Mutex<BTreeMap<Vec<u8>, Vec<u8>>>,
    break_after: Mutex<Option<usize>>,
}

impl Raw for Breaking {
    type Bytes = Vec<u8>;

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.map.lock().get(key).cloned())
    }

    fn scan(
        &self,
        from: &[u8],
        until: &[u8],
        order: Order,
        limit: usize,
    ) -> Result<Entries<Vec<u8>>, StoreError> {
        let map = self.map.lock();
        let mut all: Vec<_> = map
            .range(from.to_vec()..until.to_vec())
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        if order == Order::Descending {
            all.reverse();
        }
        all.truncate(limit);
        Ok(all)
    }

    fn apply(&self, writes: &Writes) -> Result<(), StoreError> {
        for (number, (key, bytes)) in writes.iter().enumerate() {
            if *self.break_after.lock() == Some(number) {
                return Err(StoreError::Full {
                    what: "test".into(),
                });
            }
            match bytes {
                Some(bytes) => self.map.lock().insert(key.clone(), bytes.to_vec()),
                None => self.map.lock().remove(key),
            };
        }
        Ok(())
    }
}

fn breaking() -> Table<Breaking> {
    Table::create(Breaking::default(), [0; 16], Failure::default()).unwrap()
}

#[test]
fn layers_and_backend_together_look_like_one_map() {
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    let table = breaking();
    let mut model = BTreeMap::new();
    for step in 0..3000 {
        let mut batch = Batch::default();
        let mut wanted = BTreeMap::new();
        for _ in 0..next(40) {
            let key = format!("k{:03}", next(700)).into_bytes();
            let length = if next(8) == 0 {
                9000
            } else {
                next(60) as usize
            };
            wanted.insert(key, (next(3) > 0).then(|| text(length, step)));
        }
        batch.writes.extend(wanted.clone());
        let number = table.commit(&batch).unwrap();
        for (key, value) in wanted {
            match value {
                Some(value) => model.insert(
                    key,
                    Record {
                        version: number,
                        value,
                    },
                ),
                None => model.remove(&key),
            };
        }
        match next(6) {
            0 if table.state.read().layers.applying().is_empty() => {
                assert_eq!(table.hand_over(), Ok(number))
            }
            // As another thread sees it while a layer is being handed over.
            1 if table.state.read().layers.applying().is_empty() => {
                table.state.write().layers.hand_over().unwrap();
            }
            _ if next(3) == 0 => {
                let layer = table.state.read().layers.applying().clone();
                table.look(|raw| raw.apply(&layer)).unwrap();
                table.state.write().layers.handed_over();
            }
            _ => {}
        }
        let (a, b, limit) = (next(700), next(700), next(900) as usize + 1);
        let (from, until) = (
            format!("k{:03}", a.min(b)).into_bytes(),
            format!("k{:03}", a.max(b)).into_bytes(),
        );
        let expected = || {
            model
                .range(from.clone()..until.clone())
                .map(|(k, v)| (k.clone(), v.clone()))
        };
        let ascending = table.range(&from, &until, Order::Ascending, limit).unwrap();
        assert!(
            ascending == expected().take(limit).collect::<Vec<_>>(),
            "step {step}"
        );
        let descending = table
            .range(&from, &until, Order::Descending, limit)
            .unwrap();
        assert!(
            descending == expected().rev().take(limit).collect::<Vec<_>>(),
            "step {step}"
        );
        assert_eq!(
            table.get(&from).unwrap().as_ref(),
            model.get(&from),
            "step {step}"
        );
        if step % 100 == 0 {
            let verified = table.verify().unwrap();
            assert_eq!(
                (verified.records, verified.damaged),
                (model.len() as u64, Vec::new()),
                "step {step}"
            );
        }
    }
}

#[test]
fn a_batch_that_fails_half_way_is_never_seen_in_part() {
    for break_after in 0..=14 {
        let table = breaking();
        let sizes = [("a", 10_000), ("b", 5), ("c", 9_000), ("e", 7)];
        let writes = sizes
            .iter()
            .map(|(key, size)| (key.as_bytes().to_vec(), Some(text(*size, 1))))
            .collect();
        table
            .commit(&Batch {
                writes,
                expected: Vec::new(),
                ..Batch::default()
            })
            .unwrap();
        assert_eq!(table.hand_over(), Ok(1));
        let writes = vec![
            (b"a".to_vec(), Some(text(5_000, 2))),
            (b"b".to_vec(), Some(text(9_000, 2))),
            (b"c".to_vec(), None),
            (b"d".to_vec(), Some(text(3, 2))),
        ];
        table
            .commit(&Batch {
                writes,
                expected: Vec::new(),
                ..Batch::default()
            })
            .unwrap();
        let all = |order, limit| table.range(b"a", b"z", order, limit).unwrap();
        let (before, last_two) = (all(Order::Ascending, 9), all(Order::Descending, 2));
        assert_eq!(before.len(), 4);

        let full = StoreError::Full {
            what: "test".into(),
        };
        table.look(|raw| *raw.break_after.lock() = Some(break_after));
        // Five keys, two chunks that are new for `a` and one less, three for `b`, three less
        // for `c`.
        let fails = break_after < 14;
        assert_eq!(
            table.hand_over(),
            if fails { Err(full.clone()) } else { Ok(2) },
            "{break_after}"
        );
        assert_eq!(
            (all(Order::Ascending, 9), all(Order::Descending, 2)),
            (before, last_two),
            "{break_after}"
        );
        assert_eq!(table.get(b"b").unwrap().unwrap().value, text(9_000, 2));
        assert_eq!((table.get(b"c").unwrap(), table.last_commit()), (None, 2));
        assert_eq!(table.verify().unwrap().damaged, Vec::<String>::new());

        table.look(|raw| *raw.break_after.lock() = None);
        if fails {
            assert_eq!(table.hand_over(), Err(full.clone()), "never tried again");
            assert_eq!(
                table.commit(&write(b"x", Some(Vec::new()))),
                Err(CommitError::Store(full))
            );
        }
    }
}

#[test]
fn verify_finds_what_is_damaged_missing_outdated_or_left_over() {
    type Map = BTreeMap<Vec<u8>, Vec<u8>>;
    let damaged = |change: &dyn Fn(&mut Map, &Map)| {
        let table = breaking();
        table.commit(&write(b"big", Some(text(10_000, 1)))).unwrap();
        table.hand_over().unwrap();
        let old = table.look(|raw| raw.map.lock().clone());
        (1..600).for_each(|i| {
            assert!(
                table
                    .commit(&write(format!("k{i}").as_bytes(), Some(text(i, i))))
                    .is_ok()
            )
        });
        table.commit(&write(b"big", Some(text(12_000, 2)))).unwrap();
        table.hand_over().unwrap();
        assert_eq!(table.verify().unwrap().damaged, Vec::<String>::new());
        table.look(|raw| change(&mut raw.map.lock(), &old));
        table.verify().unwrap().damaged
    };
    assert_eq!(
        damaged(&|map, _| map.get_mut(&b"k17"[..]).unwrap()[15] ^= 1),
        ["k17"]
    );
    let missing = damaged(&|map, _| drop(map.remove(&b"k17"[..])));
    assert!(
        missing.len() == 1 && missing[0].contains("missing (599 found, 600 were written)"),
        "{missing:?}"
    );
    assert_eq!(
        damaged(&|map, _| drop(map.remove(&record::chunk_key(b"big", 1)))),
        ["big"]
    );
    let old_chunk = record::chunk_key(b"big", 1);
    assert_eq!(
        damaged(&|map, old| drop(map.insert(old_chunk.clone(), old[&old_chunk].clone()))),
        ["big"]
    );
    // A page that went back whole: all checksums are right.
    let outdated = damaged(&|map, old| {
        old.iter()
            .filter(|(key, _)| **key != record::HEAD_KEY)
            .for_each(|(k, v)| drop(map.insert(k.clone(), v.clone())));
    });
    assert!(
        outdated.len() == 1 && outdated[0].contains("older"),
        "{outdated:?}"
    );
    let left_over = record::chunk_key(b"gone", 0);
    assert_eq!(
        damaged(&|map, _| drop(map.insert(left_over.clone(), vec![1]))),
        [record::printable(&left_over)]
    );
}
