//! The native half of the Python package `tenantry`.
//!
//! Operations pass as JSON text and release the GIL. The two frequent questions are typed: a
//! prepared [`Sender`] or [`Access`] answers in one call from Python into Rust, and releases the
//! GIL only when it must wait for the disk. The core holds no Python object and never asks for the
//! GIL, so that waiting for the core while holding the GIL cannot deadlock. The core also catches
//! panics, so that none reaches pyo3. What it logs goes through a queue to a thread that holds
//! nothing of it (`logs`).

mod about;
mod decision;
mod logs;

use decision::decision_object;
use parking_lot::Mutex;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::pymodule;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyBytes, PyInt, PyString};
use std::ffi::OsString;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use tenantry::{Code, Decision, Error, ImportProgress, Tenantry};

/// How long it may take until Ctrl-C has an effect.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// The operations that read so much that somebody may want to stop them.
const LONG: [&[u8]; 6] = [
    b"audit.export",
    b"audit.verify",
    b"store.state_hash",
    b"store.verify",
    b"users.export_csv",
    b"users.export_data",
];

/// An open store.
#[pyclass(frozen, module = "tenantry._native")]
struct Store(Arc<Tenantry>);

#[pymethods]
impl Store {
    /// Runs one operation as the actor; an empty text stands for `system`.
    #[pyo3(signature = (actor, operation, request, /))]
    fn call(
        &self,
        py: Python<'_>,
        actor: &Bound<'_, PyAny>,
        operation: &Bound<'_, PyAny>,
        request: &Bound<'_, PyAny>,
    ) -> PyResult<String> {
        let (actor, operation, request) = (
            json(actor, "actor")?,
            json(operation, "operation")?,
            json(request, "request")?,
        );
        if LONG.contains(&operation) {
            let store = Arc::clone(&self.0);
            let (actor, operation, request) =
                (actor.to_vec(), operation.to_vec(), request.to_vec());
            return interruptible(py, move || store.call_json(&actor, &operation, &request));
        }
        py.detach(|| self.0.call_json(actor, operation, request))
            .map_err(|error| raised(py, &error))
    }

    /// Prepares a permission check.
    #[pyo3(signature = (account, user, permission, /))]
    fn access(
        &self,
        py: Python<'_>,
        account: &Bound<'_, PyAny>,
        user: &Bound<'_, PyAny>,
        permission: &Bound<'_, PyAny>,
    ) -> PyResult<Access> {
        let (account, user, permission) = (
            text(account, "account")?,
            text(user, "user")?,
            text(permission, "permission")?,
        );
        let access = py.detach(|| self.0.access(account, user, permission));
        access.map(Access).map_err(|error| raised(py, &error))
    }

    /// Prepares a sender; the options are JSON text.
    #[pyo3(signature = (account, user, options, /))]
    fn sender(
        &self,
        py: Python<'_>,
        account: &Bound<'_, PyAny>,
        user: &Bound<'_, PyAny>,
        options: &Bound<'_, PyAny>,
    ) -> PyResult<Sender> {
        let (account, user, options) = (
            text(account, "account")?,
            optional_text(user, "user")?,
            json(options, "options")?,
        );
        let sender = py
            .detach(|| self.0.sender_json(account, user, options))
            .map_err(|error| raised(py, &error))?;
        Ok(Sender {
            sender,
            last: Mutex::new(None),
        })
    }

    /// Whether the user holds the permission in the account.
    #[pyo3(signature = (account, user, permission, /))]
    fn allowed(
        &self,
        py: Python<'_>,
        account: &Bound<'_, PyAny>,
        user: &Bound<'_, PyAny>,
        permission: &Bound<'_, PyAny>,
    ) -> PyResult<bool> {
        let (account, user, permission) = (
            text(account, "account")?,
            text(user, "user")?,
            text(permission, "permission")?,
        );
        py.detach(|| self.0.allowed(account, user, permission))
            .map_err(|error| raised(py, &error))
    }

