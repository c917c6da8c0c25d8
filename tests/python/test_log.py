"""What happens to a store arrives in `logging` under `tenantry`, and nothing is printed that nobody asked for."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import tenantry
from tenantry import _native

CANARY = "27182818284590452353"
PASSWORD = f"nine wild horses and {CANARY}"


def script(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_events_are_records_with_level_logger_text_and_fields(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "tenantry")
    path = str(tmp_path / "store")
    with tenantry.open(path, slow_ms=1) as t:
        t.accounts.create(id="acme", name="Acme", owner={"user": "olga", "email": f"olga{CANARY}@acme.example"})
        t.passwords.set(user="olga", password=PASSWORD)
        token = t.sessions.create(email=f"olga{CANARY}@acme.example", password=PASSWORD).token
    _native.flush_log()
    records = [record for record in caplog.records if record.name.startswith("tenantry")]
    opened = next(record for record in records if record.msg.startswith("The store was opened."))
    assert (opened.name, opened.levelno) == ("tenantry.store", logging.INFO)
    assert opened.tenantry["kind"] == "folder" and opened.tenantry["path"] == path  # type: ignore[attr-defined]
    assert f"path={path}" in opened.getMessage()
    slow = [record for record in records if record.msg.startswith("An operation was slow.")]
    assert {record.tenantry["operation"] for record in slow} >= {"passwords.set", "sessions.create"}  # type: ignore[attr-defined]
    assert {(record.name, record.levelno) for record in slow} == {("tenantry.operations", logging.WARNING)}
    assert any(record.msg.startswith("The store was closed.") for record in records)
    for secret in (CANARY, token[-40:], "@"):
        assert not [record for record in records if secret in repr(vars(record))]


def test_a_level_is_heard_at_once(caplog: pytest.LogCaptureFixture) -> None:
    for level, heard in [(logging.WARNING, False), (logging.INFO, True)]:
        caplog.clear()
        caplog.set_level(level, "tenantry")
        tenantry.open(":memory:").close()
        _native.flush_log()
        assert bool(caplog.records) is heard


def test_a_handler_that_is_slow_or_calls_the_library_holds_nobody_up() -> None:
    calls: list[str] = []
    go = threading.Event()

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if not calls:
                go.wait(30)
                # While it is told of one store it may use another.
                with tenantry.open(":memory:") as t:
                    t.roles.create(id="one", name="One")
            calls.append(record.getMessage())

    logger, handler = logging.getLogger("tenantry"), Handler()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        for _ in range(3):
            tenantry.open(":memory:").close()
        assert not calls, "nobody has waited for the handler"
        go.set()
        _native.flush_log()
        assert len(calls) >= 6
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)


SILENT = """
import tenantry, sys
t = tenantry.open(sys.argv[1], slow_ms=1)
t.accounts.create(id="acme", name="Acme", owner={"user": "olga", "email": "olga@acme.example"})
t.passwords.set(user="olga", password="nine wild horses at noon")
t.close()
"""


def test_nothing_is_printed_that_nobody_asked_for(tmp_path: Path) -> None:
    done = script(SILENT, str(tmp_path / "store"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_last_events_are_logged_before_python_ends(tmp_path: Path) -> None:
    code = "import logging; logging.basicConfig(level=logging.INFO)\n" + SILENT
    done = script(code, str(tmp_path / "store"))
    assert done.returncode == 0
    lines = done.stderr.splitlines()
    assert any(line.startswith("INFO:tenantry.store:The store was opened. (") and "kind=folder" in line for line in lines)
    assert lines[-1].startswith("INFO:tenantry.store:The store was closed. (")
    assert any(line.startswith("WARNING:tenantry.operations:An operation was slow. (") for line in lines)


FORKS = """
import logging, os, sys, tenantry
logging.basicConfig(level=logging.INFO, format=f"%(process)d %(message)s", stream=sys.stdout)
t = tenantry.open("sqlite:" + sys.argv[1])
t.roles.create(id="one", name="One")
child = os.fork()
t.roles.list()
tenantry._native.flush_log()
if child == 0:
    print("child", os.getpid(), flush=True)
    os._exit(0)
_, status = os.waitpid(child, 0)
assert status == 0, status
t.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_logs_what_happens_there(tmp_path: Path) -> None:
    done = script(FORKS, str(tmp_path / "store.db"))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    child = next(line.split()[1] for line in lines if line.startswith("child"))
    opened = [line for line in lines if "The store was opened." in line]
    assert len(opened) == 2 and len([line for line in opened if line.startswith(f"{child} ")]) == 1, lines
    assert "forks=0" in opened[0] and "forks=1" in opened[1]
