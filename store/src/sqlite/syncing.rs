//! Syncing and emptying SQLite's log, for all processes.

use std::fs::File;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::disk::Disk;
use super::peers::EMPTYING;
use super::rows;
use super::shared::Shared;
use crate::backend::StoreError;
use crate::files::{self, Identity};

impl Shared {
    pub(super) fn sync_up_to(&self, commit: u64) -> Result<(), StoreError> {
        self.group.wait_for(commit, |disk| self.sync(disk))
    }

    /// Makes durable what was committed before, by any process, and returns the number of the last
    /// of that. Where it fails, it has failed for all processes.
    pub(super) fn sync(&self, disk: &mut Disk) -> Result<u64, StoreError> {
        self.must_be_whole()?;
        let commit = self.peers.commit();
        let synced = disk
            .wal
            .sync_data()
            .map_err(|error| StoreError::io("cannot sync SQLite's log", &error))
            .and_then(|()| self.still_holds(disk))
            .and_then(|()| self.others_must_be_whole())
            .and_then(|()| disk.advance(&self.peers, commit));
        if let Err(error) = synced {
            self.peers.break_all();
            return Err(error);
        }
        Ok(commit)
    }

    /// Refuses when the names of the files lead to other files than those that are open, or to
    /// none: what is written to these is lost, or not seen by who comes next.
    fn still_holds(&self, disk: &Disk) -> Result<(), StoreError> {
        let of = |file: &File| file.metadata().ok().as_ref().map(Identity::from);
        let files = [
            (self.place.db().to_owned(), self.db),
            (self.place.wal(), of(&disk.wal)),
            (self.place.manifest(), of(disk.manifest.file())),
            (self.place.lock(), of(disk.lock.file())),
        ];
        let shared = self.peers.files(&self.place);
        files
            .iter()
            .chain(&shared)
            .try_for_each(|(path, open)| files::still_leads_to(path, *open))
    }

    /// Empties the log into the database, where no other process is about to.
    pub(super) fn empty_by(
        &self,
        empty: impl FnOnce() -> Result<rows::Emptied, StoreError>,
    ) -> Result<(), StoreError> {
        let _one_thread = self.emptying.lock();
        let emptied = self.peers.with_byte(EMPTYING, Duration::ZERO, empty)?;
        if let Some(outcome) = emptied {
            self.emptied(outcome);
        }
        Ok(())
    }

    /// What emptying the log brings about: an error of the disk is final, as for a sync.
    fn emptied(&self, outcome: Result<rows::Emptied, StoreError>) {
        match outcome {
            Ok(emptied) if emptied.all => self.pages.store(0, Ordering::Release),
            Err(error @ StoreError::Failed { .. }) => {
                if rows::is_failed_sync(&error) {
                    self.peers.break_all();
                }
                self.failure.get_or_init(|| error);
            }
            // Somebody reads in it, or there is no room in the database: later.
            _ => {}
        }
    }
}
