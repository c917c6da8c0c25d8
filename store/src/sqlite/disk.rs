//! The files that are synced: SQLite's log, and the manifest that tells how far it was.

use std::fs::File;
use std::time::Duration;

use super::peers::{MANIFEST, Peers};
use crate::backend::StoreError;
use crate::lock::Lock;
use crate::manifest::Manifest;

/// How long the manifest is waited for. It may lag behind what is durable, so that a process which
/// is stopped while it has it keeps nobody from syncing.
const BUSY: Duration = Duration::from_millis(100);

/// What whoever syncs needs.
pub(super) struct Disk {
    /// Our own handle on SQLite's log.
    pub(super) wal: File,
    pub(super) manifest: Manifest,
    pub(super) lock: Lock,
}

impl Disk {
    /// What is durable is told by no process before it is, and lowered by none.
    pub(super) fn advance(&mut self, peers: &Peers, commit: u64) -> Result<(), StoreError> {
        let raised = peers.with_byte(MANIFEST, BUSY, || self.manifest.raise(commit))?;
        raised.unwrap_or(Ok(()))?;
        self.manifest.sync_from_time_to_time()
    }
}
