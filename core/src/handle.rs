//! The handle of the host, and what it prepares for the frequent calls.

mod debug;
mod from_memory;
mod sender;

use crate::access::allowed::{allowed, check, member_may, place_of};
use crate::access::operation::Operation;
use crate::access::state::Engine;
use crate::access::view::AccountCell;
use crate::api::operation::Effect;
use crate::domain::sending;
use crate::error::{Error, excerpt};
use crate::guard::Guard;
use crate::handle::from_memory::{FromMemory, decide_from_memory};
use crate::handle::sender::Sends;
use crate::meters::{Ask, Prepared, check_count};
use crate::model::Decision;
use crate::model::{Actor, Caller, Channel, Id, MessageInput};
use crate::options::{OpenOptions, SenderOptions};
use crate::sending::decide::admit;
use crate::{catalogue, json};
pub use sender::Sender;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tenantry_store::At;

/// An open store. Share it between threads by reference, or in an `Arc`.
///
/// A second `open` of the same path in one process shares the store, and returns a handle of its
/// own. In another process, a store in a folder is refused with `store_locked`. Dropping the handle
/// closes it.
///
/// ```
/// use tenantry::{OpenOptions, Tenantry};
///
/// # let folder = std::env::temp_dir().join(format!("tenantry-doc-{}", std::process::id()));
/// let t = Tenantry::open(&folder, OpenOptions::default().cache_mib(16))?;
/// t.close()?;
/// # std::fs::remove_dir_all(folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Tenantry {
    guard: Arc<Guard>,
    /// As the host named it, without a password.
    path: Arc<Path>,
}

impl Tenantry {
    /// Opens the store in the folder `path`. The path `sqlite:PATH` opens a store in the SQLite
    /// file `PATH`, `postgresql://USER@HOST/DATABASE` a store in a PostgreSQL database, and
    /// `:memory:` a store in memory.
    pub fn open(path: impl AsRef<Path>, options: OpenOptions) -> Result<Tenantry, Error> {
        Tenantry::open_at(path.as_ref(), &options)
    }

    /// Opens a store with options as JSON; an empty text stands for the defaults.
    ///
    /// ```
    /// let t = tenantry::Tenantry::open_json(":memory:", br#"{"cache_mib":16}"#)?;
    /// # Ok::<(), tenantry::Error>(())
    /// ```
    pub fn open_json(path: impl AsRef<Path>, options: &[u8]) -> Result<Tenantry, Error> {
        Tenantry::open_at(path.as_ref(), &json::read(options)?)
    }

    fn open_at(path: &Path, options: &OpenOptions) -> Result<Tenantry, Error> {
        options.check()?;
        let bytes = path.as_os_str().as_encoded_bytes();
        if bytes.is_empty() || bytes.contains(&0) {
            return Err(Error::invalid(
                "/path",
                format!(
                    "The path `{}` is empty or holds a zero byte; name a folder, `sqlite:` and a \
                     file, or `:memory:`.",
                    excerpt(&path.to_string_lossy())
                ),
            ));
        }
        Ok(Tenantry {
            guard: Arc::new(Guard::open(path, options)?),
            path: PathBuf::from(At::new(path).shown()).into(),
        })
    }

    /// Answers at once the error with which every write would be refused, such as `closed`.
    pub(crate) fn usable(&self) -> Result<(), Error> {
        self.guard.enter(Effect::Write, |_| Ok(()))
    }

    #[cfg(test)]
    pub(crate) fn of_engine_for_tests(engine: Arc<Engine>) -> Tenantry {
        Tenantry {
            guard: Arc::new(Guard::of_engine_for_tests(engine)),
            path: Path::new(":memory:").into(),
        }
    }

    #[cfg(test)]
    pub(crate) fn guard_for_tests(&self) -> &Guard {
        &self.guard
    }

