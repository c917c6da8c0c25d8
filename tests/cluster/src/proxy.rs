//! What lies between a program and its server: it passes everything on, until it is told not to.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// In what is sent to the server: it arrives, and its answer does not come back.
pub const LOSES_THE_ANSWER: &[u8] = b"<the answer is lost>";
/// It does not arrive.
pub const IS_LOST: &[u8] = b"<is lost>";
/// The connection is lost first, and then it arrives.
pub const COMES_LATE: &[u8] = b"<comes late>";
/// So much later.
pub const LATE: Duration = Duration::from_millis(300);

/// It ends with the program.
pub struct Proxy {
    port: u16,
    holds: Arc<AtomicBool>,
}

impl Proxy {
    /// Before the server at that port of this machine.
    pub fn before(server: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy {
            port: listener.local_addr().unwrap().port(),
            holds: Arc::default(),
        };
        let holds = proxy.holds.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = TcpStream::connect(("127.0.0.1", server));
                // Without a server the client finds the connection closed.
                if let Ok(server) = server {
                    let holds = holds.clone();
                    thread::spawn(move || pass(client, server, holds));
                }
            }
        });
        proxy
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From here on nothing arrives, and no connection ends.
    pub fn hold(&self) {
        self.holds.store(true, Ordering::SeqCst);
    }

    /// What was held goes on.
    pub fn let_go(&self) {
        self.holds.store(false, Ordering::SeqCst);
    }
}

fn pass(client: TcpStream, server: TcpStream, holds: Arc<AtomicBool>) {
    let both = [&client, &server].map(|side| side.try_clone().unwrap());
    let [from_client, from_server] = both;
    let (to_client, held, loses) = (
        client.try_clone().unwrap(),
        holds.clone(),
        Arc::new(AtomicBool::new(false)),
    );
    let is_lost = loses.clone();
    thread::spawn(move || {
        let _ = answers(from_server, to_client, &held, &is_lost);
    });
    let _ = questions(from_client, server, &holds, &loses);
    let _ = client.shutdown(Shutdown::Both);
}

fn holds(bytes: &[u8], mark: &[u8]) -> bool {
    bytes.windows(mark.len()).any(|part| part == mark)
}

fn wait(held: &AtomicBool) {
    while held.load(Ordering::SeqCst) {
        thread::sleep(Duration::from_millis(5));
    }
}

fn questions(
    mut from: TcpStream,
    mut to: TcpStream,
    held: &AtomicBool,
    loses: &AtomicBool,
) -> io::Result<()> {
    let mut bytes = [0; 64 << 10];
    loop {
        let length = from.read(&mut bytes)?;
        let read = &bytes[..length];
        wait(held);
        if holds(read, IS_LOST) || length == 0 {
            return to.shutdown(Shutdown::Both);
        }
        if holds(read, COMES_LATE) {
            from.shutdown(Shutdown::Both)?;
            thread::sleep(LATE);
        }
        loses.fetch_or(holds(read, LOSES_THE_ANSWER), Ordering::SeqCst);
        to.write_all(read)?;
    }
}

fn answers(
    mut from: TcpStream,
    mut to: TcpStream,
    held: &AtomicBool,
    loses: &AtomicBool,
) -> io::Result<()> {
    let mut bytes = [0; 64 << 10];
    loop {
        let length = from.read(&mut bytes)?;
        wait(held);
        if length == 0 || loses.load(Ordering::SeqCst) {
            return to.shutdown(Shutdown::Both);
        }
        to.write_all(&bytes[..length])?;
    }
}
