//! Keys of users, of how they log in, and of where they come from.

use crate::kernel::keys::codec::{hex, key};
use crate::kernel::keys::prefixes::{
    ACCOUNT_API_KEY, ALLOW_LIST, API_KEY, EMAIL, LAST_SEEN, LINK, PASSWORD, PERSON, SECOND_FACTOR,
    SESSION, USER, USER_LINK, USER_SESSION,
};
use crate::model::Id;
use sha2::{Digest, Sha256};

/// A user.
pub(crate) fn user(id: &Id) -> Vec<u8> {
    key(USER, &[id.as_str()])
}

/// Index: the user who has an e-mail address, by its normal form.
pub(crate) fn email(normal_form: &str) -> Vec<u8> {
    key(EMAIL, &[normal_form])
}

/// Index: a user among those of an account and all accounts below it, or of the platform where
/// `account` is empty. `order` is `email`, `name` (last name first) or `first`; `text` is what they
/// are ordered by.
pub(crate) fn person(account: &str, order: &str, text: &str, user: &Id) -> Vec<u8> {
    key(PERSON, &[account, order, text, user.as_str()])
}

/// When a user was last here.
pub(crate) fn last_seen(user: &Id) -> Vec<u8> {
    key(LAST_SEEN, &[user.as_str()])
}

/// A link that a user was sent.
pub(crate) fn link(id: &Id) -> Vec<u8> {
    key(LINK, &[id.as_str()])
}

/// Index: the link of a kind that a user was sent last.
pub(crate) fn user_link(user: &Id, kind: &str) -> Vec<u8> {
    key(USER_LINK, &[user.as_str(), kind])
}

/// The password of a user.
pub(crate) fn password(user: &Id) -> Vec<u8> {
    key(PASSWORD, &[user.as_str()])
}

/// A password that nobody may have, as it is compared: by its hash, since passwords that somebody
/// wants are looked for with it.
pub(crate) fn banned_password(word: &str) -> Vec<u8> {
    key(PASSWORD, &["", &hex(&Sha256::digest(word.as_bytes()))])
}

/// The second factor of a user.
pub(crate) fn second_factor(user: &Id) -> Vec<u8> {
    key(SECOND_FACTOR, &[user.as_str()])
}

/// A session.
pub(crate) fn session(id: &Id) -> Vec<u8> {
    key(SESSION, &[id.as_str()])
}

/// Index: the sessions of a user.
pub(crate) fn user_session(user: &Id, session: &Id) -> Vec<u8> {
    key(USER_SESSION, &[user.as_str(), session.as_str()])
}

/// An API key.
pub(crate) fn api_key(id: &Id) -> Vec<u8> {
    key(API_KEY, &[id.as_str()])
}

/// Index: the API keys of an account, by their user.
pub(crate) fn account_api_key(account: &Id, user: &Id, api_key: &Id) -> Vec<u8> {
    key(
        ACCOUNT_API_KEY,
        &[account.as_str(), user.as_str(), api_key.as_str()],
    )
}

/// Where a user may come from.
pub(crate) fn user_allow_list(user: &Id) -> Vec<u8> {
    key(ALLOW_LIST, &["user", user.as_str()])
}

/// Where whoever acts in an account may come from.
pub(crate) fn account_allow_list(account: &Id) -> Vec<u8> {
    key(ALLOW_LIST, &["account", account.as_str()])
}

/// Where a member may come from.
pub(crate) fn member_allow_list(account: &Id, user: &Id) -> Vec<u8> {
    key(ALLOW_LIST, &["member", account.as_str(), user.as_str()])
}
