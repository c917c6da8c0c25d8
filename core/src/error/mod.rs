//! The one error type, and the conversion of the store's errors into it.

mod table;

pub use table::{Class, Code, Retry};

use serde_json::{Map, Value, json};
use tenantry_store::StoreError;

/// A refusal: a stable code, a sentence that a person can act on, and the fields that explain it
/// (section 14 of the rules).
///
/// It never contains a password, a token, or a value that belongs to another account.
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
    /// A refusal with this code and sentence.
    pub fn new(code: Code, message: impl Into<String>) -> Error {
        Error(Box::new(Inner {
            code,
            message: message.into(),
            field: None,
            details: Map::new(),
        }))
    }

    /// `invalid_argument` for the field at this JSON pointer.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Error {
        Error::new(Code::InvalidArgument, message).at(field)
    }

    /// `not_found`, which is the answer both when there is no such thing and when it is not the
    /// caller's.
    pub fn not_found(kind: &str, id: &str) -> Error {
        Error::new(Code::NotFound, format!("there is no {kind} `{id}` here"))
            .with("kind", kind)
            .with("id", id)
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

    /// Whether the request was refused. Otherwise something failed, and an operation that does many
    /// things stops at it.
    pub(crate) fn is_refusal(&self) -> bool {
        !matches!(
            self.code().class(),
            Class::Store | Class::Handle | Class::Internal
        )
    }

    /// The sentence: it begins with a lower-case letter and has no full stop; values that were
    /// given are in back-ticks.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The JSON pointer of the field that is wrong.
    pub fn field(&self) -> Option<&str> {
        self.0.field.as_deref()
    }

    /// What explains the refusal, such as the subject, the limit or the missing permissions.
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
        match error {
            StoreError::Missing => Error::new(Code::StoreMissing, "there is no store at this path"),
            StoreError::Locked { folder, pid } => {
                let holder = match pid {
                    Some(pid) => format!("process {pid}"),
                    None => "another process".to_owned(),
                };
                let message = format!(
                    "the store in `{folder}` is open in {holder}; close it there, or wait with \
                     `lock_wait_ms`"
                );
                let error = Error::new(Code::StoreLocked, message).with("folder", folder);
                match pid {
                    Some(pid) => error.with("pid", pid),
                    None => error,
                }
            }
            StoreError::Format { found, known } => Error::new(
                Code::StoreFormat,
                format!(
                    "the store has format {found}, and this version of the library knows format \
                     {known} only; open it with the version that wrote it"
                ),
            )
            .with("format", found)
            .with("known", known),
            StoreError::Closed => Error::new(Code::Closed, "the store was closed"),
            StoreError::Corrupt { what } => Error::new(Code::StoreCorrupt, what),
            StoreError::Full { what } => Error::new(Code::StoreFull, what),
            StoreError::Failed { what } => Error::new(Code::StoreFailed, what),
            StoreError::Forked { what } => Error::new(Code::Forked, what),
            StoreError::Invalid { what } => Error::invalid("/path", what),
        }
    }
}