    /// Like `allowed`, but answers none when the answer is not in memory and would need the disk.
    #[pyo3(signature = (account, user, permission, /))]
    fn try_allowed(
        &self,
        py: Python<'_>,
        account: &Bound<'_, PyAny>,
        user: &Bound<'_, PyAny>,
        permission: &Bound<'_, PyAny>,
    ) -> PyResult<Option<bool>> {
        let (account, user, permission) = (
            text(account, "account")?,
            text(user, "user")?,
            text(permission, "permission")?,
        );
        self.0
            .try_allowed(account, user, permission)
            .map_err(|error| raised(py, &error))
    }

    /// Asks to send `count` messages now; the answer is true when all of them are granted, and they
    /// are charged then.
    #[pyo3(signature = (account, user, count, /))]
    fn admit(
        &self,
        py: Python<'_>,
        account: &Bound<'_, PyAny>,
        user: &Bound<'_, PyAny>,
        count: &Bound<'_, PyAny>,
    ) -> PyResult<bool> {
        Ok(self.decision(py, account, user, count)?.refusal.is_none())
    }

    /// Like `admit`, but answers the whole decision.
    #[pyo3(signature = (account, user, count, /))]
    fn decide<'py>(
        &self,
        py: Python<'py>,
        account: &Bound<'_, PyAny>,
        user: &Bound<'_, PyAny>,
        count: &Bound<'_, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        decision_object(py, &self.decision(py, account, user, count)?)
    }

    /// Like `admit`, but answers none and charges nothing when the decision would need the disk.
    #[pyo3(signature = (account, user, count, /))]
    fn try_admit(
        &self,
        py: Python<'_>,
        account: &Bound<'_, PyAny>,
        user: &Bound<'_, PyAny>,
        count: &Bound<'_, PyAny>,
    ) -> PyResult<Option<bool>> {
        let decision = self.decision_at_once(py, account, user, count)?;
        Ok(decision.map(|decision| decision.refusal.is_none()))
    }

    /// Like `try_admit`, but answers the whole decision.
    #[pyo3(signature = (account, user, count, /))]
    fn try_decide<'py>(
        &self,
        py: Python<'py>,
        account: &Bound<'_, PyAny>,
        user: &Bound<'_, PyAny>,
        count: &Bound<'_, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let decision = self.decision_at_once(py, account, user, count)?;
        decision
            .map(|decision| decision_object(py, &decision))
            .transpose()
    }

    /// Imports a file of users as the actor. After each part, `progress` is called with rows, bytes
    /// and all bytes. Its answer says whether to continue, and an exception that it raises ends the
    /// import and is raised again. An exception of a signal, such as Ctrl-C, does so too, without
    /// waiting for the part that is being imported.
    #[pyo3(signature = (actor, options, csv, progress, /))]
    fn import_users(
        &self,
        py: Python<'_>,
        actor: &Bound<'_, PyAny>,
        options: &Bound<'_, PyAny>,
        csv: &Bound<'_, PyAny>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<String> {
        let (actor, options) = (json(actor, "actor")?, json(options, "options")?);
        let csv = csv
            .cast::<PyBytes>()
            .map_err(|_| wrong_type(csv, "csv", "bytes"))?;
        let csv = PyBackedBytes::from(csv.clone());
        let (store, actor, options) = (Arc::clone(&self.0), actor.to_vec(), options.to_vec());
        let (tell, mut heard) = channel();
        let (answer, answered) = channel();
        in_thread(move || {
            // Whoever does not listen any more wants no further part.
            let mut goes_on = |at: ImportProgress| {
                tell.send(Heard::At(at)).is_ok() && answered.recv().unwrap_or(false)
            };
            let done = store.import_users_json(&actor, &options, &csv, &mut goes_on);
            let _ = tell.send(Heard::Done(done));
        })?;
        loop {
            match hear(py, &mut heard)? {
                Heard::Done(done) => return done.map_err(|error| raised(py, &error)),
                Heard::At(at) => {
                    let goes_on = match &progress {
                        None => true,
                        Some(progress) => progress
                            .call1(py, (at.rows, at.bytes, at.bytes_total))?
                            .is_truthy(py)?,
                    };
                    // Nobody takes it where the import is over.
                    let _ = answer.send(goes_on);
                }
            }
        }
    }

    /// Waits until the outbox has a message after this one; answers the number of the last message,
    /// or none when the time has passed.
    #[pyo3(signature = (after, timeout_ms, /))]
    fn outbox_wait(
        &self,
        py: Python<'_>,
        after: &Bound<'_, PyAny>,
        timeout_ms: &Bound<'_, PyAny>,
    ) -> PyResult<Option<u64>> {
        let (after, timeout) = (
            integer(after, "after")?,
            Duration::from_millis(integer(timeout_ms, "timeout_ms")?),
        );
        let began = Instant::now();
        loop {
            let left = timeout.saturating_sub(began.elapsed());
            let found = py
                .detach(|| self.0.wait_outbox(after, left.min(POLL_INTERVAL)))
                .map_err(|error| raised(py, &error))?;
            if found.is_some() || left.is_zero() {
                return Ok(found);
            }
            py.check_signals()?;
        }
    }

    /// Gives back what was drawn ahead and not used, and closes the store; every later call is
    /// refused with `closed`.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.0.close())
            .map_err(|error| raised(py, &error))
    }
}

