//! Meters: what may still go out, decided and charged in one step.
//!
//! All counters that one send can charge belong to one team of accounts and lie under one lock. The
//! store is charged ahead for a block of each counter, and a send spends the block in memory, or
//! what was lent to it of the block. A clean close gives what is unspent back; after a crash what
//! was drawn counts as spent. So nothing is ever sent beyond a limit, and what a crash can cost is
//! one block for each counter, or the largest send that was asked for where that is more.

mod alike;
pub(crate) mod allowance;
mod apart;
mod ask;
mod blocks;
mod bound;
mod charge;
mod counter;
mod draw;
pub(crate) mod drawer;
mod frame;
mod given_back;
mod guaranteed;
mod hold;
mod id;
mod in_memory;
mod lend;
mod limit_state;
mod outlook;
mod pace;
mod paid;
mod places;
mod prepared;
mod record;
mod refund;
mod refused;
mod remembered;
mod resolved;
mod roll;
mod store;
mod team;
mod wanted;
mod windows;

#[cfg(test)]
pub(crate) use crate::model::{Decision, Refusal};
pub(crate) use alike::InCommon;
pub(crate) use ask::{Ask, check_count};
#[cfg(test)]
pub(crate) use draw::draw_ahead;
pub(crate) use draw::{ROUNDS, commit_draws};
pub(crate) use frame::{Frame, TRIED};
pub(crate) use guaranteed::{Guarantee, Guaranteed};
pub(crate) use id::{MeterId, MeterScope, PLATFORM, UNCOUNTED};
pub(crate) use limit_state::{Coming, LimitState, MeterReading};
pub(crate) use paid::{Charge, Charged, Lifted, Paid};
pub(crate) use places::Room;
pub(crate) use prepared::Prepared;
pub(crate) use record::meter_of;
pub(crate) use remembered::Remembered;
pub(crate) use resolved::{Resolved, value_of};
pub(crate) use store::MeterStore;
pub(crate) use team::{Team, overtaken};
pub(crate) use wanted::{Term, Wanted, over_of};
pub(crate) use windows::next_window;
