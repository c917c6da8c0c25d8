//! Plain types that cannot be built wrong. They do not know the rules, the store or the engine.

mod account;
mod actor;
mod address;
mod api_key;
mod assets;
mod audit;
mod campaign;
mod cap;
mod clock;
mod credit;
mod decision;
mod edition;
mod email;
mod group;
mod instant;
mod invitation;
mod limit;
mod mailbox;
mod member;
mod meter;
mod operator;
mod outbox;
mod package;
pub(crate) mod permission;
mod policy;
mod recipient;
mod replaced;
mod reservation;
mod resource;
mod role;
mod second_factor;
mod secret;
mod session;
mod share;
mod slot;
mod suppression;
mod text;
mod user;
mod window;

pub use account::{Account, Hold, HoldLevel, HoldReason, Lifecycle, NextPackage};
pub use actor::{Actor, Behind, Caller, KeyScope, LogIn};
pub use address::{Address, AddressRange, common_ranges};
pub use api_key::{ApiKey, FormerToken};
pub use assets::{AssetKind, Assets, AssetsEdit};
pub use audit::{
    AUDIT_IP, AuditActor, AuditActorKind, AuditChain, AuditChange, AuditFields, AuditHead,
    AuditKind, AuditLink, AuditPerson, AuditPersonal, AuditRecord,
};
pub use campaign::{Campaign, CampaignOutcomes, CampaignStop, CampaignStopReason};
pub use cap::{Cap, CapScope, MessageInput};
pub use clock::{ClockJump, ClockRecord};
pub use credit::{
    CreditBucket, CreditEntry, CreditHead, CreditKind, CreditPart, CreditTotals, PaidWithCredits,
};
pub use decision::{BindingLimit, Decision, Refusal};
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
pub use member::{Member, NextRole};
pub use meter::{Channel, Meter, PaceRecord, Pruning};
pub use operator::Operator;
pub use outbox::{
    DeadMessage, LimitAlert, LogInNotice, OpenMessage, OutboxConsumer, OutboxKind, OutboxMessage,
};
pub use package::{BounceRate, Package, Price};
pub(crate) use permission::TEAM_PERMISSION;
pub use permission::tree::{PermissionNode, PermissionTree};
pub use permission::{HostNode, Scope};
pub use policy::{
    CapPeriod, ChildOwner, Editor, EffectivePolicies, GrantExisting, PendingStep, Policies,
    PolicyRecord, Preset, Resend, ReservationsOnHold, RoleScope,
};
pub use recipient::Recipient;
pub use replaced::Replaceable;
pub use reservation::{Reservation, ReservationState};
pub use resource::{Lease, Resource, ResourceReason, ResourcesTo, ResourcesToKind};
pub use role::{BuiltIn, Grant, Role};
pub use second_factor::{SecondFactor, SecondFactorPolicy};
pub use secret::Secret;
pub use session::{PasswordRecord, Session, SessionBehind};
pub use share::Share;
pub use slot::Slot;
pub use suppression::{MessageClass, Suppression};
pub use text::{Count, Cursor, FilePath, Id, Name, Note, StorePath, folded};
pub use user::{Link, LinkKind, Notifications, NotificationsEdit, Profile, User};
pub use window::{OverLimit, Window};
