"""A policy service for Postfix: at the end of each message, Postfix asks whether it may go out.

    python policy.py STORE PORT

The protocol is that of Postfix (SMTPD_POLICY_README): lines `name=value`, then an empty line; the answer is
`action=...` and an empty line. A connection asks one thing after the other.
"""

import asyncio
import logging
import signal
import sys
from datetime import datetime, timezone

import tenantry
from tenantry import aio
from tenantry.model import Refusal

# Postfix continues with its next restriction.
DUNNO = "DUNNO"
LATER = "451 4.3.0 The account service has a problem; try again later"
LONGEST_REQUEST = 64 * 1024

Request = dict[str, str]


async def requested(reader: asyncio.StreamReader) -> Request | None:
    """The next request; none when Postfix has closed the connection."""
    request: Request = {}
    length = 0
    while line := await reader.readline():
        length += len(line)
        if length > LONGEST_REQUEST:
            raise ValueError("the request is too long")
        if line == b"\n":
            return request
        name, is_there, value = line.decode("utf-8", "replace").rstrip("\n").partition("=")
        if not is_there:
            raise ValueError("a line is not `name=value`")
        request[name] = value
    return None


async def action(t: aio.Tenantry, request: Request) -> str:
    """What Postfix does with this message."""
    if request.get("request") != "smtpd_access_policy" or request.get("protocol_state") != "END-OF-MESSAGE":
        return DUNNO  # The number of recipients is known only at the end of the message.
    login = request.get("sasl_username", "")
    if not login:
        return DUNNO  # Mail that comes in is not charged.
    user, _, account = login.partition("@")
    try:
        # Postfix asks again with the same `instance` when an answer was lost: the message is charged once.
        decision = await t.sending.admit(
            account=account, user=user, count=max(1, int(request["recipient_count"])), key=request["instance"]
        )
    except (tenantry.NotFound, tenantry.InvalidArgument) as error:
        return f"{error.smtp_reply} {error.code}"
    except tenantry.Conflict as error:
        return f"451 4.7.1 {error.code}"  # The key of another request: Postfix sends the message again with another one.
    return said(decision.refusal) if decision.refusal else DUNNO


def said(why: Refusal) -> str:
    """A reply of SMTP that Postfix hands on."""
    reason = f"{why.code} ({why.limit.name})" if why.limit and why.limit.scope != "ancestor" else why.code
    if why.retry_at_ms is None:
        return f"{why.smtp_reply} {reason}"
    retry_at = datetime.fromtimestamp(why.retry_at_ms / 1000, timezone.utc)
    return f"{why.smtp_reply} {reason}; try again at {retry_at:%Y-%m-%d %H:%M} UTC"


class Service:
    """Answers the connections of Postfix's processes."""

    def __init__(self, t: aio.Tenantry) -> None:
        self.t = t
        self.stopping = asyncio.Event()
        self.connections: set[asyncio.Task[None]] = set()

    def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self.converse(reader, writer))
        self.connections.add(task)
        task.add_done_callback(self.connections.discard)

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (request := await requested(reader)) is not None:
                writer.write(f"action={await self.answer(request)}\n\n".encode())
                await writer.drain()
        except (ValueError, ConnectionError) as error:
            logging.warning("a connection is closed: %s", error)
        finally:
            writer.close()

    async def answer(self, request: Request) -> str:
        try:
            return await action(self.t, request)
        except (tenantry.TenantryError, KeyError, ValueError) as error:
            # The mail stays with its sender, who tries again.
            logging.error("a request failed", exc_info=error)
            if isinstance(error, tenantry.TenantryError) and error.retry == "reopen":
                self.stopping.set()  # The supervisor starts the service again, which opens the store anew.
            return LATER

    async def serve(self, port: int) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stopping.set)
        server = await asyncio.start_server(self.connected, "127.0.0.1", port)
        await self.stopping.wait()
        server.close()
        for task in self.connections:
            task.cancel()


async def main(store: str, port: int) -> None:
    async with aio.open(store, create=False) as t:
        await Service(t).serve(port)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
