//! Why the server has not answered, or has refused.

use std::fmt;
use std::io;

use tracing::info;

/// Why something was not answered.
#[derive(Clone, Debug)]
pub(super) enum Trouble {
    /// The connection is gone. Whether what was asked for last has happened is not known.
    Lost(String),
    /// The server did not do it, and says why. A transaction can only be taken back.
    Refused {
        /// Five characters: `SQLSTATE`.
        state: String,
        message: String,
    },
}

impl fmt::Display for Trouble {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Lost(what) => out.write_str(what),
            Trouble::Refused { state, message } => write!(out, "{message} ({state})"),
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        Trouble::Lost(match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                "the server did not answer in time".to_owned()
            }
            io::ErrorKind::UnexpectedEof => "the server closed the connection".to_owned(),
            _ => error.to_string(),
        })
    }
}

/// The log is told that a connection is gone; whoever used it opens another.
pub(super) fn tell_lost(server: &str) {
    info!(
        target: "tenantry::store",
        server, "A connection to the database was lost; another is opened."
    );
}
