"""tenantry for asyncio: the same operations, awaited, while the event loop goes on.

    from tenantry import aio

    async with aio.open("accounts.db") as t:
        gate = await t.sender(account="acme", user="ann")  # prepared once: keep it
        if await gate.admit():
            ...  # send one message
        account = await t.accounts.get(account="acme")

**What waits where.** `admit`, `decide` and `allowed`, of `t` and of prepared handles, are answered from memory at once,
without a thread and without a turn of the loop, whenever memory can tell. Everything else, and they too when they need the
disk, waits in one of the store's own eight threads. Calls that write at the same time share one sync of the disk.

**Cancellation.** A cancelled await ends at once with `CancelledError`. A call that no thread has begun is withdrawn: it
does nothing. A call that has begun is carried out to its end, exactly once, and its answer or its error is dropped: what
it wrote stays written, and messages that `admit` charged stay charged. Nothing is repeated by itself. Whoever must know what
became of it calls `sending.admit` with a `key`, and repeats it with the same key: the answer is the first one, and the
messages are charged once. What is answered from memory cannot be cancelled halfway. Particular to some calls:

- `open`: the store is closed again as soon as it is open.
- `users.import_file`: it ends after the part that is being imported; what was imported stays.
- `outbox.wait`, `outbox.messages`: they end. Messages that were taken and not acknowledged are given again after `hold_ms`.
- `close`: it goes on; call it again to wait for its end.
- Calls that read much, such as `store.verify`, go on like all others; closing waits for them.

Ctrl-C cancels what `asyncio.run` runs, so the same holds for it.

**Closing** waits for the calls that were made before it, whether their awaits were cancelled or not; waiting for the outbox
ends with `HandleUnusable`, as does every later call.

**A forgotten `await`** is no answer: a call in `if` raises `TypeError` until it is awaited (`if t.admit(...)` sends nothing).

Errors, answers and options are those of `tenantry`. Several event loops and threads may share the objects. A child that is
forked later goes on with a store in SQLite, with threads of its own.
"""

from __future__ import annotations

import asyncio
import functools
import os
import threading
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from types import TracebackType
from typing import NoReturn, ParamSpec

import tenantry

from . import _LONGEST_MS, ImportProgress, _aio_generated, _until_more
from ._aio_call import Caller, Pending, Threads, alone
from ._errors import HandleUnusable
from .model import Channel, Decision, MessageInput, OutboxDelivery, UserImport

P = ParamSpec("P")

# How many calls of one store wait for the disk at the same time.
_THREADS = 8

# How long a thread may wait for the outbox after nobody awaits it any more.
_SLICE_MS = 100


class Sender:
    """A prepared sender, which sees every later change. Tasks and threads may share it."""

    __slots__ = ("_sender", "_threads")

    def __init__(self, sender: tenantry.Sender, threads: Threads) -> None:
        self._sender = sender
        self._threads = threads

    def __bool__(self) -> NoReturn:
        raise TypeError("A prepared `Sender` says neither yes nor no; await its `admit`.")

    def admit(self, count: int = 1) -> Pending[bool]:
        """Ask to send `count` messages now. The answer is true when all of them are granted; they are charged then."""
        sender = self._sender
        return Pending(self._threads.from_memory(partial(sender.try_admit, count), partial(sender.admit, count)))

    def decide(self, count: int = 1) -> Pending[Decision]:
        """Like `admit`, but the answer is the whole decision, which is true when `admit` is true."""
        sender = self._sender
        return Pending(self._threads.from_memory(partial(sender.try_decide, count), partial(sender.decide, count)))

    def try_admit(self, count: int = 1) -> bool | None:
        """Like `admit`, and not awaited: the answer is `None`, and nothing is charged, when it would need the disk."""
        return self._sender.try_admit(count)

    def try_decide(self, count: int = 1) -> Decision | None:
        """Like `try_admit`, but the answer is the whole decision. A refusal is false too, so test for `None`."""
        return self._sender.try_decide(count)


