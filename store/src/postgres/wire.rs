//! A connection to the server: what is asked and what is answered, with a time limit for each.
//!
//! `postgres-protocol` makes and reads the messages. There is no runtime: whoever asks waits on the
//! socket, so a host that has a runtime of its own may call from within it.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use fallible_iterator::FallibleIterator;
use postgres_protocol::IsNull;
use postgres_protocol::message::backend::{DataRowBody, ErrorResponseBody, Message};
use postgres_protocol::message::frontend;
use postgres_protocol::types::{ArrayDimension, array_to_sql};

use super::address::{Address, Server, Tls};
use super::tls;
use super::trouble::Trouble;

const BYTEA: u32 = 17;
const INT8: u32 = 20;
const TEXT: u32 = 25;
const BYTEAS: u32 = 1001;
const INT8S: u32 = 1016;
/// All values are sent and answered in binary form.
const BINARY: i16 = 1;
const CHUNK: usize = 16 << 10;

/// A value of a statement.
#[derive(Clone, Debug)]
pub(super) enum Value<'a> {
    Bytes(&'a [u8]),
    Number(i64),
    Text(&'a str),
    ManyBytes(Vec<&'a [u8]>),
    Numbers(Vec<i64>),
}

impl Value<'_> {
    fn kind(&self) -> u32 {
        match self {
            Value::Bytes(_) => BYTEA,
            Value::Number(_) => INT8,
            Value::Text(_) => TEXT,
            Value::ManyBytes(_) => BYTEAS,
            Value::Numbers(_) => INT8S,
        }
    }

    fn write(
        &self,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Value::Bytes(bytes) => out.extend_from_slice(bytes),
            Value::Text(text) => out.extend_from_slice(text.as_bytes()),
            Value::Number(number) => out.extend_from_slice(&number.to_be_bytes()),
            Value::ManyBytes(all) => {
                let one = |bytes: &&[u8], out: &mut BytesMut| {
                    out.extend_from_slice(bytes);
                    Ok(IsNull::No)
                };
                array_to_sql([dimension(all.len())?], BYTEA, all, one, out)?;
            }
            Value::Numbers(all) => {
                let one = |number: &i64, out: &mut BytesMut| {
                    out.extend_from_slice(&number.to_be_bytes());
                    Ok(IsNull::No)
                };
                array_to_sql([dimension(all.len())?], INT8, all, one, out)?;
            }
        }
        Ok(IsNull::No)
    }
}

fn dimension(length: usize) -> Result<ArrayDimension, std::num::TryFromIntError> {
    Ok(ArrayDimension {
        len: i32::try_from(length)?,
        lower_bound: 1,
    })
}

/// A statement with its values. Its text is prepared once in each connection.
pub(super) type Ask<'a> = (&'static str, Vec<Value<'a>>);

/// The columns of a row that was answered.
pub(super) struct Row(Vec<Option<Bytes>>);

impl Row {
    fn of(body: &DataRowBody) -> io::Result<Row> {
        let bytes = body.buffer_bytes();
        let columns = body
            .ranges()
            .map(|range| Ok(range.map(|range| bytes.slice(range))))
            .collect()?;
        Ok(Row(columns))
    }

    pub(super) fn bytes(&self, column: usize) -> Result<Bytes, Trouble> {
        let found = self.0.get(column).and_then(Option::clone);
        found.ok_or_else(|| Trouble::Lost("the server answered an unexpected row".to_owned()))
    }

    pub(super) fn number(&self, column: usize) -> Result<i64, Trouble> {
        let bytes = self.bytes(column)?;
        let number = <[u8; 8]>::try_from(&*bytes).map(i64::from_be_bytes);
        number.map_err(|_| Trouble::Lost("the server answered an unexpected number".to_owned()))
    }

    pub(super) fn text(&self, column: usize) -> Result<String, Trouble> {
        Ok(String::from_utf8_lossy(&self.bytes(column)?).into_owned())
    }
}

/// The rows that a statement was answered with.
pub(super) type Rows = Vec<Row>;

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<tls::Stream>),
}

impl Stream {
    fn connect(address: &Address, timeout: Duration) -> io::Result<Stream> {
        let (host, port) = match &address.server {
            Server::Unix(path) => return UnixStream::connect(path).map(Stream::Unix),
            Server::Tcp { host, port } => (host.as_str(), *port),
        };
        let nowhere = || {
            io::Error::new(
                io::ErrorKind::NotFound,
                "No address was found for the name of the server.",
            )
        };
        let mut outcome = Err(nowhere());
        for place in (host, port).to_socket_addrs()? {
            outcome = TcpStream::connect_timeout(&place, timeout);
            if let Ok(stream) = outcome {
                stream.set_nodelay(true)?;
                return Ok(Stream::Tcp(stream));
            }
        }
        outcome.map(Stream::Tcp)
    }

