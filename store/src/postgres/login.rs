//! Logging in to the server.

use std::time::Duration;

use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;

use super::address::Address;
use super::trouble::Trouble;
use super::wire::{Connection, refusal};

/// Connects and logs in; `settings` hold for the whole of it. Nothing takes longer than `timeout`.
pub(super) fn connect(
    address: &Address,
    settings: &[(&str, &str)],
    timeout: Duration,
) -> Result<Connection, Trouble> {
    let mut connection = Connection::open(address, settings, timeout)?;
    log_in(&mut connection, address)?;
    Ok(connection)
}

/// After the first message was written, until the server is ready.
fn log_in(connection: &mut Connection, address: &Address) -> Result<(), Trouble> {
    let mut scram = None;
    connection.send()?;
    loop {
        match connection.receive()? {
            Message::AuthenticationOk | Message::BackendKeyData(_) => continue,
            Message::ReadyForQuery(_) => return Ok(()),
            Message::ErrorResponse(body) => return Err(refusal(&body)?),
            Message::AuthenticationCleartextPassword => {
                frontend::password_message(password(address)?, connection.out())?;
            }
            Message::AuthenticationMd5Password(body) => {
                let hash = md5_hash(address.user.as_bytes(), password(address)?, body.salt());
                frontend::password_message(hash.as_bytes(), connection.out())?;
            }
            Message::AuthenticationSasl(_) => {
                let begun = ScramSha256::new(password(address)?, ChannelBinding::unsupported());
                let first = begun.message();
                frontend::sasl_initial_response(SCRAM_SHA_256, first, connection.out())?;
                scram = Some(begun);
            }
            Message::AuthenticationSaslContinue(body) => {
                let scram = scram.as_mut().ok_or_else(other)?;
                scram.update(body.data())?;
                frontend::sasl_response(scram.message(), connection.out())?;
            }
            Message::AuthenticationSaslFinal(body) => {
                scram.as_mut().ok_or_else(other)?.finish(body.data())?;
                continue;
            }
            _ => return Err(other()),
        }
        connection.send()?;
    }
}

fn password(address: &Address) -> Result<&[u8], Trouble> {
    let password = address.password.as_deref().map(str::as_bytes);
    password.ok_or_else(|| Trouble::Refused {
        state: "28P01".to_owned(),
        message: "the server wants a password, and the address has none".to_owned(),
    })
}

fn other() -> Trouble {
    Trouble::Refused {
        state: "28000".to_owned(),
        message: "the server wants a way to log in other than a password".to_owned(),
    }
}
