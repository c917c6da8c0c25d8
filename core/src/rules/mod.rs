//! Pure functions: facts, a request and the time go in, a decision comes out. Nothing here reads a
//! clock or the store.

pub(crate) mod account;
pub(crate) mod api_key;
pub(crate) mod audit;
pub(crate) mod campaign;
pub(crate) mod clock;
pub(crate) mod credit;
pub(crate) mod forecast;
pub(crate) mod group;
pub(crate) mod invitation;
pub(crate) mod limit;
pub(crate) mod outbox;
pub(crate) mod pace;
pub(crate) mod password;
pub(crate) mod policy;
pub(crate) mod resource;
pub(crate) mod role;
pub(crate) mod second_factor;
pub(crate) mod send;
pub(crate) mod session;
pub(crate) mod sharing;
pub(crate) mod suppression;
pub(crate) mod threshold;
pub(crate) mod trial;
pub(crate) mod user;
pub(crate) mod user_csv;
pub(crate) mod window;
