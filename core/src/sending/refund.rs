//! Messages come back of which it is not known what they were charged to.

use crate::access::state::Engine;
use crate::error::Error;
use crate::meters::{Paid, Prepared};
use crate::model::{Channel, Id, MessageInput};

/// Messages that were charged once, and come back.
pub(crate) struct Sent<'a> {
    pub(crate) user: Option<&'a Id>,
    /// The group of the user then; several where they changed it at that instant.
    pub(crate) groups: &'a [Id],
    pub(crate) channel: Channel,
    pub(crate) message: &'a MessageInput,
}

impl Engine {
    /// As [`Prepared::refund`], where it is not known what was charged. What a counter has not,
    /// comes back to another that the messages may have been charged to in its place: a limit
    /// counted another class then, a group in another period, a user was in another group. Answers
    /// to how many of the counters something came back that can be used again; where this is asked
    /// for alone, nothing comes back.
    pub(crate) fn refund_sent(
        &self,
        prepared: &Prepared,
        sent: &Sent<'_>,
        count: u64,
        paid: &Paid,
        granted_at_ms: u64,
        asked_alone: bool,
    ) -> Result<usize, Error> {
        let charged = paid.charged(prepared, count);
        let back = prepared.put_back(self, &charged, granted_at_ms, asked_alone)?;
        let mut refunded = back.iter().filter(|back| back.usable > 0).count();
        let missing = prepared
            .wanted
            .iter()
            .zip(charged.iter().zip(&back))
            .map(|(wanted, (charged, back))| (&wanted.id, charged.saturating_sub(back.in_all)));
        let mut missing: Vec<_> = missing.filter(|(_, missing)| *missing > 0).collect();
        if missing.is_empty() {
            return Ok(refunded);
        }
        let cell = self.cell(&prepared.account)?;
        let view = cell.view(self)?;
        for wanted in self.may_be_charged(&cell, &view, sent)? {
            let is_other =
                !wanted.is_pace && prepared.wanted.iter().all(|known| known.id != wanted.id);
            let place = missing
                .iter_mut()
                .find(|(id, missing)| is_other && *missing > 0 && wanted.id.takes_place_of(id));
            let Some((_, missing)) = place else { continue };
            if self.kernel.backend.get(&wanted.id.key())?.is_some() {
                let other = Prepared::new(&cell, &view, vec![wanted]);
                let other = other.hold_places(self.kernel.clock.now_ms())?;
                for back in other.put_back(self, &[*missing], granted_at_ms, asked_alone)? {
                    *missing = missing.saturating_sub(back.in_all);
                    refunded += usize::from(back.usable > 0);
                }
            }
        }
        Ok(refunded)
    }
}
