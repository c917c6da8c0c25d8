//! Sessions (R-SES-1) and API keys (R-SES-7).

use super::id;
use crate::error::Error;
use crate::kernel::table::{Declared, Index, Lines, Owner, Table};
use crate::kernel::{Tx, keys};
use crate::model::{ApiKey, AuditKind, Session};

pub(super) const TABLES: &[Declared] = &[Declared::of::<Sessions>(), Declared::of::<ApiKeys>()];

pub(crate) struct Sessions;

impl Table for Sessions {
    type Record = Session;
    const PREFIX: u8 = keys::SESSION;
    const AUDIT: Option<AuditKind> = Some(AuditKind::Session);
    const OWNER: Owner = Owner::Nobody;
    const LINES: &'static [Index] = &[Index {
        prefix: keys::USER_SESSION,
        source: |parts, _| match parts {
            [_, session] => Some(keys::session(&id(session)?)),
            _ => None,
        },
    }];

    fn key(session: &Session) -> Vec<u8> {
        keys::session(&session.id)
    }

    /// A session is known to its user, and to the person who acts as them.
    fn lines(_: &mut Tx<'_>, session: &Session, lines: &mut Lines) -> Result<(), Error> {
        for user in [&session.user, session.person()] {
            lines.needs(keys::user(user), "its user is gone");
            lines.index(keys::user_session(user, &session.id));
        }
        Ok(())
    }
}

pub(crate) struct ApiKeys;

impl Table for ApiKeys {
    type Record = ApiKey;
    const PREFIX: u8 = keys::API_KEY;
    const AUDIT: Option<AuditKind> = Some(AuditKind::ApiKey);
    const OWNER: Owner = Owner::Nobody;
    const LINES: &'static [Index] = &[Index {
        prefix: keys::ACCOUNT_API_KEY,
        source: |parts, _| match parts {
            [_, _, api_key] => Some(keys::api_key(&id(api_key)?)),
            _ => None,
        },
    }];

    fn key(api_key: &ApiKey) -> Vec<u8> {
        keys::api_key(&api_key.id)
    }

    fn lines(_: &mut Tx<'_>, api_key: &ApiKey, lines: &mut Lines) -> Result<(), Error> {
        let ApiKey { account, user, .. } = api_key;
        lines.needs(keys::member(account, user), "its membership is gone");
        lines.index(keys::account_api_key(account, user, &api_key.id));
        Ok(())
    }
}
