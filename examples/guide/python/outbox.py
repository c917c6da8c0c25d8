"""The outbox: what the host sends and does for tenantry."""

import tenantry
from tenantry.model import OutboxItem

t = tenantry.open(":memory:")
t.accounts.create(id="acme", name="Acme", owner={"user": "olga", "email": "olga@acme.example"})
olga = t.acting(user="olga", account="acme")
olga.invitations.create(addresses="bob@acme.example, cat@acme.example", role="editor")
sent: list[str] = []


# ANCHOR: mail
def deliver(message: OutboxItem) -> None:
    """One message. Whoever is invited, or asks for a new password, gets a link with the token."""
    if message.kind == "invitation" and message.token is not None and message.to is not None:
        sent.append(f"{message.to}: https://mail.example/accept?token={message.token}")
    # A message without a token, of a kind that you do not mail, or without an address needs no mail.
# ANCHOR_END: mail


# ANCHOR: work
def work(consumer: str) -> None:
    """What a worker does again and again. `t.outbox.messages(consumer=...)` also waits for the next message."""
    for each in t.outbox.take(consumer=consumer, hold_ms=60_000).messages:
        number = each.message.number
        try:
            deliver(each.message)
        except OSError:
            t.outbox.retry(consumer=consumer, numbers=[number], after_ms=30_000)
        else:
            t.outbox.ack(consumer=consumer, numbers=[number])
# ANCHOR_END: work


work("mailer")
assert [mail.split(":")[0] for mail in sent] == ["bob@acme.example", "cat@acme.example"]

# ANCHOR: accept
# Bob follows his link. Whoever has the link reads the mail of that address.
token = sent[0].split("token=")[1]
offer = t.invitations.look_up(token=token)
assert (offer.email, offer.accounts[0].name) == ("bob@acme.example", "Acme")
accepted = t.invitations.accept(token=token, first_name="Bob")
t.passwords.set(user=accepted.user, password="seven green lamps on a shelf")
# ANCHOR_END: accept
assert t.members.get(account="acme", user=accepted.user).role == "editor"

# ANCHOR: look_after
# Once a day: what could not be delivered after ten times, and what every consumer has done.
assert t.outbox.dead(consumer="mailer").messages == ()
work("mailer")
while t.outbox.clear().more:
    pass
# ANCHOR_END: look_after
assert t.outbox.read().messages == ()
t.close()