class Access:
    """A prepared permission check, which sees every later change. Tasks and threads may share it."""

    __slots__ = ("_access", "_threads")

    def __init__(self, access: tenantry.Access, threads: Threads) -> None:
        self._access = access
        self._threads = threads

    def __bool__(self) -> NoReturn:
        raise TypeError("A prepared `Access` says neither yes nor no; await its `allowed`.")

    def allowed(self) -> Pending[bool]:
        """Whether the user holds the permission now."""
        return Pending(self._threads.from_memory(self._access.try_allowed, self._access.allowed))

    def try_allowed(self) -> bool | None:
        """Like `allowed`, and not awaited: the answer is `None` when it is not in memory and would need the disk."""
        return self._access.try_allowed()


class Users(_aio_generated.UsersOperations):
    """The operations `users.*`, and the import of whole files."""

    __slots__ = ("_owner",)

    def __init__(self, owner: _Actor) -> None:
        super().__init__(owner)
        self._owner = owner

    def import_file(
        self,
        file: str | os.PathLike[str] | bytes,
        *,
        account: str,
        role: str | None = None,
        atomic: bool | None = None,
        progress: Callable[[ImportProgress], bool | None] | None = None,
    ) -> Pending[UserImport]:
        """Import users from a CSV file of any size, as `tenantry` does. `progress` is called in the event loop."""
        run = partial(self._owner._sync.users.import_file, file, account=account, role=role, atomic=atomic)
        return Pending(self._import(run, progress))

    async def _import(
        self,
        run: Callable[..., UserImport],
        progress: Callable[[ImportProgress], bool | None] | None,
    ) -> UserImport:
        loop = asyncio.get_running_loop()
        is_over = threading.Event()

        async def ask(at: ImportProgress) -> bool | None:
            return None if progress is None else progress(at)

        def tell(at: ImportProgress) -> bool | None:
            return False if is_over.is_set() else asyncio.run_coroutine_threadsafe(ask(at), loop).result()

        try:
            return await self._owner._threads.run(partial(run, progress=tell))
        finally:
            is_over.set()


class Outbox(_aio_generated.OutboxOperations):
    """The operations `outbox.*`, and waiting for messages."""

    __slots__ = ("_store",)

    def __init__(self, owner: Tenantry) -> None:
        super().__init__(owner)
        self._store = owner._sync._store

    def wait(self, *, after: int = 0, timeout_ms: int = _LONGEST_MS) -> Pending[int | None]:
        """Wait until there is a message after the one of this number. The answer is the number of the last message, or
        `None` when the time has passed. Each wait has a thread of its own.

        - `after`: The number of the last message that you know, such as `taken_to` of `take`.
        - `timeout_ms`: How long to wait at most, in milliseconds; for ever when absent.
        """
        return Pending(self._wait(after, timeout_ms))

    async def _wait(self, after: int, timeout_ms: int) -> int | None:
        is_over = threading.Event()

        def work() -> int | None:
            left_ms = timeout_ms
            until = time.monotonic() + left_ms / 1000 if isinstance(left_ms, int) else 0
            while isinstance(left_ms, int) and left_ms > _SLICE_MS:
                found = self._store.outbox_wait(after, _SLICE_MS)
                # The program must be able to end, whether somebody waits here or not.
                if found is not None or is_over.is_set() or not threading.main_thread().is_alive():
                    return found
                left_ms = max(0, int((until - time.monotonic()) * 1000))
            return self._store.outbox_wait(after, left_ms)

        try:
            return await asyncio.wrap_future(alone("tenantry-outbox", work))
        finally:
            is_over.set()

    async def messages(
        self, *, consumer: str, limit: int | None = None, hold_ms: int | None = None, tries: int | None = None
    ) -> AsyncIterator[OutboxDelivery]:
        """The messages for a consumer, without an end: it calls `take` again and again, and waits when there is no message.
        It ends when the store is closed. Acknowledge each message with `ack`; otherwise it is given again.

            async for each in t.outbox.messages(consumer="mailer"):
                await send(each.message)
                await t.outbox.ack(consumer="mailer", numbers=[each.message.number])

        The arguments are those of `take`.
        """
        try:
            while True:
                taken = await self.take(consumer=consumer, limit=limit, hold_ms=hold_ms, tries=tries)
                for each in taken.messages:
                    yield each
                if not taken.messages:
                    await self.wait(**_until_more(taken))
        except HandleUnusable as error:
            if error.code != "closed":
                raise


