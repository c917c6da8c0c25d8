"""A mail host with tenantry inside: it asks, before it takes a message, whether the sender may send it.

    python host.py FOLDER

Accounts and journal live in FOLDER. The host listens on a free port of the loopback interface and says which.
"""

import asyncio
import hmac
import logging
import shutil
import signal
import sys
import uuid
import warnings
from dataclasses import dataclass
from datetime import datetime, timezone
from email.parser import HeaderParser
from pathlib import Path
from typing import TextIO, cast

import roster
import tenantry
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session, syntax
from tenantry.model import MessageInput, Refusal


@dataclass(frozen=True)
class Login:
    """A sender who has logged in. Both handles are prepared once for each log-in, and see every later change."""

    account: str
    user: str
    may_send: tenantry.Access
    gate: tenantry.Sender
    campaigns: dict[str, tenantry.Sender]


class MailHost:
    """The hooks that aiosmtpd calls."""

    def __init__(self, accounts: tenantry.Tenantry, passwords: dict[str, str], journal: TextIO) -> None:
        self.accounts = accounts
        self.passwords = passwords
        self.journal = journal
        self.stopping = asyncio.Event()

    def log_in(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, credentials: LoginPassword
    ) -> AuthResult:
        """AUTH. The log-in is `user@account`; the host checks the password, and tenantry the membership."""
        refused = AuthResult(success=False, handled=False)  # aiosmtpd replies 535
        user, _, account = credentials.login.decode("utf-8", "replace").partition("@")
        password = self.passwords.get(user, "")
        if not password or not hmac.compare_digest(password.encode(), credentials.password):
            return refused
        try:
            self.accounts.members.get(account=account, user=user)
        except (tenantry.NotFound, tenantry.InvalidArgument):
            return refused
        login = Login(
            account,
            user,
            self.accounts.access(account=account, user=user, permission="campaigns.send"),
            self.accounts.sender(account=account, user=user),
            {},
        )
        return AuthResult(success=True, auth_data=login)

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """MAIL FROM: a sender who may not send at all is refused here, before the message is transferred."""
        login = cast(Login, session.auth_data)
        if not login.may_send.allowed():
            # Only a refusal needs a reason, so the slower question is asked only now.
            explain = self.accounts.sending.explain
            why = await asyncio.to_thread(explain, account=login.account, user=login.user, count=1)
            if why.refusal:
                return reply(why.refusal)
        envelope.mail_from = address
        return "250 2.1.0 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """The end of DATA: one decision for all recipients, which charges in the same step; the 250 comes only after it."""
        login = cast(Login, session.auth_data)
        count = len(envelope.rcpt_tos)
        gate = self.gate(login, HeaderParser().parsestr(cast(bytes, envelope.content).decode("utf-8", "replace"))["X-Campaign"])
        # Most sends are decided in memory, within microseconds. Now and then a block is drawn from the store, which waits
        # for the disk: in a thread it delays nobody else, and draws at the same time share one sync of the disk.
        decision = gate.try_decide(count)
        if decision is None:
            decision = await asyncio.to_thread(gate.decide, count)
        if decision.refusal:
            return reply(decision.refusal)
        message = uuid.uuid4().hex
        self.journal.write(f"{message} {login.account} {login.user} {count}\n")
        # A real host puts the message into its queue here.
        paid = f", {decision.credits.amount} paid with credits" if decision.credits else ""
        return f"250 2.0.0 {message} queued{paid}"

    def gate(self, login: Login, campaign: str | None) -> tenantry.Sender:
        """The handle for this sender's messages; each campaign has one of its own, so that a stopped campaign sends no more."""
        if campaign is None:
            return login.gate
        if campaign not in login.campaigns:
            message: MessageInput = {"campaign": campaign}
            login.campaigns[campaign] = self.accounts.sender(account=login.account, user=login.user, message=message)
        return login.campaigns[campaign]

    async def handle_exception(self, error: Exception) -> str:
        """An error that no hook expected. Nothing was accepted; the client keeps the message and tries again."""
        logging.error("an SMTP command failed", exc_info=error)
        if isinstance(error, tenantry.TenantryError) and error.retry == "reopen":
            self.stopping.set()  # the supervisor starts the host again, which opens the store anew
        return "451 4.3.0 local problem, try again later"


class Connection(SMTP):
    """One SMTP connection, with a command of its own that shows what the account has used."""

    @syntax("XUSAGE")
    async def smtp_XUSAGE(self, argument: str | None) -> None:
        if await self.check_auth_needed("XUSAGE"):
            return
        host = cast(MailHost, self.event_handler)
        login = cast(Login, cast(Session, self.session).auth_data)
        me = host.accounts.acting(user=login.user, account=login.account)
        try:
            # Refused unless this user holds `limits.view`.
            usage = await asyncio.to_thread(me.usage.get, account=login.account)
        except (tenantry.Refused, tenantry.WrongState) as error:
            await self.push(f"{error.smtp_reply} {error.code}")
            return
        for window in (window for window in usage.windows if window.limit.startswith("email")):
            await self.push(
                f"250-{window.limit} {window.used} {window.value} {window.starts_at_ms} {window.resets_at_ms}"
            )
        await self.push("250 2.0.0 OK")


def reply(refusal: Refusal) -> str:
    """The reply that goes with the refusal, what is used up, and when it helps to try again."""
    reason = refusal.code
    if limit := refusal.limit:
        # An account above is not named, because its numbers are not for this sender.
        above = limit.scope == "ancestor"
        reason += f": {limit.name} of an account above" if above else f": {limit.name} of the {limit.scope} is {limit.value}"
    if refusal.retry_at_ms is not None:
        retry_at = datetime.fromtimestamp(refusal.retry_at_ms / 1000, timezone.utc)
        reason += f"; try again at {retry_at:%Y-%m-%d %H:%M} UTC"
    return f"{refusal.smtp_reply} {reason}"


def open_accounts(folder: Path) -> tenantry.Tenantry:
    """The store, filled from the roster at the first start."""
    store = folder / "accounts"
    if not store.exists():
        # It is filled under another name, so that a host that is killed meanwhile leaves no half-filled store behind.
        draft = folder / "accounts.new"
        shutil.rmtree(draft, ignore_errors=True)
        with tenantry.open(draft, durability="relaxed", edition="commercial") as accounts:
            roster.load(accounts)
        draft.rename(store)
    return tenantry.open(store, create=False, edition="commercial")


async def serve(folder: Path) -> None:
    with open_accounts(folder) as accounts, open(folder / "journal", "a", buffering=1) as journal:
        host = MailHost(accounts, roster.passwords(), journal)

        def connection() -> Connection:
            # There is no TLS, because it listens on the loopback interface only. A real host passes `tls_context`, and leaves
            # `auth_require_tls` on.
            return Connection(
                host,
                hostname="mail.example",
                authenticator=host.log_in,
                auth_required=True,
                auth_require_tls=False,
            )

        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, host.stopping.set)
        server = await loop.create_server(connection, "127.0.0.1", 0)
        print(f"listening on port {server.sockets[0].getsockname()[1]}", flush=True)
        await host.stopping.wait()
        server.close()


if __name__ == "__main__":
    # aiosmtpd warns at each connection that AUTH is possible without TLS, and logs warnings of its own at each log-in.
    warnings.filterwarnings("ignore", message="Requiring AUTH while not requiring TLS")
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    asyncio.run(serve(Path(sys.argv[1])))
