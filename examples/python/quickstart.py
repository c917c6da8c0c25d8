"""Tenantry in Python, from nothing to a decision. Run: `python quickstart.py [folder]`."""

import sys

import tenantry

path = sys.argv[1] if len(sys.argv) > 1 else ":memory:"

with tenantry.open(path) as t:
    # The host itself sets up the platform.
    t.roles.create(id="sender", name="Sender", allow=[{"permission": "campaigns.send"}])
    t.packages.create(id="starter", name="Starter", limits={"email_per_day": 3, "email_per_month": "unlimited"})
    t.accounts.create(id="acme", name="Acme", package="starter", owner={"email": "olga@acme.example"})
    t.members.add(account="acme", user="ann", email="ann@acme.example", role="sender")

    # A user acts in an account, and is refused what they may not do.
    me = t.acting(user="ann", account="acme", ip="203.0.113.7")
    try:
        me.accounts.hold(account="acme", reason="billing")
    except tenantry.Refused as error:
        print(f"refused: {error.code}")

    # The two frequent questions: prepare them once, and ask them for every message.
    access = me.access("campaigns.send")
    gate = me.sender()
    print(f"may send: {access.allowed()}")
    for number in range(1, 5):
        if gate.admit():
            print(f"message {number}: goes out")
        else:
            decision = gate.last()
            assert decision is not None and decision.refusal and decision.refusal.limit
            print(f"message {number}: {decision.refusal.code}, {decision.refusal.limit.name} is {decision.refusal.limit.value}")

    for window in t.usage.get(account="acme").windows:
        if not window.limit.startswith("email"):
            continue
        print(f"{window.limit}: {window.used} of {window.value}")
