"""Reads the roster (the CSV files in `roster/`) into a store: one row, one typed call."""

import csv
from pathlib import Path

import tenantry
from tenantry.model import GroupCapsInput, LimitName, LimitsInput

ROSTER = Path(__file__).parent / "roster"
LIMITS: tuple[LimitName, ...] = ("email_per_hour", "email_per_day", "email_per_month")


def rows(name: str) -> list[dict[str, str]]:
    with open(ROSTER / f"{name}.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def load(t: tenantry.Tenantry) -> None:
    """Fills an empty store. The host itself does so, and therefore every call runs as `system`."""
    t.policies.set(policies={"depth": 3})  # an enterprise has regions, and regions have shops
    for row in rows("roles"):
        t.roles.create(
            id=row["id"],
            name=row["name"],
            allow=[{"permission": permission} for permission in row["allow"].split()],
            deny=row["deny"].split(),
            includes=row["includes"].split(),
        )
    for row in rows("packages"):
        credits = row["credits"] == "yes"
        t.packages.create(
            id=row["id"], name=row["name"], limits=limits(row), role=row["role"] or None, credits=credits, overuse=credits
        )
    for row in rows("users"):
        # The column `password` is left out, because the host keeps the passwords: see `passwords`.
        t.users.create(id=row["id"], email=row["email"], first_name=row["first_name"], last_name=row["last_name"])
    for row in rows("accounts"):
        t.accounts.create(
            id=row["id"],
            name=row["name"],
            parent=row["parent"] or None,
            package=row["package"] or None,
            owner={"user": row["owner"]},
            time_zone=row["time_zone"],
            limits=limits(row),
            pending=row["status"] == "pending",
        )
    for row in rows("groups"):
        caps: GroupCapsInput = {"email": int(row["email_per_month"])}
        t.groups.create(account=row["account"], id=row["id"], name=row["name"], caps=caps)
    for row in rows("credits"):
        t.credits.grant(account=row["account"], channel="email", amount=int(row["amount"]), reason="bought in advance")
    for row in rows("campaigns"):
        if row["stopped"] == "yes":
            t.campaigns.stop(account=row["account"], campaign=row["id"])
    for row in rows("members"):
        t.members.add(account=row["account"], user=row["user"], role=row["role"])
        if row["group"]:
            t.groups.add_members(account=row["account"], group=row["group"], users=[row["user"]])
        if row["status"] == "disabled":
            t.members.disable(account=row["account"], user=row["user"])
    for row in rows("accounts"):
        match row["status"]:
            case "billing":
                t.accounts.hold(account=row["id"], reason="billing", note="invoice not paid")
            case "closed":
                t.accounts.close(account=row["id"])


def limits(row: dict[str, str]) -> LimitsInput:
    """The limits of a row. An empty cell stands for no limit of its own: the account inherits that limit."""
    given: LimitsInput = {}
    for name in LIMITS:
        if cell := row[name]:
            given[name] = "unlimited" if cell == "unlimited" else int(cell)
    return given


def passwords() -> dict[str, str]:
    """The demo passwords of the users; the host keeps and checks them, and tenantry does not know them."""
    return {row["id"]: row["password"] for row in rows("users")}
