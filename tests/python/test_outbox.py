"""Waiting for messages of the outbox, and carrying them out (R-OUT-1)."""

from __future__ import annotations

import threading
import time

import pytest
import tenantry


def tell(t: tenantry.Tenantry, campaign: str) -> None:
    t.campaigns.stop(account="acme", campaign=campaign)


def later(work: object, *arguments: object) -> threading.Timer:
    timer = threading.Timer(0.1, work, arguments)  # type: ignore[arg-type]
    timer.start()
    return timer


def test_waiting_ends_with_the_commit_of_a_message(t: tenantry.Tenantry) -> None:
    assert t.outbox.wait(timeout_ms=0) is None
    # It gives the GIL away: the other thread writes the message.
    writes = later(tell, t, "spring")
    assert t.outbox.wait(after=0, timeout_ms=60_000) == 1
    writes.join()
    assert t.outbox.wait(after=1, timeout_ms=20) is None
    for wrong in [{"after": -1}, {"timeout_ms": 1.5}]:
        with pytest.raises(tenantry.InvalidArgument):
            t.outbox.wait(**wrong)  # type: ignore[arg-type]


def test_closing_ends_waiting(t: tenantry.Tenantry) -> None:
    closes = later(t.close)
    began = time.monotonic()
    with pytest.raises(tenantry.HandleUnusable) as caught:
        t.outbox.wait()
    assert caught.value.code == "closed"
    assert time.monotonic() - began < 30
    closes.join()


def test_messages_come_until_they_are_acknowledged(t: tenantry.Tenantry) -> None:
    tell(t, "one")
    tell(t, "two")
    seen = []
    for each in t.outbox.messages(consumer="mailer", hold_ms=1000):
        seen.append((each.message.campaign, each.deliveries))
        if each.message.campaign == "two" and each.deliveries == 1:
            # Nobody acknowledges it, and its time is over.
            t.clock.set(now_ms=t.clock.get().now_ms + 1000)
            continue
        t.outbox.ack(consumer="mailer", numbers=[each.message.number])
        if each.message.campaign == "two":
            later(tell, t, "three")
        if each.message.campaign == "three":
            t.close()
    assert seen == [("one", 1), ("two", 1), ("two", 2), ("three", 1)]
