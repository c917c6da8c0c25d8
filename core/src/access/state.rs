//! What is kept of one open store while it is open: each part knows only what lies below it.

use crate::access::trials::Trials;
use crate::access::view::AccountCell;
use crate::access::views::Views;
use crate::auth::Auth;
use crate::error::Error;
use crate::kernel::background::Background;
use crate::kernel::{Kernel, keys};
use crate::meters::drawer::Drawer;
use crate::model::Id;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Weak};

/// One open store. Handles share it.
pub(crate) struct Engine {
    pub(crate) kernel: Kernel,
    pub(crate) auth: Auth,
    pub(crate) views: Views,
    pub(crate) trials: Trials,
    pub(crate) drawer: Drawer,
    pub(crate) background: Background,
    /// Whether messages may be reserved: then what comes back is in the store alone.
    pub(crate) has_reserved: AtomicBool,
    /// Whether the store has it planned that what is over is cleared away.
    pub(crate) prunes: AtomicBool,
    /// Itself, for the thread that draws in the background.
    pub(crate) this: Weak<Engine>,
}

impl Engine {
    /// The account in memory.
    pub(crate) fn cell(&self, id: &Id) -> Result<Arc<AccountCell>, Error> {
        match self.views.cells.get(id.as_str()) {
            Some(cell) => Ok(cell),
            None if self.is_leaving(id)? => Err(Error::not_found("account", id.as_str())),
            None if self.kernel.backend.get(&keys::account(id))?.is_some() => {
                Ok(self.views.cells.get_or_insert(self, id))
            }
            // It was deleted since the snapshot that is read here, and nobody else needs it.
            None if self.kernel.seen_here().get(&keys::account(id))?.is_some() => {
                Ok(self.views.cells.apart(id))
            }
            None => Err(Error::not_found("account", id.as_str())),
        }
    }

    /// The account in memory, by a text that may not even be an id.
    pub(crate) fn cell_by_text(&self, id: &str) -> Result<Arc<AccountCell>, Error> {
        match self.views.cells.get(id) {
            Some(cell) => Ok(cell),
            None => self.cell(&Id::new(id).map_err(|error| Error::invalid("/account", error))?),
        }
    }
}
