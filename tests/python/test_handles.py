"""Handles: closed ones, forked ones, ones shared by threads; and the GIL."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import tenantry
from conftest import furnish


def every_call(t: tenantry.Tenantry) -> list[Callable[[], object]]:
    me = t.acting(user="ann", account="acme")
    gate, access = me.sender(), me.access("campaigns.send")
    return [
        gate.admit,
        gate.decide,
        gate.try_admit,
        gate.try_decide,
        access.try_allowed,
        lambda: t.try_admit(account="acme"),
        lambda: t.try_decide(account="acme", count=2),
        lambda: t.try_allowed(account="acme", user="ann", permission="campaigns.send"),
        access.allowed,
        lambda: t.admit(account="acme"),
        lambda: t.allowed(account="acme", user="ann", permission="campaigns.send"),
        lambda: t.sender(account="acme"),
        lambda: t.access(account="acme", user="ann", permission="campaigns.send"),
        lambda: t.accounts.get(account="acme"),
        lambda: me.accounts.get(account="acme"),
        lambda: t.roles.create(name="X"),
        lambda: t.call("no.such"),
    ]


def test_a_closed_handle_says_so(tmp_path: Path) -> None:
    for path in (":memory:", str(tmp_path / "store")):
        t = tenantry.open(path)
        furnish(t)
        calls = every_call(t)
        t.close()
        t.close()
        for call in calls:
            with pytest.raises(tenantry.HandleUnusable) as caught:
                call()
            assert caught.value.code == "closed"


def test_with_closes_also_after_an_exception(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), tenantry.open(tmp_path / "store") as t:
        1 / 0
    with pytest.raises(tenantry.HandleUnusable):
        t.store.info()
    # Closed for real: the folder can be opened by another process.
    script = "import sys, tenantry; tenantry.open(sys.argv[1], create=False).close()"
    subprocess.run([sys.executable, "-c", script, tmp_path / "store"], check=True, timeout=60)


def test_a_second_handle_of_this_process_shares_the_store(tmp_path: Path) -> None:
    with tenantry.open(tmp_path / "store") as one:
        furnish(one)
        with tenantry.open(tmp_path / "store") as two:
            assert two.accounts.get(account="acme") == one.accounts.get(account="acme")
        assert one.sender(account="acme").admit()


def test_another_process_is_told_who_holds_the_store(tmp_path: Path) -> None:
    script = textwrap.dedent(
        """
        import sys, tenantry
        try:
            tenantry.open(sys.argv[1])
        except tenantry.StoreFailure as error:
            print(error.code, error.details["pid"])
        """
    )
    with tenantry.open(tmp_path / "store"):
        command = [sys.executable, "-c", script, str(tmp_path / "store")]
        child = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        holder = subprocess.run(
            [sys.executable, "-c", "import os; print(os.getppid())"], capture_output=True, text=True, check=True
        )
        assert child.stdout.split() == ["store_locked", holder.stdout.strip()]


FORK = """
import os, sys, time
import tenantry
sys.path.insert(0, sys.argv[2])
from conftest import furnish
from test_handles import every_call

path = sys.argv[1]
on_disk = path != ":memory:"
t = tenantry.open(path)
furnish(t)
calls = every_call(t)
assert t.sender(account="acme").admit()

child = os.fork()
if child == 0:
    for call in [*calls, t.close]:
        try:
            call()
        except tenantry.HandleUnusable as error:
            if error.code != "forked":
                os._exit(3)
        else:
            os._exit(4)
    with tenantry.open(":memory:") as own:
        furnish(own)
        assert own.sender(account="acme").admit()
    if on_disk:
        # The threads that a store on disk needs exist in the parent alone: this is refused, and does not hang.
        try:
            tenantry.open(path + "-of-the-child")
        except tenantry.TenantryError as error:
            assert "forked" in str(error), error
        else:
            os._exit(5)
    if sys.argv[3] == "drop":
        del calls, t, call
    # The interpreter ends as it does in a worker: whatever is left is dropped now.
    sys.exit(7)

deadline = time.monotonic() + 30
while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0):
    if time.monotonic() > deadline:
        os.kill(child, 9)
        sys.exit("the child hangs")
    time.sleep(0.01)
assert os.waitstatus_to_exitcode(ended[1]) == 7, ended

# The parent goes on as if nothing had been.
assert t.sender(account="acme").decide(1).granted == 1
t.close()
if on_disk:
    with tenantry.open(path) as again:
        day = {window.limit: window.used for window in again.usage.get(account="acme").windows}["email_per_day"]
        assert day == 2, day
"""


@pytest.mark.parametrize("how", ["drop", "exit"])
@pytest.mark.parametrize("place", ["disk", "memory"])
def test_a_forked_child_is_refused_and_ends(tmp_path: Path, how: str, place: str) -> None:
    path = {"disk": f"{tmp_path}/store", "memory": ":memory:"}[place]
    command = [sys.executable, "-W", "ignore", "-c", FORK, path, str(Path(__file__).parent), how]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr


POOL = """
import os, sys, time
import tenantry

path = sys.argv[1]
t = tenantry.open(path)
t.roles.create(id="sender", name="Sender")

