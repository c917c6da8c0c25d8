"""Hands the events of the library to `logging`, under the logger `tenantry`.

A thread of the library calls `_take`, one event after the other: no call of the library waits for a handler. Each forked
child has a thread of its own, which starts with its first event.
"""

from __future__ import annotations

import atexit
import json
import logging

from . import _native


def begin() -> None:
    """From now on, events are logged; without a handler of the host, nothing is printed."""
    logging.getLogger("tenantry").addHandler(logging.NullHandler())
    _native.listen(_take)
    # Before the interpreter ends, which no thread may call any more then.
    atexit.register(_native.stop_listening)


def _take(level: int, name: str, text: str, fields: str, at_ms: int) -> None:
    logger = logging.getLogger(name)
    if not logger.isEnabledFor(level):
        return
    record = logger.makeRecord(name, level, "tenantry", 0, text, (), None, extra={"tenantry": json.loads(fields)})
    # When it has happened, not when it was taken.
    record.created = at_ms / 1000
    record.msecs = float(at_ms % 1000)
    logger.handle(record)
