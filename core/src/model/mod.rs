//! Plain types that cannot be built wrong. They know nothing of rules, of the store or of the
//! engine.

pub(crate) mod account;
pub(crate) mod actor;
pub(crate) mod address;
mod api_key;
pub(crate) mod assets;
mod audit;
pub(crate) mod campaign;
pub(crate) mod cap;
mod clock;
pub(crate) mod credit;
pub(crate) mod edition;
pub(crate) mod email;
pub(crate) mod group;
mod instant;
pub(crate) mod invitation;
pub(crate) mod limit;
mod mailbox;
mod member;
pub(crate) mod meter;
mod operator;
pub(crate) mod outbox;
pub(crate) mod package;
pub(crate) mod permission;
pub(crate) mod policy;
mod recipient;
pub(crate) mod reservation;
pub(crate) mod resource;
pub(crate) mod role;
pub(crate) mod second_factor;
pub(crate) mod secret;
mod session;
mod share;
mod slot;
pub(crate) mod suppression;
pub(crate) mod text;
pub(crate) mod user;

pub use account::{Account, Hold, HoldLevel, HoldReason, Lifecycle, NextPackage};
pub use actor::{Actor, Behind, Caller, KeyScope, LogIn};
pub use address::{Address, AddressRange, common_ranges};
pub use api_key::ApiKey;
pub use assets::{AssetKind, Assets, AssetsEdit};
pub use audit::{
    AUDIT_IP, AuditActor, AuditChain, AuditChange, AuditFields, AuditHead, AuditKind, AuditLink,
    AuditPerson, AuditPersonal, AuditRecord,
};
pub use campaign::{Campaign, CampaignOutcomes, CampaignStop, CampaignStopReason};
pub use cap::{Cap, CapScope, MessageInput, OverLimit};
pub use clock::{ClockJump, ClockRecord};
pub use credit::{
    CreditEntry, CreditHead, CreditKey, CreditKind, CreditPart, CreditPocket, CreditTotals,
    PaidWithCredits,
};
pub use edition::Edition;
pub use email::{Email, normal_domain};
pub use group::{Avatar, Group, GroupCaps};
pub(crate) use instant::check_instant;
pub use invitation::{
    AccountGrant, Delivery, DeliveryOutcome, Invitation, InvitationKind, InvitationState,
};
pub use limit::{CountedClass, Limit, LimitKind, LimitName, LimitTerms, Limits};
pub use mailbox::Mailbox;
pub(crate) use mailbox::trimmed;
pub use member::Member;
pub use meter::{Channel, Meter, PaceRecord, Window};
pub use operator::Operator;
pub use outbox::{
    DeadMessage, LimitAlert, LogInNotice, OpenMessage, OutboxConsumer, OutboxKind, OutboxMessage,
};
pub use package::{BounceRate, Package, Price};
pub use permission::{HostNode, Scope, tree::PermissionTree};
pub use policy::{
    CapPeriod, ChildOwner, Editor, EffectivePolicies, GrantExisting, PendingStep, Policies,
    PolicyRecord, Preset, Resend, ReservationsOnHold, RoleScope,
};
pub use recipient::Recipient;
pub use reservation::{Reservation, ReservationState};
pub use resource::{Lease, Resource, ResourceReason, ResourcesTo, ResourcesToKind};
pub use role::{BuiltIn, Grant, Role};
pub use second_factor::{SecondFactor, SecondFactorPolicy};
pub use secret::Secret;
pub use session::{PasswordRecord, Session, SessionBehind};
pub use share::Share;
pub use slot::Slot;
pub use suppression::{MessageClass, Suppression};
pub use text::{Count, Cursor, Id, Name, Note, folded};
pub use user::{Link, LinkKind, NotificationsEdit, Profile, User};
