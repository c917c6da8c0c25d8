"""`tenantry.aio`: the same operations for asyncio; what waits, what a cancelled await leaves, and how it ends."""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ParamSpec

import pytest
import tenantry
from conftest import NOON_MS, furnish
from tenantry import _aio_call, _generated, aio
from test_catalogue import ADDED, ADDED_FOR_THE_HOST, CATALOGUE
from test_import import rows

P = ParamSpec("P")


def in_a_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    @functools.wraps(test)
    def run(*arguments: P.args, **named: P.kwargs) -> None:
        asyncio.run(asyncio.wait_for(test(*arguments, **named), 60))

    return run


@asynccontextmanager
async def platform(path: str | Path = ":memory:") -> AsyncIterator[aio.Tenantry]:
    async with aio.open(path, manual_clock_ms=NOON_MS, seed=7) as t:
        furnish(t._sync)
        yield t


def at_once(call: aio.Pending[Any]) -> Any:
    """The answer of a call that does not wait for anything."""
    with pytest.raises(StopIteration) as ended:
        call.send(None)
    return ended.value.value


async def longest_pause_during(work: Awaitable[object]) -> float:
    """For how long the loop did nothing else while this was awaited."""
    pauses: list[float] = []

    async def beat() -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.005)
            pauses.append(time.monotonic() - before)

    beats = asyncio.create_task(beat())
    await work
    beats.cancel()
    return max(pauses)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


@in_a_loop
async def test_every_operation_is_there_for_every_actor() -> None:
    operations = {operation["name"] for operation in CATALOGUE["operations"]}
    async with platform() as t:
        acting, operating = t.acting(user="ann", account="acme"), t.operating(user="ann")
        for actor in (t, acting, operating, t.in_session(token="none"), t.with_api_key(token="none")):
            found = {
                f"{name}.{method}": inspect.signature(function)
                for name in dir(actor)
                if not name.startswith("_") and isinstance(space := getattr(actor, name), _aio_call.Namespace)
                for method, function in inspect.getmembers(space, inspect.ismethod)
                if not method.startswith("_")
            }
            assert set(found) == operations | ADDED | (ADDED_FOR_THE_HOST if actor is t else set())
        for operation in operations:
            name, _, method = operation.partition(".")
            sync = inspect.signature(getattr(getattr(t._sync, name), method))
            assert inspect.signature(getattr(getattr(t, name), method)).parameters == sync.parameters
    assert issubclass(aio.Tenantry, _aio_call.Caller) and _generated.CATALOGUE_HASH == CATALOGUE["hash"]
    assert inspect.signature(aio.open) == inspect.signature(tenantry.open)


@in_a_loop
async def test_answers_and_errors_are_those_of_the_package() -> None:
    async with await aio.open(":memory:", manual_clock_ms=NOON_MS, seed=7) as t:
        furnish(t._sync)
        assert await t.accounts.get(account="acme") == t._sync.accounts.get(account="acme")
        assert (await t.call("accounts.get", account="acme"))["name"] == "Acme"
        ann = t.acting(user="ann", account="acme", ip="203.0.113.7")
        with pytest.raises(tenantry.Refused):
            await ann.accounts.close(account="acme")
        with pytest.raises(tenantry.NotFound) as missing:
            await t.accounts.get(account="nobody")
        assert missing.value.details["kind"] == "account"
        with pytest.raises(tenantry.InvalidArgument):
            await t.decide(account="acme", count=-1)
        gate = await ann.sender()
        assert await gate.admit(2) is True and await t.admit(account="acme") is True
        assert await gate.decide(2) == tenantry.Decision(granted=2, remaining=0)
        refused = await t.decide(account="acme", user="ann")
        assert refused.refusal and refused.refusal.code == "quota_exceeded"
        assert await (await ann.access("campaigns.send")).allowed() is True
        assert await t.allowed(account="acme", user="bob", permission="campaigns.send") is False
        made = await t.api_keys.create(account="acme", user="ann", name="Shop", permissions=[{"permission": "campaigns"}])
        assert await (await t.with_api_key(token=made.token).sender()).admit() is False
        # Where a task is asked for, a call is as good as a coroutine.
        task = asyncio.create_task(t.users.get(user="ann"))
        both = await asyncio.gather(task, t.users.get(user="bob"))
        assert [user.id for user in both] == ["ann", "bob"]
    with pytest.raises(tenantry.InvalidArgument):
        await aio.open(":memory:", cache_mib=-1)


