"""What `mypy --strict` must refuse: exactly the lines that say so; test_typing.py checks it."""

from __future__ import annotations

import tenantry
from tenantry import aio

t = tenantry.open("accounts.db")
me = t.acting(user="ann", account="acme")
gate = me.sender()
account = t.accounts.get(account="acme")

tenantry.open("accounts.db", 64)  # error
tenantry.open("accounts.db", durability="fast")  # error
tenantry.open("accounts.db", cache_mib="64")  # error
tenantry.open("accounts.db", edition="trial")  # error
t.acting(user="ann")  # error
t.operating(user="otto", account="acme")  # error
t.operating(user="otto").sender()  # error
t.users.import_file("users.csv")  # error
t.users.import_file("users.csv", account="acme", progress="x")  # error
t.users.import_file("users.csv", account="acme", progress=lambda rows, all: True)  # error
t.acting("ann", "acme")  # error
t.sender()  # error
me.sender(account="acme")  # error
me.access()  # error
t.access("campaigns.send")  # error
t.frobnicate  # error
t.accounts.frobnicate()  # error
t.accounts.get("acme")  # error
t.accounts.get()  # error
t.accounts.get(account=5)  # error
t.accounts.get(account=None)  # error
t.accounts.get(acount="acme")  # error
t.roles.create(name="X", allow="campaigns.send")  # error
t.roles.create(name="X", allow=["campaigns.send"])  # error
t.roles.create(name="X", allow=[{"permision": "campaigns.send"}])  # error
t.roles.create(name="X", allow=[{"permission": "campaigns.send", "scope": "all"}])  # error
t.limits.set(account="acme", limit="email_per_week", value=1)  # error
t.limits.set(account="acme", limit="email_per_day", value="none")  # error
t.limits.set(account="acme", limit="email_per_day", value=1.5)  # error
t.accounts.create(name="X", owner={"mail": "o@acme.example"})  # error
account.nmae  # error
account.name = "Other"  # error
account.parent.upper()  # error
gate.admit("1")  # error
gate.admit(1.5)  # error
gate.admit(None)  # error
gate.last().granted  # error
number: int = gate.admit()  # fine: a bool is an int
text: str = gate.admit()  # error
t.admit(account="acme").granted  # error
t.accounts = None  # error


class Own(tenantry.Sender):  # error
    pass


async def run_in_a_loop() -> None:
    aio.open("accounts.db").accounts  # error
    await aio.open("accounts.db", cache_mib="64")  # error
    async with aio.open("accounts.db") as a:
        await a.accounts.get("acme")  # error
        await a.accounts.get()  # error
        await a.accounts.frobnicate()  # error
        a.accounts.get(account="acme").name  # error
        (await a.accounts.get(account="acme")).nmae  # error
        yes: bool = a.admit(account="acme")  # error
        await (await a.sender(account="acme")).admit("1")  # error
        await a.acting(user="ann", account="acme").outbox.wait()  # error
        for each in a.outbox.messages(consumer="mailer"):  # error
            print(each)


def check(error: tenantry.TenantryError) -> bool:
    return error.code == "quota_exeeded"  # error
