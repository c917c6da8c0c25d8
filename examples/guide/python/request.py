"""A request: who calls, what they may do, and what a refusal is in HTTP."""

import tenantry

t = tenantry.open(":memory:")
t.accounts.create(id="acme", name="Acme", owner={"user": "olga", "email": "olga@acme.example"})
t.members.add(account="acme", user="ann", email="ann@acme.example", role="author")
token = t.sessions.create(user="ann").token

# ANCHOR: status
STATUS: dict[type[tenantry.TenantryError], int] = {
    tenantry.InvalidArgument: 422,
    tenantry.NotFound: 404,
    tenantry.Conflict: 409,
    tenantry.WrongState: 409,
    tenantry.Refused: 403,
    tenantry.LimitReached: 429,
}


def status_of(error: tenantry.TenantryError) -> int:
    """Whoever has no valid token logs in again; what is wrong with the store is nobody's business but yours."""
    return 401 if error.code in ("session_invalid", "api_key_invalid") else STATUS.get(type(error), 503)
# ANCHOR_END: status


# ANCHOR: rename
def rename_group(token: str, account: str, group: str, name: str, ip: str) -> tuple[int, str]:
    """`PATCH /accounts/acme/groups/g1`: tenantry checks the token, the address and the permission."""
    me = t.in_session(token=token, account=account, ip=ip)
    try:
        return 200, me.groups.rename(account=account, group=group, name=name).name
    except tenantry.TenantryError as error:
        return status_of(error), error.code
# ANCHOR_END: rename


sales = t.groups.create(account="acme", name="Sales").id
assert rename_group(token, "acme", sales, "Support", "203.0.113.7") == (403, "permission_denied")
assert rename_group("nonsense", "acme", sales, "Support", "203.0.113.7")[0] in (401, 422)
# A change of the role acts on the next request.
t.members.set_role(account="acme", user="ann", role="administrator")
assert rename_group(token, "acme", sales, "Support", "203.0.113.7") == (200, "Support")

# ANCHOR: own
# For your own code: may this user do that here?
proof = t.sessions.check(token=token, account="acme", ip="203.0.113.7")
if t.allowed(account="acme", user=proof.user, permission="templates.edit"):
    ...  # show the button
# ANCHOR_END: own
assert t.allowed(account="acme", user="ann", permission="templates.edit")

# ANCHOR: prepared
# The same question for many requests: prepare it once. It sees every later change.
may_edit = t.access(account="acme", user="ann", permission="templates.edit")
assert may_edit.allowed()
t.members.set_role(account="acme", user="ann", role="response_only")
assert not may_edit.allowed()
# ANCHOR_END: prepared

# ANCHOR: explain
# Why not? For your staff, and for whoever gives out roles.
why = t.access.explain(account="acme", user="ann", permission="templates.edit")
assert not why.allowed
for step in why.steps:
    print(step.kind, step.subject)
# ANCHOR_END: explain

# ANCHOR: key
# A program calls with an API key: it may do what the key allows and its user may do.
made = t.api_keys.create(account="acme", user="olga", name="Shop", permissions=[{"permission": "contacts.view"}])
program = t.with_api_key(token=made.token, ip="203.0.113.9")
# ANCHOR_END: key
try:
    program.groups.rename(account="acme", group=sales, name="Taken over")
except tenantry.Refused as error:
    assert error.code == "permission_denied"
else:
    raise AssertionError("the key does not allow it")
t.close()