@in_a_loop
async def test_what_memory_can_tell_is_told_without_a_thread() -> None:
    async with platform() as t:
        await t.limits.set(account="acme", limit="email_per_day", value=100_000)
        gate = await t.sender(account="acme", user="ann")
        check = await t.access(account="acme", user="ann", permission="campaigns.send")
        assert gate.try_admit() is None and await gate.admit() and await check.allowed()
        # What is drawn from the disk at once grows with what is sent.
        for _ in range(500):
            assert await gate.admit()
        assert at_once(gate.admit()) is True and at_once(gate.decide()).granted == 1
        assert at_once(check.allowed()) is True and check.try_allowed() is True
        question = {"account": "acme", "user": "ann", "permission": "campaigns.send"}
        assert at_once(t.allowed(**question)) is True and t.try_allowed(**question) is True
        assert at_once(t.decide(account="acme", user="ann", count=100_001)).refusal.code == "exceeds_limit"
        assert at_once(t.admit(account="acme", user="ann")) and t.try_admit(account="acme", user="ann")


@in_a_loop
async def test_a_forgotten_await_is_no_yes() -> None:
    async with platform() as t:
        gate = await t.sender(account="acme")
        check = await t.access(account="acme", user="bob", permission="campaigns.send")
        question = {"account": "acme", "user": "bob", "permission": "campaigns.send"}
        for forgotten in (gate.admit(), t.admit(account="acme"), check.allowed(), t.access.check(**question), t.sender(account="acme")):
            with pytest.raises(TypeError, match="await"):
                bool(forgotten)
        with pytest.warns(RuntimeWarning, match="'accounts.get' was never awaited"):
            t.accounts.get(account="acme")
            gc.collect()
        for handle in (gate, check):
            with pytest.raises(TypeError, match="await"):
                bool(handle)
        assert (await t.usage.get(account="acme")).windows[1].used == 0
        assert not await t.access.check(**question)


@in_a_loop
async def test_the_loop_goes_on_while_the_disk_is_waited_for(tmp_path: Path) -> None:
    script = "import sys, time, tenantry; t = tenantry.open(sys.argv[1]); print('open', flush=True); time.sleep(1.5); t.close()"
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "open\n"
        began = time.monotonic()
        # Somebody else has the store: to open it takes long.
        opening = aio.open(tmp_path, lock_wait_ms=60_000)
        pause = await longest_pause_during(opened := asyncio.create_task(opening))
        assert time.monotonic() - began > 2 * pause and pause < 0.7
    async with opened.result() as t:
        furnish(t._sync)
        gate = await t.sender(account="acme")
        await t.limits.set(account="acme", limit="email_per_day", value=3000)

        async def send(count: int) -> int:
            return sum([await gate.admit() for _ in range(count)])

        writes = asyncio.gather(*(t.users.create(email=f"u{number}@acme.example") for number in range(200)))
        sends = asyncio.gather(*(send(400) for _ in range(10)))
        assert await longest_pause_during(asyncio.gather(writes, sends, t.outbox.wait(after=10**6, timeout_ms=1000))) < 0.7
        assert sum(sends.result()) == 3000


@in_a_loop
async def test_a_call_that_no_thread_has_begun_is_withdrawn() -> None:
    async with platform() as t:
        let_go = threading.Event()
        busy = [asyncio.create_task(t._threads.run(let_go.wait)) for _ in range(aio._THREADS)]
        waits = asyncio.create_task(t.roles.create(id="late", name="Late"))
        await asyncio.sleep(0.05)
        waits.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waits
        let_go.set()
        await asyncio.gather(*busy)
        with pytest.raises(tenantry.NotFound):
            await t.roles.get(role="late")


