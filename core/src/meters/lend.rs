//! What is lent to senders of the counters that they are charged to, and taken back (ADR 24).

use crate::meters::allowance::{Allowance, Lent, Terms};
use crate::meters::prepared::Prepared;
use crate::meters::team::Meters;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Meters {
    /// Lends to who sends twice in a row, or to all who are charged alike where two of them do,
    /// after a charge that left so many. Where each send is to be looked at, nothing.
    pub(super) fn lend(&mut self, prepared: &Prepared, own: &Arc<Allowance>, left: u64) {
        let sends = [own, &prepared.allowance].map(|allowance| Arc::as_ptr(allowance).addr());
        let last = std::mem::replace(&mut self.sent_last, sends);
        let allowance = if last[0] == sends[0] {
            own
        } else if last[1] == sends[1] {
            &prepared.allowance
        } else {
            return;
        };
        if !prepared.is_lent_to() {
            return;
        }
        if prepared.promised.is_empty() {
            self.lend_to(prepared, allowance, left);
        } else {
            self.for_promised(&prepared.promised, |meters| {
                meters.lend_to(prepared, allowance, left)
            });
        }
    }

    #[inline]
    fn lend_to(&mut self, prepared: &Prepared, allowance: &Arc<Allowance>, left: u64) {
        let is_asked = prepared.asked.load(Ordering::Acquire);
        let (mut amount, mut ends_at_ms) = (u64::MAX, prepared.until_ms);
        for hot in prepared
            .places
            .iter()
            .filter_map(|place| self.hot.get(*place))
        {
            amount = amount.min(hot.before_a_look(is_asked));
            ends_at_ms = ends_at_ms.min(hot.ends_at_ms);
        }
        if amount == 0 {
            return;
        }
        let beyond = if left == u64::MAX {
            u64::MAX
        } else {
            left.saturating_sub(amount)
        };
        self.lent = Lent::new(
            allowance,
            &prepared.places,
            &prepared.promised,
            amount,
            Terms {
                stamp: prepared.stamp,
                ends_at_ms,
                beyond,
            },
        );
        if self.lent.is_some() {
            for place in prepared.places.iter() {
                if let Some(hot) = self.hot.get_mut(*place) {
                    hot.unspent -= amount;
                    hot.used += amount;
                }
            }
        }
    }

    pub(super) fn take_back(&mut self) {
        let Some(lent) = self.lent.take() else { return };
        let back = lent.take_back();
        if lent.promised.is_empty() {
            self.put_back(&lent.places, back);
        } else {
            self.for_promised(&lent.promised, |meters| meters.put_back(&lent.places, back));
        }
    }

    #[inline]
    fn put_back(&mut self, places: &[usize], back: u64) {
        for place in places {
            if let Some(hot) = self.hot.get_mut(*place) {
                hot.unspent += back;
                hot.used -= back;
            }
        }
    }
}