    /// Runs an operation as an actor.
    ///
    /// ```
    /// use tenantry::api::roles;
    /// use tenantry::{Actor, Grant, Id, Name, OpenOptions, Tenantry};
    ///
    /// let t = Tenantry::open(":memory:", OpenOptions::default())?;
    /// let writer = roles::Create::new(Name::new("Writer")?)
    ///     .id(Id::new("writer")?)
    ///     .allow([Grant::new(Id::new("campaigns")?)]);
    /// let role = t.call(&Actor::System, writer)?;
    /// assert_eq!(role.id.as_str(), "writer");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn call<O: Operation>(&self, actor: &Actor, request: O) -> Result<O::Answer, Error> {
        self.guard
            .enter(O::EFFECT, |engine| engine.run(actor, request))
    }

    /// The actor of a caller, for the calls of one request: the actor whom the host names, or the
    /// actor whom the token of a session or of an API key proves.
    pub fn actor(&self, caller: &Caller) -> Result<Actor, Error> {
        self.guard
            .enter(Effect::Read, |engine| engine.prove(caller))
    }

    /// Runs an operation by its name, with the actor and the request as JSON; an empty actor stands
    /// for `system`.
    ///
    /// ```
    /// # let t = tenantry::Tenantry::open_json(":memory:", b"")?;
    /// let request = br#"{"id":"writer","name":"Writer"}"#;
    /// let role = t.call_json(b"", b"roles.create", request)?;
    /// assert!(role.starts_with(r#"{"id":"writer""#));
    /// # Ok::<(), tenantry::Error>(())
    /// ```
    pub fn call_json(
        &self,
        actor: &[u8],
        operation: &[u8],
        request: &[u8],
    ) -> Result<String, Error> {
        let entry = std::str::from_utf8(operation)
            .ok()
            .and_then(catalogue::find)
            .ok_or_else(|| catalogue::unknown(&String::from_utf8_lossy(operation)));
        // A handle that cannot be used says so whatever is asked of it.
        let effect = entry.as_ref().map_or(Effect::Read, |entry| entry.effect);
        self.guard.enter(effect, |engine| {
            let actor = engine.prove(&read_caller(actor)?)?;
            (entry?.run_json)(engine, &actor, request)
        })
    }

    /// Prepares a permission check for a user in an account. The prepared check sees every later
    /// change.
    pub fn access(&self, account: &str, user: &str, permission: &str) -> Result<Access, Error> {
        Access::prepare(&self.guard, &self.path, account, user, permission)
    }

    /// Prepares the sending of e-mails by an account, on behalf of one of its users or of the host
    /// itself.
    ///
    /// The address of the user is not checked, because the host sends. For a user who sends in
    /// person, see [`SenderOptions::acting`].
    pub fn sender(&self, account: &str, user: Option<&str>) -> Result<Sender, Error> {
        self.sender_for(account, user, SenderOptions::default())
    }

    /// Prepares the sending of text messages, or of the messages of a campaign, a class or a
    /// domain. Each of these needs its own sender (R-QTA-14).
    pub fn sender_for(
        &self,
        account: &str,
        user: Option<&str>,
        options: SenderOptions,
    ) -> Result<Sender, Error> {
        let SenderOptions {
            channel,
            message,
            acting,
        } = options;
        let mut message = sending::message_of(message)?;
        if let Some(acting) = &acting {
            if user.is_none() {
                return Err(Error::invalid(
                    "/acting",
                    "With `acting` the user sends in person; name the `user`, or leave out \
                     `acting`.",
                ));
            }
            if message.api_key.is_some() && message.api_key != acting.api_key {
                return Err(Error::invalid(
                    "/message/api_key",
                    "The message names an API key other than the one that the sender acts with; \
                     leave out `api_key`.",
                ));
            }
            message.api_key.clone_from(&acting.api_key);
        }
        let user = user
            .map(Id::new)
            .transpose()
            .map_err(|error| Error::invalid("/user", error));
        let sends = Sends {
            user: user?,
            channel,
            message,
            acting: acting.map(Box::new),
        };
        Sender::prepare(&self.guard, &self.path, account, sends)
    }

    /// Like [`sender_for`](Tenantry::sender_for), with the options as JSON; an empty text stands
    /// for the defaults.
    pub fn sender_json(
        &self,
        account: &str,
        user: Option<&str>,
        options: &[u8],
    ) -> Result<Sender, Error> {
        self.sender_for(account, user, json::read(options)?)
    }

    /// Like [`allowed`](Tenantry::allowed), but answers `None` if the answer is not in memory and
    /// would need the disk.
    pub fn try_allowed(
        &self,
        account: &str,
        user: &str,
        permission: &str,
    ) -> Result<Option<bool>, Error> {
        let known = self.guard.enter_at_once(Effect::Read, |engine| {
            let place = place_of(engine, permission)?;
            Ok(engine.views.cells.look(account, |cell| {
                cell.cached_member(engine, user, |member| member_may(engine, member, place).0)
            }))
        })?;
        Ok(known.flatten())
    }

    /// Says whether a user may do something in an account, by ids. For a user who has no access to
    /// the account, the answer is no. An account or a permission that does not exist is an error
    /// (`not_found`, `permission_unknown`), and so is a text that cannot be an id
    /// (`invalid_argument`).
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/platform.inc")); }
    /// # let t = example::platform()?;
    /// # use tenantry::{Actor, Code, Id, api::accounts};
    /// assert!(t.allowed("acme", "ann", "campaigns.send")?);
    /// assert!(!t.allowed("acme", "sue", "campaigns.send")?);
    ///
    /// // What was in memory when the account was deleted is no answer.
    /// assert!(t.allowed("shop", "sue", "campaigns.send")?);
    /// t.call(&Actor::System, accounts::Close::new(Id::new("shop")?))?;
    /// t.call(&Actor::System, accounts::Delete::new(Id::new("shop")?))?;
    /// let refused = t.allowed("shop", "sue", "campaigns.send");
    /// assert_eq!(refused.err().map(|error| error.code()), Some(Code::NotFound));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn allowed(&self, account: &str, user: &str, permission: &str) -> Result<bool, Error> {
        match self.try_allowed(account, user, permission)? {
            Some(answer) => Ok(answer),
            None => self.guard.enter(Effect::Read, |engine| {
                let cell = engine.cell_by_text(account)?;
                allowed(engine, &cell, user, permission)
            }),
        }
    }

    /// Asks for `count` e-mails and charges them, by ids: all of them or none.
    #[inline]
    pub fn admit(&self, account: &str, user: Option<&str>, count: u64) -> Result<Decision, Error> {
        match self.try_admit(account, user, count)? {
            Some(decision) => Ok(decision),
            None => self.guard.enter(Effect::Send, |engine| {
                let cell = engine.cell_by_text(account)?;
                admit(
                    engine,
                    &cell,
                    user,
                    Channel::Email,
                    &MessageInput::default(),
                    Ask::exact(check_count(count)?),
                )
            }),
        }
    }

    /// Like [`admit`](Tenantry::admit), but answers `None` and charges nothing if the decision
    /// would need the disk; [`admit`](Tenantry::admit) waits for the disk.
    #[inline]
    pub fn try_admit(
        &self,
        account: &str,
        user: Option<&str>,
        count: u64,
    ) -> Result<Option<Decision>, Error> {
        let answer = self.guard.enter_at_once(Effect::Send, |engine| {
            let now_ms = engine.kernel.clock.now_ms();
            let charge =
                |prepared: &Arc<Prepared>| prepared.charge_in_memory_at(engine, count, now_ms);
            let cached = engine.views.cells.look(account, |cell| {
                if let Err(error) = check_count(count) {
                    return Some(Err(error));
                }
                cell.look_at_sending(engine, user, Channel::Email, |prepared| {
                    decide_from_memory(engine, prepared, count, now_ms, charge)
                })
            });
            cached.unwrap_or(Ok(FromMemory::Unknown))
        })?;
        Ok(answer.and_then(|answer| answer.decision(count)))
    }

    /// Waits until the outbox has a message after the message with this number, and answers the
    /// number of the last message. It answers `None` when `timeout` has passed (R-OUT-1). If this
    /// handle is closed meanwhile, the call fails with `closed`.
    ///
    /// It does not poll: the commit that writes a message wakes it.
    pub fn wait_outbox(&self, after: u64, timeout: Duration) -> Result<Option<u64>, Error> {
        // A time that no clock reaches is none.
        let until = Instant::now().checked_add(timeout);
        let guard = self.guard.here()?;
        loop {
            let last = guard.enter(Effect::Read, |engine| {
                let last = engine.kernel.last_message()?;
                // What is answered is true after a power loss as well.
                if last > after {
                    let kernel = &engine.kernel;
                    kernel.wait_until_read_is_durable(kernel.backend.last_commit())?;
                }
                Ok(last)
            })?;
            if last > after {
                return Ok(Some(last));
            }
            if until.is_some_and(|until| until <= Instant::now()) {
                return Ok(None);
            }
            guard.engine.listen();
            let kernel = &guard.engine.kernel;
            kernel.sleep_until_message(after, until, || guard.is_closed())?;
        }
    }

    /// Closes the handle. If it is the last handle of its store, quota that was drawn ahead and not
    /// used is given back.
    ///
    /// Later calls fail with `closed`; closing the handle again does nothing.
    pub fn close(&self) -> Result<(), Error> {
        self.guard.close()
    }
}

