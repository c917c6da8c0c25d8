//! Plain types that cannot be built wrong. They know nothing of rules, of the store or of the engine.

mod account;
mod actor;
mod email;
mod limit;
mod member;
mod meter;
mod package;
mod permission;
mod role;
mod text;
mod user;

pub use account::{Account, Hold, HoldLevel, HoldReason, Lifecycle};
pub use actor::Actor;
pub use email::Email;
pub use limit::{Limit, LimitName, Limits};
pub use member::Member;
pub use meter::{Meter, Window};
pub use package::Package;
pub use permission::{HostNode, Scope, tree::PermissionTree};
pub use role::{Grant, Role};
pub use text::{Count, Id, Name, Note};
pub use user::User;
