//! Every operation, in one sorted list. What is not in it does not exist in any language.

use super::{Access, Effect, Operation};
use crate::engine::Engine;
use crate::error::{Code, Error};
use crate::json;
use crate::model::Actor;
use crate::rules::log_in_as;
use once_cell::sync::Lazy;
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use sha2::{Digest, Sha256};

/// An operation of the catalogue.
pub struct Entry {
    /// The name, such as `accounts.create`.
    pub name: &'static str,
    /// What it does to the store.
    pub effect: Effect,
    /// Who may call it.
    pub access: Access,
    pub(crate) run_json: fn(&Engine, &Actor, &[u8]) -> Result<String, Error>,
    /// The JSON schema of the request.
    pub request: fn() -> Schema,
    /// The JSON schema of the answer.
    pub answer: fn() -> Schema,
}

/// Is shown every operation with its types; see [`visit`].
pub trait Visitor {
    /// What visiting gives.
    type Output;
    /// Called with the operation.
    fn operation<O: Operation>(self) -> Self::Output;
}

const fn entry<O: Operation>() -> Entry {
    Entry {
        name: O::NAME,
        effect: O::EFFECT,
        access: O::ACCESS,
        run_json: run_json::<O>,
        request: schema::<O>,
        answer: schema::<O::Answer>,
    }
}

macro_rules! catalogue {
    ($($operation:ty,)*) => {
        /// Every operation, sorted by name.
        pub static CATALOGUE: &[Entry] = &[$(entry::<$operation>(),)*];

        /// Shows a visitor the operation of this name; none when there is no such operation.
        pub fn visit<V: Visitor>(name: &str, visitor: V) -> Option<V::Output> {
            $(if name == <$operation as Operation>::NAME {
                return Some(visitor.operation::<$operation>());
            })*
            None
        }

        const NAMES: &[&str] = &[$(<$operation as Operation>::NAME,)*];
    };
}

