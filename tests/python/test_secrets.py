"""S18: passwords and tokens are in no error, no `repr`, no log and no traceback text that the library makes."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import tenantry

CANARY = "27182818284590452353"
PASSWORD = f"a password with {CANARY}"


def refusals(t: tenantry.Tenantry) -> Iterator[Callable[[], Any]]:
    """Calls that fail, each with a secret in it."""
    wrong: list[Any] = [int(CANARY), float(CANARY), [PASSWORD], {"x": PASSWORD}, {CANARY: 1}, CANARY * 20, PASSWORD.encode(), PASSWORD + "\0", PASSWORD + "\ud800"]
    for value in [*wrong, PASSWORD]:
        for operation, request in [
            ("sessions.create", {"email": "olga@acme.example", "password": value}),
            ("sessions.create", {"email": "nobody@acme.example", "password": value}),
            ("sessions.check", {"token": value}),
            ("sessions.renew", {"token": value, "password": value}),
            ("sessions.create", {"user": "olga", "password": value, "nonsense": value}),
            ("passwords.change", {"user": "olga", "old_password": value, "new_password": value}),
            ("passwords.set", {"token": value, "password": value}),
            ("invitations.accept", {"token": value}),
            ("users.confirm_email", {"token": value}),
        ]:
            yield partial(t.call, operation, **request)
        yield partial(t.sessions.check, token=value)


def test_no_secret_is_shown(tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    caplog.set_level(logging.DEBUG)
    path = tmp_path / "store"
    with tenantry.open(str(path)) as t:
        t.accounts.create(id="acme", name="Acme", owner={"user": "olga", "email": "olga@acme.example"})
        t.passwords.set(user="olga", password=PASSWORD)
        session = t.sessions.create(email="olga@acme.example", password=PASSWORD)
        secrets = [CANARY, session.token[-40:]]
        shown = [repr(session), repr(t), str(t), repr(t.sessions), repr(t.sessions.check(token=session.token)), repr(t.sessions.list(user="olga"))]
        failures = 0
        for refusal in refusals(t):
            try:
                refusal()
            except (tenantry.TenantryError, TypeError, ValueError) as error:
                failures += 1
                shown += [str(error), repr(error), repr(error.args), repr(vars(error)), "".join(traceback.format_exception_only(error))]
        assert failures >= 80
    shown += [caplog.text, *capfd.readouterr()]
    for secret in secrets:
        assert not [text for text in shown if secret in text]
        for file in path.rglob("*"):
            assert not (file.is_file() and secret.encode() in file.read_bytes()), file
