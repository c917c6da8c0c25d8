use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::backend::Damage;
use crate::contract::{text, write};
use crate::raw::Entries;

/// A backend that can fail in the middle of a batch, like sled when a page cannot be read.
#[derive(Default)]
struct Breaking {
    map: Mutex<BTreeMap<Vec<u8>, Vec<u8>>>,
    break_after: Mutex<Option<usize>>,
    panics_while_scanning: AtomicBool,
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
        assert!(!self.panics_while_scanning.load(Ordering::Relaxed));
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
        assert_eq!(table.verify().unwrap().damaged, []);

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
        assert_eq!(table.verify().unwrap().damaged, []);
        assert_eq!(table.is_whole(), Ok(true));
        table.look(|raw| change(&mut raw.map.lock(), &old));
        assert_eq!(table.is_whole(), Ok(false));
        let damaged = table.verify().unwrap().damaged;
        damaged.iter().map(Damage::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        damaged(&|map, _| map.get_mut(&b"k17"[..]).unwrap()[15] ^= 1),
        ["the record k17"]
    );
    let missing = damaged(&|map, _| drop(map.remove(&b"k17"[..])));
    assert!(
        missing.len() == 1 && missing[0].contains("missing (599 found, 600 were written)"),
        "{missing:?}"
    );
    assert_eq!(
        damaged(&|map, _| drop(map.remove(&record::chunk_key(b"big", 1)))),
        ["the record big"]
    );
    let old_chunk = record::chunk_key(b"big", 1);
    assert_eq!(
        damaged(&|map, old| drop(map.insert(old_chunk.clone(), old[&old_chunk].clone()))),
        ["the record big"]
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
        [Damage::Record(left_over).to_string()]
    );
}

/// Whoever counts gives half of its keys away, wherever they lie.
#[test]
fn however_keys_are_spread_each_is_counted_once() {
    let spreads: [fn(u32) -> Vec<u8>; 4] = [
        |i| format!("all-of-one-prefix-{i:08}").into_bytes(),
        |i| i.to_be_bytes().to_vec(),
        |i| vec![0; i as usize % 500 + 1],
        |i| {
            [
                &[u8::from(i > 9)][..],
                &i.wrapping_mul(2_654_435_761).to_be_bytes(),
            ]
            .concat()
        },
    ];
    for key in spreads {
        let table = breaking();
        for from in (0..6000).step_by(500) {
            let mut batch = Batch::default();
            for i in from..from + 500 {
                batch.writes.push((key(i), Some(text(8, i as usize))));
            }
            batch.writes.sort();
            batch.writes.dedup_by(|one, other| one.0 == other.0);
            table.commit(&batch).unwrap();
        }
        table.hand_over().unwrap();
        assert_eq!(table.is_whole(), Ok(true));
    }
}

/// Whoever counts records beside a thread that panics does not wait for it.
#[test]
fn a_panic_ends_the_count_of_records() {
    let table = breaking();
    table.look(|raw| raw.panics_while_scanning.store(true, Ordering::Relaxed));
    let state = table.state.read();
    let counted = crate::tally::is_whole(&state.layers, &state.head);
    assert!(
        matches!(counted, Err(StoreError::Failed { .. })),
        "{counted:?}"
    );
}