catalogue! {
    super::access::Check,
    super::access::Explain,
    super::access::WhatCan,
    super::access::WhoCan,
    super::accounts::Activate,
    super::accounts::Bulk,
    super::accounts::Close,
    super::accounts::Create,
    super::teams::CreateChild,
    super::accounts::Delete,
    super::accounts::Edit,
    super::accounts::Get,
    super::accounts::Hold,
    super::accounts::List,
    super::teams::Quote,
    super::accounts::Release,
    super::accounts::Reopen,
    super::teams::Switch,
    super::teams::Switchable,
    super::teams::Team,
    super::teams::TransferOwner,
    super::accounts::Validate,
    super::addresses::Get,
    super::addresses::Set,
    super::api_keys::Check,
    super::api_keys::Create,
    super::api_keys::Delete,
    super::api_keys::Edit,
    super::api_keys::List,
    super::assets::Assign,
    super::assets::Check,
    super::assets::Get,
    super::assets::Unassign,
    super::audit::Export,
    super::audit::Head,
    super::audit::List,
    super::audit::Prune,
    super::audit::Verify,
    super::automations::Admit,
    super::automations::Check,
    super::campaigns::Get,
    super::campaigns::List,
    super::campaigns::Report,
    super::campaigns::Resume,
    super::campaigns::Stop,
    super::caps::List,
    super::caps::Remove,
    super::caps::Set,
    super::clock::Confirm,
    super::clock::Get,
    super::clock::Set,
    super::clock::Undo,
    super::credits::Allocate,
    super::credits::Balance,
    super::credits::Grant,
    super::credits::Ledger,
    super::credits::Refund,
    super::credits::Reserve,
    super::credits::Spend,
    super::credits::TakeBack,
    super::credits::Unreserve,
    super::credits::Withdraw,
    super::gauges::Claim,
    super::gauges::Get,
    super::gauges::Reconcile,
    super::gauges::Release,
    super::groups::AddMembers,
    super::groups::ClearAvatar,
    super::groups::Create,
    super::groups::Delete,
    super::groups::Get,
    super::groups::List,
    super::groups::MakeDefault,
    super::groups::RemoveMembers,
    super::groups::Rename,
    super::groups::SetAvatar,
    super::groups::SetCaps,
    super::groups::TransferMembers,
    super::groups::Usage,
    super::invitations::Accept,
    super::invitations::Create,
    super::invitations::Delete,
    super::invitations::Edit,
    super::invitations::Erase,
    super::invitations::Get,
    super::invitations::List,
    super::invitations::LookUp,
    super::invitations::ReportDelivery,
    super::invitations::Resend,
    super::leases::Acquire,
    super::leases::Get,
    super::leases::Release,
    super::leases::Renew,
    super::leases::TakeOver,
    super::limits::Allocate,
    super::limits::Explain,
    super::limits::Inherit,
    super::limits::Set,
    super::limits::SetDefault,
    super::members::Add,
    super::members::Bulk,
    super::members::Disable,
    super::members::Enable,
    super::members::Get,
    super::members::Grant,
    super::members::List,
    super::members::People,
    super::members::Remove,
    super::members::SetRole,
    super::operators::Add,
    super::operators::Disable,
    super::operators::Enable,
    super::operators::Get,
    super::operators::List,
    super::operators::Remove,
    super::operators::SetRole,
    super::outbox::Ack,
    super::outbox::Clear,
    super::outbox::Consumers,
    super::outbox::Dead,
    super::outbox::Fail,
    super::outbox::Forget,
    super::outbox::Read,
    super::outbox::Retry,
    super::outbox::Revive,
    super::outbox::Take,
    super::packages::Create,
    super::packages::Delete,
    super::packages::Edit,
    super::packages::Get,
    super::packages::List,
    super::packages::Preflight,
    super::packages::Retire,
    super::passwords::Ban,
    super::passwords::Change,
    super::passwords::Forgot,
    super::passwords::ImportHashes,
    super::passwords::Remove,
    super::passwords::Set,
    super::passwords::Unban,
    super::permissions::Add,
    super::permissions::List,
    super::permissions::Search,
    super::policies::Get,
    super::policies::Preset,
    super::policies::Set,
    super::policies::Unset,
    super::reservations::Commit,
    super::reservations::Create,
    super::reservations::Get,
    super::reservations::Release,
    super::resources::Can,
    super::resources::Edit,
    super::resources::Get,
    super::resources::Register,
    super::resources::Remove,
    super::resources::Save,
    super::resources::ShareKind,
    super::resources::UnshareKind,
    super::resources::Visible,
    super::resources::ListVisibleOwners,
    super::roles::Copy,
    super::roles::Create,
    super::roles::Delete,
    super::roles::Edit,
    super::roles::Get,
    super::roles::List,
    super::roles::Trial,
    super::roles::TryOut,
    super::second_factors::Begin,
    super::second_factors::Confirm,
    super::second_factors::ImportSecret,
    super::second_factors::Remove,
    super::second_factors::RenewRecoveryCodes,
    super::second_factors::Status,
    super::sending::Admit,
    super::sending::AdmitBatch,
    super::sending::Explain,
    super::sending::Forecast,
    super::sending::Refund,
    super::sending::WhatIf,
    super::sessions::Check,
    super::sessions::Create,
    super::sessions::CreateAs,
    super::sessions::End,
    super::sessions::EndAll,
    super::sessions::List,
    super::sessions::Renew,
    super::sharing::Check,
    super::sharing::List,
    super::sharing::Received,
    super::sharing::Share,
    super::sharing::Unshare,
    super::store::Info,
    super::store::StateHash,
    super::store::Verify,
    super::suppressions::Add,
    super::suppressions::Check,
    super::suppressions::Import,
    super::suppressions::List,
    super::suppressions::Pool,
    super::suppressions::Remove,
    super::threads::Acquire,
    super::threads::List,
    super::threads::Release,
    super::threads::Renew,
    super::usage::Get,
    super::usage::History,
    super::usage::Invoice,
    super::usage::Reconcile,
    super::users::ChangeEmail,
    super::users::ConfirmEmail,
    super::users::Create,
    super::users::Delete,
    super::users::Disable,
    super::users::Edit,
    super::users::Enable,
    super::user_csv::ExportCsv,
    super::users::ExportData,
    super::users::Get,
    super::user_csv::ImportCsv,
    super::users::List,
    super::users::LoggedIn,
    super::users::PasswordWasSet,
    super::users::RequestPasswordReset,
}

