"""The command `tenantry`, as `pip install` puts it beside the interpreter."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

COMMAND = [str(Path(sys.executable).parent / "tenantry")]
MODULE = [sys.executable, "-m", "tenantry"]


def run(command: list[str], *arguments: str, store: str = ":memory:") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "TENANTRY_STORE": store}
    return subprocess.run([*command, *arguments], env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("command", [COMMAND, MODULE])
def test_it_ends_with_the_code_of_what_was_asked(command: list[str]) -> None:
    helped = run(command, "--help")
    assert (helped.returncode, helped.stderr) == (0, "")
    assert "backup" in helped.stdout
    whole = run(command, "verify", "--json")
    assert whole.returncode == 0
    assert json.loads(whole.stdout)["whole"] is True
    refused = run(command, "accounts.get", "--account", "nobody")
    assert refused.returncode == 1
    assert "(not_found)" in refused.stderr
    wrong = run(command, "no-such-command")
    assert wrong.returncode == 2
    assert "no-such-command" in wrong.stderr


def test_it_opens_a_store_beside_this_process(tmp_path: Path) -> None:
    import tenantry

    address = f"sqlite:{tmp_path / 'accounts.db'}"
    with tenantry.open(address) as t:
        t.accounts.create(id="acme", name="Acme", owner={"user": "ann", "email": "ann@acme.example"})
        shown = run(COMMAND, "accounts.get", "--account", "acme", "--json", store=address)
        assert json.loads(shown.stdout)["name"] == "Acme"


def test_a_pipe_that_ends_is_no_failure() -> None:
    # More than a pipe holds.
    listed = f"{COMMAND[0]} operations | head -n 1 >/dev/null; echo ${{PIPESTATUS[0]}}"
    ended = subprocess.run(["bash", "-c", listed], capture_output=True, text=True, timeout=60)
    assert (ended.stdout, ended.stderr) == ("0\n", "")


def test_control_c_ends_it_at_once(tmp_path: Path) -> None:
    address = f"sqlite:{tmp_path / 'accounts.db'}"
    assert run(COMMAND, "--create", "store.info", store=address).returncode == 0
    environment = {**os.environ, "TENANTRY_STORE": address}
    tail = subprocess.Popen([*COMMAND, "outbox", "tail", "--follow"], env=environment)
    try:
        time.sleep(1)
        assert tail.poll() is None
        tail.send_signal(signal.SIGINT)
        assert tail.wait(timeout=10) == -signal.SIGINT
    finally:
        tail.kill()
        tail.wait()
