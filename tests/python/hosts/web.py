"""A web application with one store for all its processes, as WSGI (`application`) and ASGI (`asgi`).

`POST /send` sends one message of the account `acme`: 200 if it may go out, 429 if not. The store is
opened at the first request of a process, or with `OPENED=at_import` before whatever forks it makes.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import tenantry


@functools.cache
def store() -> tenantry.Tenantry:
    return tenantry.open(os.environ["STORE"], create=False)


if os.environ.get("OPENED") == "at_import":
    store().accounts.get(account="acme")


def send() -> int:
    return 200 if store().admit(account="acme") else 429


def application(_: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response({200: "200 OK", 429: "429 Too Many Requests"}[send()], [("Content-Length", "0")])
    return []


async def asgi(scope: dict[str, Any], receive: Any, send_event: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
    if scope["type"] == "http":
        await send_event({"type": "http.response.start", "status": send(), "headers": []})
        await send_event({"type": "http.response.body", "body": b""})
