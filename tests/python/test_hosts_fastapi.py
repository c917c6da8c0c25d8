"""examples/hosts/fastapi: an API that sends, with tenantry.aio, in one process with its store in a folder."""

from __future__ import annotations

import http.client
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import tenantry
from hosting import LIMIT, MESSAGES, PASSWORD, free_port, furnish, running, used

CLIENTS, BATCH = 8, 10


class Client:
    """One connection, which is kept."""

    def __init__(self, port: int, token: str) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any, str | None]:
        self.connection.request(method, path, None if body is None else json.dumps(body), self.headers)
        answer = self.connection.getresponse()
        return answer.status, json.loads(answer.read()), answer.headers["Retry-After"]

    def send(self, count: int, to: int = 1) -> tuple[int, Any, str | None]:
        message = {"to": [f"r{number}@example.net" for number in range(to)], "subject": "Hello", "text": "Hello."}
        return self.ask("POST", "/messages", {"messages": [message] * count})


def test_exactly_the_limit_goes_out(tmp_path: Path) -> None:
    store, port = str(tmp_path / "accounts"), free_port()
    key, command = furnish(store), ["-m", "uvicorn", f"--port={port}", "--log-level=warning", "app:app"]

    def program(_: int) -> Counter[str]:
        client, seen = Client(port, key), Counter[str]()
        for _ in range(MESSAGES // BATCH // CLIENTS):
            status, answer, retry_after = client.send(BATCH)
            granted = ["queued" in result for result in answer["results"]]
            seen.update("queued" if one else "refused" for one in granted)
            assert status == (200 if all(granted) else 207 if any(granted) else 429)
            assert all(granted) or (retry_after is not None and 0 < int(retry_after) <= 86_400)
        return seen

    with running("fastapi", command, port, TENANTRY_STORE=store), ThreadPoolExecutor(CLIENTS) as clients:
        seen = sum(clients.map(program, range(CLIENTS)), Counter[str]())
        assert seen == {"queued": LIMIT, "refused": MESSAGES - LIMIT}
        _, session, _ = Client(port, "").ask("POST", "/sessions", {"email": "ann@acme.example", "password": PASSWORD})
        usage = Client(port, session["token"]).ask("GET", "/accounts/acme/usage")
        assert usage[0] == 200 and usage[1]["email_per_day"]["used"] == LIMIT
    assert used(store) == LIMIT


def test_who_may_not_is_told_so(tmp_path: Path) -> None:
    store, port = str(tmp_path / "accounts"), free_port()
    key, command = furnish(store), ["-m", "uvicorn", f"--port={port}", "--log-level=warning", "app:app"]
    with tenantry.open(store) as t:
        away = t.api_keys.create(
            account="acme", user="ann", name="Away", permissions=[{"permission": "campaigns"}], allow_list=["192.0.2.0/24"]
        )
    with running("fastapi", command, port, TENANTRY_STORE=store):
        client = Client(port, key)
        assert client.send(1, to=3)[0] == 200
        status, answer, retry_after = client.send(1, to=1000)
        assert (status, retry_after) == (200, None)
        assert Client(port, "nothing").send(1)[0] == 401
        status, answer, _ = Client(port, away.token).send(1)
        assert (status, answer["code"]) == (403, "ip_not_allowed")
        assert client.ask("POST", "/messages", {"messages": []})[0] == 422
        status, answer, _ = client.ask("POST", "/sessions", {"email": "ann@acme.example", "password": "wrong"})
        assert (status, answer["code"]) == (401, "login_refused")
        # A key is no session.
        assert client.ask("GET", "/accounts/acme/usage")[0] == 401
        _, session, _ = client.ask("POST", "/sessions", {"email": "ann@acme.example", "password": PASSWORD})
        status, answer, _ = Client(port, session["token"]).ask("GET", "/accounts/nobody/usage")
        assert status in (403, 404)
    assert used(store) == 1003