@in_a_loop
async def test_a_call_that_has_begun_is_carried_out_once(tmp_path: Path) -> None:
    begun, let_go, done = threading.Event(), threading.Event(), threading.Event()
    async with platform(f"sqlite:{tmp_path}/accounts.db") as t:

        def work() -> None:
            begun.set()
            let_go.wait()
            t._sync.roles.create(id="late", name="Late")
            done.set()

        waits = asyncio.create_task(t._run(work, "work"))
        await until(begun.is_set)
        waits.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waits
        assert not done.is_set()
        closes = asyncio.create_task(t.close())
        await asyncio.sleep(0.1)
        # Closing waits for it although nobody else does.
        assert not closes.done()
        let_go.set()
        await closes
        assert done.is_set()
    with tenantry.open(f"sqlite:{tmp_path}/accounts.db", manual_clock_ms=NOON_MS, seed=7) as again:
        assert again.roles.get(role="late").rev == 1


@in_a_loop
async def test_who_repeats_a_cancelled_send_with_its_key_pays_once(tmp_path: Path) -> None:
    cancelled = 0
    random.seed(7)
    async with platform(tmp_path) as t:
        await t.limits.set(account="acme", limit="email_per_day", value=1000)
        for number in range(150):
            send = functools.partial(t.sending.admit, account="acme", count=1, key=f"message-{number}")
            try:
                await asyncio.wait_for(send(), random.random() * 0.004)
            except asyncio.TimeoutError:
                cancelled += 1
                assert await send()
        window = (await t.usage.get(account="acme")).windows[1]
        assert (window.limit, window.used) == ("email_per_day", 150)
    assert cancelled > 5


@in_a_loop
async def test_who_gives_up_opening_has_nothing_open(tmp_path: Path) -> None:
    opens = asyncio.create_task(aio.open(tmp_path / "store"))
    await asyncio.sleep(0)
    opens.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opens
    await until(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("tenantry")])
    script = "import sys, tenantry; tenantry.open(sys.argv[1]).close()"
    other = await asyncio.create_subprocess_exec(sys.executable, "-c", script, str(tmp_path / "store"))
    assert await other.wait() == 0


@in_a_loop
async def test_a_file_is_imported_with_progress_in_the_loop() -> None:
    async with platform() as t:
        seen: list[tuple[int, threading.Thread]] = []
        done = await t.users.import_file(
            rows(1200), account="acme", role="viewer", progress=lambda at: seen.append((at.rows, threading.current_thread()))
        )
        assert (done.members, done.stopped) == (1200, False)
        assert seen == [(count, threading.current_thread()) for count in (500, 1000, 1200)]
        stopped = await t.users.import_file(rows(1200), account="acme", role="viewer", progress=lambda at: False)
        assert stopped.stopped and stopped.rows == 500

        def fail(at: tenantry.ImportProgress) -> None:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await t.users.import_file(rows(1200), account="acme", role="viewer", progress=fail)


@in_a_loop
async def test_a_cancelled_import_ends_with_its_part(tmp_path: Path) -> None:
    begun = asyncio.Event()
    t = await aio.open(tmp_path, durability="relaxed")
    furnish(t._sync)
    imports = asyncio.create_task(
        t.users.import_file(rows(20_000), account="acme", role="viewer", progress=lambda at: begun.set())
    )
    await begun.wait()
    imports.cancel()
    with pytest.raises(asyncio.CancelledError):
        await imports
    await t.close()
    with tenantry.open(tmp_path) as again:
        # It ended between two parts: the user before is there, and the user after is not.
        there = [bool(again.users.list(account="acme", search=f"u{number}@").users) for number in (0, 499, 5000, 19_999)]
        assert there == [True, True, False, False]


def tell(t: aio.Tenantry, campaign: str) -> aio.Pending[Any]:
    return t.campaigns.stop(account="acme", campaign=campaign)


