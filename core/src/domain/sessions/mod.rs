//! Sessions: logging in, what a token proves, and the devices that somebody is logged in with
//! (R-SES-1, R-SES-2).

pub(crate) mod devices;
pub(crate) mod log_in;
#[cfg(test)]
mod tests;
