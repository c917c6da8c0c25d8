"""The account logic of an e-mail platform, in your own process: who may do what, and how many messages may still go out.

    import tenantry

    with tenantry.open("accounts.db") as t:
        me = t.acting(user="ann", account="acme", ip="203.0.113.7")
        print(me.accounts.get(account="acme").name)
        gate = me.sender()
        if gate.admit():
            ...  # send one message

An operation that is refused raises a subclass of `TenantryError`; a send that may not go out is not an error but a
`Decision`. Threads may share every object. A store in a folder is open in one process at a time: open it after the last
fork, because in a forked child every call on the parent's handle raises `HandleUnusable`. A store in SQLite
(`tenantry.open("sqlite:accounts.db")`) is open in any number of processes, and forked children go on with it.

What happens to a store (opening, closing, what was recovered, what is slow or fails) is logged by `logging` under `tenantry`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Literal, NamedTuple

from . import _generated, _logs, _native, model
from ._call import Caller, Place, encode
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


_logs.begin()

# The largest number that every language has.
_LONGEST_MS = 2**53 - 1


class ImportProgress(NamedTuple):
    """How far an import has come."""

    rows: int
    """How many rows were read."""
    bytes: int
    """How many bytes of the file were read."""
    bytes_total: int
    """How many bytes the file has."""


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
        """Import users from a CSV file of any size. It runs `import_csv` for one part of the file after the other; each
        part has 500 rows, and is a commit of its own.

        - `file`: The path of the file, or its content as `bytes`.
        - `account`: The account of the rows that name none.
        - `role`: The role for rows that name none; the default role of the account when absent.
        - `atomic`: Whether one bad row keeps all rows out; possible only for files of at most 1,000 rows and 900 KiB.
        - `progress`: Called after each part. The answer `False` stops the import (`None` does not), and so does an
          exception, which is raised again. What was imported until then stays.
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
        """Wait until there is a message after the one of this number. The answer is the number of the last message, or
        `None` when the time has passed. Other threads run meanwhile. Closing the store ends the wait with `HandleUnusable`.

        - `after`: The number of the last message that you know, such as `taken_to` of `take`.
        - `timeout_ms`: How long to wait at most, in milliseconds; for ever when absent.
        """
        return self._store.outbox_wait(after, timeout_ms)

    def messages(
        self, *, consumer: str, limit: int | None = None, hold_ms: int | None = None, tries: int | None = None
    ) -> Iterator[OutboxDelivery]:
        """The messages for a consumer, without an end: it calls `take` again and again, and waits when there is no message.
        It ends when the store is closed. Acknowledge each message with `ack`; otherwise it is given again.

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
                    self.wait(**_until_more(taken))
        except HandleUnusable as error:
            if error.code != "closed":
                raise


def _until_more(taken: OutboxTaken) -> dict[str, int]:
    """What to wait for after nothing was taken: a new message, or until one that was given before can be given again."""
    left_ms = _LONGEST_MS if taken.retry_at_ms is None else taken.retry_at_ms - time.time_ns() // 1_000_000
    # The clock of a store may be moved by hand, and a consumer that is full waits for others to acknowledge.
    timeout_ms = _LONGEST_MS if taken.retry_at_ms is None and not taken.full else max(1, min(left_ms, 1000))
    return {"after": _LONGEST_MS if taken.full else taken.taken_to, "timeout_ms": timeout_ms}


class _Actor(_generated.Operations):
    """Every operation of the catalogue as one actor, and the methods that are written by hand."""

    __slots__ = ()

    @property
    def users(self) -> Users:
        """The operations `users.*`, and the import of whole files."""
        return Users(self)


class Tenantry(_Actor):
    """An open store. Its operations run as `system`, which is the host itself. Close the store, or use it in `with`."""

    __slots__ = ()

    def __init__(self, store: _native.Store, place: Place) -> None:
        super().__init__(store, "", place)

    def __enter__(self) -> Tenantry:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the store, and give back what was drawn ahead and not used. Every later call raises `HandleUnusable`; closing
        twice is allowed."""
        self._place.is_open = False
        self._store.close()

    @property
    def outbox(self) -> Outbox:
        """The operations `outbox.*`, and waiting for messages."""
        return Outbox(self)

    def acting(self, *, user: str, account: str, ip: str | None = None) -> Acting:
        """The same operations, run as this user in this account."""
        return Acting(self, user, account, ip)

    def operating(self, *, user: str, ip: str | None = None) -> Operating:
        """The same operations, run as this operator of the platform."""
        return Operating(self, user, ip)

    def in_session(self, *, token: str, account: str | None = None, ip: str | None = None) -> InSession:
        """The same operations, run as the user to whom this session token belongs; each call checks the token again."""
        return InSession(self, token, account, ip)

    def with_api_key(self, *, token: str, ip: str | None = None) -> WithApiKey:
        """The same operations, run as the program to which this API key belongs; each call checks the token again."""
        return WithApiKey(self, token, ip)

    def sender(
        self,
        *,
        account: str,
        user: str | None = None,
        channel: Channel | None = None,
        message: MessageInput | None = None,
    ) -> Sender:
        """Prepare the sending of messages by an account, or by a user in it. Keep the result, because asking it is fast.

        The host sends, so the address of the user is not checked; `acting(...).sender()` checks it.

        - `channel`: The channel; e-mail when absent.
        - `message`: What kind of messages they are, such as their campaign; prepare a sender of its own for each kind.
        """
        return self._store.sender(account, user, _sender_options(channel, message, None))

    @property
    def access(self) -> SystemAccess:
        """The operations on what users may do; calling it prepares a permission check."""
        return SystemAccess(self)

    def admit(self, *, account: str, user: str | None = None, count: int = 1) -> bool:
        """Ask to send `count` messages now. The answer is true when all of them are granted; they are charged then."""
        return self._store.admit(account, user, count)

    def decide(self, *, account: str, user: str | None = None, count: int = 1) -> Decision:
        """Like `admit`, but the answer is the whole decision, which is true when `admit` is true."""
        return self._store.decide(account, user, count)

    def try_admit(self, *, account: str, user: str | None = None, count: int = 1) -> bool | None:
        """Like `admit`, but the answer is `None`, and nothing is charged, when the decision would need the disk."""
        return self._store.try_admit(account, user, count)

    def try_decide(self, *, account: str, user: str | None = None, count: int = 1) -> Decision | None:
        """Like `try_admit`, but the answer is the whole decision."""
        return self._store.try_decide(account, user, count)

    def allowed(self, *, account: str, user: str, permission: str) -> bool:
        """Whether the user holds the permission in the account now.

        The answer is no for a user who is no member. An account or a permission that does not exist is an error
        (`not_found`, `permission_unknown`).
        """
        return self._store.allowed(account, user, permission)

    def try_allowed(self, *, account: str, user: str, permission: str) -> bool | None:
        """Like `allowed`, but the answer is `None` when it is not in memory and would need the disk."""
        return self._store.try_allowed(account, user, permission)