    /// How long each single read and write may take.
    fn limit(&self, time: Duration) -> io::Result<()> {
        // None would be no limit.
        let time = Some(time.max(Duration::from_millis(1)));
        match self {
            Stream::Unix(stream) => stream
                .set_read_timeout(time)
                .and(stream.set_write_timeout(time)),
            Stream::Tcp(stream) => limit(stream, time),
            Stream::Tls(stream) => limit(&stream.sock, time),
        }
    }
}

fn limit(stream: &TcpStream, time: Option<Duration>) -> io::Result<()> {
    stream
        .set_read_timeout(time)
        .and(stream.set_write_timeout(time))
}

impl Read for Stream {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.read(bytes),
            Stream::Unix(stream) => stream.read(bytes),
            Stream::Tls(stream) => stream.read(bytes),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.write(bytes),
            Stream::Unix(stream) => stream.write(bytes),
            Stream::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.flush(),
            Stream::Unix(stream) => stream.flush(),
            Stream::Tls(stream) => stream.flush(),
        }
    }
}

pub(super) struct Connection {
    stream: Stream,
    /// What was read and is not taken apart yet.
    read: BytesMut,
    /// What is to be sent.
    out: BytesMut,
    prepared: HashMap<&'static str, String>,
    next_name: u64,
    timeout: Duration,
    until: Instant,
    is_lost: bool,
}

impl Connection {
    /// Connects, and says who wants to log in; `settings` hold for the whole of it. Nothing takes
    /// longer than `timeout`.
    pub(super) fn open(
        address: &Address,
        settings: &[(&str, &str)],
        timeout: Duration,
    ) -> Result<Connection, Trouble> {
        let cannot = |error: io::Error| Trouble::Lost(format!("cannot connect: {error}"));
        let mut connection = Connection {
            stream: Stream::connect(address, timeout).map_err(cannot)?,
            read: BytesMut::with_capacity(CHUNK),
            out: BytesMut::new(),
            prepared: HashMap::new(),
            next_name: 0,
            timeout,
            until: Instant::now() + timeout,
            is_lost: false,
        };
        if let Tls::Verified(roots) = &address.tls {
            connection = connection.encrypted(address, roots.as_deref())?;
        }
        let who = [
            ("user", address.user.as_str()),
            ("database", &address.database),
            ("client_encoding", "UTF8"),
        ];
        let parameters = who.into_iter().chain(settings.iter().copied());
        frontend::startup_message(parameters, &mut connection.out)?;
        Ok(connection)
    }

    /// The same connection, encrypted from here on.
    fn encrypted(
        mut self,
        address: &Address,
        roots: Option<&std::path::Path>,
    ) -> Result<Connection, Trouble> {
        frontend::ssl_request(&mut self.out);
        self.send()?;
        let mut answer = [0];
        self.stream.read_exact(&mut answer)?;
        let (Stream::Tcp(stream), Server::Tcp { host, .. }) = (self.stream, &address.server) else {
            return Err(Trouble::Lost("only TCP is encrypted".to_owned()));
        };
        if answer != *b"S" {
            return Err(Trouble::Lost(
                "the server does not encrypt; set it up for TLS, or name `sslmode=disable`"
                    .to_owned(),
            ));
        }
        self.stream = Stream::Tls(Box::new(tls::begin(stream, host, roots)?));
        Ok(self)
    }

    pub(super) fn out(&mut self) -> &mut BytesMut {
        &mut self.out
    }

    /// Sends what was written.
    pub(super) fn send(&mut self) -> Result<(), Trouble> {
        self.stream.limit(self.left()?)?;
        let out = self.out.split();
        self.stream.write_all(&out)?;
        Ok(self.stream.flush()?)
    }

    /// How much of the time is left.
    fn left(&self) -> Result<Duration, Trouble> {
        let left = self.until.saturating_duration_since(Instant::now());
        match left.is_zero() {
            true => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
            false => Ok(left),
        }
    }

    /// The next message but for those that may come at any time.
    pub(super) fn receive(&mut self) -> Result<Message, Trouble> {
        loop {
            match Message::parse(&mut self.read)? {
                Some(Message::NoticeResponse(_) | Message::ParameterStatus(_)) => {}
                Some(Message::NotificationResponse(_)) => {}
                Some(message) => return Ok(message),
                None => self.read_more()?,
            }
        }
    }

