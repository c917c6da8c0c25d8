"""Several processes with one store in SQLite: each kind of host sells exactly its limit."""

from __future__ import annotations

import http.client
import multiprocessing
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import tenantry

LIMIT = 1000
HOSTS = Path(__file__).parent / "hosts"


@pytest.fixture
def store(tmp_path: Path) -> str:
    name = f"sqlite:{tmp_path / 'accounts.db'}"
    with tenantry.open(name) as t:
        t.packages.create(id="small", name="Small", limits={"email_per_day": LIMIT})
        t.accounts.create(id="acme", name="Acme", package="small", owner={"user": "olga", "email": "olga@acme.example"})
    return name


def used(store: str) -> int:
    with tenantry.open(store) as t:
        windows = t.usage.get(account="acme").windows
        return next(window.used for window in windows if window.limit == "email_per_day")


def sell(store: str, tries: int) -> int:
    with tenantry.open(store) as t:
        return sum(bool(t.admit(account="acme")) for _ in range(tries))


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_processes_of_multiprocessing(store: str, method: str) -> None:
    with multiprocessing.get_context(method).Pool(4) as pool:
        granted = pool.starmap(sell, [(store, LIMIT)] * 4)
    assert sum(granted) == LIMIT
    assert used(store) == LIMIT


def environment(store: str, **more: str) -> dict[str, str]:
    return {**os.environ, "STORE": store, "PYTHONPATH": str(HOSTS), **more}


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def running(command: list[str], store: str, is_up: Callable[[], bool], **more: str) -> Iterator[None]:
    host = subprocess.Popen([sys.executable, "-m", *command], env=environment(store, **more))
    try:
        until = time.monotonic() + 30
        while not is_up():
            assert host.poll() is None, f"{command[0]} ended"
            assert time.monotonic() < until, f"{command[0]} does not begin"
            time.sleep(0.05)
        yield
    finally:
        host.terminate()
        assert host.wait(30) in (0, -15)


def answers(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def ask(port: int, times: int) -> Counter[int]:
    statuses: Counter[int] = Counter()
    for _ in range(times):
        # A connection of its own each time: another process may answer.
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("POST", "/send")
        statuses[connection.getresponse().status] += 1
        connection.close()
    return statuses


WEB_HOSTS = {
    "gunicorn": ["gunicorn", "--workers=4", "--bind=127.0.0.1:{port}", "web:application"],
    "gunicorn --preload": ["gunicorn", "--preload", "--workers=4", "--bind=127.0.0.1:{port}", "web:application"],
    "uvicorn": ["uvicorn", "--workers=4", "--port={port}", "--log-level=warning", "web:asgi"],
}


@pytest.mark.parametrize("host", WEB_HOSTS)
def test_workers_of_a_web_server(store: str, host: str) -> None:
    port = free_port()
    command = [part.format(port=port) for part in WEB_HOSTS[host]]
    with running(command, store, lambda: answers(port)), ThreadPoolExecutor(8) as clients:
        statuses = sum(clients.map(ask, [port] * 8, [LIMIT // 4] * 8), Counter[int]())
    assert statuses == {200: LIMIT, 429: LIMIT}


def test_workers_of_celery(store: str, tmp_path: Path) -> None:
    queue = tmp_path / "celery"
    put = "import tasks\nfor _ in range(1200): tasks.send.delay()"
    subprocess.run([sys.executable, "-c", put], check=True, env=environment(store, QUEUE=str(queue)))

    def carried_out(kind: str) -> int:
        return sum(file.stat().st_size for file in queue.glob(f"{kind}-*"))

    def is_done() -> bool:
        return carried_out("granted") + carried_out("refused") == 1200

    command = ["celery", "--app=tasks", "worker", "--pool=prefork", "--concurrency=4", "--loglevel=warning"]
    with running(command, store, is_done, QUEUE=str(queue)):
        pass
    assert (carried_out("granted"), carried_out("refused")) == (LIMIT, 200)
    assert len(list(queue.glob("*-*"))) > 1, "one process did it all"