impl Store {
    fn decision(
        &self,
        py: Python<'_>,
        account: &Bound<'_, PyAny>,
        user: &Bound<'_, PyAny>,
        count: &Bound<'_, PyAny>,
    ) -> PyResult<Decision> {
        let (account, user, count) = (
            text(account, "account")?,
            optional_text(user, "user")?,
            integer(count, "count")?,
        );
        py.detach(|| self.0.admit(account, user, count))
            .map_err(|error| raised(py, &error))
    }

    /// Decides without releasing the GIL, because it does not wait for anything.
    fn decision_at_once(
        &self,
        py: Python<'_>,
        account: &Bound<'_, PyAny>,
        user: &Bound<'_, PyAny>,
        count: &Bound<'_, PyAny>,
    ) -> PyResult<Option<Decision>> {
        let (account, user, count) = (
            text(account, "account")?,
            optional_text(user, "user")?,
            integer(count, "count")?,
        );
        self.0
            .try_admit(account, user, count)
            .map_err(|error| raised(py, &error))
    }
}

/// Runs long work in a thread of its own, so that Ctrl-C ends the wait for it. The work, which
/// changes nothing, continues to its end, and its result is dropped.
fn interruptible<T: Send + 'static>(
    py: Python<'_>,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> PyResult<T> {
    let (answer, mut answered) = channel();
    in_thread(move || {
        // Nobody waits any more where this fails.
        let _ = answer.send(work());
    })?;
    hear(py, &mut answered)?.map_err(|error| raised(py, &error))
}

/// What an import says to the thread that waits for it.
enum Heard {
    At(ImportProgress),
    Done(Result<String, Error>),
}

fn in_thread(work: impl FnOnce() + Send + 'static) -> PyResult<()> {
    std::thread::Builder::new()
        .name("tenantry-long".to_owned())
        .spawn(work)?;
    Ok(())
}

/// What the thread says next, or the exception that a signal raises meanwhile.
fn hear<T: Send>(py: Python<'_>, said: &mut Receiver<T>) -> PyResult<T> {
    loop {
        py.check_signals()?;
        let said = &mut *said;
        match py.detach(move || said.recv_timeout(POLL_INTERVAL)) {
            Ok(said) => return Ok(said),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                let message = "A defect in tenantry stopped the call; open the store again, and \
                               report the defect.";
                return Err(raised(py, &Error::new(Code::Internal, message)));
            }
        }
    }
}

/// A prepared permission check, which sees every later change. Threads may share it.
#[pyclass(frozen, module = "tenantry")]
struct Access(tenantry::Access);

#[pymethods]
impl Access {
    /// Does nothing: benches/python_calls.py measures with it what a call costs.
    fn _nothing(&self) -> bool {
        true
    }

