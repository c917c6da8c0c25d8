"""Presets and policies: how a platform says which kind of product it is."""

import tenantry

t = tenantry.open(":memory:")

# ANCHOR: preset
# The whole platform: several accounts under one invoice.
t.policies.preset(preset="teams")
# One policy that differs, for the platform and for one account.
t.policies.set(policies={"seats": 50})
t.accounts.create(id="acme", name="Acme", owner={"user": "olga", "email": "olga@acme.example"})
t.policies.set(account="acme", policies={"seats": 200})
# ANCHOR_END: preset

# ANCHOR: get
report = t.policies.get(account="acme")
assert report.policies.seats == 200
assert report.policies.owner_exclusive  # The preset says so.
where = {origin.policy: origin.source for origin in report.sources}
assert (where["seats"], where["owner_exclusive"], where["billing_day"]) == ("account", "preset", "default")
# ANCHOR_END: get
t.close()
