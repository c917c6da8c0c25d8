//! Encryption, with a server that proves its name.

use std::io;
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::trouble::Trouble;

pub(super) type Stream = StreamOwned<ClientConnection, TcpStream>;

/// Encrypts from here on; the server is the one of that name, by certificates of a file, or by
/// those that the system trusts.
pub(super) fn begin(
    stream: TcpStream,
    host: &str,
    roots: Option<&Path>,
) -> Result<Stream, Trouble> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(cannot)?
        .with_root_certificates(trusted(roots)?)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).map_err(cannot)?;
    let client = ClientConnection::new(Arc::new(config), name).map_err(cannot)?;
    let mut stream = StreamOwned::new(client, stream);
    while stream.conn.is_handshaking() {
        stream
            .conn
            .complete_io(&mut stream.sock)
            .map_err(|error| match error.kind() {
                // It proved nothing, and will prove nothing the next time.
                io::ErrorKind::InvalidData => cannot(error),
                _ => error.into(),
            })?;
    }
    Ok(stream)
}

fn trusted(roots: Option<&Path>) -> Result<RootCertStore, Trouble> {
    let mut store = RootCertStore::empty();
    match roots {
        Some(path) => {
            for certificate in CertificateDer::pem_file_iter(path).map_err(cannot)? {
                store.add(certificate.map_err(cannot)?).map_err(cannot)?;
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            store.add_parsable_certificates(found.certs);
        }
    }
    match store.is_empty() {
        true => Err(cannot("no certificate is trusted; name `sslrootcert`")),
        false => Ok(store),
    }
}

/// As an answer of the server: whoever opens the store is told, and does not try again.
fn cannot(why: impl std::fmt::Display) -> Trouble {
    Trouble::Refused {
        state: "28000".to_owned(),
        message: format!("the connection cannot be encrypted: {why}"),
    }
}