class SystemAccess(_generated.AccessOperations):
    """The operations `access.*`, and prepared permission checks."""

    __slots__ = ("_store",)

    def __init__(self, owner: Tenantry) -> None:
        super().__init__(owner)
        self._store = owner._store

    def __call__(self, *, account: str, user: str, permission: str) -> Access:
        """Prepare a permission check. Keep the result, because asking it is fast."""
        return self._store.access(account, user, permission)


class Acting(_Actor):
    """A user who acts in an account: the same operations, each of which is refused unless the user may do it."""

    __slots__ = ("_account", "_ip", "_user")

    def __init__(self, host: Tenantry, user: str, account: str, ip: str | None) -> None:
        actor = {"kind": "user", "user": user, "account": account}
        super().__init__(host._store, encode(actor if ip is None else {**actor, "ip": ip}), host._place)
        self._account = account
        self._ip = ip
        self._user = user

    def _who(self) -> str:
        return f"user {self._user!r} in account {self._account!r}, "

    def sender(self, *, channel: Channel | None = None, message: MessageInput | None = None) -> Sender:
        """Prepare the sending of messages by this user. Keep the result, because asking it is fast.

        The user comes from `ip`: if an allow-list does not contain it, every send is refused with `ip_not_allowed`.

        - `channel`: The channel; e-mail when absent.
        - `message`: What kind of messages they are, such as their campaign; prepare a sender of its own for each kind.
        """
        return self._store.sender(self._account, self._user, _sender_options(channel, message, _present(ip=self._ip)))

    @property
    def access(self) -> ActingAccess:
        """The operations on what users may do; calling it prepares a check of one of this user's permissions."""
        return ActingAccess(self)


class Operating(_Actor):
    """An operator of the platform: the same operations, each of which is refused unless the operator may do it."""

    __slots__ = ("_user",)

    def __init__(self, host: Tenantry, user: str, ip: str | None) -> None:
        actor = {"kind": "operator", "user": user}
        super().__init__(host._store, encode(actor if ip is None else {**actor, "ip": ip}), host._place)
        self._user = user

    def _who(self) -> str:
        return f"user {self._user!r}, "