    /// Whether the user holds the permission now.
    fn allowed(&self, py: Python<'_>) -> PyResult<bool> {
        self.0.allowed().map_err(|error| raised(py, &error))
    }

    /// Like `allowed`, but answers `None` when the answer is not in memory and would need the disk.
    fn try_allowed(&self, py: Python<'_>) -> PyResult<Option<bool>> {
        self.0.try_allowed().map_err(|error| raised(py, &error))
    }

    /// The prepared check itself is neither true nor false (R-ANS-1).
    fn __bool__(&self) -> PyResult<bool> {
        Err(PyTypeError::new_err(
            "A prepared `Access` says neither yes nor no; call its `allowed`.",
        ))
    }
}

/// A prepared sender, which sees every later change. Threads may share it, but `last` may then be
/// the decision of another thread.
#[pyclass(frozen, module = "tenantry")]
struct Sender {
    sender: tenantry::Sender,
    last: Mutex<Option<Decision>>,
}

#[pymethods]
impl Sender {
    /// Does nothing: benches/python_calls.py measures with it what a call costs.
    #[pyo3(signature = (count = Count(1)), text_signature = "($self, count=1)")]
    fn _nothing(&self, count: Count) -> bool {
        count.0 > 0
    }

    /// Asks to send `count` messages now; the answer is true when all of them are granted, and they
    /// are charged then.
    #[pyo3(signature = (count = Count(1)), text_signature = "($self, count=1)")]
    fn admit(&self, py: Python<'_>, count: Count) -> PyResult<bool> {
        let decision = self.decision(py, count)?;
        let granted = decision.refusal.is_none();
        *self.last.lock() = Some(decision);
        Ok(granted)
    }

    /// Like `admit`, but answers the whole decision.
    #[pyo3(signature = (count = Count(1)), text_signature = "($self, count=1)")]
    fn decide<'py>(&self, py: Python<'py>, count: Count) -> PyResult<Bound<'py, PyAny>> {
        let decision = self.decision(py, count)?;
        let object = decision_object(py, &decision);
        *self.last.lock() = Some(decision);
        object
    }

    /// Like `admit`, but answers `None` and charges nothing when the decision would need the disk.
    #[pyo3(signature = (count = Count(1)), text_signature = "($self, count=1)")]
    fn try_admit(&self, py: Python<'_>, count: Count) -> PyResult<Option<bool>> {
        let Some(decision) = self.decision_at_once(py, count)? else {
            return Ok(None);
        };
        let granted = decision.refusal.is_none();
        *self.last.lock() = Some(decision);
        Ok(Some(granted))
    }

    /// Like `decide`, but answers `None` and charges nothing when the decision would need the disk.
    #[pyo3(signature = (count = Count(1)), text_signature = "($self, count=1)")]
    fn try_decide<'py>(
        &self,
        py: Python<'py>,
        count: Count,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some(decision) = self.decision_at_once(py, count)? else {
            return Ok(None);
        };
        let object = decision_object(py, &decision)?;
        *self.last.lock() = Some(decision);
        Ok(Some(object))
    }

    /// The prepared sender itself is neither true nor false (R-ANS-1).
    fn __bool__(&self) -> PyResult<bool> {
        Err(PyTypeError::new_err(
            "A prepared `Sender` says neither yes nor no; call its `admit`.",
        ))
    }

    /// The decision of the latest `admit`, `decide`, `try_admit` or `try_decide` of this handle.
    fn last<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let last = self.last.lock().clone();
        last.map(|decision| decision_object(py, &decision))
            .transpose()
    }
}

impl Sender {
    fn decision_at_once(&self, py: Python<'_>, count: Count) -> PyResult<Option<Decision>> {
        self.sender
            .try_admit(count.0)
            .map_err(|error| raised(py, &error))
    }

