"""examples/hosts/postfix-policy: the service that Postfix asks for each message, with its store in SQLite."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from pathlib import Path

import pytest
import tenantry
from hosting import LIMIT, MESSAGES, free_port, furnish, running, used

CONNECTIONS, RECIPIENTS = 50, 4
REFUSED = re.compile(r"450 4\.7\.1 quota_exceeded \(email_per_day\); try again at \d{4}-\d\d-\d\d 00:00 UTC")


class Postfix:
    """One of Postfix's processes: it asks one thing after the other over its connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connected(cls, port: int) -> Postfix:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def ask(self, **attributes: str) -> str:
        asked = {
            "request": "smtpd_access_policy",
            "protocol_state": "END-OF-MESSAGE",
            "protocol_name": "ESMTP",
            "helo_name": "client.example",
            "queue_id": "8045F2AB23",
            "sender": "ann@acme.example",
            "recipient": "",
            "recipient_count": str(RECIPIENTS),
            "client_address": "192.0.2.7",
            "sasl_method": "plain",
            "sasl_username": "ann@acme",
            "size": "1234",
            **attributes,
        }
        self.writer.write("".join(f"{name}={value}\n" for name, value in asked.items()).encode() + b"\n")
        action, end = await self.reader.readline(), await self.reader.readline()
        assert action.startswith(b"action=") and end == b"\n", (action, end)
        return action.decode()[len("action=") : -1]

    async def submit(self, name: str, messages: int) -> Counter[str]:
        seen = Counter[str]()
        for number in range(messages):
            instance = f"{name}.{number}"
            action = await self.ask(instance=instance)
            if number % 5 == 0:
                # The answer was lost.
                assert await self.ask(instance=instance) == action or REFUSED.fullmatch(action)
            assert action == "DUNNO" or REFUSED.fullmatch(action), action
            seen["granted" if action == "DUNNO" else "refused"] += RECIPIENTS
        return seen


@pytest.fixture
def store(tmp_path: Path) -> str:
    name = f"sqlite:{tmp_path / 'accounts.db'}"
    furnish(name)
    return name


def test_exactly_the_limit_goes_out(store: str) -> None:
    port = free_port()

    async def submit() -> Counter[str]:
        processes = [await Postfix.connected(port) for _ in range(CONNECTIONS)]
        each = MESSAGES // RECIPIENTS // CONNECTIONS
        seen = await asyncio.gather(*(process.submit(f"{number:x}", each) for number, process in enumerate(processes)))
        return sum(seen, Counter[str]())

    with running("postfix-policy", ["policy.py", store, str(port)], port):
        seen = asyncio.run(submit())
        assert seen == {"granted": LIMIT, "refused": MESSAGES - LIMIT}
    assert used(store) == LIMIT


def test_each_message_gets_its_action(store: str) -> None:
    port = free_port()

    async def talk() -> None:
        process = await Postfix.connected(port)
        assert await process.ask(instance="1", sasl_username="") == "DUNNO"
        assert await process.ask(instance="2", protocol_state="RCPT", recipient_count="0") == "DUNNO"
        assert await process.ask(instance="3", sasl_username="bob@acme") == "550 5.7.1 permission_denied"
        assert await process.ask(instance="4", sasl_username="ann@nobody") == "550 5.7.1 not_found"
        assert await process.ask(instance="5", recipient_count=str(LIMIT + 1)) == "550 5.5.3 exceeds_limit (email_per_day)"
        assert await process.ask(instance="6", recipient_count="many") == "451 4.3.0 The account service has a problem; try again later"
        assert await process.ask(instance="7") == "DUNNO"
        assert await process.ask(instance="7", recipient_count="1") == "451 4.7.1 idempotency_mismatch"
        # The website edits the accounts meanwhile.
        with tenantry.open(store) as t:
            t.accounts.hold(account="acme", reason="abuse")
        assert await process.ask(instance="8") == "550 5.7.1 account_suspended"
        process.writer.write(b"nonsense\n\n")
        assert await process.reader.read() == b""
        # Others go on.
        assert await (await Postfix.connected(port)).ask(instance="9", sasl_username="") == "DUNNO"

    with running("postfix-policy", ["policy.py", store, str(port)], port):
        asyncio.run(talk())
    assert used(store) == RECIPIENTS


def test_a_service_that_starts_again_knows_what_was_decided(store: str) -> None:
    async def ask(port: int) -> str:
        return await (await Postfix.connected(port)).ask(instance="1.2.3")

    for _ in range(2):
        port = free_port()
        with running("postfix-policy", ["policy.py", store, str(port)], port):
            assert asyncio.run(ask(port)) == "DUNNO"
    assert used(store) == RECIPIENTS
