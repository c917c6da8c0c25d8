//! Memberships: users in an account, each with a role (R-INV-4, R-INV-7, R-INV-8, R-INV-10,
//! R-INV-14, R-ACC-3, R-ROL-7).

pub(crate) mod bulk;
pub(crate) mod change;
pub(crate) mod list;
pub(crate) mod people;
pub(crate) mod show;
pub(crate) mod until;

use crate::api::members::MemberStatus;
use crate::model::PendingStep;

impl MemberStatus {
    pub(crate) fn of(disabled: bool, pending: &[PendingStep]) -> MemberStatus {
        match (disabled, pending.is_empty()) {
            (true, _) => MemberStatus::Disabled,
            (false, true) => MemberStatus::Active,
            (false, false) => MemberStatus::Pending,
        }
    }
}
