//! The native half of the npm package `tenantry`: only `lib/index.cjs` calls it.
//!
//! A store is an object of plain functions, each of which is a closure over what it works on:
//! calling one takes a sixth of the time of a `#[napi]` class method, which looks up its receiver
//! behind a mutex. A panic ends in the core or, as a last resort, in napi's closures and in
//! [`finished`]: a panic that left a task would abort Node.
//!
//! An error crosses as JSON: a promise is rejected with it as the message, and every other function
//! answers with the text in place of its result. `lib/codec.cjs` makes the exception from it, so
//! that its stack is the caller's.

mod decision;
pub mod logs;

use decision::Decision;
use napi::ScopedTask;
use napi::bindgen_prelude::{
    AsyncTask, Either, Env, FnArgs, Function, FunctionCallContext, Object, Task, ToNapiValue,
    Uint8Array,
};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use tenantry::{Code, Error, ImportProgress, Tenantry};

/// The answer of a synchronous function: its result, or an error as JSON.
type Answer<T> = Either<T, String>;

/// The decision of the last admission of a sender.
type Last = Rc<RefCell<Option<tenantry::Decision>>>;

/// The hash of the catalogue with which the library was built.
#[napi]
pub fn catalogue_hash() -> &'static str {
    tenantry::catalogue::hash()
}

/// The path of a store as people may see it: without the user and the password of a database.
#[napi]
pub fn shown_path(path: String) -> String {
    tenantry::shown_path(path)
}

/// The version of the library.
#[napi]
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// Runs the command `tenantry` with these arguments, the first of which is its name; answers with
/// which code the process is to end. It blocks: the process does nothing else.
#[napi]
pub fn run_command(arguments: Vec<String>) -> u32 {
    tenantry_cli::run(arguments.into_iter().map(Into::into)).into()
}

/// Opens the store at this path, with options as JSON text.
#[napi]
pub fn open(path: String, options: String) -> AsyncTask<Open> {
    AsyncTask::new(Open { path, options })
}

/// A function with the arguments and the answer of `admit` that does nothing; the benchmark
/// compares with it.
#[napi]
pub fn empty(env: &Env) -> napi::Result<Object<'_>> {
    let mut object = Object::new(env)?;
    method(env, &mut object, "admit", |call| {
        Ok(Answer::<bool>::A(call.get::<f64>(0)? > 0.0))
    })?;
    Ok(object)
}

/// Opens a store, off the JavaScript thread.
pub struct Open {
    path: String,
    options: String,
}

impl<'env> ScopedTask<'env> for Open {
    type Output = Tenantry;
    type JsValue = Object<'env>;

    fn compute(&mut self) -> napi::Result<Tenantry> {
        finished(|| Tenantry::open_json(&self.path, self.options.as_bytes()))
    }

    fn resolve(&mut self, env: &'env Env, store: Tenantry) -> napi::Result<Object<'env>> {
        store_object(env, &Arc::new(store))
    }
}

/// Runs one operation, off the JavaScript thread.
struct Call {
    store: Arc<Tenantry>,
    actor: String,
    operation: String,
    request: String,
}

impl Task for Call {
    type Output = String;
    type JsValue = String;

    fn compute(&mut self) -> napi::Result<String> {
        let Call {
            store,
            actor,
            operation,
            request,
        } = self;
        finished(|| store.call_json(actor.as_bytes(), operation.as_bytes(), request.as_bytes()))
    }

    fn resolve(&mut self, _: Env, answer: String) -> napi::Result<String> {
        Ok(answer)
    }
}

/// The arguments of a progress function: rows, bytes, all bytes.
type Progress = FnArgs<(f64, f64, f64)>;

/// Imports a file, off the JavaScript thread, which is asked after each part whether to continue.
struct Import {
    store: Arc<Tenantry>,
    actor: String,
    options: String,
    csv: Vec<u8>,
    /// Set when the environment ends: from then on, nobody answers.
    leaving: Arc<AtomicBool>,
    progress: Option<ThreadsafeFunction<Progress, bool, Progress, napi::Status, false>>,
}

impl Task for Import {
    type Output = String;
    type JsValue = String;

    fn compute(&mut self) -> napi::Result<String> {
        let Import {
            store,
            actor,
            options,
            csv,
            leaving,
            progress,
        } = self;
        let mut tell = |at: ImportProgress| match progress {
            Some(progress) => goes_on(progress, leaving, at),
            None => !leaving.load(Ordering::Acquire),
        };
        finished(|| store.import_users_json(actor.as_bytes(), options.as_bytes(), csv, &mut tell))
    }

