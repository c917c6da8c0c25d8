"""Several processes with one store in SQLite: each kind of host sells exactly its limit."""

from __future__ import annotations

import http.client
import multiprocessing
import os
import socket
import subprocess
import sys
import time
import traceback
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


def sell_with(t: tenantry.Tenantry, tries: int) -> int:
    return sum(bool(t.admit(account="acme")) for _ in range(tries))


def test_a_store_that_was_open_before_the_fork_is_the_childrens_as_well(store: str) -> None:
    with tenantry.open(store) as t:
        t.roles.create(id="member", name="Member")
        sender = t.sender(account="acme")
        access = t.access(account="acme", user="olga", permission="campaigns.send")
        assert sender.admit() and access.allowed()

        def child(number: int, say: int) -> None:
            assert access.allowed()
            granted = sum(bool(sender.admit()) for _ in range(LIMIT)) + sell_with(t, 10)
            t.members.add(account="acme", user=f"ann-{number}", email=f"ann-{number}@acme.example", role="member")
            os.write(say, granted.to_bytes(4, "big"))
            t.close()
            with pytest.raises(tenantry.HandleUnusable, match="closed"):
                sender.admit()

        granted, children = 1, []
        for number in range(4):
            told, say = os.pipe()
            if (pid := os.fork()) == 0:
                try:
                    child(number, say)
                except BaseException:
                    traceback.print_exc()
                    os._exit(1)
                os._exit(0)
            os.close(say)
            children.append((pid, told))
        granted += sum(bool(sender.admit()) for _ in range(LIMIT))
        for pid, told in children:
            granted += int.from_bytes(os.read(told, 4), "big")
            assert os.waitpid(pid, 0)[1] == 0
        assert granted == LIMIT
        assert len(t.members.list(account="acme").members) == 5
    assert used(store) == LIMIT


# Children that are forked while other threads are in the middle of everything, as in a server with threads.
BUSY = """
import os, sys, threading, time
import tenantry

t = tenantry.open(sys.argv[1])
FORKS, granted, done = int(sys.argv[2]), [], threading.Event()

def work(name):
    sender, count = t.sender(account="acme"), 0
    while not done.is_set():
        count += bool(sender.admit())
        t.roles.create(id=f"{name}-{count}-{time.monotonic_ns()}", name="Role")
        t.roles.list(limit=5)
    granted.append(count)

threads = [threading.Thread(target=work, args=[name]) for name in "abc"]
for thread in threads:
    thread.start()
of_children = 0
for number in range(FORKS):
    told, say = os.pipe()
    child = os.fork()
    if child == 0:
        t.roles.create(id=f"of-child-{number}", name="Role")
        count = sum(bool(t.admit(account="acme")) for _ in range(3))
        t.close()
        os.write(say, bytes([count + 1]))
        os._exit(0)
    os.close(say)
    until = time.monotonic() + 60
    while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0):
        if time.monotonic() > until:
            os.kill(child, 9)
            done.set()
            sys.exit(f"child {number} hangs")
        time.sleep(0.002)
    assert ended[1] == 0, ended
    of_children += os.read(told, 1)[0] - 1
    os.close(told)
done.set()
for thread in threads:
    thread.join()
names = {role.id for number in range(FORKS) for role in [t.roles.get(role=f"of-child-{number}")]}
assert len(names) == FORKS
assert not t.store.verify().damaged
t.close()
print(sum(granted) + of_children)
"""


def test_children_are_forked_while_threads_are_at_work(store: str) -> None:
    forks = os.environ.get("TENANTRY_FORKS", "40")
    command = [sys.executable, "-W", "ignore", "-c", BUSY, store, forks]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60 + 10 * int(forks))
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert int(done.stdout) == used(store) <= LIMIT


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


@pytest.mark.parametrize(
    ("host", "opened"), [*((host, "at_request") for host in WEB_HOSTS), ("gunicorn --preload", "at_import")]
)
def test_workers_of_a_web_server(store: str, host: str, opened: str) -> None:
    port = free_port()
    command = [part.format(port=port) for part in WEB_HOSTS[host]]
    running_host = running(command, store, lambda: answers(port), OPENED=opened)
    with running_host, ThreadPoolExecutor(8) as clients:
        statuses = sum(clients.map(ask, [port] * 8, [LIMIT // 4] * 8), Counter[int]())
    assert statuses == {200: LIMIT, 429: LIMIT}


@pytest.mark.parametrize("opened", ["at_task", "at_import"])
def test_workers_of_celery(store: str, tmp_path: Path, opened: str) -> None:
    queue = tmp_path / "celery"
    put = "import tasks\nfor _ in range(1200): tasks.send.delay()"
    subprocess.run([sys.executable, "-c", put], check=True, env=environment(store, QUEUE=str(queue)))

    def carried_out(kind: str) -> int:
        return sum(file.stat().st_size for file in queue.glob(f"{kind}-*"))

    def is_done() -> bool:
        return carried_out("granted") + carried_out("refused") == 1200

    command = ["celery", "--app=tasks", "worker", "--pool=prefork", "--concurrency=4", "--loglevel=warning"]
    with running(command, store, is_done, QUEUE=str(queue), OPENED=opened):
        pass
    assert (carried_out("granted"), carried_out("refused")) == (LIMIT, 200)
    assert len(list(queue.glob("*-*"))) > 1, "one process did it all"
