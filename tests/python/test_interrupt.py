"""Ctrl-C in long calls."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROWS = 40_000

SETTING = """
    import os, signal, sys, threading, time
    import tenantry

    # Who runs the tests in the background hands on that it is ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    path, rows = sys.argv[1], int(sys.argv[2])
    file = b"email\\n" + b"".join(b"u%d@acme.example\\n" % row for row in range(rows))
    t = tenantry.open(path)
    t.accounts.create(id="acme", name="Acme", owner={"user": "olga", "email": "olga@acme.example"})
    sent = []

    def interrupt():
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    def after_ctrl_c(work, wait=0.3):
        timer = threading.Timer(wait, interrupt)
        timer.start()
        try:
            work()
        except KeyboardInterrupt:
            return time.monotonic() - sent.pop()
        timer.cancel()
        raise SystemExit("it came to its end")

    def interrupt_once_a_part_is_in():
        while len(t.users.list(account="acme", limit=2).users) < 2:
            time.sleep(0.01)
        interrupt()
"""


def seconds(script: str, path: object, rows: int = ROWS) -> list[float]:
    code = textwrap.dedent(SETTING) + textwrap.dedent(script)
    done = subprocess.run(
        [sys.executable, "-c", code, str(path), str(rows)], capture_output=True, text=True, timeout=300
    )
    assert (done.returncode, done.stderr) == (0, "")
    return [float(line) for line in done.stdout.split()]


@pytest.mark.parametrize("progress", ["None", "lambda at: True"])
def test_an_import_ends_between_two_parts(tmp_path: Path, progress: str) -> None:
    script = f"""
        threading.Thread(target=interrupt_once_a_part_is_in).start()
        try:
            t.users.import_file(file, account="acme", role="editor", progress={progress})
            raise SystemExit("it came to its end")
        except KeyboardInterrupt:
            print(time.monotonic() - sent.pop())
        # What was in stays.
        print(t.users.export_csv(account="acme").rows)
        t.close()
    """
    waited, users = seconds(script, tmp_path / "store")
    assert waited < 1 and 500 <= users < ROWS


def test_whoever_reads_much_is_let_go() -> None:
    """What was begun goes on beside, and the store can still be used."""
    script = """
        t.users.import_file(file, account="acme", role="editor")
        for work in (t.store.verify, t.store.state_hash, lambda: t.audit.verify(account="acme")):
            began = time.monotonic()
            work()
            took = time.monotonic() - began
            if took > 0.2:
                print(after_ctrl_c(work, took / 4))
        t.accounts.get(account="acme")
        assert t.admit(account="acme")
        t.close()
    """
    waited = seconds(script, ":memory:", 20_000)
    assert len(waited) >= 1 and max(waited) < 1


def test_waiting_for_messages_ends() -> None:
    assert max(seconds("print(after_ctrl_c(t.outbox.wait)); t.close()", ":memory:", 0)) < 1
    loop = """
        print(after_ctrl_c(lambda: list(t.outbox.messages(consumer="mailer"))))
        t.close()
    """
    assert max(seconds(loop, ":memory:", 0)) < 1