    fn read_more(&mut self) -> Result<(), Trouble> {
        let mut chunk = [0; CHUNK];
        self.stream.limit(self.left()?)?;
        match self.stream.read(&mut chunk) {
            Ok(0) => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            Ok(read) => {
                self.read
                    .extend_from_slice(chunk.get(..read).unwrap_or_default());
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Asks several statements in one trip, and answers the rows of each. After one that is refused
    /// none of the others is carried out.
    pub(super) fn ask(&mut self, asks: &[Ask<'_>]) -> Result<Vec<Rows>, Trouble> {
        if self.is_lost {
            return Err(Trouble::Lost("the connection was lost before".to_owned()));
        }
        self.until = Instant::now() + self.timeout;
        let answer = self.ask_within(asks);
        self.is_lost = matches!(answer, Err(Trouble::Lost(_)));
        answer
    }

    fn ask_within(&mut self, asks: &[Ask<'_>]) -> Result<Vec<Rows>, Trouble> {
        let mut preparing = VecDeque::new();
        for (text, values) in asks {
            let name = match self.prepared.get(text) {
                Some(name) => name.clone(),
                None => {
                    let name = format!("s{}", self.next_name);
                    self.next_name += 1;
                    let kinds = values.iter().map(Value::kind);
                    frontend::parse(&name, text, kinds, &mut self.out)?;
                    self.prepared.insert(text, name.clone());
                    preparing.push_back(*text);
                    name
                }
            };
            let write = |value: &Value<'_>, out: &mut BytesMut| value.write(out);
            frontend::bind("", &name, [BINARY], values, write, [BINARY], &mut self.out)
                .map_err(|_| Trouble::Lost("a value is too large to be sent".to_owned()))?;
            frontend::execute("", 0, &mut self.out)?;
        }
        frontend::sync(&mut self.out);
        self.send()?;
        let answer = self.answers(asks.len(), &mut preparing)?;
        // What was not prepared is asked anew the next time.
        preparing
            .iter()
            .for_each(|text| drop(self.prepared.remove(text)));
        answer
    }

    /// Whatever is answered until the server is ready again. The outer error is that the connection
    /// is lost.
    fn answers(
        &mut self,
        asks: usize,
        preparing: &mut VecDeque<&'static str>,
    ) -> Result<Result<Vec<Rows>, Trouble>, Trouble> {
        let (mut answers, mut rows, mut refused) = (Vec::with_capacity(asks), Rows::new(), None);
        loop {
            match self.receive()? {
                Message::ParseComplete => drop(preparing.pop_front()),
                Message::BindComplete => {}
                Message::DataRow(body) => rows.push(Row::of(&body)?),
                Message::CommandComplete(_) | Message::EmptyQueryResponse => {
                    answers.push(std::mem::take(&mut rows));
                }
                Message::ErrorResponse(body) => refused = Some(refusal(&body)?),
                Message::ReadyForQuery(_) => {
                    return Ok(match refused {
                        Some(refused) => Err(refused),
                        None => Ok(answers),
                    });
                }
                _ => {
                    return Err(Trouble::Lost(
                        "the server gave an unexpected answer".to_owned(),
                    ));
                }
            }
        }
    }

    /// Runs a text of several statements without values, whose rows nobody wants: all of them or
    /// none.
    pub(super) fn run(&mut self, text: &str) -> Result<(), Trouble> {
        self.until = Instant::now() + self.timeout;
        frontend::query(text, &mut self.out)?;
        self.send()?;
        self.answers(1, &mut VecDeque::new())?.map(drop)
    }

    pub(super) fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// Tells the server that nothing more comes. Without it, it finds the connection closed.
    pub(super) fn end(mut self) {
        frontend::terminate(&mut self.out);
        let _ = self.send();
    }
}

/// What the server says, as an error. After one that ends the connection that is lost.
pub(super) fn refusal(body: &ErrorResponseBody) -> Result<Trouble, Trouble> {
    let (mut state, mut message, mut is_fatal) = (String::new(), String::new(), false);
    let mut fields = body.fields();
    while let Some(field) = fields.next()? {
        let value = String::from_utf8_lossy(field.value_bytes());
        match field.type_() {
            b'C' => state = value.into_owned(),
            b'M' => message = value.into_owned(),
            b'V' => is_fatal = matches!(&*value, "FATAL" | "PANIC"),
            _ => {}
        }
    }
    match is_fatal {
        // While one logs in these say what is wrong with who asks, and nothing was lost.
        true if !matches!(state.get(..2), Some("28" | "3D" | "42")) => {
            Err(Trouble::Lost(format!("{message} ({state})")))
        }
        _ => Ok(Trouble::Refused { state, message }),
    }
}