@in_a_loop
async def test_messages_come_until_they_are_acknowledged() -> None:
    async with platform() as t:
        await tell(t, "one")
        await tell(t, "two")
        seen = []
        async for each in t.outbox.messages(consumer="mailer", hold_ms=1000):
            seen.append((each.message.campaign, each.deliveries))
            if each.message.campaign == "two" and each.deliveries == 1:
                # Nobody acknowledges it, and its time is over.
                await t.clock.set(now_ms=(await t.clock.get()).now_ms + 1000)
                continue
            await t.outbox.ack(consumer="mailer", numbers=[each.message.number])
            if each.message.campaign == "two":
                asyncio.get_running_loop().call_later(0.1, lambda: asyncio.ensure_future(tell(t, "three")))
            if each.message.campaign == "three":
                await t.close()
        assert seen == [("one", 1), ("two", 1), ("two", 2), ("three", 1)]


@in_a_loop
async def test_waiting_for_messages_ends_when_it_is_cancelled_or_over() -> None:
    async with platform() as t:
        assert await t.outbox.wait(timeout_ms=0) is None
        began = time.monotonic()
        assert await t.outbox.wait(timeout_ms=250) is None
        assert 0.2 < time.monotonic() - began < 5
        waits = [asyncio.create_task(t.outbox.wait()) for _ in range(20)]
        await asyncio.sleep(0.05)
        # So many waits take no thread from other calls.
        await t.accounts.get(account="acme")
        waits[0].cancel()
        await tell(t, "one")
        ended = await asyncio.gather(*waits, return_exceptions=True)
        assert isinstance(ended[0], asyncio.CancelledError) and ended[1:] == [1] * 19
        never: Any
        for never in ({"after": -1}, {"timeout_ms": -1}, {"timeout_ms": 1.5}, {"timeout_ms": "1"}):
            with pytest.raises(tenantry.InvalidArgument):
                await t.outbox.wait(**never)
        waits = [asyncio.create_task(t.outbox.wait(after=1)) for _ in range(2)]
        await asyncio.sleep(0.05)
        waits[0].cancel()
        await until(lambda: len([thread for thread in threading.enumerate() if thread.name == "tenantry-outbox"]) == 1)


@in_a_loop
async def test_closing_ends_everything() -> None:
    async with platform() as t:
        gate = await t.sender(account="acme")
        waits = asyncio.create_task(t.outbox.wait())
        under_way = [asyncio.create_task(t.users.create(email=f"u{number}@acme.example")) for number in range(50)]
        await asyncio.sleep(0)
        await asyncio.gather(t.close(), t.close())
        assert len({task.result().id for task in under_way}) == 50
        for call in (waits, t.accounts.get(account="acme"), gate.admit(), t.sender(account="acme"), t.outbox.wait()):
            with pytest.raises(tenantry.HandleUnusable) as closed:
                await call
            assert closed.value.code == "closed"
        await t.close()
        assert [each async for each in t.outbox.messages(consumer="mailer")] == []


def test_a_program_ends_although_somebody_waits(tmp_path: Path) -> None:
    script = """
        import asyncio, sys
        from tenantry import aio

        async def main():
            global t, waits
            t = await aio.open(sys.argv[1])
            waits = asyncio.ensure_future(t.outbox.wait())
            await t.users.create(email="a@b.example")

        asyncio.new_event_loop().run_until_complete(main())
    """
    code = inspect.cleandoc(script)
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr


def test_a_child_goes_on_with_threads_of_its_own(tmp_path: Path) -> None:
    async def opened() -> aio.Tenantry:
        t = await aio.open(f"sqlite:{tmp_path}/accounts.db")
        furnish(t._sync)
        await asyncio.gather(*(t.users.create(email=f"u{number}@acme.example") for number in range(20)))
        return t

    async def used(t: aio.Tenantry, name: str) -> None:
        await t.roles.create(id=name, name=name)
        await t.close()

    t = asyncio.run(opened())
    if (child := os.fork()) == 0:
        try:
            asyncio.run(asyncio.wait_for(used(t, "child"), 30))
        except BaseException:
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert asyncio.run(used(t, "parent")) is None
    with tenantry.open(f"sqlite:{tmp_path}/accounts.db") as again:
        assert {again.roles.get(role=name).name for name in ("child", "parent")} == {"child", "parent"}
