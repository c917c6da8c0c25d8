"""What `mypy --strict` must accept; test_typing.py checks it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Literal

import tenantry
from tenantry import aio
from tenantry.model import Account, Limit, LimitsInput


def remaining(decision: tenantry.Decision) -> int | None:
    if decision.refusal is not None and decision.refusal.limit is not None:
        name: str = decision.refusal.limit.name
        print(name)
    return decision.remaining


def report(at: tenantry.ImportProgress) -> None:
    rows: int = at.rows
    print(rows, at.bytes / at.bytes_total)


def run() -> None:
    limits: LimitsInput = {"email_per_day": 10, "email_per_month": "unlimited"}
    with tenantry.open(Path("accounts.db"), cache_mib=64, slow_ms=500, durability="relaxed", create=True, edition="commercial") as t:
        t.roles.create(name="Sender", allow=[{"permission": "campaigns.send", "scope": "own"}], deny=("contacts.export",))
        package = t.packages.create(name="Small", limits=limits)
        account: Account = t.accounts.create(name="Acme", owner={"email": "o@acme.example"}, package=package.id)
        name: str = account.name
        parent: str | None = account.parent
        own: Limit | None = account.limits.email_per_day
        print(name, parent, own)
        value: int | Literal["unlimited"] = 5
        t.limits.set(account=account.id, limit="email_per_day", value=value)
        for entry in t.accounts.list(limit=10).accounts:
            print(entry.name)

        me: tenantry.Acting = t.acting(user="ann", account="acme", ip="203.0.113.7")
        me.members.list(account="acme", after=None)
        operator: tenantry.Operating = t.operating(user="otto", ip=None)
        operator.accounts.list(limit=10)
        done: tenantry.UserImport = me.users.import_file(
            Path("users.csv"), account="acme", progress=lambda at: at.rows < 1000
        )
        t.users.import_file(b"email\n", account="acme", role="viewer", atomic=True, progress=report)
        print(done.members, [row.line for row in done.results if row.problem])
        gate: tenantry.Sender = me.sender()
        sent: bool = gate.admit() and gate.admit(2) and gate.admit(count=3)
        access: tenantry.Access = me.access("campaigns.send")
        allowed: bool = access.allowed() and me.access.check(account="acme", user="ann", permission="lists").allowed
        print(sent, allowed, remaining(gate.decide()), remaining(t.decide(account="acme", count=2)))
        yes: bool = t.admit(account="acme") or bool(t.decide(account="acme")) or not me.access.check(account="acme", user="ann", permission="lists")
        print(yes)
        last = gate.last()
        if last is not None:
            print(remaining(last))
        tried: bool | None = gate.try_admit(2)
        at_once: tenantry.Decision | None = gate.try_decide() or t.try_decide(account="acme", user=None, count=2)
        known: bool | None = access.try_allowed() or t.try_allowed(account="acme", user="ann", permission="lists")
        print(tried, at_once, known, t.try_admit(account="acme"))
        by_ids: bool = t.allowed(account="acme", user="ann", permission="campaigns.send")
        system: tenantry.Sender = t.sender(account="acme")
        print(by_ids, system.admit(), t.access(account="acme", user="ann", permission="lists").allowed())
        answer = t.call("accounts.get", account="acme")
        print(answer["name"])


async def run_in_a_loop() -> None:
    async with aio.open(Path("accounts.db"), cache_mib=64, edition="commercial") as t:
        account: Account = await t.accounts.get(account="acme")
        me: aio.Acting = t.acting(user="ann", account="acme", ip="203.0.113.7")
        gate: aio.Sender = await me.sender(message={"campaign": "spring"})
        access: aio.Access = await me.access("campaigns.send")
        sent: bool = await gate.admit() and await t.admit(account="acme", count=2) and await access.allowed()
        decision: tenantry.Decision = await gate.decide(count=2)
        at_once: tenantry.Decision | None = gate.try_decide() or t.try_decide(account="acme")
        print(account.name, sent, remaining(decision), at_once, t.try_allowed(account="acme", user="ann", permission="lists"))
        task: asyncio.Task[Account] = asyncio.create_task(t.accounts.get(account="acme"))
        one, other = await asyncio.gather(task, t.usage.get(account="acme"))
        print(one.name, other.windows, (await t.call("accounts.get", account="acme"))["name"])
        done: tenantry.UserImport = await me.users.import_file(b"email\n", account="acme", progress=report)
        print(done.members)
        async for each in t.outbox.messages(consumer="mailer", limit=10):
            await t.outbox.ack(consumer="mailer", numbers=[each.message.number])
        await t.close()
    other_store: aio.Tenantry = await aio.open("sqlite:accounts.db")
    async with other_store:
        last: int | None = await other_store.outbox.wait(after=1, timeout_ms=10)
        print(last)


def explain(error: tenantry.TenantryError) -> str:
    if error.code == "rev_conflict" and error.retry == "again":
        return "read it again"
    if isinstance(error, (tenantry.NotFound, tenantry.Refused)):
        return f"{error.number}: {error} at {error.field or 'no field'} {error.details.get('missing')}"
    return str(error)
