//! The only error type, and the conversion of the store's errors into it.

mod message;
mod nearest;
mod reply;
mod table;

pub(crate) use message::excerpt;
pub(crate) use nearest::hint;
pub use table::{Class, Code, Retry};

use serde_json::{Map, Value, json};
use tenantry_store::StoreError;

/// A refusal: a stable code, a sentence that a person can act on, and the fields that explain it
/// (section 14 of the rules).
///
/// An error never contains a password, a token, or a value that belongs to another account.
///
/// ```
/// use tenantry::{Code, Tenantry};
///
/// let t = Tenantry::open_json(":memory:", b"")?;
/// if let Err(error) = t.call_json(b"", b"accounts.get", br#"{"account":"acme"}"#) {
///     assert_eq!((error.code(), error.code().name()), (Code::NotFound, "not_found"));
/// }
/// # Ok::<(), tenantry::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Error(Box<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    code: Code,
    message: String,
    field: Option<String>,
    details: Map<String, Value>,
}

impl Error {
    /// A refusal with this code and message. The message is one sentence or two, with given values
    /// in back-ticks. If the message is longer than 160 characters, its longest value is cut.
    pub fn new(code: Code, message: impl Into<String>) -> Error {
        Error(Box::new(Inner {
            code,
            message: message::fitted(message.into()),
            field: None,
            details: Map::new(),
        }))
    }

    /// `invalid_argument` for the field at this JSON pointer.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Error {
        Error::new(Code::InvalidArgument, message).at(field)
    }

    /// `store_corrupt`: what the store has cannot be what was written.
    pub(crate) fn corrupt(message: impl Into<String>) -> Error {
        Error::new(Code::StoreCorrupt, message)
    }

    /// `internal`: what a defect of ours alone can bring about.
    pub(crate) fn internal(message: impl Into<String>) -> Error {
        Error::new(Code::Internal, message)
    }

    /// `busy`: others were faster, again and again.
    pub(crate) fn busy(message: impl Into<String>) -> Error {
        Error::new(Code::Busy, message)
    }

    /// `not_found`, which is the answer both when the thing does not exist and when the caller
    /// cannot see it.
    pub fn not_found(kind: &str, id: &str) -> Error {
        Error::new(
            Code::NotFound,
            format!("There is no {kind} `{id}` here, or you cannot see it."),
        )
        .with("kind", kind)
        .with("id", id)
    }

    /// Puts the field that is wrong below another, as the part of a request that has it.
    pub(crate) fn within(self, prefix: &str) -> Error {
        let field = format!("{prefix}{}", self.field().unwrap_or_default());
        self.at(field)
    }

    /// Names the field that is wrong, as a JSON pointer.
    #[must_use]
    pub fn at(mut self, field: impl Into<String>) -> Error {
        self.0.field = Some(field.into());
        self
    }

    /// Adds a detail.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Error {
        self.0.details.insert(key.to_owned(), value.into());
        self
    }

    /// The stable code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The status of HTTP with which a host answers its own client; see [`Code::http_status`].
    pub fn http_status(&self) -> u16 {
        self.0.code.http_status()
    }

    /// The reply of SMTP with which a host answers its own client, such as `450 4.7.1`; see
    /// [`Code::smtp_reply`].
    pub fn smtp_reply(&self) -> &'static str {
        self.0.code.smtp_reply()
    }

    /// Whether the request was refused. Otherwise something failed, and an operation that does many
    /// things stops at it.
    pub(crate) fn is_refusal(&self) -> bool {
        !matches!(
            self.code().class(),
            Class::Store | Class::Handle | Class::Internal
        )
    }

    /// What is wrong, with the value in back-ticks, and what the caller can do: one sentence or
    /// two, of at most 160 characters. Longer values are cut.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The JSON pointer of the field that is wrong.
    pub fn field(&self) -> Option<&str> {
        self.0.field.as_deref()
    }

    /// The fields that explain the refusal, such as the subject, the limit or the missing
    /// permissions.
    pub fn details(&self) -> &Map<String, Value> {
        &self.0.details
    }

    /// The error as JSON, in the form that every language gets.
    pub fn to_json(&self) -> String {
        let code = self.0.code;
        json!({
            "code": code.name(),
            "number": code.number(),
            "class": code.class().name(),
            "retry": code.retry().name(),
            "http_status": code.http_status(),
            "smtp_reply": code.smtp_reply(),
            "message": self.0.message,
            "field": self.0.field,
            "details": self.0.details,
        })
        .to_string()
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}: {}", self.0.code, self.0.message)
    }
}

impl std::error::Error for Error {}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Error {
        let message = error.to_string();
        match error {
            StoreError::Missing => Error::new(Code::StoreMissing, message),
            StoreError::Locked { folder, pid } => {
                let error = Error::new(Code::StoreLocked, message).with("folder", folder);
                match pid {
                    Some(pid) => error.with("pid", pid),
                    None => error,
                }
            }
            StoreError::Format { found, known } => Error::new(Code::StoreFormat, message)
                .with("format", found)
                .with("known", known),
            StoreError::Closed => Error::new(Code::Closed, message),
            StoreError::Corrupt { .. } => Error::new(Code::StoreCorrupt, message),
            StoreError::Full { .. } => Error::new(Code::StoreFull, message),
            StoreError::Failed { .. } => Error::new(Code::StoreFailed, message),
            StoreError::Unreachable { .. } => Error::new(Code::StoreUnreachable, message),
            StoreError::Unknown { .. } => {
                Error::new(Code::StoreUnreachable, message).with("unknown", true)
            }
            StoreError::Forked { .. } => Error::new(Code::Forked, message),
            StoreError::Invalid { .. } => Error::invalid("/path", message),
        }
    }
}
