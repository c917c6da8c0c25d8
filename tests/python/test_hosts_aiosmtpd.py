"""examples/hosts/aiosmtpd: a submission server with tenantry.aio, in one process with its store in a folder."""

from __future__ import annotations

import re
import smtplib
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hosting import LIMIT, MESSAGES, PASSWORD, free_port, furnish, running, used

# More than five log-ins of one user at the same moment are delayed.
CLIENTS, RECIPIENTS = 5, 10
MESSAGE = "Subject: Hello\r\n\r\nHello.\r\n"
REFUSED = re.compile(r"4\.7\.1 quota_exceeded: email_per_day is 7000; try again at \d{4}-\d\d-\d\d 00:00 UTC")


def connected(port: int, user: str = "ann", password: str = PASSWORD, account: str = "acme") -> smtplib.SMTP:
    client = smtplib.SMTP("127.0.0.1", port, timeout=30)
    client.login(f"{account}/{user}@acme.example", password)
    return client


def replied(send: Callable[[], object]) -> tuple[int, str]:
    try:
        send()
    except smtplib.SMTPResponseException as error:
        return error.smtp_code, error.smtp_error.decode() if isinstance(error.smtp_error, bytes) else error.smtp_error
    return 250, ""


def sent(client: smtplib.SMTP, recipients: int) -> tuple[int, str]:
    to = [f"r{number}@example.net" for number in range(recipients)]
    return replied(lambda: client.sendmail("ann@acme.example", to, MESSAGE))


def test_exactly_the_limit_goes_out(tmp_path: Path) -> None:
    store, port = str(tmp_path / "accounts"), free_port()
    furnish(store)

    def submit(_: int) -> Counter[int]:
        seen = Counter[int]()
        with connected(port) as client:
            for _ in range(MESSAGES // RECIPIENTS // CLIENTS):
                code, text = sent(client, RECIPIENTS)
                assert code == 250 or (code == 450 and REFUSED.fullmatch(text)), (code, text)
                seen[code] += RECIPIENTS
        return seen

    with running("aiosmtpd", ["host.py", store, str(port)], port), ThreadPoolExecutor(CLIENTS) as clients:
        seen = sum(clients.map(submit, range(CLIENTS)), Counter[int]())
    assert seen == {250: LIMIT, 450: MESSAGES - LIMIT}
    assert used(store) == LIMIT


def test_each_sender_gets_a_reply(tmp_path: Path) -> None:
    store, port = str(tmp_path / "accounts"), free_port()
    furnish(store)
    with running("aiosmtpd", ["host.py", store, str(port)], port):
        with smtplib.SMTP("127.0.0.1", port, timeout=30) as nobody:
            assert sent(nobody, 1)[0] == 530
        assert replied(lambda: connected(port, password="wrong"))[0] == 535
        assert replied(lambda: connected(port, account="other"))[0] == 535
        assert replied(lambda: connected(port, user="eve"))[0] == 535
        with smtplib.SMTP("127.0.0.1", port, timeout=30) as other:
            other.ehlo()
            assert other.esmtp_features["auth"].split() == ["PLAIN"]
            assert other.docmd("AUTH", "LOGIN")[0] == 504
        with connected(port) as ann:
            assert sent(ann, 3) == (250, "")
            assert sent(ann, 1)[0] == 250
    assert used(store) == 4