# Workers that never touch the store, and live on while the parent closes it.
workers = []
told, tell = os.pipe()
for _ in range(3):
    waits, go = os.pipe()
    worker = os.fork()
    if worker == 0:
        os.close(go)
        os.write(tell, b"!")
        os.read(waits, 1)
        os._exit(0)
    workers.append((worker, go))
for _ in workers:
    os.read(told, 1)

began = time.monotonic()
t.close()
with tenantry.open(path) as again:
    assert again.roles.get(role="sender").name == "Sender"
assert time.monotonic() - began < 1.5, time.monotonic() - began
# So can others.
assert os.system(f"{sys.executable} -c 'import sys, tenantry; tenantry.open(sys.argv[1]).close()' {path}") == 0
for worker, go in workers:
    os.write(go, b"!")
    assert os.waitpid(worker, 0)[1] == 0
"""


@pytest.mark.parametrize("kind", ["", "sqlite:"])
def test_workers_that_were_forked_after_open_keep_no_lock(tmp_path: Path, kind: str) -> None:
    command = [sys.executable, "-W", "ignore", "-c", POOL, f"{kind}{tmp_path}/store"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr


def test_open_waits_for_the_process_that_has_the_store(tmp_path: Path) -> None:
    path = tmp_path / "store"
    script = "import sys, time, tenantry; t = tenantry.open(sys.argv[1]); print('open', flush=True); time.sleep(1); t.close()"
    with subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "open\n"
        with pytest.raises(tenantry.TenantryError) as caught:
            tenantry.open(path)
        assert caught.value.code == "store_locked"
        assert caught.value.details["folder"] == f"{tmp_path}/store" and f"process {holder.pid}" in str(caught.value)
        tenantry.open(path, lock_wait_ms=60_000).close()


def test_an_open_store_does_not_keep_the_interpreter_from_ending(tmp_path: Path) -> None:
    script = "import sys, tenantry; t = tenantry.open(sys.argv[1]); t.store.info(); g = t.users.create(email='a@b.example')"
    for path in (":memory:", str(tmp_path / "store"), f"sqlite:{tmp_path}/store.db"):
        done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")


def test_operations_release_the_gil(tmp_path: Path) -> None:
    with tenantry.open(tmp_path / "store") as t:
        furnish(t)
        assert another_thread_runs_during(lambda: t.accounts.edit(account="acme", name="Acme Ltd"))
        # What the hot path does in memory is not worth giving the GIL away.
        assert not another_thread_runs_during(t.access(account="acme", user="ann", permission="campaigns.send").allowed)


def another_thread_runs_during(call: Callable[[], object]) -> bool:
    """With a switch interval of an hour, another thread runs only where a call gives the GIL away for long enough."""
    go = threading.Event()
    ran: list[bool] = []

    def other() -> None:
        go.wait()
        ran.append(True)

    thread = threading.Thread(target=other)
    thread.start()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(3600)
    try:
        go.set()
        for _ in range(200):
            call()
            if ran:
                return True
        return False
    finally:
        sys.setswitchinterval(interval)
        thread.join()


def test_threads_share_a_gate_and_never_exceed_the_limit(tmp_path: Path) -> None:
    limit, threads = 2000, 4
    for path in (":memory:", str(tmp_path / "store")):
        with tenantry.open(path) as t:
            furnish(t)
            t.limits.set(account="acme", limit="email_per_day", value=limit)
            gate = t.sender(account="acme", user="ann")
            granted = [0] * threads

            def send(index: int) -> None:
                for _ in range(limit):
                    granted[index] += gate.admit()

            workers = [threading.Thread(target=send, args=(index,)) for index in range(threads)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            assert sum(granted) == limit


def test_prepared_senders_of_users_and_programs_look_at_where_they_come_from(t: tenantry.Tenantry) -> None:
    """R-SES-3, R-SES-7"""
    made = t.api_keys.create(
        account="acme", user="ann", name="Shop", permissions=[{"permission": "campaigns"}], allow_list=["192.0.2.0/24"]
    )
    near, far = "192.0.2.7", "198.51.100.7"

    def reason(gate: tenantry.Sender) -> str | None:
        refusal = gate.decide().refusal
        return None if refusal is None else refusal.code

    host = t.sender(account="acme", user="ann")
    users = [t.acting(user="ann", account="acme", ip=ip).sender() for ip in (None, near, far)]
    program = t.with_api_key(token=made.token, ip=near)
    gate = program.sender()
    with pytest.raises(tenantry.Refused, match="address"):
        t.with_api_key(token=made.token, ip=far).sender()
    assert [reason(one) for one in (host, *users, gate)] == [None] * 5
    t.addresses.set(account="acme", user="ann", addresses=["192.0.2.0/24"])
    assert [reason(one) for one in users] == ["ip_not_allowed", "quota_exceeded", "ip_not_allowed"]
    assert reason(host) == "quota_exceeded" and reason(gate) == "quota_exceeded"
    with pytest.raises(tenantry.Refused) as refused:
        program.users.get(user="ann")
    assert refused.value.code == "permission_denied"
    t.api_keys.delete(account="acme", api_key=made.api_key.id)
    assert reason(gate) == "api_key_invalid"
    with pytest.raises(tenantry.Refused) as ended:
        program.sending.admit(account="acme", count=1)
    assert ended.value.code == "api_key_invalid"
