//! Connections to read with. Some that are idle are kept; where more threads read at once, more are
//! opened.

use std::time::Duration;

use parking_lot::Mutex;

use super::address::Address;
use super::login;
use super::trouble::{self, Trouble};
use super::wire::{Ask, Connection, Rows};

/// So many that are idle are kept.
const IDLE: usize = 4;
/// A server ends a reader that is stopped in the middle of what it reads: it keeps what is
/// outdated from being cleared away.
const LONGEST_READ: Duration = Duration::from_secs(600);

pub(super) struct Pool {
    address: Address,
    timeout: Duration,
    idle: Mutex<Vec<Connection>>,
}

impl Pool {
    pub(super) fn new(address: &Address, timeout: Duration) -> Pool {
        Pool {
            address: address.clone(),
            timeout,
            idle: Mutex::default(),
        }
    }

    pub(super) fn open(&self) -> Result<Connection, Trouble> {
        open(&self.address, LONGEST_READ, self.timeout)
    }

    /// Asks something that may be asked twice, in one trip: where an idle connection turns out to
    /// be lost, as all are when the server starts again, another is opened.
    pub(super) fn ask(&self, asks: &[Ask<'_>]) -> Result<Vec<Rows>, Trouble> {
        let (connection, rows) = self.begin(asks)?;
        self.keep(connection);
        Ok(rows)
    }

    /// The same; the connection is for more of it.
    pub(super) fn begin(&self, asks: &[Ask<'_>]) -> Result<(Connection, Vec<Rows>), Trouble> {
        if let Some(mut connection) = self.take_idle() {
            match connection.ask(asks) {
                Ok(rows) => return Ok((connection, rows)),
                Err(Trouble::Lost(_)) => {
                    trouble::tell_lost(&self.address.place());
                    self.clear();
                }
                // It may be in a transaction.
                Err(refused) => return Err(refused),
            }
        }
        let mut connection = self.open()?;
        let rows = connection.ask(asks)?;
        Ok((connection, rows))
    }

    fn take_idle(&self) -> Option<Connection> {
        self.idle.lock().pop()
    }

    pub(super) fn keep(&self, connection: Connection) {
        let mut idle = self.idle.lock();
        if idle.len() < IDLE && !connection.is_lost() {
            idle.push(connection);
        }
    }

    fn clear(&self) {
        self.idle.lock().clear();
    }

    pub(super) fn end(&self) {
        std::mem::take(&mut *self.idle.lock())
            .into_iter()
            .for_each(Connection::end);
    }
}

/// A connection whose statements and locks do not take longer than whoever waits has timeout, and
/// that the server ends where it is left alone in a transaction for longer than `longest`.
pub(super) fn open(
    address: &Address,
    longest: Duration,
    timeout: Duration,
) -> Result<Connection, Trouble> {
    let ms = |time: Duration| time.as_millis().to_string();
    // So the server's answer comes before nobody waits for it any more.
    let (statement, longest) = (ms(timeout * 4 / 5), ms(longest));
    let settings = [
        ("search_path", &*address.schema),
        ("application_name", "tenantry"),
        ("statement_timeout", &*statement),
        ("lock_timeout", &*statement),
        ("idle_in_transaction_session_timeout", &*longest),
    ];
    login::connect(address, &settings, timeout)
}
