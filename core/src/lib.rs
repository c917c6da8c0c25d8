//! tenantry: the account logic of an e-mail platform, embedded.
//!
//! A platform that sends mail for many clients asks it who may do what, and how many messages may
//! still go out this hour, day and month. A send is decided and charged in one step, so that two at
//! once never pass a limit together, and what was granted survives kill -9 and power loss.
//!
//! ```
//! use tenantry::{Actor, OpenOptions, Tenantry, Id, Name, Email};
//! use tenantry::api::accounts;
//!
//! let t = Tenantry::open(":memory:", OpenOptions::default())?;
//! let system = Actor::System;
//! let package = br#"{"id":"small","name":"Small","limits":{"email_per_day":2}}"#;
//! t.call_json(b"", b"packages.create", package)?;
//! t.call(&system, accounts::Create {
//!     id: Some(Id::new("acme")?),
//!     name: Name::new("Acme")?,
//!     owner: accounts::OwnerInput {
//!         user: Some(Id::new("ann")?),
//!         email: Some(Email::new("ann@acme.example")?),
//!         first_name: None,
//!         last_name: None,
//!     },
//!     parent: None,
//!     time_zone: None,
//!     package: Some(Id::new("small")?),
//!     limits: Default::default(),
//!     pending: false,
//! })?;
//!
//! let gate = t.sender("acme", Some("ann"))?;
//! assert_eq!(gate.admit(2)?.granted, 2);
//! let refusal = gate.admit(1)?.refusal.ok_or("refused")?;
//! assert_eq!(refusal.code.name(), "quota_exceeded");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod api;
mod auth;
pub mod catalogue;
mod domain;
mod engine;
mod error;
mod guard;
mod handle;
mod import;
mod json;
mod kernel;
mod locks;
mod model;
mod options;
mod registry;
mod rules;
mod tables;

pub use crate::api::operation::Contract;
pub use crate::api::operation::Effect;
pub use crate::api::operation::Gates;
pub use crate::api::operation::Request;
pub use crate::engine::meters::BindingLimit;
pub use crate::engine::meters::Decision;
pub use crate::engine::meters::Refusal;
pub use crate::engine::operation::Operation;
pub use crate::error::Error;
pub use crate::error::table::Class;
pub use crate::error::table::Code;
pub use crate::error::table::Retry;
pub use crate::handle::Access;
pub use crate::handle::Sender;
pub use crate::handle::Tenantry;
pub use crate::import::ImportProgress;
pub use crate::import::ImportUsers;
pub use crate::model::account::HoldLevel;
pub use crate::model::account::HoldReason;
pub use crate::model::actor::Actor;
pub use crate::model::actor::Caller;
pub use crate::model::actor::KeyScope;
pub use crate::model::actor::LogIn;
pub use crate::model::address::Address;
pub use crate::model::address::AddressRange;
pub use crate::model::assets::AssetKind;
pub use crate::model::assets::Assets;
pub use crate::model::campaign::CampaignOutcomes;
pub use crate::model::campaign::CampaignStopReason;
pub use crate::model::cap::CapScope;
pub use crate::model::cap::MessageInput;
pub use crate::model::cap::OverLimit;
pub use crate::model::credit::CreditEntry;
pub use crate::model::credit::CreditKind;
pub use crate::model::credit::CreditPart;
pub use crate::model::credit::CreditTotals;
pub use crate::model::credit::PaidWithCredits;
pub use crate::model::edition::Edition;
pub use crate::model::email::Email;
pub use crate::model::group::Avatar;
pub use crate::model::group::GroupCaps;
pub use crate::model::invitation::AccountGrant;
pub use crate::model::invitation::Delivery;
pub use crate::model::invitation::DeliveryOutcome;
pub use crate::model::invitation::InvitationKind;
pub use crate::model::limit::Limit;
pub use crate::model::limit::LimitKind;
pub use crate::model::limit::LimitName;
pub use crate::model::limit::Limits;
pub use crate::model::meter::Channel;
pub use crate::model::meter::Window;
pub use crate::model::outbox::LimitAlert;
pub use crate::model::outbox::OutboxKind;
pub use crate::model::package::BounceRate;
pub use crate::model::package::Package;
pub use crate::model::package::Price;
pub use crate::model::permission::Scope;
pub use crate::model::permission::tree::PermissionTree;
pub use crate::model::policy::CapPeriod;
pub use crate::model::policy::ChildOwner;
pub use crate::model::policy::Editor;
pub use crate::model::policy::EffectivePolicies;
pub use crate::model::policy::GrantExisting;
pub use crate::model::policy::PendingStep;
pub use crate::model::policy::Policies;
pub use crate::model::policy::Preset;
pub use crate::model::policy::Resend;
pub use crate::model::policy::ReservationsOnHold;
pub use crate::model::policy::RoleScope;
pub use crate::model::reservation::ReservationState;
pub use crate::model::resource::ResourceReason;
pub use crate::model::resource::ResourcesTo;
pub use crate::model::resource::ResourcesToKind;
pub use crate::model::role::BuiltIn;
pub use crate::model::role::Grant;
pub use crate::model::role::Role;
pub use crate::model::second_factor::SecondFactorPolicy;
pub use crate::model::secret::Secret;
pub use crate::model::suppression::MessageClass;
pub use crate::model::suppression::Suppression;
pub use crate::model::text::Count;
pub use crate::model::text::Cursor;
pub use crate::model::text::Id;
pub use crate::model::text::Name;
pub use crate::model::text::Note;
pub use crate::model::user::Notifications;
pub use crate::options::ActingSender;
pub use crate::options::Durability;
pub use crate::options::HexKey;
pub use crate::options::ManualClock;
pub use crate::options::OpenOptions;
pub use crate::options::Pepper;
pub use crate::options::SenderOptions;
pub use crate::rules::account::Status;
pub use crate::rules::invitation::InvitationStatus;
pub use crate::rules::limit::Source;
pub use crate::rules::policy::PolicySource;
