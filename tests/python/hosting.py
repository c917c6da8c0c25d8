"""Starts the hosts of examples/hosts for their tests."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import tenantry
from conftest import ROOT

HOSTS = ROOT / "examples/hosts"
LIMIT, MESSAGES = 7_000, 10_000
PASSWORD = "seven green lamps on a shelf"


def furnish(store: str) -> str:
    """The account `acme` may send `LIMIT` a day, and `ann` sends; the answer is her API key."""
    with tenantry.open(store) as t:
        t.roles.create(id="sender", name="Sender", allow=[{"permission": name} for name in ("campaigns.send", "limits.view")])
        t.packages.create(id="small", name="Small", limits={"email_per_day": LIMIT})
        t.accounts.create(id="acme", name="Acme", package="small", owner={"user": "olga", "email": "olga@acme.example"})
        t.members.add(account="acme", user="ann", email="ann@acme.example", role="sender")
        t.members.add(account="acme", user="bob", email="bob@acme.example", role="response_only")
        for user in ("olga", "ann"):
            t.passwords.set(user=user, password=PASSWORD)
        key = t.api_keys.create(account="acme", user="ann", name="Shop", permissions=[{"permission": "campaigns"}])
    return key.token


def used(store: str) -> int:
    with tenantry.open(store, create=False) as t:
        return next(each.used for each in t.usage.get(account="acme").windows if each.limit == "email_per_day")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def running(host: str, command: list[str], port: int, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """This command, in the folder of the host, once somebody listens at the port. At the end it has to stop in peace."""
    started = subprocess.Popen([sys.executable, *command], cwd=HOSTS / host, env={**os.environ, **environment})
    try:
        until = time.monotonic() + 30
        while not listens(port):
            assert started.poll() is None, f"{command} ended"
            assert time.monotonic() < until, f"{command} does not begin"
            time.sleep(0.02)
        yield started
    finally:
        started.terminate()
        assert started.wait(30) in (0, -15)


def listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0
