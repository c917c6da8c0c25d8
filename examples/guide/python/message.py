"""A message: may it go out, what to do when it may not, and what to do when it fails."""

import time

import tenantry

t = tenantry.open(":memory:")
t.roles.create(id="sender", name="Sender", allow=[{"permission": "campaigns.send"}, {"permission": "limits.view"}])
t.packages.create(id="starter", name="Starter", limits={"email_per_day": 100})
t.accounts.create(id="acme", name="Acme", package="starter", owner={"user": "olga", "email": "olga@acme.example"})
t.members.add(account="acme", user="ann", email="ann@acme.example", role="sender")

# ANCHOR: prepare
# At log-in, or with the first message: who sends. Keep the handle, and ask it for every message.
gate = t.acting(user="ann", account="acme", ip="203.0.113.7").sender()
# ANCHOR_END: prepare


# ANCHOR: reply
def reply(recipients: int) -> str:
    """One decision for all recipients of a message: they are charged in the same step, or none is."""
    decision = gate.decide(recipients)
    if decision.refusal is None:
        return "250 2.0.0 queued"  # Only now put the message into the queue.
    why = decision.refusal
    limit = f" ({why.limit.name} is {why.limit.value})" if why.limit else ""
    if why.retry_at_ms is None:
        return f"550 {why.code}{limit}"  # Waiting does not help.
    seconds = (why.retry_at_ms - time.time_ns() // 1_000_000) // 1000
    return f"452 {why.code}{limit}; try again in {seconds} seconds"  # The client keeps the message.
# ANCHOR_END: reply


assert reply(98) == "250 2.0.0 queued"
assert reply(3).startswith("452 quota_exceeded (email_per_day is 100); try again in ")
assert reply(101) == "550 exceeds_limit (email_per_day is 100)"

# ANCHOR: up_to
# A batch: as many as fit, but at least 1.
decision = t.sending.admit(account="acme", user="ann", count=50, min=1)
assert decision.granted == 2
# ANCHOR_END: up_to

# ANCHOR: refund
# What was charged and could not be handed over is given back, to the hour, the day and the month in which it was granted.
t.sending.refund(account="acme", user="ann", count=2, granted_at_ms=t.clock.get().now_ms)
# ANCHOR_END: refund

# ANCHOR: key
# A caller that may ask twice names its message: the same key is charged once. It costs a durable write.
for attempt in range(2):
    decision = t.sending.admit(account="acme", user="ann", count=1, key="message-4711")
    assert decision.granted == 1
# ANCHOR_END: key

# ANCHOR: usage
# What the customer sees of it.
day = next(window for window in t.usage.get(account="acme").windows if window.limit == "email_per_day")
assert (day.used, day.remaining) == (99, 1)
# ANCHOR_END: usage

# ANCHOR: campaign
# A campaign reserves what it needs before it starts. It commits what goes out; the rest is given back.
t.limits.set(account="acme", limit="email_per_day", value=10_000)
reserved = t.reservations.create(account="acme", user="ann", count=5_000, life_ms=3_600_000, key="spring")
assert reserved.reservation is not None
t.reservations.commit(account="acme", reservation=reserved.reservation, count=4_000)
# ANCHOR_END: campaign

# ANCHOR: change
# The handle sees every later change.
hold = t.accounts.hold(account="acme", reason="billing").holds[0].hold
assert reply(1) == "550 account_suspended"
t.accounts.release(account="acme", hold=hold)
assert reply(1) == "250 2.0.0 queued"
# ANCHOR_END: change
t.close()
