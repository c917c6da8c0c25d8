"""Checks what the client saw: used is never less than what was granted, and every reply is the right one."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import roster
import tenantry
from client import Client, Outcome

# tenantry draws at most this part of a limit ahead, and at most this many units.
BLOCK_PART, BLOCK_MAX = 50, 4096
# tenantry reads a clock that runs a few milliseconds late.
CLOCK_LAG_MS = 50
# Every refusal that the roster brings about, and the SMTP reply that is right for it.
REPLIES = {
    ("not_logged_in", 530),
    ("bad_password", 535),
    ("quota_exceeded", 450),
    ("credits_exhausted", 450),
    ("credits_exhausted", 550),  # more than a day has
    ("exceeds_limit", 550),
    ("permission_denied", 550),
    ("member_disabled", 550),
    ("account_pending", 550),
    ("account_suspended", 550),
    ("account_closed", 550),
    ("bounce_stop", 550),
}


@dataclass(frozen=True)
class Window:
    """A limit of an account in its current window, as tenantry answers it."""

    account: str
    limit: str
    used: int
    value: int | None  # None: unlimited
    starts_at_ms: int
    resets_at_ms: int

    @property
    def counts_from_ms(self) -> int:
        """Since when grants count: the hour rolls minute by minute, and its last minute is the window."""
        return self.resets_at_ms - 61 * 60_000 if self.limit == "email_per_hour" else self.starts_at_ms


def check_usage(windows: Iterable[Window], client: Client, began_ms: int, crashed: bool) -> str:
    """Fails when a grant was forgotten, when a crash cost more than it may, or when more went out than was allowed."""
    parents = {row["id"]: row["parent"] for row in roster.rows("accounts")}
    # A send counts for the account and for every one above it.
    granted: defaultdict[str, list[Outcome]] = defaultdict(list)
    refused: defaultdict[str, int] = defaultdict(int)
    unanswered: defaultdict[str, int] = defaultdict(int)
    for outcome in client.outcomes:
        for account in _line(outcome.account, parents):
            if outcome.granted:
                granted[account].append(outcome)
            elif outcome.reason == "quota_exceeded":
                refused[account] = max(refused[account], outcome.recipients)
    for account, recipients in client.unanswered:
        for above in _line(account, parents):
            unanswered[above] += recipients

    wrong: list[str] = []
    rolled: dict[str, int] = {}
    compared = 0
    largest = (0, "")
    for window in windows:
        compared += 1
        name = f"{window.limit} of {window.account}"
        # An answer around the end of a window may belong to either window: it may count, but need not.
        starts, ends = window.counts_from_ms, window.resets_at_ms
        surely = sum(o.recipients - _paid(o, window) for o in granted[window.account] if starts + CLOCK_LAG_MS <= o.began_ms and o.ended_ms < ends)
        maybe = sum(o.recipients - _paid(o, window) for o in granted[window.account] if starts <= o.ended_ms and o.began_ms - CLOCK_LAG_MS < ends)
        # A crash loses the answers on their way, and what was drawn ahead: a block, or what a refused send had drawn.
        lost = unanswered[window.account] + max(_block(window.value), refused[window.account]) if crashed else 0
        if window.used < surely:
            wrong.append(f"{name}: {surely} granted, only {window.used} used: something granted is forgotten")
        if window.used > maybe + lost:
            wrong.append(f"{name}: {maybe} granted, but {window.used} used: more than the {lost} more that a crash explains")
        if window.value is not None:
            if surely > window.value:
                wrong.append(f"{name}: {surely} granted, more than the limit of {window.value}")
            largest = max(largest, (window.used - maybe, f"of {window.value:,}, {name}"))
        if starts > began_ms:
            rolled[window.limit] = starts
    if wrong:
        raise SystemExit("\n".join(wrong))
    text = f"nothing granted is forgotten, in {compared} windows"
    text += f"; at most {largest[0]:,} count as used and were not sent ({largest[1]})" if largest[0] > 0 else ", and used is what was granted"
    for limit, starts in rolled.items():
        at = datetime.fromtimestamp(starts / 1000, timezone.utc)
        text += f"\n  {limit} began anew at {at:%H:%M} UTC, during the run: only what came since is compared"
    return text


def _paid(outcome: Outcome, window: Window) -> int:
    """What credits paid for is beyond the limits of the account itself, but not of those above."""
    return outcome.paid if outcome.account == window.account else 0


def check_groups_and_credits(accounts: tenantry.Tenantry, client: Client) -> str:
    """Fails when a group sent more than its cap, when its count is too low, or when the credits spent do not match."""
    told: list[str] = []
    for row in roster.rows("groups"):
        members = [one["user"] for one in roster.rows("members") if (one["account"], one["group"]) == (row["account"], row["id"])]
        sent = sum(o.recipients for o in client.outcomes if o.granted and o.account == row["account"] and o.user in members)
        window = accounts.groups.usage(account=row["account"], group=row["id"]).channels[0].window
        if not sent <= window.used <= int(row["email_per_month"]):
            raise SystemExit(f"the group {row['id']}: {sent} granted, {window.used} counted, {row['email_per_month']} allowed")
        told.append(f"group {row['id']}: {sent} of {row['email_per_month']}")
    for row in roster.rows("credits"):
        paid = sum(o.paid for o in client.outcomes if o.account == row["account"])
        unanswered = sum(recipients for account, recipients in client.unanswered if account == row["account"])
        (channel,) = accounts.credits.balance(account=row["account"], channel="email").channels
        spent = int(row["amount"]) - channel.total
        if not paid <= spent <= paid + unanswered:
            raise SystemExit(f"credits of {row['account']}: {paid} paid, {spent} spent, {unanswered} were on their way")
        if paid == 0:
            raise SystemExit(f"the credits of {row['account']} paid for nothing")
        told.append(f"{row['account']} paid {paid} of {row['amount']} credits")
    return "; ".join(told)


def check_replies(outcomes: list[Outcome], journal: Path) -> None:
    """Fails when a reply is wrong or never came, or when a granted message is not in the host's journal."""
    replies = {(outcome.reason, outcome.code) for outcome in outcomes if not outcome.granted}
    if replies != REPLIES:
        raise SystemExit(
            f"wrong replies: {sorted(replies - REPLIES)}, replies that never came: {sorted(REPLIES - replies)}"
        )
    noted = {line.split()[0] for line in journal.read_text().splitlines()}
    missing = [outcome for outcome in outcomes if outcome.granted and outcome.reason not in noted]
    if missing:
        raise SystemExit(f"the host's journal misses {len(missing)} messages that it accepted")


def _block(limit: int | None) -> int:
    """The most that can be drawn ahead."""
    return BLOCK_MAX if limit is None else min(BLOCK_MAX, max(1, limit // BLOCK_PART))


def _line(account: str, parents: dict[str, str]) -> Iterator[str]:
    """The account and all accounts above it."""
    while account:
        yield account
        account = parents[account]
