"""The load: several SMTP connections at once, each logging in as one sender to send a few messages."""

import queue
import random
import smtplib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import roster

CONNECTIONS = 8
GONE = (smtplib.SMTPServerDisconnected, ConnectionError, TimeoutError)
BODY = b"From: %s\r\nSubject: News\r\n%s\r\nGood morning!\r\n"
# How often the members of an account come, by its package; the value for an account without one is in between.
WEIGHTS = {"free": 1, "starter": 2, "business": 5, "agency": 6, "enterprise": 12, "archive": 1, "prepaid": 8}
# Members with these roles may not send, but try to now and then.
RARELY = ("reader", "author", "intern")


@dataclass(frozen=True)
class Visit:
    """One connection: the sender, and how many recipients each of their messages has."""

    account: str
    user: str
    password: str | None  # None: does not log in
    messages: tuple[int, ...]
    campaign: str | None = None


@dataclass(frozen=True)
class Outcome:
    """The host's answer to a message, and the instants between which it decided."""

    account: str
    user: str
    recipients: int
    code: int
    text: str
    began_ms: int
    ended_ms: int

    @property
    def granted(self) -> bool:
        return self.code == 250

    @property
    def paid(self) -> int:
        """For how many recipients credits paid: they are not charged to the account's own limits."""
        words = self.text.split()
        return int(words[3]) if self.granted and len(words) > 3 else 0

    @property
    def reason(self) -> str:
        """The text after the enhanced status code: the code of the refusal, or the id of the message."""
        if self.code in (530, 535):
            return "not_logged_in" if self.code == 530 else "bad_password"
        return self.text.split()[1].rstrip(":;")


def plan(messages: int, seed: int) -> list[Visit]:
    """As many messages as asked for; every member comes at least once, and every kind of refusal occurs."""
    rng = random.Random(seed)
    passwords = roster.passwords()
    accounts = {row["id"]: row for row in roster.rows("accounts")}
    members = [(row["id"], row["owner"], "") for row in accounts.values()]
    members += [(row["account"], row["user"], row["role"]) for row in roster.rows("members")]
    weights = [1 if role in RARELY else WEIGHTS.get(accounts[account]["package"], 4) for account, _, role in members]

    visits = [Visit(account, user, passwords[user], (1,)) for account, user, _ in members]
    visits.append(Visit("oakfield", "rosa", passwords["rosa"], (120, 15, 15, 15)))  # may send 40 an hour
    visits.append(Visit("alpenblick", "petra", passwords["petra"], (70, 20, 60, 60, 15, 120)))  # 60 a day, then 150 credits
    visits.append(Visit("nimbus", "kai", passwords["kai"], (60, 40)))  # the group may send 80
    visits.append(Visit("velvet", "luc", "guessed", (1,)))
    visits.append(Visit("velvet", "luc", None, (1,)))
    for row in roster.rows("campaigns"):
        for visit in [visit for visit in visits if visit.account == row["account"] and visit.password == passwords[visit.user]]:
            visits.append(replace(visit, campaign=row["id"]))
    left = messages - sum(len(visit.messages) for visit in visits)
    while left > 0:
        ((account, user, _),) = rng.choices(members, weights)
        sizes = tuple(_recipients(rng) for _ in range(min(left, rng.randint(1, 12))))
        password = rng.choices([passwords[user], "guessed", None], [98, 1, 1])[0]
        visits.append(Visit(account, user, password, sizes if password == passwords[user] else sizes[:1]))
        left -= len(visits[-1].messages)
    rng.shuffle(visits)
    return visits


def _recipients(rng: random.Random) -> int:
    """Mostly messages to one recipient, some to a few, and now and then a newsletter."""
    size: int = rng.choices([1, rng.randint(2, 5), rng.randint(10, 40), 120], [70, 24, 5, 1])[0]
    return size


class Client:
    """Sends visits over `CONNECTIONS` connections, and sends messages again that a killed host left unanswered."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.unanswered: list[tuple[str, int]] = []
        self._changed = threading.Condition()
        self._failure: Exception | None = None
        self._port: int | None = None
        self._talking = 0
        self._visits: queue.SimpleQueue[Visit] = queue.SimpleQueue()
        for _ in range(CONNECTIONS):
            threading.Thread(target=self._work, daemon=True).start()

    def send(self, visits: list[Visit]) -> None:
        for visit in visits:
            self._visits.put(visit)

    def host_is_at(self, port: int | None) -> None:
        """Sets where the host listens; with None, the client waits."""
        with self._changed:
            self._port = port
            self._changed.notify_all()

    def wait_until_silent(self) -> None:
        """Waits until no connection is open."""
        while not self.wait(lambda: self._talking == 0, 1.0):
            pass

    def wait(self, done: Callable[[], bool], seconds: float) -> bool:
        """Waits a while for a condition that the connections bring about; answers whether it came."""
        with self._changed:
            came = self._changed.wait_for(lambda: self._failure is not None or done(), seconds)
        if self._failure:
            raise self._failure
        return came

    def _work(self) -> None:
        while True:
            visit = self._visits.get()
            left = deque(visit.messages)
            while left:
                try:
                    with self._connection() as smtp:
                        self._visit(smtp, visit, left)
                except GONE:
                    continue  # like any mail client: wait for the host, and send again
                except Exception as error:
                    with self._changed:
                        self._failure = error
                        self._changed.notify_all()
                    return

    @contextmanager
    def _connection(self) -> Iterator[smtplib.SMTP]:
        with self._changed:
            self._changed.wait_for(lambda: self._port is not None)
            port = self._port or 0
            self._talking += 1
        try:
            with smtplib.SMTP("127.0.0.1", port, "client.example", timeout=30) as smtp:
                yield smtp
        finally:
            with self._changed:
                self._talking -= 1
                self._changed.notify_all()

    def _visit(self, smtp: smtplib.SMTP, visit: Visit, left: deque[int]) -> None:
        began_ms = now_ms()
        smtp.ehlo()
        if visit.password is not None:
            try:
                smtp.login(f"{visit.user}@{visit.account}", visit.password)
            except smtplib.SMTPAuthenticationError as error:
                while left:
                    self._answered(visit, left, began_ms, error.smtp_code, error.smtp_error)
                return
        while left:
            began_ms = now_ms()
            try:
                code, text = _send(smtp, visit, left[0])
            except GONE:
                self.unanswered.append((visit.account, left[0]))
                raise
            self._answered(visit, left, began_ms, code, text)

    def _answered(self, visit: Visit, left: deque[int], began_ms: int, code: int, text: bytes | str) -> None:
        words = text if isinstance(text, str) else text.decode()
        with self._changed:
            self.outcomes.append(Outcome(visit.account, visit.user, left.popleft(), code, words, began_ms, now_ms()))
            self._changed.notify_all()


def _send(smtp: smtplib.SMTP, visit: Visit, recipients: int) -> tuple[int, bytes | str]:
    """Sends one message; answers the reply that decided it."""
    address = f"{visit.user}@{visit.account}.example"
    reply: tuple[int, bytes | str] = smtp.mail(address)
    for number in range(recipients):
        if reply[0] == 250:
            reply = smtp.rcpt(f"reader-{number}@readers.example")
    if reply[0] == 250:
        header = b"" if visit.campaign is None else b"X-Campaign: %s\r\n" % visit.campaign.encode()
        reply = smtp.data(BODY % (address.encode(), header))
    if reply[0] != 250:
        smtp.rset()
    return reply


def now_ms() -> int:
    return time.time_ns() // 1_000_000