class _Actor(_aio_generated.Operations):
    """Every operation of the catalogue as one actor, and the methods that are written by hand."""

    __slots__ = ()
    _sync: tenantry.Tenantry | tenantry.Acting | tenantry.Operating | tenantry.InSession | tenantry.WithApiKey

    @property
    def users(self) -> Users:
        """The operations `users.*`, and the import of whole files."""
        return Users(self)


class _Sending(_Actor):
    """An actor whose messages can be sent with a prepared handle."""

    __slots__ = ()
    _sync: tenantry.Acting | tenantry.WithApiKey

    def sender(self, *, channel: Channel | None = None, message: MessageInput | None = None) -> Pending[Sender]:
        """Prepare the sending of messages by this actor, as `tenantry` does. Keep the result, because asking it is fast.

        - `channel`: The channel; e-mail when absent.
        - `message`: What kind of messages they are, such as their campaign; prepare a sender of its own for each kind.
        """
        return self._run(lambda: Sender(self._sync.sender(channel=channel, message=message), self._threads), "sender")


class Tenantry(_Actor):
    """An open store. Its operations run as `system`, which is the host itself. Close the store, or use it in `async with`."""

    __slots__ = ()
    _sync: tenantry.Tenantry

    def __init__(self, store: tenantry.Tenantry) -> None:
        super().__init__(store, Threads(store.close, _THREADS))

    async def __aenter__(self) -> Tenantry:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def close(self) -> Pending[None]:
        """Wait for the calls that were made before, close the store, and give back what was drawn ahead and not used. Every
        later call raises `HandleUnusable`; closing twice is allowed."""
        return Pending(self._threads.close())

    @property
    def outbox(self) -> Outbox:
        """The operations `outbox.*`, and waiting for messages."""
        return Outbox(self)

    @property
    def access(self) -> SystemAccess:
        """The operations on what users may do; calling it prepares a permission check."""
        return SystemAccess(self)

    def acting(self, *, user: str, account: str, ip: str | None = None) -> Acting:
        """The same operations, run as this user in this account."""
        return Acting(self._sync.acting(user=user, account=account, ip=ip), self._threads)

    def operating(self, *, user: str, ip: str | None = None) -> Operating:
        """The same operations, run as this operator of the platform."""
        return Operating(self._sync.operating(user=user, ip=ip), self._threads)

    def in_session(self, *, token: str, account: str | None = None, ip: str | None = None) -> InSession:
        """The same operations, run as the user to whom this session token belongs; each call checks the token again."""
        return InSession(self._sync.in_session(token=token, account=account, ip=ip), self._threads)

    def with_api_key(self, *, token: str, ip: str | None = None) -> WithApiKey:
        """The same operations, run as the program to which this API key belongs; each call checks the token again."""
        return WithApiKey(self._sync.with_api_key(token=token, ip=ip), self._threads)

    def sender(
        self,
        *,
        account: str,
        user: str | None = None,
        channel: Channel | None = None,
        message: MessageInput | None = None,
    ) -> Pending[Sender]:
        """Prepare the sending of messages by an account, or by a user in it. Keep the result, because asking it is fast.

        The host sends, so the address of the user is not checked; `acting(...).sender()` checks it.

        - `channel`: The channel; e-mail when absent.
        - `message`: What kind of messages they are, such as their campaign; prepare a sender of its own for each kind.
        """
        prepare = partial(self._sync.sender, account=account, user=user, channel=channel, message=message)
        return self._run(lambda: Sender(prepare(), self._threads), "sender")

    def admit(self, *, account: str, user: str | None = None, count: int = 1) -> Pending[bool]:
        """Ask to send `count` messages now. The answer is true when all of them are granted; they are charged then."""
        store, asked = self._sync._store, (account, user, count)
        return Pending(self._threads.from_memory(partial(store.try_admit, *asked), partial(store.admit, *asked)))

    def decide(self, *, account: str, user: str | None = None, count: int = 1) -> Pending[Decision]:
        """Like `admit`, but the answer is the whole decision, which is true when `admit` is true."""
        store, asked = self._sync._store, (account, user, count)
        return Pending(self._threads.from_memory(partial(store.try_decide, *asked), partial(store.decide, *asked)))

    def allowed(self, *, account: str, user: str, permission: str) -> Pending[bool]:
        """Whether the user holds the permission in the account now.

        The answer is no for a user who is no member. An account or a permission that does not exist is an error
        (`not_found`, `permission_unknown`).
        """
        store, asked = self._sync._store, (account, user, permission)
        return Pending(self._threads.from_memory(partial(store.try_allowed, *asked), partial(store.allowed, *asked)))

    def try_admit(self, *, account: str, user: str | None = None, count: int = 1) -> bool | None:
        """Like `admit`, and not awaited: the answer is `None`, and nothing is charged, when it would need the disk."""
        return self._sync.try_admit(account=account, user=user, count=count)

    def try_decide(self, *, account: str, user: str | None = None, count: int = 1) -> Decision | None:
        """Like `try_admit`, but the answer is the whole decision. A refusal is false too, so test for `None`."""
        return self._sync.try_decide(account=account, user=user, count=count)

    def try_allowed(self, *, account: str, user: str, permission: str) -> bool | None:
        """Like `allowed`, and not awaited: the answer is `None` when it is not in memory and would need the disk."""
        return self._sync.try_allowed(account=account, user=user, permission=permission)