    /// One admission; it releases the GIL only to wait for a block that must be drawn from the
    /// disk.
    fn decision(&self, py: Python<'_>, Count(count): Count) -> PyResult<Decision> {
        let decision = match self.sender.try_admit(count) {
            Ok(Some(decision)) => Ok(decision),
            Ok(None) => py.detach(|| self.sender.admit(count)),
            Err(error) => Err(error),
        };
        decision.map_err(|error| raised(py, &error))
    }
}

/// A count of messages. It is a type of its own, so that `None` is refused and not taken as absent.
struct Count(u64);

impl<'py> FromPyObject<'_, 'py> for Count {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Count> {
        integer(&value, "count").map(Count)
    }
}

fn integer(value: &Bound<'_, PyAny>, name: &str) -> PyResult<u64> {
    if !value.is_instance_of::<PyInt>() || value.is_instance_of::<PyBool>() {
        return Err(wrong_type(value, name, "an integer"));
    }
    // The core holds the bound of 2^53-1; here only what no u64 can carry is refused.
    value
        .extract()
        .map_err(|_| invalid(value, name, "must be from 0 to 9007199254740991"))
}

fn text<'a>(value: &'a Bound<'_, PyAny>, name: &str) -> PyResult<&'a str> {
    let Ok(string) = value.cast::<PyString>() else {
        return Err(wrong_type(value, name, "text"));
    };
    string.to_str().map_err(|_| {
        invalid(
            value,
            name,
            "must be valid Unicode, without lone surrogates",
        )
    })
}

fn optional_text<'a>(value: &'a Bound<'_, PyAny>, name: &str) -> PyResult<Option<&'a str>> {
    if value.is_none() {
        Ok(None)
    } else {
        text(value, name).map(Some)
    }
}

fn json<'a>(value: &'a Bound<'_, PyAny>, name: &str) -> PyResult<&'a [u8]> {
    match value.cast::<PyBytes>() {
        Ok(bytes) => Ok(bytes.as_bytes()),
        Err(_) => text(value, name).map(str::as_bytes),
    }
}

fn wrong_type(value: &Bound<'_, PyAny>, name: &str, expected: &str) -> PyErr {
    match value.get_type().name() {
        Ok(given) => invalid(value, name, &format!("must be {expected}, not `{given}`")),
        Err(error) => error,
    }
}

fn invalid(value: &Bound<'_, PyAny>, name: &str, message: &str) -> PyErr {
    raised(
        value.py(),
        &Error::invalid(format!("/{name}"), format!("`{name}` {message}.")),
    )
}

/// The Python exception of this error; the generated `tenantry._errors` has the classes.
fn raised(py: Python<'_>, error: &Error) -> PyErr {
    static FROM_JSON: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let exception = FROM_JSON
        .import(py, "tenantry._errors", "_from_json")
        .and_then(|from_json| from_json.call1((error.to_json(),)));
    exception.map_or_else(|error| error, PyErr::from_value)
}

#[pymodule(gil_used = false)]
mod _native {
    use super::*;

    #[pymodule_export]
    use super::about::{catalogue_hash, shown_path, version};
    #[pymodule_export]
    use super::logs::{flush_log, listen, stop_listening};
    #[pymodule_export]
    use super::{Access, Sender, Store};

    /// Opens the store at this path; the options are JSON text.
    #[pyfunction]
    #[pyo3(signature = (path, options, /))]
    fn open(
        py: Python<'_>,
        path: &Bound<'_, PyAny>,
        options: &Bound<'_, PyAny>,
    ) -> PyResult<Store> {
        let (path, options) = (text(path, "path")?, json(options, "options")?);
        let (path, options) = (path.to_owned(), options.to_vec());
        // Whoever lost patience has no store: what comes out then is closed again.
        interruptible(py, move || Tenantry::open_json(&path, &options))
            .map(|store| Store(Arc::new(store)))
    }

    /// Runs the command `tenantry` with these arguments, the first of which is its name; answers
    /// with which code the process is to end.
    #[pyfunction]
    #[pyo3(signature = (arguments, /))]
    fn run_command(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
        py.detach(|| tenantry_cli::run(arguments))
    }
}
