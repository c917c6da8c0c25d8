"""The account logic of an e-mail platform, in your own process: who may do what, and how many messages may still go out.

    import tenantry

    with tenantry.open("accounts.db") as t:
        me = t.acting(user="ann", account="acme", ip="203.0.113.7")
        print(me.accounts.get(account="acme").name)
        gate = me.sender()
        if gate.admit():
            ...  # send one message

Whatever is refused with an error raises a subclass of `TenantryError`; a send that may not go out is no error but a
`Decision`. Every object may be shared by threads. One process at a time has a store open. Open it after the last fork: in
a forked child every call on the parent's handle raises `HandleUnusable`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Literal, NamedTuple

from . import _generated, _native, model
from ._call import Caller, encode
from ._errors import (
    Conflict,
    ErrorCode,
    HandleUnusable,
    InternalError,
    InvalidArgument,
    LimitReached,
    NotFound,
    Refused,
    Retry,
    StoreFailure,
    TenantryError,
    WrongState,
    _invalid,
)
from ._native import Access, Sender
from .model import Channel, Decision, MessageInput, OutboxDelivery, OutboxTaken, UserImport

__version__ = _native.version()

if _native.catalogue_hash() != _generated.CATALOGUE_HASH:
    raise ImportError(
        "The Python files of tenantry and its native library come from different versions; install the package anew "
        "(in a checkout: `cargo xtask codegen`, then build the wheel again)."
    )


# The largest number that every language has.
_LONGEST_MS = 2**53 - 1


class ImportProgress(NamedTuple):
    """How far an import is."""

    rows: int
    """The rows that were read."""
    bytes: int
    """The bytes of the file that were read."""
    bytes_total: int
    """All bytes of the file."""


class Users(_generated.UsersOperations):
    """The operations `users.*`, and the import of whole files."""

    __slots__ = ("_caller",)

    def __init__(self, caller: Caller) -> None:
        super().__init__(caller)
        self._caller = caller

    def import_file(
        self,
        file: str | os.PathLike[str] | bytes,
        *,
        account: str,
        role: str | None = None,
        atomic: bool | None = None,
        progress: Callable[[ImportProgress], bool | None] | None = None,
    ) -> UserImport:
        """Import users from a CSV file of any size: `import_csv`, part by part, each part of 500 rows with a commit of
        its own.

        - `file`: The path of the file, or its content as `bytes`.
        - `account`: The account that rows go to which name none.
        - `role`: The role for rows that name none; absent, the default role of the account.
        - `atomic`: Whether one bad row keeps all of them out: only for files of at most 1,000 rows and 900 KiB.
        - `progress`: Called after each part. `False` stops the import (`None` does not), and so does an exception, which
          is raised again: what was imported until then stays.
        """
        if not isinstance(file, bytes):
            file = Path(_path(file)).read_bytes()
        options = {"account": account, "role": role, "atomic": atomic}
        tell = None if progress is None else lambda *at: progress(ImportProgress(*at)) is not False
        given = encode({name: value for name, value in options.items() if value is not None})
        caller = self._caller
        return UserImport._from(json.loads(caller._store.import_users(caller._actor, given, file, tell)))


class Outbox(_generated.OutboxOperations):
    """The operations `outbox.*`, and waiting for messages."""

    __slots__ = ("_store",)

    def __init__(self, owner: Tenantry) -> None:
        super().__init__(owner)
        self._store = owner._store

    def wait(self, *, after: int = 0, timeout_ms: int = _LONGEST_MS) -> int | None:
        """Sleep until there is a message after the one of this number, and answer the number of the last one; `None` when
        the time is over before. Other threads go on meanwhile. Closing the store ends it with `HandleUnusable`.

        - `after`: The last message that is known, such as `taken_to` of `take`.
        - `timeout_ms`: How long at most, in milliseconds; for ever when absent.
        """
        return self._store.outbox_wait(after, timeout_ms)

    def messages(
        self, *, consumer: str, limit: int | None = None, hold_ms: int | None = None, tries: int | None = None
    ) -> Iterator[OutboxDelivery]:
        """What there is for a consumer, for ever: `take`, again and again, and sleeping where there is nothing. It ends when
        the store is closed. Acknowledge each with `ack`: what is not comes again.

            for each in t.outbox.messages(consumer="mailer"):
                send(each.message)
                t.outbox.ack(consumer="mailer", numbers=[each.message.number])

        The arguments are those of `take`.
        """
        try:
            while True:
                taken = self.take(consumer=consumer, limit=limit, hold_ms=hold_ms, tries=tries)
                yield from taken.messages
                if not taken.messages:
                    self._sleep(taken)
        except HandleUnusable as error:
            if error.code != "closed":
                raise

    def _sleep(self, taken: OutboxTaken) -> None:
        """Until there is a new message, or one that was given before comes again."""
        left_ms = _LONGEST_MS if taken.retry_at_ms is None else taken.retry_at_ms - time.time_ns() // 1_000_000
        # The clock of a store may be moved by hand, and who is full waits for others to acknowledge.
        timeout_ms = _LONGEST_MS if taken.retry_at_ms is None and not taken.full else max(1, min(left_ms, 1000))
        self.wait(after=_LONGEST_MS if taken.full else taken.taken_to, timeout_ms=timeout_ms)


class _Actor(_generated.Operations):
    """Every operation of the catalogue as one actor, with what is added to them by hand."""

    __slots__ = ()

    @property
    def users(self) -> Users:
        """The operations `users.*`, and the import of whole files."""
        return Users(self)


class Tenantry(_Actor):
    """A store that is open. Its operations run as `system`: the host itself. Close it, or use it in `with`."""

    __slots__ = ()

    def __init__(self, store: _native.Store) -> None:
        super().__init__(store, "")

    def __enter__(self) -> Tenantry:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give back what was not spent and close; every later call raises `HandleUnusable`. Closing twice is fine."""
        self._store.close()

    @property
    def outbox(self) -> Outbox:
        """The operations `outbox.*`, and waiting for messages."""
        return Outbox(self)

    def acting(self, *, user: str, account: str, ip: str | None = None) -> Acting:
        """The same operations, run as this user in this account."""
        return Acting(self._store, user, account, ip)

    def operating(self, *, user: str, ip: str | None = None) -> Operating:
        """The same operations, run as this operator of the platform."""
        return Operating(self._store, user, ip)

    def in_session(self, *, token: str, account: str | None = None, ip: str | None = None) -> InSession:
        """The same operations, run as whoever logged in and got this token; each call looks again whether it still counts."""
        return InSession(self._store, token, account, ip)

    def with_api_key(self, *, token: str, ip: str | None = None) -> WithApiKey:
        """The same operations, run as the program that got this token; each call looks again whether it still counts."""
        return WithApiKey(self._store, token, ip)

    def sender(
        self,
        *,
        account: str,
        user: str | None = None,
        channel: Channel | None = None,
        message: MessageInput | None = None,
    ) -> Sender:
        """Prepare the admission of messages of an account, or of a user in it. Keep the result: that is what is fast.

        The host sends: where the user comes from is not looked at, as it is with `acting(...).sender()`.

        - `channel`: By e-mail when absent.
        - `message`: What the messages are, such as their campaign; prepare one sender for each.
        """
        return self._store.sender(account, user, _sender_options(channel, message, None))

    @property
    def access(self) -> SystemAccess:
        """Operations on what users may do; called, it prepares a permission check."""
        return SystemAccess(self)

    def admit(self, *, account: str, user: str | None = None, count: int = 1) -> bool:
        """Ask to send `count` messages now: true when all of them are granted, and then they are charged."""
        return self._store.admit(account, user, count)

    def decide(self, *, account: str, user: str | None = None, count: int = 1) -> Decision:
        """The same as `admit`, answered with the whole decision, which is true where `admit` is."""
        return self._store.decide(account, user, count)

    def try_admit(self, *, account: str, user: str | None = None, count: int = 1) -> bool | None:
        """The same as `admit` where memory alone can tell; `None`, with nothing charged, where it would wait for the disk."""
        return self._store.try_admit(account, user, count)

    def try_decide(self, *, account: str, user: str | None = None, count: int = 1) -> Decision | None:
        """The same as `try_admit`, answered with the whole decision."""
        return self._store.try_decide(account, user, count)

    def allowed(self, *, account: str, user: str, permission: str) -> bool:
        """Whether the user holds the permission in the account now."""
        return self._store.allowed(account, user, permission)

    def try_allowed(self, *, account: str, user: str, permission: str) -> bool | None:
        """The same as `allowed` where memory alone can tell; `None` where it would wait for the disk."""
        return self._store.try_allowed(account, user, permission)


