"""A submission server in aiosmtpd: log-in, permission and quota are asked of tenantry, and refusals are SMTP replies.

    python host.py STORE PORT
"""

import asyncio
import logging
import signal
import sys
import uuid
import warnings
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, cast

import tenantry
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from tenantry import aio
from tenantry.model import Refusal

LATER = "451 4.3.0 local problem, try again later"


@dataclass(frozen=True)
class LoggedIn:
    """A sender who has logged in. Both handles are prepared once, and see every later change."""

    may_send: aio.Access
    gate: aio.Sender


class Host:
    """The hooks that aiosmtpd calls."""

    def __init__(self, t: aio.Tenantry) -> None:
        self.t = t
        self.stopping = asyncio.Event()

    async def log_in(self, given: LoginPassword, ip: str) -> LoggedIn:
        """The user name is `account/address`, for example `acme/ann@acme.example`; the password is the user's."""
        account, _, email = given.login.decode().partition("/")
        session = await self.t.sessions.create(email=email, password=given.password.decode(), device="SMTP", ip=ip)
        # It has proved who it is; this connection needs no session.
        await self.t.sessions.end(token=session.token)
        await self.t.members.get(account=account, user=session.user)
        me = self.t.acting(user=session.user, account=account, ip=ip)
        return LoggedIn(await me.access("campaigns.send"), await me.sender())

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """A sender who may not send at all is refused before the message is transferred."""
        if not await cast(LoggedIn, session.auth_data).may_send.allowed():
            return "550 5.7.1 permission_denied"
        envelope.mail_from = address
        return "250 2.1.0 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """One decision for all recipients, which charges in the same step. The 250 comes only after it."""
        decision = await cast(LoggedIn, session.auth_data).gate.decide(len(envelope.rcpt_tos))
        if decision.refusal:
            return reply(decision.refusal)
        # A real host puts the message into its queue here.
        return f"250 2.0.0 {uuid.uuid4().hex} queued"

    async def handle_exception(self, error: Exception) -> str:
        """Nothing was accepted; the client keeps the message, and tries again."""
        logging.error("an SMTP command failed", exc_info=error)
        if isinstance(error, tenantry.TenantryError) and error.retry == "reopen":
            self.stopping.set()  # The supervisor starts the host again, which opens the store anew.
        return LATER


class Connection(SMTP):
    """One connection of a client."""

    async def auth_PLAIN(self, _: Any, args: list[str]) -> AuthResult:
        """AUTH PLAIN. aiosmtpd decodes what the client says, and tenantry is asked without keeping others waiting."""
        given = await super().auth_PLAIN(_, args)
        if not isinstance(given.auth_data, LoginPassword):
            return given
        host = cast(Host, self.event_handler)
        try:
            peer = cast(tuple[str, int], cast(Session, self.session).peer)
            who = await host.log_in(given.auth_data, peer[0])
        except tenantry.LimitReached as error:
            # There were too many wrong passwords.
            return AuthResult(success=False, handled=False, message=f"{error.smtp_reply} {error.code}")
        except (tenantry.Refused, tenantry.NotFound, tenantry.InvalidArgument, tenantry.WrongState, UnicodeDecodeError):
            return AuthResult(success=False, handled=False)  # aiosmtpd replies 535.
        return AuthResult(success=True, auth_data=who)


def undecided(_: SMTP, __: Session, ___: Envelope, ____: str, given: LoginPassword) -> AuthResult:
    """What aiosmtpd has decoded. It lets nobody in: `auth_PLAIN` decides."""
    return AuthResult(success=False, handled=False, auth_data=given)


def reply(why: Refusal) -> str:
    """The reply that goes with the refusal, and when it helps to try again."""
    reason = f"{why.code}: {why.limit.name} is {why.limit.value}" if why.limit and why.limit.scope != "ancestor" else why.code
    if why.retry_at_ms is None:
        return f"{why.smtp_reply} {reason}"
    retry_at = datetime.fromtimestamp(why.retry_at_ms / 1000, timezone.utc)
    return f"{why.smtp_reply} {reason}; try again at {retry_at:%Y-%m-%d %H:%M} UTC"


async def serve(store: str, port: int) -> None:
    async with aio.open(store, create=False) as t:
        host = Host(t)

        def connection() -> Connection:
            # There is no TLS, because it listens on the loopback interface. A real host passes `tls_context`, and leaves
            # `auth_require_tls` on.
            return Connection(
                host,
                hostname="mail.example",
                authenticator=undecided,
                auth_required=True,
                auth_require_tls=False,
                auth_exclude_mechanism=["LOGIN"],
            )

        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, host.stopping.set)
        server = await loop.create_server(connection, "127.0.0.1", port)
        await host.stopping.wait()
        server.close()


if __name__ == "__main__":
    # aiosmtpd warns at each connection that AUTH is possible without TLS.
    warnings.filterwarnings("ignore", message="Requiring AUTH while not requiring TLS")
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
