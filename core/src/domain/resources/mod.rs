//! Resources: references to what the host keeps, and who may do what with which (R-RES-1, R-RES-2,
//! R-GRP-3).

mod edit;
mod hand_over;
mod kind;
mod kinds_shared;
mod look;
mod received;
mod require;
mod viewer;
mod visible;

pub(crate) use hand_over::reassign;
pub(crate) use kind::{EDIT, Kind};
pub(crate) use look::look;
pub(crate) use received::{look_to_change, look_to_read};
pub(crate) use require::{Need, acting, require};
