//! Nobody gives more than they hold, and nobody acts on one who can do more (R-ROL-7): of members,
//! of operators, and of what a role holds.

pub(crate) mod members;
pub(crate) mod operators;
pub(crate) mod roles;