impl Drop for Tenantry {
    fn drop(&mut self) {
        // There is nobody to tell: who wants to know whether closing went well calls `close`.
        let _ = self.close();
    }
}

/// A prepared permission check.
///
/// ```
/// # use tenantry::{OpenOptions, Tenantry};
/// # let t = Tenantry::open(":memory:", OpenOptions::default())?;
/// # for (operation, request) in [
/// #     ("packages.create", r#"{"id":"small","name":"Small","limits":{"email_per_day":2}}"#),
/// #     ("accounts.create", r#"{"id":"acme","name":"Acme","package":"small",
/// #         "owner":{"user":"ann","email":"ann@acme.example"}}"#),
/// # ] {
/// #     t.call_json(b"", operation.as_bytes(), request.as_bytes())?;
/// # }
/// let may_send = t.access("acme", "ann", "campaigns.send")?;
/// assert!(may_send.allowed()?);
/// # Ok::<(), tenantry::Error>(())
/// ```
pub struct Access {
    guard: Arc<Guard>,
    path: Arc<Path>,
    cell: Arc<AccountCell>,
    user: Id,
    permission: String,
    /// The stamp for which the answer was found, shifted left by one, with the answer in the lowest
    /// bit.
    known: AtomicU64,
    /// In a forked child: the same, prepared anew.
    in_child: OnceLock<Box<Access>>,
}

