"""The demo: the mail host under load, killed with SIGKILL in the middle, and nothing granted is forgotten.

    python demo.py [--messages 5000]
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from smtplib import SMTP
from types import FrameType

import roster
import tenantry
from check import Window, check_groups_and_credits, check_replies, check_usage
from client import Client, now_ms, plan
from table import print_table
from tenantry.model import UsageWindow

SECONDS = 170


class Host:
    """The mail host, in a process of its own."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, str(Path(__file__).with_name("host.py")), str(folder)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line.startswith("listening on port "):
            self.stop(signal.SIGKILL)
            raise SystemExit("the host did not start")
        self.port = int(line.split()[-1])

    def stop(self, number: int) -> int:
        self.process.send_signal(number)
        self.process.communicate()
        return self.process.returncode


class Progress:
    """Shows a bar on a terminal, and elsewhere a line for every tenth."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.bar = sys.stderr.isatty() and "CI" not in os.environ
        self.tenths = 0

    def follow(self, client: Client, until: int) -> None:
        """Shows the progress of the client, until it has this many answers."""
        while not client.wait(lambda: len(client.outcomes) >= until, 0.1):
            self._show(len(client.outcomes))
        self._show(len(client.outcomes))

    def _show(self, done: int) -> None:
        if self.bar:
            full = 40 * done // self.total
            print(f"\r[{'#' * full}{'.' * (40 - full)}] {done:,} of {self.total:,} ", end="", file=sys.stderr, flush=True)
        elif 10 * done // self.total > self.tenths:
            self.tenths = 10 * done // self.total
            print(f"{10 * self.tenths:3} %: {done:,} of {self.total:,} messages", file=sys.stderr, flush=True)

    def say(self, text: str) -> None:
        if self.bar:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
        print(text, flush=True)


def windows_of_host(port: int) -> Iterator[Window]:
    """What the running host tells each owner who can enter their account."""
    passwords = roster.passwords()
    for row in roster.rows("accounts"):
        with SMTP("127.0.0.1", port, "client.example", timeout=30) as smtp:
            smtp.login(f"{row['owner']}@{row['id']}", passwords[row["owner"]])
            code, lines = smtp.docmd("XUSAGE")
            for line in lines.decode().splitlines()[:-1] if code == 250 else []:
                limit, used, value, starts, resets = line.split()
                yield Window(row["id"], limit, int(used), None if value == "unlimited" else int(value), int(starts), int(resets))


def email(windows: Iterable[UsageWindow]) -> Iterator[UsageWindow]:
    """The demo sends no text messages."""
    return (window for window in windows if window.limit in roster.LIMITS)


def windows_of_store(accounts: tenantry.Tenantry) -> Iterator[Window]:
    """What the store answers while no host runs."""
    for row in roster.rows("accounts"):
        for window in email(accounts.usage.get(account=row["id"]).windows):
            value = None if window.value == "unlimited" else window.value
            yield Window(row["id"], window.limit, window.used, value, window.starts_at_ms, window.resets_at_ms)


def play(folder: Path, messages: int) -> None:
    store, journal = folder / "accounts", folder / "journal"
    visits = plan(messages, seed=2)
    half = len(visits) // 2
    progress = Progress(messages)
    progress.say(f"{messages:,} messages over SMTP to a host with {len(roster.rows('accounts'))} accounts")
    client = Client()
    host = Host(folder)
    began_ms = now_ms()
    try:
        client.host_is_at(host.port)
        client.send(visits[:half])
        answers = sum(len(visit.messages) for visit in visits[:half])
        progress.follow(client, answers)
        progress.say("before the kill: " + check_usage(windows_of_host(host.port), client, began_ms, crashed=False))

        client.send(visits[half:])
        progress.follow(client, answers + max(10, messages // 50))
        client.host_is_at(None)
        host.stop(signal.SIGKILL)
        client.wait_until_silent()
        progress.say(f"killed the host after {len(client.outcomes):,} messages, {len(client.unanswered)} more on their way")
        with tenantry.open(store, create=False, edition="commercial") as accounts:
            progress.say("after the kill: " + check_usage(windows_of_store(accounts), client, began_ms, crashed=True))

        restarted = time.monotonic()
        host = Host(folder)
        progress.say(f"started the host again in {time.monotonic() - restarted:.2f} s")
        client.host_is_at(host.port)
        progress.follow(client, messages)
        client.wait_until_silent()
        seconds = (now_ms() - began_ms) / 1000
        if host.stop(signal.SIGTERM) != 0:
            raise SystemExit("the host did not stop as it should")
    finally:
        if host.process.poll() is None:
            host.stop(signal.SIGKILL)

    with tenantry.open(store, create=False, edition="commercial") as accounts:
        progress.say("at the end: " + check_usage(windows_of_store(accounts), client, began_ms, crashed=True))
        progress.say(check_groups_and_credits(accounts, client))
        check_replies(client.outcomes, journal)
        print_table(accounts, client.outcomes)
    print(f"{messages / seconds:,.0f} messages a second: {messages:,} in {seconds:.1f} s, kill and checks included")


def too_late(number: int, frame: FrameType | None) -> None:
    raise SystemExit(f"the demo is not over after {SECONDS} s")


def main() -> None:
    parser = argparse.ArgumentParser(description="A mail host under load, killed in the middle.")
    parser.add_argument("--messages", type=int, default=int(os.environ.get("TENANTRY_DEMO_MESSAGES", "5000")))
    messages: int = parser.parse_args().messages
    if messages < 200:
        parser.error("fewer than 200 messages do not show everything")
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))
    signal.signal(signal.SIGALRM, too_late)
    signal.alarm(SECONDS)
    with tempfile.TemporaryDirectory(prefix="tenantry-demo-") as folder:
        play(Path(folder), messages)


if __name__ == "__main__":
    main()
