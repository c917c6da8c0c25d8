//! Accounts in teams.
