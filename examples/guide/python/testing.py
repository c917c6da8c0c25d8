"""Tests of a host: a store in memory, whose clock stands still until the test moves it."""

import tenantry

# ANCHOR: open
NOON = 1_781_524_800_000  # 15 June 2026, 12:00 UTC.
MINUTE, HOUR = 60_000, 3_600_000

t = tenantry.open(":memory:", manual_clock_ms=NOON, seed=7)
# ANCHOR_END: open
t.packages.create(id="starter", name="Starter", limits={"email_per_hour": 10, "email_per_day": 15})
t.accounts.create(
    id="acme",
    name="Acme",
    package="starter",
    owner={"user": "olga", "email": "olga@acme.example"},
    time_zone="Europe/Berlin",
)

# ANCHOR: limit
# The hour is the last sixty minutes, and each minute counts as a whole.
gate = t.sender(account="acme")
assert gate.admit(10)
refusal = gate.decide(1).refusal
assert refusal and refusal.limit
assert (refusal.limit.name, refusal.retry_at_ms) == ("email_per_hour", NOON + HOUR + MINUTE)

t.clock.set(now_ms=NOON + HOUR + MINUTE)
assert gate.admit(5)
refusal = gate.decide(1).refusal
assert refusal and refusal.limit
# In Berlin it is midnight at 22:00 UTC.
assert (refusal.limit.name, refusal.retry_at_ms) == ("email_per_day", NOON + 10 * HOUR)
# ANCHOR_END: limit

# ANCHOR: expiry
# An invitation is valid for 14 days, unless a policy says otherwise.
t.invitations.create(account="acme", addresses="bob@acme.example", role="editor")
token = next(message.token for message in t.outbox.read().messages if message.kind == "invitation")
assert token is not None
t.clock.set(now_ms=NOON + 15 * 24 * HOUR)
try:
    t.invitations.accept(token=token)
except tenantry.WrongState as error:
    assert error.code == "invitation_expired"
else:
    raise AssertionError("the invitation has expired")
# ANCHOR_END: expiry

# ANCHOR: seed
# With a seed the ids that tenantry makes are the same in every run.
with tenantry.open(":memory:", manual_clock_ms=NOON, seed=7) as other:
    first = other.roles.create(name="Sender").id
with tenantry.open(":memory:", manual_clock_ms=NOON, seed=7) as other:
    assert other.roles.create(name="Sender").id == first
# ANCHOR_END: seed
t.close()
