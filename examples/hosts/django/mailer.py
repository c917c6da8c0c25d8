"""The worker beside the website: it sends the mail that tenantry has in its outbox, through Django's mail backend.

    TENANTRY_STORE=sqlite:accounts.db SITE=https://mail.example EMAIL_PORT=25 python mailer.py
"""

import logging
import os
import signal
import smtplib
import sys

import tenantry
from django.conf import settings
from django.core.mail import EmailMessage
from tenantry.model import OutboxItem

settings.configure(
    DEFAULT_FROM_EMAIL="Accounts <accounts@mail.example>",
    EMAIL_HOST=os.environ.get("EMAIL_HOST", "127.0.0.1"),
    EMAIL_PORT=int(os.environ.get("EMAIL_PORT", "25")),
    EMAIL_TIMEOUT=20,
)
SITE = os.environ["SITE"]

# Subject, text, and the page of the link.
MAILS = {
    "invitation": ("You are invited to {accounts}", "Follow this link to accept:", "accept"),
    "password_reset": ("Choose a new password", "Follow this link within an hour:", "password"),
    "password_changed": ("Your password was changed", "If that was not you, tell us at once.", None),
    "api_key_created": ("A new API key acts for you", "If that was not you, tell us at once.", None),
}


def mail(message: OutboxItem) -> EmailMessage | None:
    """The mail for this message; none when there is nothing to send."""
    if message.kind not in MAILS or message.to is None:
        return None
    subject, text, page = MAILS[message.kind]
    if page is not None:
        if message.token is None:
            return None  # The link is not valid any more.
        text = f"{text}\n\n{SITE}/{page}?token={message.token}\n"
    # A message can be delivered twice, where this worker ends in between. It has the same id then.
    headers = {"Message-ID": f"<outbox-{message.number}@mail.example>"}
    names = ", ".join(account.name for account in message.accounts)
    return EmailMessage(subject.format(accounts=names), text, to=[message.to], headers=headers)


def work(t: tenantry.Tenantry) -> None:
    """One message after the other, for ever. Several workers may do so at once: each gets messages that no other has."""
    for each in t.outbox.messages(consumer="mailer", limit=1, hold_ms=60_000):
        number = each.message.number
        try:
            if sent := mail(each.message):
                sent.send()
        except (smtplib.SMTPException, OSError) as error:
            # Given again after a second, two, four ... up to an hour. After ten times it is in `outbox.dead`.
            after_ms = min(1000 * 2 ** (each.deliveries - 1), 3_600_000)
            logging.warning("message %d waits for %d ms: %s", number, after_ms, type(error).__name__)
            t.outbox.retry(consumer="mailer", numbers=[number], after_ms=after_ms)
        else:
            t.outbox.ack(consumer="mailer", numbers=[number])


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with tenantry.open(os.environ["TENANTRY_STORE"], create=False) as store:
        work(store)