class SystemAccess(_generated.AccessOperations):
    """The operations `access.*`, and prepared permission checks."""

    __slots__ = ("_store",)

    def __init__(self, owner: Tenantry) -> None:
        super().__init__(owner)
        self._store = owner._store

    def __call__(self, *, account: str, user: str, permission: str) -> Access:
        """Prepare a permission check. Keep the result: that is what is fast."""
        return self._store.access(account, user, permission)


class Acting(_Actor):
    """A user acting in an account: the same operations, each refused unless the user may do it."""

    __slots__ = ("_account", "_ip", "_user")

    def __init__(self, store: _native.Store, user: str, account: str, ip: str | None) -> None:
        actor = {"kind": "user", "user": user, "account": account}
        super().__init__(store, encode(actor if ip is None else {**actor, "ip": ip}))
        self._account = account
        self._ip = ip
        self._user = user

    def sender(self, *, channel: Channel | None = None, message: MessageInput | None = None) -> Sender:
        """Prepare the admission of this user's messages. Keep the result: that is what is fast.

        It counts as coming from `ip`: where an allow-list lets nobody in from there, every send is `ip_not_allowed`.

        - `channel`: By e-mail when absent.
        - `message`: What the messages are, such as their campaign; prepare one sender for each.
        """
        return self._store.sender(self._account, self._user, _sender_options(channel, message, _present(ip=self._ip)))

    @property
    def access(self) -> ActingAccess:
        """Operations on what users may do; called, it prepares a check of one of this user's permissions."""
        return ActingAccess(self)


