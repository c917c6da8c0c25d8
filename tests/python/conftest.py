"""A small platform for the tests: in memory, with a clock that stands still and ids that repeat."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import tenantry

# 15 June 2026, 12:00 UTC.
NOON_MS = 1_781_524_800_000
ROOT = Path(__file__).resolve().parents[2]


def furnish(t: tenantry.Tenantry) -> None:
    """The account `acme` may send 5 a day; `olga` owns it, `ann` may send, `bob` may only look."""
    t.roles.create(id="sender", name="Sender", allow=[{"permission": "campaigns.send"}, {"permission": "accounts.view"}])
    t.roles.create(id="viewer", name="Viewer", allow=[{"permission": "accounts.view"}])
    t.packages.create(id="small", name="Small", limits={"email_per_day": 5, "email_per_month": "unlimited"})
    t.accounts.create(id="acme", name="Acme", package="small", owner={"user": "olga", "email": "olga@acme.example"})
    t.members.add(account="acme", user="ann", email="ann@acme.example", role="sender")
    t.members.add(account="acme", user="bob", email="bob@acme.example", role="viewer")


@pytest.fixture
def t() -> Iterator[tenantry.Tenantry]:
    with tenantry.open(":memory:", manual_clock_ms=NOON_MS, seed=7) as store:
        furnish(store)
        yield store
