//! No operation writes without bound in one commit (R-QTA-16): what would be more is refused, and
//! it is said how to do it in parts.

use crate::error::{Code, Error};

/// For so many records that a step of large work writes, an operation writes so many keys: 400,000
/// at most. The largest requests that have a bound of their own stay below that.
pub(super) const KEYS_OF_A_STEP: usize = 800;

/// Refuses an operation that has written more keys than fit into one commit.
pub(super) fn refuse_beyond(most: usize, written: usize, operation: &str) -> Result<(), Error> {
    if written <= most {
        return Ok(());
    }
    let message = format!(
        "`{operation}` would write {written} keys at once, and {most} are allowed; {} first.",
        way_out(operation)
    );
    Err(Error::new(Code::TooLarge, message)
        .with("written", written)
        .with("most", most))
}

/// What makes the operation smaller.
fn way_out(operation: &str) -> &'static str {
    match operation {
        "accounts.delete" | "accounts.bulk" => "delete accounts below, or members of them,",
        "accounts.transfer_owner" => "transfer the accounts below",
        "groups.delete" => "move its members and resources elsewhere, some at a time,",
        "members.remove" | "members.bulk" | "members.leave" => {
            "give their resources to others, some at a time,"
        }
        "users.delete" => "remove the user from some accounts, or give resources to others,",
        _ => "do a part of it",
    }
}