const _: () = assert!(
    is_sorted(NAMES),
    "the catalogue is sorted by name, each name once"
);

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated at compile time, where a wrong index does not build"
)]
const fn is_sorted(names: &[&str]) -> bool {
    let mut at = 1;
    while at < names.len() {
        if !is_before(names[at - 1].as_bytes(), names[at].as_bytes()) {
            return false;
        }
        at += 1;
    }
    true
}

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated at compile time, where a wrong index does not build"
)]
const fn is_before(one: &[u8], other: &[u8]) -> bool {
    let mut at = 0;
    while at < one.len() && at < other.len() {
        if one[at] != other[at] {
            return one[at] < other[at];
        }
        at += 1;
    }
    one.len() < other.len()
}

fn run_json<O: Operation>(engine: &Engine, actor: &Actor, request: &[u8]) -> Result<String, Error> {
    let request: O = json::read(request)?;
    let answer = engine.run(actor, request)?;
    // Room for an answer with a token: what grows leaves copies behind.
    let mut text = Vec::with_capacity(1024);
    let unwritten = |error: &dyn std::fmt::Display| {
        Error::new(
            Code::Internal,
            format!("the answer cannot be written: {error}"),
        )
    };
    serde_json::to_writer(&mut text, &answer).map_err(|error| unwritten(&error))?;
    String::from_utf8(text).map_err(|error| unwritten(&error))
}

fn schema<T: JsonSchema>() -> Schema {
    SchemaGenerator::new(SchemaSettings::draft2020_12()).into_root_schema_for::<T>()
}

impl Entry {
    /// Whether it is refused to whoever acts as another user (R-SES-6).
    pub fn is_masked(&self) -> bool {
        log_in_as::is_masked(self.name, self.effect != Effect::Read)
    }
}

/// The operation of this name.
pub fn find(name: &str) -> Option<&'static Entry> {
    let at = CATALOGUE
        .binary_search_by(|entry| entry.name.cmp(name))
        .ok()?;
    CATALOGUE.get(at)
}

/// What a binding compares when it is loaded: it changes with every name and type of the catalogue
/// and every error code.
pub fn hash() -> &'static str {
    static HASH: Lazy<String> = Lazy::new(|| {
        let mut hash = Sha256::new();
        for entry in CATALOGUE {
            hash.update(entry.name);
            hash.update(serde_json::to_vec(&(entry.request)()).unwrap_or_default());
            hash.update(serde_json::to_vec(&(entry.answer)()).unwrap_or_default());
        }
        for code in Code::all() {
            hash.update(code.name());
            hash.update(code.number().to_le_bytes());
        }
        hash.finalize()
            .iter()
            .take(16)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    });
    &HASH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found() {
        for entry in CATALOGUE {
            assert_eq!(find(entry.name).unwrap().name, entry.name);
        }
        assert!(find("accounts").is_none() && find("").is_none());
    }

    #[test]
    fn order_is_checked_strictly() {
        assert!(is_sorted(&["a.b", "a.c", "ab.a"]));
        assert!(!is_sorted(&["a.b", "a.b"]));
        assert!(!is_sorted(&["a.c", "a.b"]));
    }
}
