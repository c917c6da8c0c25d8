"""Runs conformance scenarios through the typed Python API.

One command a line on stdin, its parts separated by tabs; one JSON answer a line on stdout.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import sys
from collections.abc import Callable
from typing import Any

import tenantry
from tenantry import _native
from tenantry._call import Caller, Namespace, Place
from tenantry._errors import _CLASSES

Answer = dict[str, Any]

OPTIONS = {"durability", "cache_mib", "clock", "seed", "create", "lock_wait_ms", "slow_ms", "edition", "token_key", "peppers"}
OPTIONS |= {"store_timeout_ms", "poll_ms", "stale_ms"}
CLASS_NAMES = {exception: name for name, exception in _CLASSES.items()}


def plain(answer: Any) -> Answer:
    """The wire form of an answer: a dict without what is absent."""
    return dataclasses.asdict(answer, dict_factory=lambda items: {name: value for name, value in items if value is not None})


def outcome(run: Callable[[], Answer]) -> Answer:
    try:
        return {"ok": run()}
    except tenantry.TenantryError as error:
        return {
            "error": {
                "code": error.code,
                "number": error.number,
                "class": CLASS_NAMES[type(error)],
                "retry": error.retry,
                "http_status": error.http_status,
                "smtp_reply": error.smtp_reply,
                "message": str(error),
                "field": error.field,
                "details": error.details,
            }
        }


def decoded(text: bytes) -> Any:
    """The JSON value, or `None` where only the library can say what is wrong with the text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def fits(value: Any, names: set[str]) -> bool:
    """Whether the typed API can say this: only these names, nothing that is null."""
    return isinstance(value, dict) and set(value) <= names and None not in value.values()


class Driver:
    def __init__(self) -> None:
        self.store: tenantry.Tenantry | None = None
        self.senders: dict[tuple[bytes, bytes, bytes], tenantry.Sender] = {}
        self.accesses: dict[tuple[str, str, str], tenantry.Access] = {}
        self.prepared_turn = False

    @property
    def t(self) -> tenantry.Tenantry:
        if self.store is None:
            raise SystemExit("the scenario uses a store before it opens one")
        return self.store

    def open(self, path: bytes, options: bytes) -> Answer:
        given = decoded(options)
        if fits(given, OPTIONS) and ("clock" not in given or fits(given["clock"], {"manual_ms"}) and given["clock"]):
            clock = given.pop("clock", {})
            if "peppers" in given:
                given["peppers"] = {pepper["id"]: pepper["key"] for pepper in given["peppers"]}
            self.store = tenantry.open(path.decode(), manual_clock_ms=clock.get("manual_ms"), **given)
        else:
            self.store = tenantry.Tenantry(_native.open(path.decode(), options), Place(path.decode()))
        self.senders.clear()
        self.accesses.clear()
        return {}

    def actor(self, actor: bytes) -> Caller:
        given = decoded(actor or b'{"kind":"system"}')
        if given == {"kind": "system"}:
            return self.t
        if fits(given, {"kind", "user", "account", "ip"}) and {"user", "account"} <= set(given) and given["kind"] == "user":
            return self.t.acting(**{name: value for name, value in given.items() if name != "kind"})
        if fits(given, {"kind", "user", "ip"}) and "user" in given and given["kind"] == "operator":
            return self.t.operating(**{name: value for name, value in given.items() if name != "kind"})
        if fits(given, {"kind", "token", "account", "ip"}) and "token" in given and given["kind"] == "session":
            return self.t.in_session(**{name: value for name, value in given.items() if name != "kind"})
        if fits(given, {"kind", "token", "ip"}) and "token" in given and given["kind"] == "api_key":
            return self.t.with_api_key(**{name: value for name, value in given.items() if name != "kind"})
        return Caller(self.t._store, actor.decode(errors="surrogateescape"), self.t._place)

    def call(self, actor: bytes, operation: bytes, request: bytes) -> Answer:
        caller = self.actor(actor)
        given = decoded(request)
        if not isinstance(given, dict):
            answer: Answer = json.loads(caller._store.call(caller._actor, operation, request))
            return answer
        namespace, _, name = operation.decode().partition(".")
        operations = getattr(caller, namespace, None)
        method = None
        if isinstance(operations, Namespace) and not name.startswith("_"):
            method = getattr(operations, name, None)
        # What Python's signature already refuses, or means as absent, goes the untyped way: the answer is the library's.
        if method is None or None in given.values() or not binds(method, given):
            return caller.call(operation.decode(), **given)
        return plain(method(**given))

    def admit(self, account: bytes, user: bytes, count: bytes, options: bytes) -> Answer:
        key = (account, user, options)
        who: dict[str, Any] = {"account": account.decode(), "user": None if user == b"-" else user.decode()}
        self.prepared_turn = not self.prepared_turn
        if not self.prepared_turn and not options:
            return plain(self.t.decide(**who, count=int(count)))
        if key not in self.senders:
            given = json.loads(options or b"{}")
            acting = given.pop("acting", None)
            if acting is None:
                self.senders[key] = self.t.sender(**who, **given)
            else:
                self.senders[key] = self.t.acting(**who, **acting).sender(**given)
        gate = self.senders[key]
        granted = gate.admit(int(count))
        decision = gate.last()
        assert decision is not None and granted == (decision.refusal is None)
        return plain(decision)

    def check(self, account: bytes, user: bytes, permission: bytes) -> Answer:
        key = (account.decode(), user.decode(), permission.decode())

        def prepared() -> Answer:
            if key not in self.accesses:
                self.accesses[key] = self.t.access(account=key[0], user=key[1], permission=key[2])
            return {"allowed": self.accesses[key].allowed()}

        def by_ids() -> Answer:
            return {"allowed": self.t.allowed(account=key[0], user=key[1], permission=key[2])}

        one, other = outcome(prepared), outcome(by_ids)
        assert one == other, f"prepared {one}, by ids {other}"
        return by_ids()

    def close(self) -> Answer:
        self.t.close()
        return {}


def binds(method: Callable[..., Any], arguments: dict[str, Any]) -> bool:
    try:
        inspect.signature(method).bind(**arguments)
    except TypeError:
        return False
    return True


def main() -> None:
    driver = Driver()
    commands: dict[bytes, Callable[..., Answer]] = {
        b"open": driver.open,
        b"call": driver.call,
        b"admit": driver.admit,
        b"check": driver.check,
        b"close": driver.close,
    }
    for line in sys.stdin.buffer:
        command, *parts = line.rstrip(b"\n").split(b"\t")
        print(json.dumps(outcome(lambda: commands[command](*parts))), flush=True)


if __name__ == "__main__":
    main()
