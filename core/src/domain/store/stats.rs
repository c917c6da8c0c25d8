//! What the store holds, and what that takes.

use super::each_step;
use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api::outbox::Consumers;
use crate::api::store::{Stats, StoreKindStats, StoreStats};
use crate::error::Error;
use crate::kernel::keys::{self, Prefix};
use crate::tables::outbox::first_number;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Records, and the bytes of their keys and values.
#[derive(Clone, Copy, Default)]
struct Sum {
    records: u64,
    bytes: u64,
}

impl Sum {
    fn add(&mut self, other: Sum) {
        self.records += other.records;
        self.bytes += other.bytes;
    }
}

impl Operation for Stats {
    type Answer = StoreStats;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<StoreStats, Error> {
        let mut kinds: BTreeMap<Prefix, Sum> = BTreeMap::new();
        each_step(ctx.tx.reads(), |rows| {
            for (key, record) in rows {
                let bytes = (key.len() + record.value.len()) as u64;
                if let Some(prefix) = Prefix::of(key) {
                    kinds
                        .entry(prefix)
                        .or_default()
                        .add(Sum { records: 1, bytes });
                }
            }
            Ok(())
        })?;
        let of = |prefix| kinds.get(&prefix).map_or(0, |sum: &Sum| sum.records);
        let (open_reservations, outbox_messages) = (of(keys::OPEN_RESERVATION), of(keys::OUTBOX));
        let mut all = Sum::default();
        kinds.values().for_each(|sum| all.add(*sum));
        let mut kinds: Vec<_> = kinds
            .into_iter()
            .filter_map(|(prefix, Sum { records, bytes })| {
                let kind = prefix.name()?;
                Some(StoreKindStats {
                    kind,
                    records,
                    bytes,
                })
            })
            .collect();
        kinds.sort_by_key(|kind| Reverse(kind.bytes));
        let space = ctx.engine.kernel.backend.space()?;
        Ok(StoreStats {
            records: all.records,
            bytes: all.bytes,
            disk_bytes: space.bytes,
            free_bytes: space.free,
            cached_accounts: ctx.engine.views.cells.ids().len() as u64,
            open_reservations,
            outbox_messages,
            outbox_backlog: backlog(ctx)?,
            kinds,
        })
    }
}

/// How many messages are still to be given to the slowest consumer; all that there are where there
/// is none.
pub(super) fn backlog(ctx: &mut Ctx<'_>) -> Result<u64, Error> {
    let list = Consumers {}.run(ctx)?;
    let slowest = list
        .consumers
        .iter()
        .map(|consumer| consumer.taken_to)
        .min();
    let given = match slowest {
        Some(taken) => taken,
        None => match first_number(&mut ctx.tx, keys::range(keys::OUTBOX, &[]))? {
            Some(first) => first.saturating_sub(1),
            None => list.last,
        },
    };
    Ok(list.last.saturating_sub(given))
}