class Operating(_Actor):
    """An operator of the platform: the same operations, each refused unless the operator may do it."""

    __slots__ = ()

    def __init__(self, store: _native.Store, user: str, ip: str | None) -> None:
        actor = {"kind": "operator", "user": user}
        super().__init__(store, encode(actor if ip is None else {**actor, "ip": ip}))


class InSession(_Actor):
    """Whoever a session belongs to: the same operations, each refused once the session has ended."""

    __slots__ = ()

    def __init__(self, store: _native.Store, token: str, account: str | None, ip: str | None) -> None:
        super().__init__(store, encode({"kind": "session", **_present(token=token, account=account, ip=ip)}))


class WithApiKey(_Actor):
    """A program that acts with an API key: the same operations, as far as the key and its user may call them."""

    __slots__ = ("_ip", "_token")

    def __init__(self, store: _native.Store, token: str, ip: str | None) -> None:
        super().__init__(store, encode({"kind": "api_key", **_present(token=token, ip=ip)}))
        self._ip = ip
        self._token = token

    def sender(self, *, channel: Channel | None = None, message: MessageInput | None = None) -> Sender:
        """Prepare the admission of this program's messages. Keep the result: that is what is fast.

        The token is looked at here, once. Every later change counts: of lists, of the key, its end.

        - `channel`: By e-mail when absent.
        - `message`: What the messages are, such as their campaign; prepare one sender for each.
        """
        proof = Tenantry(self._store).api_keys.check(token=self._token, ip=self._ip)
        acting = _present(ip=self._ip, api_key=proof.api_key)
        return self._store.sender(proof.account, proof.user, _sender_options(channel, message, acting))