class InSession(_Actor):
    """The user of a session: the same operations, each of which is refused after the session has ended."""

    __slots__ = ("_account",)

    def __init__(self, host: Tenantry, token: str, account: str | None, ip: str | None) -> None:
        actor = {"kind": "session", **_present(token=token, account=account, ip=ip)}
        super().__init__(host._store, encode(actor), host._place)
        self._account = account

    def _who(self) -> str:
        return "" if self._account is None else f"account {self._account!r}, "


class WithApiKey(_Actor):
    """A program that acts with an API key: the same operations, as far as the key and its user may call them."""

    __slots__ = ("_ip", "_token")

    def __init__(self, host: Tenantry, token: str, ip: str | None) -> None:
        super().__init__(host._store, encode({"kind": "api_key", **_present(token=token, ip=ip)}), host._place)
        self._ip = ip
        self._token = token

    def sender(self, *, channel: Channel | None = None, message: MessageInput | None = None) -> Sender:
        """Prepare the sending of messages by this program. Keep the result, because asking it is fast.

        The token is checked here, once. Every later change of the allow-lists and of the key counts, and so does its expiry.

        - `channel`: The channel; e-mail when absent.
        - `message`: What kind of messages they are, such as their campaign; prepare a sender of its own for each kind.
        """
        proof = Tenantry(self._store, self._place).api_keys.check(token=self._token, ip=self._ip)
        acting = _present(ip=self._ip, api_key=proof.api_key)
        return self._store.sender(proof.account, proof.user, _sender_options(channel, message, acting))


class ActingAccess(_generated.AccessOperations):
    """The operations `access.*`, and prepared checks of the acting user's permissions."""

    __slots__ = ("_owner",)

    def __init__(self, owner: Acting) -> None:
        super().__init__(owner)
        self._owner = owner

    def __call__(self, permission: str) -> Access:
        """Prepare a check of one of this user's permissions. Keep the result, because asking it is fast."""
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
    slow_ms: int | None = None,
    store_timeout_ms: int | None = None,
    poll_ms: int | None = None,
    stale_ms: int | None = None,
    edition: Literal["standard", "commercial"] | None = None,
    token_key: str | None = None,
    peppers: Mapping[str, str] | None = None,
) -> Tenantry:
    """Open the store in this folder, in the file of `"sqlite:PATH"`, in the database of `"postgresql://USER@HOST/DATABASE"`,
    or a new store in memory for `":memory:"`.

    `durability`: with `full` (the default), a write is answered when it is on the disk; with `relaxed`, the next sync
    brings it there.
    `cache_mib`: how much memory the store may use as a cache, in MiB.
    `create`: whether a missing store is created (the default) or refused.
    `lock_wait_ms`: how long to wait while another process has the store open, in milliseconds (0 to 600,000; 0 by
    default); after that, the call is refused with `store_locked`.
    `slow_ms`: from how long on an operation, a commit, a sync or a wait for a lock is logged as slow, in milliseconds (0 to
    600,000; 1,000 by default); with 0, none is.
    `store_timeout_ms`, `poll_ms`, `stale_ms`: only for a store in PostgreSQL, in milliseconds: how long one question to the
    database may take (100 to 60,000; 5,000 by default), how often it is asked what other processes have committed (20 to
    1,000; 100 by default), and how long checks and sends from memory go on when it does not answer (ten times `poll_ms` to
    600,000; 5,000 by default).
    `edition`: what the platform's licence includes: `standard` (the default), or `commercial`, which includes everything.
    `token_key`: the key from which tokens are derived, as 64 hexadecimal digits; when absent, the store keeps a key in a
    file beside its data; in PostgreSQL it is required. A store must always be opened with the key with which it was created.
    `peppers`: keys, as 64 hexadecimal digits, with which passwords are mixed before they are hashed. Each has a name, which
    the store keeps with each hash. The first key is for new hashes; the others are for the hashes that were made with them,
    until their users log in. Without its pepper, no password is accepted.
    `manual_clock_ms`, `seed`: for tests: a clock that only `clock.set` moves, and generated ids that are the same in every
    run.
    """
    options: dict[str, object] = {
        "durability": durability,
        "cache_mib": cache_mib,
        "clock": None if manual_clock_ms is None else {"manual_ms": manual_clock_ms},
        "seed": seed,
        "create": create,
        "lock_wait_ms": lock_wait_ms,
        "slow_ms": slow_ms,
        "store_timeout_ms": store_timeout_ms,
        "poll_ms": poll_ms,
        "stale_ms": stale_ms,
        "edition": edition,
        "token_key": token_key,
        "peppers": None if peppers is None else [{"id": name, "key": key} for name, key in peppers.items()],
    }
    name = _path(path)
    return Tenantry(_native.open(name, encode(_present(**options))), Place(name))


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
