"""examples/hosts/django: a website of several processes and the worker that sends its mail, with their store in SQLite."""

from __future__ import annotations

import email
import email.policy
import http.client
import json
import re
import time
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import tenantry
from aiosmtpd.controller import Controller
from hosting import LIMIT, MESSAGES, PASSWORD, free_port, furnish, running, used

CLIENTS, BATCH = 8, 10


class Mailbox:
    """What a mail server has taken; while it is `down`, it takes nothing."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.down = False
        self.refused: list[str] = []

    async def handle_DATA(self, server: object, session: object, envelope: Any) -> str:
        if self.down:
            self.refused += envelope.rcpt_tos
            return "451 4.3.0 try again later"
        self.mails.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return "250 2.0.0 OK"

    def link(self, to: str, subject: str) -> str:
        """The link in the mail with this subject to this address, as soon as it is there."""
        found = eventually(lambda: [mail for mail in self.mails if mail["To"] == to and mail["Subject"] == subject])
        assert len(found) == 1
        link = re.search(r"http://\S+", found[0].get_content())
        assert link is not None
        return link[0]


def eventually(condition: Callable[[], Any]) -> Any:
    until = time.monotonic() + 30
    while not (found := condition()):
        assert time.monotonic() < until
        time.sleep(0.02)
    return found


class Browser:
    """One connection, which is kept, and its cookies."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.cookies: dict[str, str] = {}

    def ask(self, method: str, path: str, body: str | None = None, **headers: str) -> tuple[int, str]:
        headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        self.connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = self.connection.getresponse()
        for cookie in answer.headers.get_all("Set-Cookie", []):
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer.status, answer.read().decode()

    def fill_in(self, path: str, action: str | None = None, **given: str) -> tuple[int, str]:
        """Look at a page, and send its form with this in it."""
        status, page = self.ask("GET", path)
        assert status == 200, page
        form = {name: value for name, value in re.findall(r'<input[^>]*name="(\w+)" value="([^"]*)"', page)}
        body = urllib.parse.urlencode({**form, **given})
        return self.ask("POST", action or path.partition("?")[0], body, Content_Type="application/x-www-form-urlencoded")

    def logged_in(self, address: str, password: str) -> Browser:
        assert self.fill_in("/login", email=address, password=password)[0] == 204
        return self

    def send(self, count: int) -> tuple[int, Any]:
        messages = [{"to": ["r@example.net"], "subject": "Hello", "text": "Hello."}] * count
        headers = {"Content_Type": "application/json", "X_CSRFToken": self.cookies["csrftoken"]}
        status, answer = self.ask("POST", "/accounts/acme/messages", json.dumps({"messages": messages}), **headers)
        return status, json.loads(answer)


@contextmanager
def site(store: str) -> Iterator[tuple[int, Mailbox]]:
    """The website, its worker, and a mail server."""
    port, mailbox = free_port(), Mailbox()
    server = Controller(mailbox, hostname="127.0.0.1", port=free_port())
    server.start()
    command = ["-m", "gunicorn", "--workers=2", "--threads=8", "--log-level=warning", f"--bind=127.0.0.1:{port}", "project:application"]
    worker = {"SITE": f"http://127.0.0.1:{port}", "EMAIL_PORT": str(server.port)}
    try:
        with running("django", command, port, TENANTRY_STORE=store, SECRET_KEY="for the test only"):
            with running("django", ["mailer.py"], port, TENANTRY_STORE=store, **worker):
                yield port, mailbox
    finally:
        server.stop()


def test_an_invitation_from_the_form_to_ten_thousand_messages(tmp_path: Path) -> None:
    store = f"sqlite:{tmp_path / 'accounts.db'}"
    furnish(store)
    with site(store) as (port, mailbox):
        olga = Browser(port).logged_in("olga@acme.example", PASSWORD)
        done = olga.fill_in("/login", "/accounts/acme/invitations", addresses="cat@acme.example, olga@acme.example", role="sender")
        assert done[0] == 200, done
        assert json.loads(done[1]) == {"invited": 1, "refused": {"olga@acme.example": "user_exists"}}

        link = urllib.parse.urlsplit(mailbox.link("cat@acme.example", "You are invited to Acme"))
        cat = Browser(port)
        status, page = cat.ask("GET", f"{link.path}?{link.query}")
        assert status == 200 and "Join Acme" in page and "cat@acme.example" in page
        assert cat.fill_in(f"{link.path}?{link.query}", password=PASSWORD)[0] == 302
        assert cat.ask("GET", f"{link.path}?{link.query}")[0] == 409
        cat.logged_in("cat@acme.example", PASSWORD)

        # Whichever process has drawn the last messages is asked for them, because all ask until the end.
        batches = iter(range(MESSAGES // BATCH))

        def submit(_: int) -> Counter[str]:
            browser, seen = Browser(port), Counter[str]()
            browser.cookies = dict(cat.cookies)
            for _ in batches:
                status, answer = browser.send(BATCH)
                granted = ["queued" in result for result in answer["results"]]
                assert status == (200 if any(granted) else 429), answer
                seen.update("queued" if one else "refused" for one in granted)
            return seen

        with ThreadPoolExecutor(CLIENTS) as clients:
            assert sum(clients.map(submit, range(CLIENTS)), Counter[str]()) == {"queued": LIMIT, "refused": MESSAGES - LIMIT}
    assert used(store) == LIMIT


def test_who_chooses_a_bad_password_is_sent_another_link(tmp_path: Path) -> None:
    store = f"sqlite:{tmp_path / 'accounts.db'}"
    furnish(store)
    with site(store) as (port, mailbox), tenantry.open(store) as t:
        mailbox.down = True
        t.invitations.create(addresses="cat@acme.example", account="acme", role="sender")
        # The mail server is down for a while.
        eventually(lambda: "cat@acme.example" in mailbox.refused)
        mailbox.down = False
        link = urllib.parse.urlsplit(mailbox.link("cat@acme.example", "You are invited to Acme"))
        cat = Browser(port)
        status, page = cat.fill_in(f"{link.path}?{link.query}", password="password")
        assert status == 200 and "another link" not in page and "We have sent you a link" in page
        link = urllib.parse.urlsplit(mailbox.link("cat@acme.example", "Choose a new password"))
        assert cat.fill_in(f"{link.path}?{link.query}", password=PASSWORD)[0] == 302
        assert cat.fill_in("/login", email="cat@acme.example", password="password")[0] == 401
        cat.logged_in("cat@acme.example", PASSWORD)
        assert cat.send(2)[0] == 200
        # Who is not logged in, or comes from another site, sends nothing.
        session = cat.cookies.pop("session")
        assert cat.send(1)[0] == 401
        cat.cookies = {"session": session, "csrftoken": "other"}
        assert cat.ask("POST", "/accounts/acme/messages", "{}", Content_Type="application/json")[0] == 403
        # A sender may not invite.
        cat = Browser(port).logged_in("cat@acme.example", PASSWORD)
        assert cat.fill_in("/login", "/accounts/acme/invitations", addresses="eve@acme.example", role="sender")[0] == 403
    assert used(store) == 2
