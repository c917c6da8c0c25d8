//! What an address of a database says: `postgresql://user:password@host:port/database?schema=…`.

use std::fmt;
use std::path::PathBuf;

use url::Url;

use crate::backend::StoreError;

const PORT: u16 = 5432;
const SCHEMA: &str = "tenantry";
/// So long may a name be for PostgreSQL.
const LONGEST_NAME: usize = 63;

/// A database, the schema in it, and who opens it.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    pub(super) server: Server,
    pub(super) tls: Tls,
    pub(super) user: String,
    pub(super) password: Option<String>,
    pub(super) database: String,
    /// A name that needs no quotes.
    pub(super) schema: String,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Server {
    Tcp {
        host: String,
        port: u16,
    },
    /// The socket in the file system.
    Unix(PathBuf),
}

/// How the connection is protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tls {
    Off,
    /// Encrypted, and only with a server that proves its name, by certificates of this file or
    /// those that the system trusts.
    Verified(Option<PathBuf>),
}

impl Address {
    pub(crate) fn parse(text: &str) -> Result<Address, StoreError> {
        // The parser's errors do not repeat the text, which may hold a password.
        let url = Url::parse(text).map_err(|error| {
            wrong(&format!(
                "is not `postgresql://user@host:port/database?schema=name` ({error})"
            ))
        })?;
        let mut asked = Asked::of(&url)?;
        let host = decoded(url.host_str().unwrap_or_default())?;
        let host = asked.host.take().unwrap_or(host);
        let port = url.port().unwrap_or(PORT);
        let server = match host.starts_with('/') {
            true => Server::Unix(PathBuf::from(format!("{host}/.s.PGSQL.{port}"))),
            false if host.is_empty() => return Err(wrong("names no host")),
            // An address of IPv6 stands in brackets.
            false => Server::Tcp {
                host: host.trim_matches(['[', ']']).to_owned(),
                port,
            },
        };
        let user = match (url.username(), asked.user.take()) {
            ("", Some(user)) => user,
            ("", None) => return Err(wrong("names no user")),
            (user, _) => decoded(user)?,
        };
        let database = decoded(url.path().trim_start_matches('/'))?;
        if database.is_empty() {
            return Err(wrong("names no database"));
        }
        Ok(Address {
            tls: asked.tls(&server)?,
            server,
            user,
            password: url.password().map(decoded).transpose()?,
            database,
            schema: asked.schema()?,
        })
    }

    /// What tells it from others, without a user or a password.
    pub fn place(&self) -> String {
        let (database, schema) = (&self.database, &self.schema);
        match &self.server {
            Server::Tcp { host, port } => {
                format!("postgresql://{host}:{port}/{database}?schema={schema}")
            }
            Server::Unix(path) => {
                format!("postgresql://{}/{database}?schema={schema}", path.display())
            }
        }
    }
}

/// Without the password.
impl fmt::Debug for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.place())
    }
}

/// What stands behind the question mark.
#[derive(Default)]
struct Asked {
    host: Option<String>,
    user: Option<String>,
    schema: Option<String>,
    sslmode: Option<String>,
    sslrootcert: Option<String>,
}

impl Asked {
    fn of(url: &Url) -> Result<Asked, StoreError> {
        let mut asked = Asked::default();
        for (name, value) in url.query_pairs() {
            let place = match &*name {
                "host" => &mut asked.host,
                "user" => &mut asked.user,
                "schema" => &mut asked.schema,
                "sslmode" => &mut asked.sslmode,
                "sslrootcert" => &mut asked.sslrootcert,
                _ => {
                    return Err(wrong(
                        "has a parameter other than host, user, schema, sslmode and sslrootcert",
                    ));
                }
            };
            *place = Some(value.into_owned());
        }
        Ok(asked)
    }

    fn schema(&mut self) -> Result<String, StoreError> {
        let schema = self.schema.take().unwrap_or_else(|| SCHEMA.to_owned());
        let may_be = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let begins = schema.bytes().next();
        let is_name = schema.bytes().all(may_be)
            && begins.is_some_and(|byte| !byte.is_ascii_digit())
            && schema.len() <= LONGEST_NAME
            && !schema.starts_with("pg_");
        match is_name {
            true => Ok(schema),
            false => Err(wrong(
                "has a `schema` that is not a name of at most 63 lower-case letters, digits and \
                 `_`",
            )),
        }
    }

