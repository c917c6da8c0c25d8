from collections.abc import Callable
from typing import NoReturn, final

from .model import Decision

__all__ = [
    "Access",
    "Sender",
    "Store",
    "catalogue_hash",
    "flush_log",
    "listen",
    "open",
    "run_command",
    "shown_path",
    "stop_listening",
    "version",
]

def catalogue_hash() -> str: ...
def shown_path(path: str, /) -> str: ...
def flush_log() -> None: ...
def listen(take: Callable[[int, str, str, str, int], None], /) -> None: ...
def open(path: str, options: str | bytes, /) -> Store: ...
def run_command(arguments: list[str], /) -> int: ...
def stop_listening() -> None: ...
def version() -> str: ...

@final
class Access:
    """A prepared permission check, which sees every later change. Threads may share it."""

    def __bool__(self) -> NoReturn: ...
    def allowed(self) -> bool:
        """Whether the user holds the permission now."""

    def try_allowed(self) -> bool | None:
        """Like `allowed`, but the answer is `None` when it is not in memory and would need the disk."""

@final
class Sender:
    """A prepared sender, which sees every later change.

    Threads may share it, but `last` may then be the decision of another thread.
    """

    def __bool__(self) -> NoReturn: ...
    def admit(self, count: int = 1) -> bool:
        """Ask to send `count` messages now. The answer is true when all of them are granted; they are charged then."""

    def decide(self, count: int = 1) -> Decision:
        """Like `admit`, but the answer is the whole decision."""

    def last(self) -> Decision | None:
        """The decision of the latest `admit`, `decide`, `try_admit` or `try_decide` of this handle."""

    def try_admit(self, count: int = 1) -> bool | None:
        """Like `admit`, but the answer is `None`, and nothing is charged, when the decision would need the disk."""

    def try_decide(self, count: int = 1) -> Decision | None:
        """Like `decide`, but the answer is `None`, and nothing is charged, when the decision would need the disk.

        It is for event loops. A refusal is false too, so test for `None`:

            decision = gate.try_decide(n)
            if decision is None:
                decision = await asyncio.to_thread(gate.decide, n)
        """

@final
class Store:
    def access(self, account: str, user: str, permission: str, /) -> Access: ...
    def admit(self, account: str, user: str | None, count: int, /) -> bool: ...
    def allowed(self, account: str, user: str, permission: str, /) -> bool: ...
    def call(self, actor: str | bytes, operation: str | bytes, request: str | bytes, /) -> str: ...
    def close(self) -> None: ...
    def decide(self, account: str, user: str | None, count: int, /) -> Decision: ...
    def import_users(
        self,
        actor: str | bytes,
        options: str | bytes,
        csv: bytes,
        progress: Callable[[int, int, int], bool] | None,
        /,
    ) -> str: ...
    def outbox_wait(self, after: int, timeout_ms: int, /) -> int | None: ...
    def sender(self, account: str, user: str | None, options: str | bytes, /) -> Sender: ...
    def try_admit(self, account: str, user: str | None, count: int, /) -> bool | None: ...
    def try_allowed(self, account: str, user: str, permission: str, /) -> bool | None: ...
    def try_decide(self, account: str, user: str | None, count: int, /) -> Decision | None: ...
