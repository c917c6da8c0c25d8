"""From tables of your own: ids, people, password hashes, and what was sent in the running month."""

import tempfile
from pathlib import Path

import tenantry
from tenantry.model import ImportedPasswordInput

DAY_MS = 24 * 3_600_000
# 15 June 2026, 12:00 UTC: today, for this example. A real move asks the system's clock.
today = 1_781_524_800_000
folder = tempfile.TemporaryDirectory()
STORE = str(Path(folder.name) / "accounts")

# What your tables have.
ACCOUNTS = [(17, "Acme", "small", 4211, "olga@acme.example")]
USERS = [(4212, 17, "ann@acme.example", "sender", "$2b$10$c2FsdHNhbHRzYWx0c2Fsd.DPG22xjqOU.WvTSwa.uqLu.uitARBti")]
# What account 17 sent on each day of this month: 1 to 15 June.
SENT = {17: [310, 290, 0, 305, 312, 0, 0, 298, 300, 301, 0, 320, 0, 0, 120]}

# ANCHOR: records
# Before any host has the store open: with a clock that you move, on the first day of the month.
first_day = today - 14 * DAY_MS
t = tenantry.open(STORE, manual_clock_ms=first_day)
t.roles.create(id="sender", name="Sender", allow=[{"permission": "campaigns.send"}])
# The package has no limits yet: nothing is refused while the past is entered.
t.packages.create(id="small", name="Small")
for number, name, package, owner, email in ACCOUNTS:
    # Your ids stay: they are texts here.
    t.accounts.create(id=str(number), name=name, package=package, owner={"user": str(owner), "email": email})
for number, account, email, role, _ in USERS:
    t.members.add(account=str(account), user=str(number), email=email, role=role)
# ANCHOR_END: records

# ANCHOR: hashes
# At most 500 in one call. Each hash is replaced at the next log-in of its user.
passwords: list[ImportedPasswordInput] = [{"user": str(number), "hash": password_hash} for number, *_, password_hash in USERS]
for at in range(0, len(passwords), 500):
    t.passwords.import_hashes(passwords=passwords[at : at + 500])
# Each import is a new password, of which the outbox tells the user. Nobody needs to hear of the move.
while t.outbox.clear().more:
    pass
# ANCHOR_END: hashes

# ANCHOR: counters
# What was sent: day by day, each at its time.
for day in range(15):
    t.clock.set(now_ms=first_day + day * DAY_MS)
    for number, sent in SENT.items():
        if sent[day] > 0:
            decision = t.sending.admit(account=str(number), count=sent[day])
            assert decision.refusal is None, decision
# Now the limits. They count what was entered.
t.packages.edit(package="small", limits={"email_per_day": 500, "email_per_month": 3_000})
t.close()
# ANCHOR_END: counters

# A host would open it with the system's clock; in this example the time is still 15 June.
t = tenantry.open(STORE, manual_clock_ms=today, create=False)
# ANCHOR: check
used = {window.limit: window.used for window in t.usage.get(account="17").windows}
assert (used["email_per_day"], used["email_per_month"]) == (120, 2_556)
history = t.usage.history(account="17", limit="email_per_day").windows
assert [day.used for day in history][:3] == [310, 290, 305]
report = t.store.verify()
assert report.whole, report.findings
# ANCHOR_END: check
assert not t.admit(account="17", count=445)
assert t.admit(account="17", count=380)
session = t.sessions.create(email="ann@acme.example", password="seven green lamps on a shelf")
assert session.user == "4212"
t.close()
folder.cleanup()
