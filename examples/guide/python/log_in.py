"""Log-in: a password or another proof, a session, a second factor, a forgotten password."""

import tenantry

t = tenantry.open(":memory:")
t.roles.create(id="sender", name="Sender", allow=[{"permission": "campaigns.send"}, {"permission": "self"}])
t.accounts.create(id="acme", name="Acme", owner={"user": "olga", "email": "olga@acme.example"})
t.members.add(account="acme", user="ann", email="ann@acme.example", role="sender")


# ANCHOR: log_in
def log_in(email: str, password: str, code: str | None, ip: str) -> tuple[int, str]:
    """The status of the answer, and the token or the reason."""
    try:
        session = t.sessions.create(email=email, password=password, code=code, device="Firefox on Linux", ip=ip)
    except tenantry.LimitReached as error:
        # There were too many wrong attempts: `login_delayed`. The time is for your log, or for a kind message.
        return 429, f"{error.code} until {error.details['retry_at_ms']}"
    except (tenantry.Refused, tenantry.WrongState, tenantry.InvalidArgument) as error:
        # `second_factor_required`: show a field for the code, and ask again with the password and the code.
        return 401, error.code
    # The token is shown this once. The browser keeps it, in a cookie that scripts cannot read.
    return 200, session.token
# ANCHOR_END: log_in


# ANCHOR: password
# The host sets a password, or the user follows a link (below).
t.passwords.set(user="ann", password="seven green lamps on a shelf")
# ANCHOR_END: password
status, token = log_in("Ann@Acme.example", "seven green lamps on a shelf", None, "203.0.113.7")
assert status == 200
assert log_in("ann@acme.example", "another password than hers", None, "203.0.113.7") == (401, "login_refused")
assert log_in("nobody@acme.example", "another password than hers", None, "203.0.113.8") == (401, "login_refused")

# ANCHOR: check
proof = t.sessions.check(token=token, account="acme", ip="203.0.113.7")
assert proof.user == "ann"
# ANCHOR_END: check

# ANCHOR: vouch
# After a single sign-on, the host says who it is, and tenantry asks for no password.
session = t.sessions.create(user="ann", device="Single sign-on", ip="203.0.113.7")
# ANCHOR_END: vouch

# ANCHOR: forgot
# Answer the person first: the time of this call could tell whether somebody has the address.
t.passwords.forgot(email="ann@acme.example")
# The worker of the outbox mails the link. Its token works once.
link = next(message for message in t.outbox.read().messages if message.kind == "password_reset")
assert link.token is not None
changed = t.passwords.set(token=link.token, password="nine blue chairs in a row")
assert changed.sessions_ended == 2
# ANCHOR_END: forgot
assert log_in("ann@acme.example", "seven green lamps on a shelf", None, "203.0.113.9") == (401, "login_refused")
status, token = log_in("ann@acme.example", "nine blue chairs in a row", None, "203.0.113.9")
assert status == 200

# ANCHOR: devices
me = t.in_session(token=token)
devices = me.sessions.list(user="ann").sessions
assert [device.device for device in devices] == ["Firefox on Linux"]
# Sign out here, or everywhere.
t.sessions.end(token=token)
t.sessions.end_all(user="ann")
# ANCHOR_END: devices
try:
    t.sessions.check(token=token)
except tenantry.Refused as error:
    assert error.code == "session_invalid"
else:
    raise AssertionError("the session has ended")
t.close()
