"""Beside the old code: tenantry counts and answers, and the old code still decides."""

from collections import Counter

import tenantry

t = tenantry.open(":memory:")
t.roles.create(id="sender", name="Sender", allow=[{"permission": "campaigns.send"}])
t.packages.create(id="small", name="Small", limits={"email_per_day": 100})
t.accounts.create(id="17", name="Acme", package="small", owner={"user": "4211", "email": "olga@acme.example"})
t.members.add(account="17", user="4212", email="ann@acme.example", role="sender")

# ANCHOR: shadow
# What is beyond a limit is counted, and refused nowhere on the platform.
t.policies.set(policies={"over_limit": "shadow"})
# ANCHOR_END: shadow

sent_by_old_code = 0


def old_code_allows(account: str, user: str, count: int) -> bool:
    """The tables that you have; with a limit of 120, which somebody forgot to lower."""
    global sent_by_old_code
    if sent_by_old_code + count > 120:
        return False
    sent_by_old_code += count
    return True


# ANCHOR: compare
differences: Counter[str] = Counter()


def send(account: str, user: str, count: int) -> bool:
    old = old_code_allows(account, user, count)
    # Who may send: both answers, always.
    if t.allowed(account=account, user=user, permission="campaigns.send") is False and old:
        differences["tenantry does not know this sender"] += 1
    # What has gone out is counted by tenantry too.
    if old and (refusal := t.decide(account=account, user=user, count=count).refusal):
        differences[refusal.code] += 1
    return old
# ANCHOR_END: compare


assert [send("17", "4212", 50) for _ in range(3)] == [True, True, False]
assert send("17", "4212", 10)
assert not differences

# ANCHOR: overuse
# What tenantry would have refused: 10 of the 110 messages are beyond the 100 of the package.
for window in t.usage.get(account="17").windows:
    if window.overuse > 0:
        print(window.limit, window.value, window.overuse)
        assert (window.limit, window.used, window.overuse) == ("email_per_day", 110, 10)
# ANCHOR_END: overuse

# ANCHOR: turn
# Both agree: tenantry decides from now on, and the old code is removed.
t.policies.unset(names=["over_limit"])
assert not t.admit(account="17", user="4212", count=10)
# ANCHOR_END: turn
t.close()
