//! Why a command ended without what was asked for.

/// Why a command ended without what was asked for.
pub(crate) enum Failure {
    /// The library refused it.
    Refused(tenantry::Error),
    /// What the command line, or a file that it names, says cannot be used.
    Usage(String),
    /// Nobody reads what is printed, or it cannot be written.
    Output(std::io::Error),
}

impl From<tenantry::Error> for Failure {
    fn from(error: tenantry::Error) -> Failure {
        Failure::Refused(error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        Failure::Output(error)
    }
}