class Acting(_Sending):
    """A user who acts in an account: the same operations, each of which is refused unless the user may do it."""

    __slots__ = ()
    _sync: tenantry.Acting

    @property
    def access(self) -> ActingAccess:
        """The operations on what users may do; calling it prepares a check of one of this user's permissions."""
        return ActingAccess(self)


class Operating(_Actor):
    """An operator of the platform: the same operations, each of which is refused unless the operator may do it."""

    __slots__ = ()


class InSession(_Actor):
    """The user of a session: the same operations, each of which is refused after the session has ended."""

    __slots__ = ()


class WithApiKey(_Sending):
    """A program that acts with an API key: the same operations, as far as the key and its user may call them."""

    __slots__ = ()


class SystemAccess(_aio_generated.AccessOperations):
    """The operations `access.*`, and prepared permission checks."""

    __slots__ = ("_owner",)

    def __init__(self, owner: Tenantry) -> None:
        super().__init__(owner)
        self._owner = owner

    def __call__(self, *, account: str, user: str, permission: str) -> Pending[Access]:
        """Prepare a permission check. Keep the result, because asking it is fast."""
        prepare = partial(self._owner._sync.access, account=account, user=user, permission=permission)
        return self._owner._run(lambda: Access(prepare(), self._owner._threads), "access")


class ActingAccess(_aio_generated.AccessOperations):
    """The operations `access.*`, and prepared checks of the acting user's permissions."""

    __slots__ = ("_owner",)

    def __init__(self, owner: Acting) -> None:
        super().__init__(owner)
        self._owner = owner

    def __call__(self, permission: str) -> Pending[Access]:
        """Prepare a check of one of this user's permissions. Keep the result, because asking it is fast."""
        owner = self._owner
        return owner._run(lambda: Access(owner._sync.access(permission), owner._threads), "access")


class Opening(Pending[Tenantry]):
    """A store that is being opened: `async with aio.open(...) as t`, or `t = await aio.open(...)`."""

    __slots__ = ("_opened",)

    async def __aenter__(self) -> Tenantry:
        self._opened = await self
        return self._opened

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._opened.close()


async def _opened(work: Callable[[], tenantry.Tenantry]) -> Tenantry:
    opening = alone("tenantry-open", work)
    try:
        return Tenantry(await asyncio.wrap_future(opening))
    except (asyncio.CancelledError, GeneratorExit):
        # Nobody will close what is opened.
        alone("tenantry-close", lambda: opening.result().close())
        raise


def _with_the_options_of(sync: Callable[P, tenantry.Tenantry]) -> Callable[P, Opening]:
    @functools.wraps(sync)
    def open(*arguments: P.args, **options: P.kwargs) -> Opening:
        return Opening(_opened(partial(sync, *arguments, **options)))

    return open


open = _with_the_options_of(tenantry.open)


__all__ = [
    "Access",
    "Acting",
    "InSession",
    "Opening",
    "Operating",
    "Outbox",
    "Pending",
    "Sender",
    "Tenantry",
    "Users",
    "WithApiKey",
    "open",
]