    fn resolve(&mut self, _: Env, answer: String) -> napi::Result<String> {
        Ok(answer)
    }
}

/// Asks JavaScript whether to continue, and waits for the answer. If the environment ends
/// meanwhile, the answer is no: a process that ends waits for this thread, which would wait for
/// ever.
fn goes_on(
    progress: &ThreadsafeFunction<Progress, bool, Progress, napi::Status, false>,
    leaving: &AtomicBool,
    at: ImportProgress,
) -> bool {
    let (answer, answered) = channel();
    let arguments = (at.rows as f64, at.bytes as f64, at.bytes_total as f64).into();
    progress.call_with_return_value(
        arguments,
        ThreadsafeFunctionCallMode::Blocking,
        move |goes_on: napi::Result<bool>, _| {
            let _ = answer.send(goes_on.unwrap_or(false));
            Ok(())
        },
    );
    loop {
        match answered.recv_timeout(Duration::from_millis(100)) {
            Ok(goes_on) => return goes_on,
            Err(RecvTimeoutError::Disconnected) => return false,
            Err(RecvTimeoutError::Timeout)
                if progress.aborted() || leaving.load(Ordering::Acquire) =>
            {
                return false;
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

/// One question of the frequent calls, off the JavaScript thread, because it may wait for the disk.
struct Ask<F>(F);

impl<F> Task for Ask<F>
where
    F: FnMut() -> Result<tenantry::Decision, Error> + Send + 'static,
{
    type Output = tenantry::Decision;
    type JsValue = Decision;

    fn compute(&mut self) -> napi::Result<tenantry::Decision> {
        finished(&mut self.0)
    }

    fn resolve(&mut self, _: Env, decision: tenantry::Decision) -> napi::Result<Decision> {
        Ok(Decision::from(&decision))
    }
}

/// Like [`Ask`], for a permission.
struct Check<F>(F);

impl<F> Task for Check<F>
where
    F: FnMut() -> Result<bool, Error> + Send + 'static,
{
    type Output = bool;
    type JsValue = bool;

    fn compute(&mut self) -> napi::Result<bool> {
        finished(&mut self.0)
    }

    fn resolve(&mut self, _: Env, allowed: bool) -> napi::Result<bool> {
        Ok(allowed)
    }
}

/// The arguments of the function that ends a wait for messages: the number of the last message or
/// nothing, and an error as JSON.
type Waited = FnArgs<(Option<f64>, Option<String>)>;

/// Waits for messages in a thread of its own, not in one of the few threads that work for promises,
/// and tells `done` the result.
///
/// `done` keeps the event loop alive until it is told, so that a process with nothing else to do
/// still waits. A process or a worker that is ended meanwhile ends all the same, and the thread
/// notices it.
fn wait_for_messages(
    store: Arc<Tenantry>,
    after: u64,
    timeout: Duration,
    done: Function<'_, Waited, ()>,
) -> napi::Result<()> {
    /// How long it may take to notice the end of a worker.
    const POLL_INTERVAL: Duration = Duration::from_millis(250);
    let done = done.build_threadsafe_function::<Waited>().build()?;
    let wait = move || {
        let began = Instant::now();
        loop {
            let left = timeout.saturating_sub(began.elapsed());
            let waited = finished(|| store.wait_outbox(after, left.min(POLL_INTERVAL)));
            if done.aborted() {
                return;
            }
            let told: Waited = match waited {
                Ok(None) if !left.is_zero() => continue,
                Ok(last) => (last.map(|last| last as f64), None).into(),
                Err(error) => (None, Some(error.reason.to_string())).into(),
            };
            done.call(told, ThreadsafeFunctionCallMode::NonBlocking);
            return;
        }
    };
    std::thread::Builder::new()
        .name("tenantry-outbox".to_owned())
        .spawn(wait)?;
    Ok(())
}

/// Closes a store, off the JavaScript thread.
struct Close(Arc<Tenantry>);

impl Task for Close {
    type Output = ();
    type JsValue = ();

    fn compute(&mut self) -> napi::Result<()> {
        finished(|| self.0.close())
    }

    fn resolve(&mut self, _: Env, (): ()) -> napi::Result<()> {
        Ok(())
    }
}

fn store_object<'env>(env: &Env, shared: &Arc<Tenantry>) -> napi::Result<Object<'env>> {
    let mut object = Object::new(env)?;
    operations(env, &mut object, shared)?;
    handles(env, &mut object, shared)?;
    permissions(env, &mut object, shared)?;
    admissions(env, &mut object, shared)?;
    Ok(object)
}

/// Adds the functions that run operations to a store, and the one that closes it.
fn operations(env: &Env, object: &mut Object<'_>, shared: &Arc<Tenantry>) -> napi::Result<()> {
    let own = || Arc::clone(shared);
    let store = own();
    method(env, object, "call", move |call| {
        let (actor, operation, request) = (call.get(0)?, call.get(1)?, call.get(2)?);
        Ok(AsyncTask::new(Call {
            store: Arc::clone(&store),
            actor,
            operation,
            request,
        }))
    })?;

    let leaving = Arc::new(AtomicBool::new(false));
    let left = Arc::clone(&leaving);
    method(env, object, "leave", move |_| {
        left.store(true, Ordering::Release);
        Ok(())
    })?;

    let store = own();
    method(env, object, "importUsers", move |call| {
        let (actor, options, csv): (String, String, Uint8Array) =
            (call.get(0)?, call.get(1)?, call.get(2)?);
        let progress = call.get::<Option<Function<'_, Progress, bool>>>(3)?;
        let progress = progress
            .map(|progress| progress.build_threadsafe_function::<Progress>().build())
            .transpose()?;
        // A copy: JavaScript may write into its own while the import reads.
        Ok(AsyncTask::new(Import {
            store: Arc::clone(&store),
            actor,
            options,
            csv: csv.to_vec(),
            leaving: Arc::clone(&leaving),
            progress,
        }))
    })?;

    let store = own();
    method(env, object, "outboxWait", move |call| {
        let (after, timeout_ms): (f64, f64) = (call.get(0)?, call.get(1)?);
        wait_for_messages(
            Arc::clone(&store),
            after as u64,
            Duration::from_millis(timeout_ms as u64),
            call.get(2)?,
        )
    })?;

    let store = own();
    method(env, object, "close", move |_| {
        Ok(AsyncTask::new(Close(Arc::clone(&store))))
    })
}

/// Adds the functions that answer an `access` or a `sender`, which is asked again and again.
fn handles(env: &Env, object: &mut Object<'_>, shared: &Arc<Tenantry>) -> napi::Result<()> {
    let store = Arc::clone(shared);
    method(env, object, "access", move |call| {
        let (account, user, permission): (String, String, String) =
            (call.get(0)?, call.get(1)?, call.get(2)?);
        or_error(store.access(&account, &user, &permission), |access| {
            access_object(call.env, access)
        })
    })?;

    let store = Arc::clone(shared);
    method(env, object, "sender", move |call| {
        let (account, user, options): (String, Option<String>, String) =
            (call.get(0)?, call.get(1)?, call.get(2)?);
        or_error(
            store.sender_json(&account, user.as_deref(), options.as_bytes()),
            |sender| sender_object(call.env, sender),
        )
    })
}

/// Adds the functions that ask for a permission by ids to a store.
fn permissions(env: &Env, object: &mut Object<'_>, shared: &Arc<Tenantry>) -> napi::Result<()> {
    let own = || Arc::clone(shared);
    let store = own();
    method(env, object, "allowed", move |call| {
        let (account, user, permission): (String, String, String) =
            (call.get(0)?, call.get(1)?, call.get(2)?);
        or_error(store.allowed(&account, &user, &permission), Ok)
    })?;

    let store = own();
    method(env, object, "tryAllowed", move |call| {
        let (account, user, permission): (String, String, String) =
            (call.get(0)?, call.get(1)?, call.get(2)?);
        or_error(store.try_allowed(&account, &user, &permission), Ok)
    })?;

    let store = own();
    method(env, object, "allowedLater", move |call| {
        let (account, user, permission): (String, String, String) =
            (call.get(0)?, call.get(1)?, call.get(2)?);
        let store = Arc::clone(&store);
        Ok(AsyncTask::new(Check(move || {
            store.allowed(&account, &user, &permission)
        })))
    })
}

/// Adds the functions that admit by ids to a store.
fn admissions(env: &Env, object: &mut Object<'_>, store: &Arc<Tenantry>) -> napi::Result<()> {
    let last = last_method(env, object)?;
    let (own, own_last) = (Arc::clone(store), Rc::clone(&last));
    method(env, object, "admit", move |call| {
        let (account, user): (String, Option<String>) = (call.get(0)?, call.get(1)?);
        admitted(
            &own_last,
            count(call.get(2)?).and_then(|count| own.admit(&account, user.as_deref(), count)),
        )
    })?;

    let own = Arc::clone(store);
    method(env, object, "tryAdmit", move |call| {
        let (account, user): (String, Option<String>) = (call.get(0)?, call.get(1)?);
        admitted_at_once(
            &last,
            count(call.get(2)?).and_then(|count| own.try_admit(&account, user.as_deref(), count)),
        )
    })?;

    let own = Arc::clone(store);
    method(env, object, "decideLater", move |call| {
        let (account, user): (String, Option<String>) = (call.get(0)?, call.get(1)?);
        let (store, asked) = (Arc::clone(&own), call.get::<f64>(2)?);
        Ok(AsyncTask::new(Ask(move || {
            store.admit(&account, user.as_deref(), count(asked)?)
        })))
    })
}

fn access_object<'env>(env: &Env, access: tenantry::Access) -> napi::Result<Object<'env>> {
    let mut object = Object::new(env)?;
    let access = Arc::new(access);
    let own = Arc::clone(&access);
    method(env, &mut object, "allowed", move |_| {
        or_error(own.allowed(), Ok)
    })?;

    let own = Arc::clone(&access);
    method(env, &mut object, "tryAllowed", move |_| {
        or_error(own.try_allowed(), Ok)
    })?;

    method(env, &mut object, "allowedLater", move |_| {
        let access = Arc::clone(&access);
        Ok(AsyncTask::new(Check(move || access.allowed())))
    })?;
    Ok(object)
}

fn sender_object<'env>(env: &Env, sender: tenantry::Sender) -> napi::Result<Object<'env>> {
    let mut object = Object::new(env)?;
    let (sender, last) = (Arc::new(sender), last_method(env, &mut object)?);
    let (own, own_last) = (Arc::clone(&sender), Rc::clone(&last));
    method(env, &mut object, "admit", move |call| {
        admitted(
            &own_last,
            count(call.get(0)?).and_then(|count| own.admit(count)),
        )
    })?;

    let own = Arc::clone(&sender);
    method(env, &mut object, "tryAdmit", move |call| {
        admitted_at_once(
            &last,
            count(call.get(0)?).and_then(|count| own.try_admit(count)),
        )
    })?;

    method(env, &mut object, "decideLater", move |call| {
        let (sender, asked) = (Arc::clone(&sender), call.get::<f64>(0)?);
        Ok(AsyncTask::new(Ask(move || sender.admit(count(asked)?))))
    })?;
    Ok(object)
}

/// Adds `last`, which answers the decision of the latest `admit` or `tryAdmit` of the object. This
/// way, granting builds no object for which nobody asked.
fn last_method(env: &Env, object: &mut Object<'_>) -> napi::Result<Last> {
    let last = Last::default();
    let own = Rc::clone(&last);
    method(env, object, "last", move |_| {
        Ok(own.borrow().as_ref().map(Decision::from))
    })?;
    Ok(last)
}

fn method<F, T>(env: &Env, object: &mut Object<'_>, name: &str, function: F) -> napi::Result<()>
where
    F: Fn(FunctionCallContext<'_>) -> napi::Result<T> + 'static,
    T: ToNapiValue,
{
    let function: Function<'_, (), T> = env.create_function_from_closure(name, function)?;
    object.set(name, function)
}

fn admitted(
    last: &Last,
    decision: Result<tenantry::Decision, Error>,
) -> napi::Result<Answer<bool>> {
    or_error(decision, |decision| {
        let granted = decision.refusal.is_none();
        *last.borrow_mut() = Some(decision);
        Ok(granted)
    })
}

/// Like [`admitted`], but answers none when memory alone cannot decide.
fn admitted_at_once(
    last: &Last,
    decision: Result<Option<tenantry::Decision>, Error>,
) -> napi::Result<Answer<Option<bool>>> {
    match decision {
        Ok(None) => Ok(Answer::A(None)),
        Ok(Some(decision)) => Ok(match admitted(last, Ok(decision))? {
            Answer::A(granted) => Answer::A(Some(granted)),
            Answer::B(error) => Answer::B(error),
        }),
        Err(error) => Ok(Answer::B(error.to_json())),
    }
}

/// A number of messages. JavaScript has one type of number, and napi's own integers would accept
/// -1, 1.5 and NaN.
fn count(value: f64) -> Result<u64, Error> {
    const MAX: f64 = 9_007_199_254_740_991.0;
    if (0.0..=MAX).contains(&value) && value.fract() == 0.0 {
        Ok(value as u64)
    } else {
        Err(Error::invalid(
            "/count",
            format!("`count` must be an integer from 0 to {MAX}, and is {value}."),
        ))
    }
}

fn or_error<A, T>(
    result: Result<A, Error>,
    answer: impl FnOnce(A) -> napi::Result<T>,
) -> napi::Result<Answer<T>> {
    match result {
        Ok(result) => answer(result).map(Either::A),
        Err(error) => Ok(Either::B(error.to_json())),
    }
}

/// Finishes the work of a task; its error becomes the rejection of the promise.
fn finished<T>(work: impl FnOnce() -> Result<T, Error>) -> napi::Result<T> {
    let result = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        // Dropping what was thrown could panic again.
        std::mem::forget(panic);
        Err(Error::new(
            Code::Internal,
            "A defect in tenantry stopped the call; open the store again, and report the defect.",
        ))
    });
    result.map_err(|error| napi::Error::from_reason(error.to_json()))
}