impl Access {
    fn prepare(
        guard: &Arc<Guard>,
        path: &Arc<Path>,
        account: &str,
        user: &str,
        permission: &str,
    ) -> Result<Access, Error> {
        let guard = guard.here()?;
        guard.enter(Effect::Read, |engine| {
            let cell = engine.cell_by_text(account)?;
            let user = Id::new(user).map_err(|error| Error::invalid("/user", error))?;
            place_of(engine, permission)?;
            Ok(Access {
                guard: guard.clone(),
                path: path.clone(),
                cell,
                user,
                permission: permission.to_owned(),
                known: AtomicU64::new(u64::MAX),
                in_child: OnceLock::new(),
            })
        })
    }

    /// In a forked child: the same, prepared there with the first use.
    #[cold]
    fn in_child(&self) -> Result<Option<&Access>, Error> {
        if self.guard.in_child()?.is_none() {
            return Ok(None);
        }
        if let Some(own) = self.in_child.get() {
            return Ok(Some(own));
        }
        let (account, user) = (self.cell.id.as_str(), self.user.as_str());
        let own = Access::prepare(&self.guard, &self.path, account, user, &self.permission)?;
        Ok(Some(self.in_child.get_or_init(|| Box::new(own))))
    }

    /// Whether the user may do it now.
    #[inline]
    pub fn allowed(&self) -> Result<bool, Error> {
        let known = match self.guard.needs_check() {
            false => self
                .guard
                .run_at_once(false, |engine| Ok(self.known(engine)))?
                .flatten(),
            true => self.known_after_check()?,
        };
        match known {
            Some(answer) => Ok(answer),
            None => self
                .guard
                .enter(Effect::Read, |engine| self.looked_up(engine)),
        }
    }

    /// The last answer, if it still holds, where the store [needs a check](Guard::needs_check).
    #[cold]
    fn known_after_check(&self) -> Result<Option<bool>, Error> {
        if let Some(own) = self.in_child()? {
            return own.allowed().map(Some);
        }
        self.guard.refuse_unusable(Effect::Read)?;
        let known = self
            .guard
            .run_at_once(true, |engine| Ok(self.known(engine)))?;
        Ok(known.flatten())
    }

    /// The last answer, if it still holds.
    #[inline]
    fn known(&self, engine: &Engine) -> Option<bool> {
        let known = self.known.load(Ordering::Acquire);
        (known >> 1 == self.cell.stamp(engine)).then_some(known & 1 == 1)
    }

    fn looked_up(&self, engine: &Engine) -> Result<bool, Error> {
        // What changes while this is found out makes it out of date at once.
        let stamp = self.cell.stamp(engine);
        if let Some(answer) = self.known(engine) {
            return Ok(answer);
        }
        let (allowed, counts) = check(engine, &self.cell, self.user.as_str(), &self.permission)?;
        if !counts {
            self.known
                .store(stamp << 1 | u64::from(allowed), Ordering::Release);
        }
        Ok(allowed)
    }

    /// Like [`allowed`](Access::allowed), but answers `None` if the answer is not in memory and
    /// would need the disk. After a change of the account, data that was read before is looked up
    /// again.
    pub fn try_allowed(&self) -> Result<Option<bool>, Error> {
        let needs_check = self.guard.needs_check();
        if needs_check {
            if let Some(own) = self.in_child()? {
                return own.try_allowed();
            }
            self.guard.refuse_unusable(Effect::Read)?;
        }
        let known = self.guard.run_at_once(needs_check, |engine| {
            let is_cached = self.known.load(Ordering::Acquire) != u64::MAX
                || self
                    .cell
                    .cached_member(engine, self.user.as_str(), |_| ())
                    .is_some();
            is_cached.then(|| self.looked_up(engine)).transpose()
        })?;
        Ok(known.flatten())
    }
}

/// The caller, as JSON; an empty text stands for the host itself.
pub(crate) fn read_caller(caller: &[u8]) -> Result<Caller, Error> {
    if caller.is_empty() {
        Ok(Caller::default())
    } else {
        json::read(caller).map_err(|error| error.within("/actor"))
    }
}
