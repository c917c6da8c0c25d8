"""What `tenantry.aio` runs on: the threads that wait for the disk, and what a call returns until it is awaited."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Generator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from types import TracebackType
from typing import Any, NoReturn, TypeVar

from . import _call
from ._errors import TenantryError

T = TypeVar("T")


class Pending(Coroutine[Any, Any, T]):
    """A call that begins when it is awaited.

    In `if` it raises `TypeError`: a call without its `await` is never taken for a yes.
    """

    __slots__ = ("_coroutine",)

    def __init__(self, coroutine: Coroutine[Any, Any, T]) -> None:
        self._coroutine = coroutine

    @property
    def __name__(self) -> str:
        return str(getattr(self._coroutine, "__qualname__", type(self).__name__))

    def __await__(self) -> Generator[Any, Any, T]:
        return self._coroutine.__await__()

    def __bool__(self) -> NoReturn:
        self._coroutine.close()
        raise TypeError("A call of `tenantry.aio` says neither yes nor no until it is awaited; write `await` before it.")

    def send(self, value: Any, /) -> Any:
        return self._coroutine.send(value)

    def throw(
        self,
        kind: type[BaseException] | BaseException,
        value: BaseException | object = None,
        trace: TracebackType | None = None,
        /,
    ) -> Any:
        error = kind if isinstance(kind, BaseException) else value if isinstance(value, BaseException) else kind()
        return self._coroutine.throw(error if trace is None else error.with_traceback(trace))

    def close(self) -> None:
        self._coroutine.close()


class Threads:
    """The threads in which the calls of one open store wait for the disk."""

    __slots__ = ("_close", "_closed", "_count", "_lock", "_pid", "_pool")

    def __init__(self, close: Callable[[], None], count: int) -> None:
        self._close = close
        self._closed: Future[None] | None = None
        self._count = count
        self._lock = threading.Lock()
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._pool = ThreadPoolExecutor(self._count, thread_name_prefix="tenantry")

    async def run(self, work: Callable[[], T]) -> T:
        """Do this work in a thread. A cancelled call that no thread has begun is withdrawn; one that has begun is
        carried out, and its answer is dropped."""
        with self._lock:
            if self._pid != os.getpid():
                # The threads of a process do not exist in a child that it forks.
                self._begin()
            closed = self._closed
            done = None if closed is not None else self._pool.submit(work)
        if done is not None:
            return await asyncio.wrap_future(done)
        # What goes wrong in closing is told to whoever closes.
        with suppress(TenantryError):
            await self.close()
        return work()  # It raises what a closed store raises.

    async def from_memory(self, tried: Callable[[], T | None], waits: Callable[[], T]) -> T:
        """The answer of `tried`, or in a thread the answer of `waits` where memory alone cannot tell."""
        told = tried()
        return await self.run(waits) if told is None else told

    async def close(self) -> None:
        """Let the calls that are under way come to their end, then close the store. Whoever closes it meanwhile waits too."""
        with self._lock:
            if self._closed is None:
                self._closed = alone("tenantry-close", self._end)
            closed = self._closed
        # It goes on when whoever waits for it is cancelled.
        await asyncio.wrap_future(closed)

    def _end(self) -> None:
        if self._pid == os.getpid():
            self._pool.shutdown(wait=True)
        self._close()


def alone(name: str, work: Callable[[], T]) -> Future[T]:
    """Do this work in a thread of its own."""
    future: Future[T] = Future()
    # A future that runs cannot be cancelled.
    future.set_running_or_notify_cancel()

    def run() -> None:
        try:
            answer = work()
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(answer)

    threading.Thread(target=run, name=name).start()
    return future


class Caller:
    """A store together with the actor as whom its operations run."""

    __slots__ = ("_sync", "_threads")

    def __init__(self, sync: _call.Caller, threads: Threads) -> None:
        self._sync = sync
        self._threads = threads

    def __repr__(self) -> str:
        return repr(self._sync).replace("<tenantry.", "<tenantry.aio.", 1)

    def call(self, operation: str, /, **request: object) -> Pending[dict[str, Any]]:
        """Run any operation by its name in the catalogue, without the types of the methods of the namespaces."""
        return self._run(lambda: self._sync._call(operation, request), operation)

    def _call(
        self,
        read: Callable[[Any], T],
        operation: str,
        required: Mapping[str, object],
        optional: Mapping[str, object] = _call._NOTHING,
    ) -> Pending[T]:
        # A large answer takes its time too, so that it is read in the thread.
        return self._run(lambda: read(self._sync._call(operation, required, optional)), operation)

    def _run(self, work: Callable[[], T], name: str) -> Pending[T]:
        coroutine = self._threads.run(work)
        # What a warning names when somebody forgets the `await`, and a task when it is shown.
        setattr(coroutine, "__qualname__", name)
        return Pending(coroutine)


class Namespace:
    """The operations of one domain."""

    __slots__ = ("_call",)

    def __init__(self, caller: Caller) -> None:
        self._call = caller._call
