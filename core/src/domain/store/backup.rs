//! A backup: the store in one file.

use super::each_step;
use super::file::{Head, Lines};
use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api::store::{Backup, StoreBackup};
use crate::error::Error;
use crate::options::HexKey;
use std::path::Path;
use tenantry_store::{StoreError, WholeFile};

impl Operation for Backup {
    type Answer = StoreBackup;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<StoreBackup, Error> {
        let of_place = |error: StoreError| Error::from(error).at("/to");
        let file = WholeFile::begin(Path::new(self.to.as_str())).map_err(of_place)?;
        let (store_id, last_commit) = (ctx.engine.kernel.backend.store_id(), ctx.tx.last_commit());
        let mut head = Head::new(store_id.clone(), last_commit, ctx.now_ms);
        let key = ctx.engine.auth.tokens.kept_beside();
        head.token_key = key.map(|key| HexKey::new(*key));
        let mut lines = Lines::begin(file, &head)?;
        each_step(ctx.tx.reads(), |rows| {
            rows.iter()
                .try_for_each(|(key, record)| lines.write(key, &record.value))
        })?;
        let (file, written) = lines.finish()?;
        Ok(StoreBackup {
            store_id,
            last_commit,
            records: written.records,
            bytes: file.finish().map_err(of_place)?,
            state_hash: written.state_hash,
        })
    }
}
