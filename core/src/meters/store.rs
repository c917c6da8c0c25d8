//! What the meters ask of the open store that they belong to.

use crate::error::Error;
use crate::kernel::Kernel;
use crate::meters::limit_state::Coming;
use crate::meters::places::Room;
use crate::meters::prepared::Prepared;
use crate::meters::team::Team;
use crate::model::Id;
use std::sync::Arc;
use tenantry_store::Batch;

/// An open store, as the meters see it: who owns records, what is reserved and what credits there
/// are is known above them.
pub(crate) trait MeterStore {
    fn kernel(&self) -> &Kernel;

    /// Commits what a sender draws, while all whose counters are made are still there. The version
    /// of the records once they are durable; none where somebody else has written one of them.
    ///
    /// # Errors
    /// `not_found` where the sender's account is gone, `busy` where another is that the send is
    /// charged to; those of the store.
    fn commit_draws_of(&self, sender: &Id, draws: &Batch) -> Result<Option<u64>, Error>;

    /// Applies what other processes have committed. Whoever calls draws for no team.
    ///
    /// # Errors
    /// `busy` where a send is to be prepared anew by it; those of the store.
    fn catch_up(&self, prepared: &Prepared) -> Result<(), Error>;

    /// What comes back by itself to the counters of a send, and what credits there are to pay for
    /// it.
    ///
    /// # Errors
    /// Those of the store.
    fn coming(&self, prepared: &Prepared) -> Result<Coming, Error>;

    /// Whether messages may be reserved: then what comes back is in the store alone.
    fn has_reserved(&self) -> bool;

    /// How many counters and paces are to be in memory.
    fn room(&self) -> &Room;

    /// The meters of every tree of accounts.
    fn teams(&self) -> Vec<Arc<Team>>;

    /// Has the next blocks drawn in the background.
    fn ask_to_draw(&self, prepared: &Arc<Prepared>);

    /// Takes over from the background whoever has asked for their next blocks, each team once.
    fn asked(&self) -> Vec<Arc<Prepared>>;
}
