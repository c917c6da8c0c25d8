//! tenantry: the account logic of an e-mail platform, embedded.
//!
//! A platform that sends mail for many clients asks it who may do what, and how many messages may
//! still go out in this hour, day and month. A send is decided and charged in one step: two sends
//! at the same time never pass a limit together, and what was granted survives `kill -9` and a
//! power loss.
//!
//! ```
//! use tenantry::api::{accounts, packages};
//! use tenantry::{Actor, Count, Email, Id, Limit, Limits, Name, OpenOptions, Tenantry};
//!
//! let t = Tenantry::open(":memory:", OpenOptions::default())?;
//! let small = packages::Create::new(Name::new("Small")?)
//!     .id(Id::new("small")?)
//!     .limits(Limits::default().email_per_day(Limit::At(Count::new(2)?)));
//! t.call(&Actor::System, small)?;
//! let owner = accounts::OwnerInput::new()
//!     .user(Id::new("ann")?)
//!     .email(Email::new("ann@acme.example")?);
//! let acme = accounts::Create::new(Name::new("Acme")?, owner)
//!     .id(Id::new("acme")?)
//!     .package(Id::new("small")?);
//! t.call(&Actor::System, acme)?;
//!
//! let gate = t.sender("acme", Some("ann"))?;
//! assert_eq!(gate.admit(2)?.granted, 2);
//! let refusal = gate.admit(1)?.refusal.ok_or("refused")?;
//! assert_eq!(refusal.code.name(), "quota_exceeded");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![cfg_attr(doc, doc = include_str!("../doc/types.md"))]

mod access;
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
mod meters;
mod model;
mod options;
mod registry;
mod rules;
mod sending;
mod tables;

pub use access::operation::Operation;
pub use api::operation::{Contract, Effect, Gates, Request};
pub use error::{Class, Code, Error, Retry};
pub use handle::{Access, Sender, Tenantry};
pub use import::{ImportProgress, ImportUsers};
pub use model::{
    AccountGrant, Actor, Address, AddressRange, AssetKind, Assets, AssetsEdit, AuditActor,
    AuditActorKind, AuditKind, Avatar, Behind, BindingLimit, BounceRate, BuiltIn, Caller, Campaign,
    CampaignOutcomes, CampaignStop, CampaignStopReason, CapPeriod, CapScope, Channel, ChildOwner,
    ClockJump, Count, CountedClass, CreditEntry, CreditKind, CreditPart, CreditTotals, Cursor,
    Decision, Delivery, DeliveryOutcome, Edition, Editor, EffectivePolicies, Email, FilePath,
    Grant, GrantExisting, GroupCaps, Hold, HoldLevel, HoldReason, HostNode, Id, InvitationKind,
    KeyScope, Limit, LimitAlert, LimitKind, LimitName, LimitTerms, Limits, LogIn, LogInNotice,
    MessageClass, MessageInput, Name, NextPackage, NextRole, Note, Notifications,
    NotificationsEdit, OutboxKind, OverLimit, Package, PaidWithCredits, PendingStep,
    PermissionNode, PermissionTree, Policies, Preset, Price, Profile, Refusal, Replaceable, Resend,
    ReservationState, ReservationsOnHold, Resource, ResourceReason, ResourcesTo, ResourcesToKind,
    Role, RoleScope, Scope, SecondFactorPolicy, Secret, SessionBehind, Slot, StorePath,
    Suppression, Window,
};
pub use options::{
    ActingSender, Durability, HexKey, ManualClock, OpenOptions, Pepper, SenderOptions, shown_path,
};
pub use rules::account::Status;
pub use rules::invitation::InvitationStatus;
pub use rules::limit::Source;
pub use rules::policy::PolicySource;
pub use rules::user_csv::CsvSeparator;
