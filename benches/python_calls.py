"""What a call costs from Python, in nanoseconds: the best of several runs. Run it with the wheel installed."""

from __future__ import annotations

import timeit

import tenantry


def main() -> None:
    with tenantry.open(":memory:") as t:
        t.roles.create(id="sender", name="Sender", allow=[{"permission": "campaigns.send"}])
        t.packages.create(
            id="large",
            name="Large",
            limits={"email_per_hour": 10**12, "email_per_day": 10**13, "email_per_month": 10**14},
        )
        t.accounts.create(id="acme", name="Acme", package="large", owner={"email": "olga@acme.example"})
        t.members.add(account="acme", user="ann", email="ann@acme.example", role="sender")
        me = t.acting(user="ann", account="acme")
        names = {"t": t, "gate": me.sender(), "access": me.access("campaigns.send")}

        for title, statement in [
            ("empty call with a count", "gate._nothing(1)"),
            ("prepared admit", "gate.admit(1)"),
            ("prepared admit, as a Decision", "gate.decide(1)"),
            ("admit by ids", "t.admit(account='acme', user='ann', count=1)"),
            ("admit through JSON", "t.sending.admit(account='acme', user='ann', count=1)"),
            ("empty call", "access._nothing()"),
            ("prepared check", "access.allowed()"),
            ("check by ids", "t.allowed(account='acme', user='ann', permission='campaigns.send')"),
            ("check through JSON", "t.access.check(account='acme', user='ann', permission='campaigns.send')"),
        ]:
            number = 100_000
            best = min(timeit.repeat(statement, globals=names, number=number, repeat=9)) / number
            print(f"{title:32} {best * 1e9:8.0f} ns")


if __name__ == "__main__":
    main()
