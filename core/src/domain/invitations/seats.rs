//! The seats that invitations hold.

use crate::access::request::Ctx;
use crate::domain::membership;
use crate::error::{Code, Error};
use crate::model::Id;
use std::collections::BTreeMap;

/// The seats that are left in some accounts, counted once for many invitations (R-INV-9).
pub(crate) struct Seats(BTreeMap<Id, u64>);

impl Seats {
    pub(super) fn left_in(ctx: &mut Ctx<'_>, accounts: &[Id]) -> Result<Seats, Error> {
        let mut left = BTreeMap::new();
        for account in accounts {
            let seats = membership::seats(ctx, account)?.ceiling();
            if seats < u64::MAX {
                let taken = membership::seats_taken(ctx, account, seats)?;
                left.insert(account.clone(), seats.saturating_sub(taken));
            }
        }
        Ok(Seats(left))
    }

    /// Takes one in each account, or none where there is an account without.
    pub(super) fn take(&mut self) -> Result<(), Error> {
        if let Some((account, _)) = self.0.iter().find(|(_, left)| **left == 0) {
            return Err(Error::new(
                Code::SeatsExhausted,
                format!("All seats of `{account}` are taken; free one, or raise the limit."),
            )
            .with("account", account.as_str()));
        }
        self.0.values_mut().for_each(|left| *left -= 1);
        Ok(())
    }
}
