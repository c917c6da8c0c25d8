//! Accounts in teams: further accounts with their price, ownership, the accounts of a team,
//! switching between accounts (R-TEA-1 to R-TEA-5, R-SES-5).

pub(crate) mod children;
pub(crate) mod tree;
