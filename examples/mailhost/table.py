"""The table at the end of the demo."""

from collections import Counter
from datetime import datetime
from math import inf
from zoneinfo import ZoneInfo

import roster
import tenantry
from client import Outcome
from tenantry.model import Account, UsageWindow

HEAD = ("account", "granted", "recipients", "left this hour", "left today", "left this month", "refused")


def print_table(accounts: tenantry.Tenantry, outcomes: list[Outcome]) -> None:
    """For each account: what was granted, what is left until when (in its local time), and what was refused and why."""
    lines: list[tuple[str, ...]] = [HEAD]
    for account in accounts.accounts.list(limit=500).accounts:
        granted, recipients, refused = _sums([outcome for outcome in outcomes if outcome.account == account.id])
        limits = accounts.sending.explain(account=account.id, count=1).limits
        left = [_left([window for window in limits if window.limit == name], account) for name in roster.LIMITS]
        lines.append((account.id, granted, recipients, *left, refused))

    widths = [max(len(cell) for cell in column) for column in zip(*lines)]
    print()
    for line in lines:
        cells = [cell.rjust(width) for cell, width in zip(line, widths)]
        print("  ".join([line[0].ljust(widths[0]), *cells[1:-1], line[-1]]).rstrip())
        if line is HEAD:
            print("-" * (sum(widths) + 2 * (len(widths) - 1)))
    print("* of an account above")
    granted, recipients, refused = _sums(outcomes)
    print(f"\nall: {granted} granted, to {recipients} recipients; refused {refused}")


def _left(windows: list[UsageWindow], account: Account) -> str:
    """What is left and until when: of the account's own limit, or of that of an account above if less is left there."""
    least = min(windows, key=lambda window: inf if window.remaining is None else window.remaining)
    left = "unlimited" if least.remaining is None else f"{least.remaining:,}"
    star = "*" if least.scope == "ancestor" else ""
    resets = datetime.fromtimestamp(least.resets_at_ms / 1000, ZoneInfo(account.time_zone))
    match least.limit:
        case "email_per_hour":
            return f"{left}{star}"  # more comes back every minute
        case "email_per_day":
            return f"{left}{star} till {resets:%a %H:%M}"
        case "email_per_month":
            return f"{left}{star} till {resets.day} {resets:%b}"


def _sums(outcomes: list[Outcome]) -> tuple[str, str, str]:
    granted = [outcome.recipients for outcome in outcomes if outcome.granted]
    refused = Counter(outcome.reason for outcome in outcomes if not outcome.granted)
    return (
        f"{len(granted):,}",
        f"{sum(granted):,}",
        ", ".join(f"{count:,} {reason}" for reason, count in refused.most_common()),
    )
