"""17.6, R-ANS-1: an answer that says yes or no is so in `if`; one that does not cannot be mistaken for one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import tenantry
from conftest import ROOT
from tenantry import model

CATALOGUE: dict[str, Any] = json.loads((ROOT / "include/tenantry.json").read_text())
ANSWERS: set[str] = {operation["answer"] for operation in CATALOGUE["operations"]}
YES: dict[str, dict[str, str]] = {each["name"]: each["yes"] for each in CATALOGUE["types"] if "yes" in each}


def test_a_loop_ends_with_the_limit(t: tenantry.Tenantry) -> None:
    sent = 0
    while t.admit(account="acme"):
        sent += 1
    assert sent == 5
    gate = t.sender(account="acme")
    assert (gate.admit(), bool(gate.decide()), t.admit(account="acme"), bool(t.decide(account="acme"))) == (False,) * 4
    assert not t.sending.admit(account="acme", count=1)
    assert not t.sending.explain(account="acme", count=1)
    assert not t.sending.what_if(account="acme", count=1)
    assert not t.reservations.create(account="acme", count=1, life_ms=1000)
    assert not any(t.sending.admit_batch(sends=[{"account": "acme", "count": 1}]).decisions)
    t.limits.set(account="acme", limit="email_per_day", value=9)
    assert t.admit(account="acme") is True
    assert gate.admit() is True
    assert gate.decide()
    assert t.decide(account="acme")
    assert not t.admit(account="acme")


def test_nobody_gets_in_by_an_if(t: tenantry.Tenantry) -> None:
    t.members.add(account="acme", user="eve", email="eve@acme.example", role="response_only")
    t.resources.register(account="acme", kind="campaign", id="spring", owner="olga")
    for user, yes in (("olga", True), ("eve", False)):
        assert t.allowed(account="acme", user=user, permission="campaigns.edit") is yes
        assert t.access(account="acme", user=user, permission="campaigns.edit").allowed() is yes
        assert bool(t.access.check(account="acme", user=user, permission="campaigns.edit")) is yes
        assert bool(t.access.explain(account="acme", user=user, permission="campaigns.edit")) is yes
        assert bool(t.resources.can(account="acme", kind="campaign", id="spring", action="edit", user=user)) is yes
    assert t.accounts.validate(name="Bolt", owner_email="bob@bolt.example")
    assert not t.accounts.validate(name="Bolt", owner_email="olga@acme.example")
    assert t.audit.verify(chain="platform")
    assert t.store.verify()
    assert not t.second_factors.status(user="olga")


def test_other_answers_are_no_answer(t: tenantry.Tenantry) -> None:
    mistakes: list[Callable[[], object]] = [
        lambda: t.accounts.get(account="acme"),
        lambda: t.members.list(account="acme"),
        lambda: t.usage.get(account="acme"),
        lambda: t.suppressions.check(account="acme", recipients=["ann@x.example"], message_class="marketing"),
        lambda: t.sender(account="acme"),
        lambda: t.access(account="acme", user="olga", permission="campaigns.send"),
        lambda: t.acting(user="ann", account="acme").access("campaigns.send"),
        lambda: t.acting(user="ann", account="acme").sender(),
    ]
    for mistake in mistakes:
        answer = mistake()
        with pytest.raises(TypeError):
            bool(answer)
        with pytest.raises(TypeError):
            assert not answer


def test_every_answer_of_the_catalogue_is_one_or_the_other() -> None:
    assert YES.keys() >= {"AccessCheck", "AccessExplanation", "AccountValidation", "AuditVerification", "Decision", "ReservationDecision"}
    assert YES.keys() >= {"ResourceDecision", "SendExplanation", "SharingCheck", "StoreVerification"}
    for name in ANSWERS | YES.keys():
        answer = getattr(model, name)
        fields = dict.fromkeys(answer.__dataclass_fields__)
        if name not in YES:
            with pytest.raises(TypeError):
                bool(answer(**fields))
        elif "by" in YES[name]:
            assert [bool(answer(**{**fields, YES[name]["by"]: yes})) for yes in (True, False)] == [True, False]
        else:
            assert [bool(answer(**{**fields, YES[name]["without"]: why})) for why in (None, object())] == [True, False]


def test_a_part_of_an_answer_can_be_asked_for(t: tenantry.Tenantry) -> None:
    decision = t.decide(account="acme", count=6)
    assert decision.refusal
    assert decision.refusal.limit