class ActingAccess(_generated.AccessOperations):
    """The operations `access.*`, and prepared checks of the acting user's permissions."""

    __slots__ = ("_owner",)

    def __init__(self, owner: Acting) -> None:
        super().__init__(owner)
        self._owner = owner

    def __call__(self, permission: str) -> Access:
        """Prepare a check of one of this user's permissions. Keep the result: that is what is fast."""
        owner = self._owner
        return owner._store.access(owner._account, owner._user, permission)


def open(
    path: str | os.PathLike[str],
    *,
    durability: Literal["full", "relaxed"] | None = None,
    cache_mib: int | None = None,
    manual_clock_ms: int | None = None,
    seed: int | None = None,
    create: bool | None = None,
    lock_wait_ms: int | None = None,
    edition: Literal["standard", "commercial"] | None = None,
    token_key: str | None = None,
    peppers: Mapping[str, str] | None = None,
) -> Tenantry:
    """Open the store in this folder, or a fresh one in memory for `":memory:"`.

    `durability`: `full` (default) answers a write when it is on the disk; `relaxed` leaves that to the next sync.
    `cache_mib`: how much memory the store may use as a cache.
    `create`: whether a store that is not there is made (default), or refused.
    `lock_wait_ms`: how long to wait for a process that has the store open (0, which is the default, to 600,000); after
    that it is `store_locked`.
    `edition`: what the platform's licence includes: `standard` (default), or `commercial`, which is everything.
    `token_key`: the key that tokens are derived with, as 64 hexadecimal digits; when absent, the store keeps one in a
    file beside its data. A store is always opened with the key that it was made with.
    `peppers`: keys, as 64 hexadecimal digits, that passwords are mixed with before they are hashed, by a name that the store
    keeps beside each hash: the first for new hashes, the others for those that were made with them, until their users log
    in. Without its pepper nobody's password is right.
    `manual_clock_ms`, `seed`: for tests: a clock that only `clock.set` moves, and ids that repeat.
    """
    options: dict[str, object] = {
        "durability": durability,
        "cache_mib": cache_mib,
        "clock": None if manual_clock_ms is None else {"manual_ms": manual_clock_ms},
        "seed": seed,
        "create": create,
        "lock_wait_ms": lock_wait_ms,
        "edition": edition,
        "token_key": token_key,
        "peppers": None if peppers is None else [{"id": name, "key": key} for name, key in peppers.items()],
    }
    return Tenantry(_native.open(_path(path), encode(_present(**options))))


def _sender_options(channel: Channel | None, message: MessageInput | None, acting: dict[str, object] | None) -> str:
    return encode(_present(channel=channel, message=message, acting=acting))


def _present(**given: object) -> dict[str, object]:
    return {name: value for name, value in given.items() if value is not None}


def _path(path: str | os.PathLike[str]) -> str:
    try:
        return os.fspath(path)
    except TypeError as error:
        raise _invalid(f"`path` must be a path ({error}).", "/path") from None


__all__ = [
    "Access",
    "Acting",
    "Conflict",
    "Decision",
    "ErrorCode",
    "HandleUnusable",
    "ImportProgress",
    "InSession",
    "InternalError",
    "InvalidArgument",
    "LimitReached",
    "NotFound",
    "Operating",
    "Outbox",
    "Refused",
    "Retry",
    "Sender",
    "StoreFailure",
    "Tenantry",
    "TenantryError",
    "UserImport",
    "WithApiKey",
    "Users",
    "WrongState",
    "__version__",
    "model",
    "open",
]
