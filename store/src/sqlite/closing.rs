//! Closing: this process gives its part back, and the last one puts everything into the database.

use std::sync::atomic::Ordering;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::disk::Disk;
use super::rows::{self, sqlite_error};
use super::shared::Shared;
use super::writer_lock::LOCK_TIMEOUT;
use crate::backend::StoreError;
use crate::files;

impl Shared {
    pub(super) fn close(&self) -> Result<(), StoreError> {
        let Some(mut disk) = self.group.take() else {
            return Ok(());
        };
        self.closing.store(true, Ordering::Release);
        let writer = self.writing.lock().writer.take();
        self.writer_lock.close(&self.peers);
        self.peers.wake_listeners();
        let synced = match self.failure.get() {
            Some(error) => Err(error.clone()),
            None => self.sync(&mut disk),
        };
        if let Err(error) = &synced {
            self.failure.get_or_init(|| error.clone());
        }
        self.group.close(synced.as_ref().ok().copied());
        self.maintenance.end();
        self.end_verification();
        let _nobody_reads = self.open.write();
        self.snapshots.lock().end();
        self.idle.lock().clear();
        let connection = writer.map(|writer| writer.connection);
        let outcome = self.go(disk, connection, synced);
        self.withheld.lock().clear();
        self.registration.lock().take();
        outcome
    }

    fn end_verification(&self) {
        while self
            .verifying
            .try_lock_for(Duration::from_millis(20))
            .is_none()
        {
            if let Some(verification) = &*self.verification.lock() {
                verification.interrupt();
            }
        }
    }

    /// Leaves the other processes, or leaves the store to whoever opens it next. Where another is
    /// stopped while it opens the store, what is left to do is left to who comes after it.
    fn go(
        &self,
        mut disk: Disk,
        connection: Option<Connection>,
        synced: Result<u64, StoreError>,
    ) -> Result<(), StoreError> {
        let membership = self.peers.lock_membership(&self.place, LOCK_TIMEOUT).ok();
        let is_last = membership
            .as_ref()
            .is_some_and(|membership| membership.others() == Ok(0));
        let outcome = match (synced, connection) {
            (Ok(commit), Some(connection)) if is_last => {
                self.finish_closing(&mut disk, connection, commit)
            }
            (Ok(_), Some(connection)) => close(connection),
            (synced, _) => synced.map(drop),
        };
        outcome.and(self.peers.leave()).and(disk.lock.release())
    }

    /// After the last sync, with nobody else: all is in the database, and there is no log.
    fn finish_closing(
        &self,
        disk: &mut Disk,
        connection: Connection,
        commit: u64,
    ) -> Result<(), StoreError> {
        // Without room for it in the database the log stays, and the next who opens goes on.
        if rows::checkpoint(&connection, "TRUNCATE").is_ok_and(|emptied| emptied.all) {
            connection
                .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)
                .map_err(|error| sqlite_error("cannot close the database", &error))?;
        }
        close(connection)?;
        files::remove(&self.place.pulse())?;
        files::sync_folder(self.place.folder())?;
        disk.manifest.raise(commit)?;
        disk.manifest.write_and_sync(disk.manifest.mark())
    }
}

fn close(connection: Connection) -> Result<(), StoreError> {
    connection
        .close()
        .map_err(|(_, error)| sqlite_error("cannot close the database", &error))
}
