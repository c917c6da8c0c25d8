//! Credits: a ledger for each account and channel, what is left of its grants, and where it lies
//! (R-CRD-1 to R-CRD-3).
//!
//! Entries are only ever added. Beside them lies what they sum up to: how much each grant has left,
//! in the free balance and in the reserve of each group, in the order in which grants pay; so a
//! spend reads the grants that it is paid by, and nothing else.
//!
//! No thread waits for a grant to expire. Every operation first enters what has expired by now,
//! those that only read too: in their own view of the store, which nobody keeps. So an expiry
//! counts at its instant, and the next change writes it down.

mod buckets;
mod future;
mod ledger;
mod lifted;
mod pay;
pub(crate) mod refund;

pub(crate) use buckets::{Taken, of_group, parts_of, release_group, sum};
pub(crate) use future::undo_future;
pub(crate) use ledger::{OpenLedger, balance, broken, totals_within};
pub(crate) use lifted::{count_future_now, lifted_by, paid_in};
pub(crate) use pay::{exhausted, pay_for_send, payable, payable_parts, spend};
pub(crate) use refund::{refund, refund_at_most};