    fn tls(&mut self, server: &Server) -> Result<Tls, StoreError> {
        let is_local = matches!(server, Server::Unix(_));
        let roots = self.sslrootcert.take().map(PathBuf::from);
        match self.sslmode.as_deref() {
            Some("disable") => Ok(Tls::Off),
            None if is_local => Ok(Tls::Off),
            Some("verify-full") if is_local => Err(wrong(
                "has a socket of this machine, which is never encrypted; leave `sslmode` out",
            )),
            None | Some("verify-full") => Ok(Tls::Verified(roots)),
            Some(_) => Err(wrong(
                "has an `sslmode` other than `verify-full` and `disable`",
            )),
        }
    }
}

fn decoded(text: &str) -> Result<String, StoreError> {
    percent_encoding::percent_decode_str(text)
        .decode_utf8()
        .map(|text| text.into_owned())
        .map_err(|_| wrong("has percent-encoded bytes that are not UTF-8"))
}

fn wrong(how: &str) -> StoreError {
    StoreError::invalid(format!("The address of the database {how}; correct it."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_where_and_who() {
        for (text, place, user, password) in [
            (
                "postgresql://app@db/mail",
                "postgresql://db:5432/mail?schema=tenantry",
                "app",
                None,
            ),
            (
                "postgresql://a%40b:p%2Fw%3A@10.0.0.1:6000/mail?schema=s_1&sslmode=disable",
                "postgresql://10.0.0.1:6000/mail?schema=s_1",
                "a@b",
                Some("p/w:"),
            ),
            (
                "postgresql://app@[::1]/mail",
                "postgresql://::1:5432/mail?schema=tenantry",
                "app",
                None,
            ),
            (
                "postgresql://app@%2Frun%2Fpg/mail",
                "postgresql:///run/pg/.s.PGSQL.5432/mail?schema=tenantry",
                "app",
                None,
            ),
            (
                "postgresql:///mail?host=/run/pg&user=app",
                "postgresql:///run/pg/.s.PGSQL.5432/mail?schema=tenantry",
                "app",
                None,
            ),
        ] {
            let address = Address::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(address.place(), place);
            assert_eq!(address.user, user);
            assert_eq!(address.password.as_deref(), password);
            assert_eq!(format!("{address:?}"), place);
        }
    }

    /// A connection that others can read, or whose other end nobody knows, is asked for by name.
    #[test]
    fn a_server_elsewhere_has_to_prove_who_it_is() {
        let tls = |text: &str| Address::parse(text).map(|address| address.tls);
        assert_eq!(tls("postgresql://a@db/m"), Ok(Tls::Verified(None)));
        let roots = Tls::Verified(Some("/ca.pem".into()));
        let named = "postgresql://a@db/m?sslmode=verify-full&sslrootcert=/ca.pem";
        assert_eq!(tls(named), Ok(roots));
        assert_eq!(tls("postgresql://a@db/m?sslmode=disable"), Ok(Tls::Off));
        assert_eq!(tls("postgresql://a@%2Fs/m"), Ok(Tls::Off));
        for mode in ["require", "prefer", "allow", "verify-ca", ""] {
            assert!(tls(&format!("postgresql://a@db/m?sslmode={mode}")).is_err());
        }
    }

    #[test]
    fn what_cannot_be_used_is_refused_without_its_password() {
        for text in [
            "postgresql://",
            "postgresql://:secret@db/mail",
            "postgresql://app:secret@db",
            "postgresql://app:secret@db:port/mail",
            "postgresql://app:secret@db:70000/mail",
            "postgresql:///mail?user=app",
            "postgresql://app:secret@db/mail?schema=A",
            "postgresql://app:secret@db/mail?schema=pg_x",
            "postgresql://app:secret@db/mail?schema=",
            "postgresql://app:secret@db/mail?schema=a\"b",
            "postgresql://app:secret@db/mail?secret=secret",
            "postgresql://app:%ff@db/mail",
        ] {
            let refused = Address::parse(text).unwrap_err().to_string();
            assert!(
                refused.len() < 160 && !refused.contains("secret"),
                "{refused}"
            );
        }
    }
}
