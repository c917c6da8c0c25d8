//! The records of counters and paces in the store.

use crate::error::Error;
use crate::meters::counter::Cold;
use crate::model::{Meter, PaceRecord};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tenantry_store::Batch;

pub(crate) fn meter_of<T: DeserializeOwned>(key: &[u8], bytes: &[u8]) -> Result<T, Error> {
    let unreadable = |error| {
        Error::corrupt(format!(
            "The meter `{}` cannot be read ({error}); restore a backup.",
            key.escape_ascii()
        ))
    };
    serde_json::from_slice(bytes).map_err(unreadable)
}

pub(super) fn bytes_of(record: &impl Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(record).map_err(|error| Error::internal(error.to_string()))
}

/// Writes how far paces are, where their records have these versions.
pub(super) fn pace_batch(
    records: impl IntoIterator<Item = (Vec<u8>, u64, Option<u64>)>,
) -> Result<Batch, Error> {
    let mut batch = Batch::default();
    for (key, version, next_slot_us) in records {
        batch
            .writes
            .push((key.clone(), Some(bytes_of(&PaceRecord { next_slot_us })?)));
        batch.expected.push((key, version));
    }
    Ok(batch)
}

pub(super) fn push_meter(batch: &mut Batch, cold: &Cold, meter: &Meter) -> Result<(), Error> {
    let key = cold.id.key();
    batch.expected.push((key.clone(), cold.version));
    batch.writes.push((key, Some(bytes_of(meter)?)));
    Ok(())
}
