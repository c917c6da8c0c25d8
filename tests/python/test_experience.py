"""What a Python programmer meets: names, types, results, decisions."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
import tenantry
from conftest import NOON_MS, ROOT, furnish
from tenantry._call import Place

DAY_END_MS = NOON_MS + 12 * 3_600_000


def test_results_are_frozen_and_have_attributes(t: tenantry.Tenantry) -> None:
    account = t.accounts.get(account="acme")
    assert (account.name, account.package, account.status, account.parent) == ("Acme", "small", "active", None)
    assert account.holds == ()
    with pytest.raises(dataclasses.FrozenInstanceError):
        account.name = "Other"  # type: ignore[misc]


def test_what_is_absent_stays_as_it_is(t: tenantry.Tenantry) -> None:
    before = t.accounts.get(account="acme")
    after = t.accounts.edit(account="acme", name="Acme Ltd", package=None)
    assert after.name == "Acme Ltd"
    assert dataclasses.replace(after, name=before.name, rev=before.rev) == before


def test_a_user_may_do_what_the_role_allows(t: tenantry.Tenantry) -> None:
    ann = t.acting(user="ann", account="acme", ip="203.0.113.7")
    # Credits are for who holds `credits.view`.
    whole = t.accounts.get(account="acme")
    assert ann.accounts.get(account="acme") == dataclasses.replace(whole, email_credits=None, sms_credits=None)
    with pytest.raises(tenantry.Refused) as refused:
        ann.accounts.close(account="acme")
    assert refused.value.code in ("permission_denied", "actor_not_allowed")


def test_operators_are_actors_of_their_own(t: tenantry.Tenantry) -> None:
    with pytest.raises(tenantry.NotFound) as refused:
        t.operating(user="olga", ip="203.0.113.7").accounts.get(account="acme")
    assert refused.value.details["kind"] == "operator"
    with pytest.raises(tenantry.InvalidArgument) as invalid:
        t.operating(user="olga", ip="here").accounts.get(account="acme")
    assert invalid.value.field == "/actor/ip"


def test_a_store_is_opened_with_its_edition_and_key(tmp_path: Path) -> None:
    for number, edition in enumerate(("commercial", "standard", None)):
        tenantry.open(tmp_path / str(number), edition=edition, token_key="0f" * 32).close()  # type: ignore[arg-type]
        tenantry.open(tmp_path / str(number), token_key="0F" * 32).close()
        with pytest.raises(tenantry.InvalidArgument) as refused:
            tenantry.open(tmp_path / str(number), token_key="f0" * 32)
        assert refused.value.field == "/token_key"
    for options in ({"edition": "trial"}, {"token_key": "0f"}, {"token_key": "0g" * 32}):
        with pytest.raises(tenantry.InvalidArgument) as refused:
            tenantry.open(":memory:", **options)  # type: ignore[arg-type]
        assert refused.value.field == f"/{next(iter(options))}"


def test_a_store_is_opened_with_its_peppers(tmp_path: Path) -> None:
    old, new = {"2025": "0f" * 32}, {"2026": "f0" * 32}
    log_in = {"email": "olga@acme.example", "password": "seven green lamps on a shelf"}
    with tenantry.open(tmp_path, peppers=old) as t:
        t.accounts.create(id="acme", name="Acme", owner={"user": "olga", "email": "olga@acme.example"})
        t.passwords.set(user="olga", password=log_in["password"])
    for peppers in (new | old, new):
        with tenantry.open(tmp_path, peppers=peppers) as t:
            assert t.sessions.create(**log_in).user == "olga"
    with tenantry.open(tmp_path, peppers=old) as t, pytest.raises(tenantry.Refused):
        t.sessions.create(**log_in)
    with pytest.raises(tenantry.InvalidArgument) as refused:
        tenantry.open(":memory:", peppers={"2026": "0g" * 32})
    assert refused.value.field == "/peppers/0/key"
    assert "0g" not in str(refused.value)


def test_the_gate_counts_and_explains(t: tenantry.Tenantry) -> None:
    gate = t.acting(user="ann", account="acme").sender()
    assert gate.last() is None
    assert gate.admit() is True
    assert gate.last() == tenantry.Decision(granted=1, remaining=4)
    assert gate.decide(4) == tenantry.Decision(granted=4, remaining=0)
    assert gate.admit(1) is False
    last = gate.last()
    assert last is not None and last.refusal and last.refusal.limit
    assert (last.granted, last.remaining) == (0, 0)
    assert (last.refusal.code, last.refusal.retry_at_ms) == ("quota_exceeded", DAY_END_MS)
    limit = last.refusal.limit
    assert (limit.name, limit.scope, limit.subject, limit.value, limit.used) == ("email_per_day", "account", "acme", 5, 5)

    t.clock.set(now_ms=DAY_END_MS)
    assert gate.admit(5) is True


def test_more_than_the_limit_is_never_granted(t: tenantry.Tenantry) -> None:
    decision = t.sender(account="acme").decide(6)
    assert decision.refusal and (decision.refusal.code, decision.refusal.retry_at_ms) == ("exceeds_limit", None)


def test_a_prepared_handle_sees_every_later_change(t: tenantry.Tenantry) -> None:
    bob = t.acting(user="bob", account="acme")
    access, gate = bob.access("campaigns.send"), bob.sender()
    assert (access.allowed(), gate.admit()) == (False, False)
    t.members.set_role(account="acme", user="bob", role="sender")
    assert (access.allowed(), gate.admit()) == (True, True)
    hold = t.accounts.hold(account="acme", reason="billing").holds[0].hold
    assert (access.allowed(), gate.admit()) == (False, False)
    t.accounts.release(account="acme", hold=hold)
    assert (access.allowed(), gate.admit()) == (True, True)


def test_hot_calls_answer_as_their_json_twins(t: tenantry.Tenantry) -> None:
    """Two stores go through the same admissions, one by the typed calls and one by the operation."""
    with tenantry.open(":memory:", manual_clock_ms=NOON_MS, seed=7) as twin:
        furnish(twin)
        for user in (None, "ann", "bob", "olga", "nobody"):
            gate = t.sender(account="acme", user=user)
            for count in (1, 2, 6, 3, 0, 2**53):
                expected = outcome(lambda: twin.sending.admit(account="acme", user=user, count=count))
                typed = [
                    lambda: t.decide(account="acme", user=user, count=count),
                    lambda: gate.decide(count),
                ][count % 2]
                assert outcome(typed) == expected, (user, count)
        assert t.usage.get(account="acme") == twin.usage.get(account="acme")

    for user in ("ann", "bob", "olga", "nobody"):
        for permission in ("campaigns.send", "campaigns", "accounts.view", "no.such"):
            expected = outcome(lambda: t.access.check(account="acme", user=user, permission=permission).allowed)
            assert outcome(lambda: t.allowed(account="acme", user=user, permission=permission)) == expected
            assert outcome(lambda: t.access(account="acme", user=user, permission=permission).allowed()) == expected


def outcome(run: object) -> object:
    assert callable(run)
    try:
        return run()
    except tenantry.TenantryError as error:
        return (type(error), error.code, error.field)


def test_the_untyped_call_answers_with_a_dict(t: tenantry.Tenantry) -> None:
    assert t.call("access.check", account="acme", user="ann", permission="campaigns.send") == {"allowed": True}
    assert t.acting(user="ann", account="acme").call("accounts.get", account="acme")["name"] == "Acme"


def test_a_store_on_disk_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    for path in (tmp_path / "store", str(tmp_path / "store")):
        with tenantry.open(path, cache_mib=16, durability="full") as t:
            if isinstance(path, Path):
                furnish(t)
                assert t.sender(account="acme").admit(3)
            else:
                assert t.sender(account="acme").decide(1).remaining == 1
                assert t.store.verify().whole
    with pytest.raises(tenantry.StoreFailure) as missing:
        tenantry.open(tmp_path / "other", create=False)
    assert missing.value.code == "store_missing"


def test_the_same_seed_gives_the_same_store() -> None:
    hashes = set()
    for _ in range(2):
        with tenantry.open(":memory:", manual_clock_ms=NOON_MS, seed=7) as t:
            t.users.create(email="eve@example.com")
            hashes.add(t.store.state_hash())
    assert len(hashes) == 1


def test_the_example_of_each_domain_runs() -> None:
    done = subprocess.run([sys.executable, ROOT / "examples/python/domains.py"], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_quickstart_does_what_its_comments_say(tmp_path: Path) -> None:
    script = ROOT / "examples/python/quickstart.py"
    for arguments in ([], [str(tmp_path / "accounts.db")]):
        done = subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True, timeout=120)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines() == [
            "refused: permission_denied",
            "may send: True",
            "message 1: goes out",
            "message 2: goes out",
            "message 3: goes out",
            "message 4: quota_exceeded, email_per_day is 3",
            "email_per_hour: 3 of unlimited",
            "email_per_day: 3 of 3",
            "email_per_month: 3 of unlimited",
        ]


def test_try_decide_never_waits_for_the_disk(t: tenantry.Tenantry) -> None:
    gate = t.sender(account="acme")
    # Nothing is drawn yet, so memory alone cannot tell; once it has drawn a block that is left over, it can.
    assert gate.try_decide() is None
    assert t.usage.get(account="acme").windows[1].used == 0
    t.limits.set(account="acme", limit="email_per_day", value=1000)
    decided = [gate.decide() if (tried := gate.try_decide()) is None else tried for _ in range(20)]
    assert [decision.granted for decision in decided] == [1] * 20
    remembered = gate.try_decide()
    assert remembered is not None and remembered == gate.last()
    assert t.usage.get(account="acme").windows[1].used == 21


def test_a_refusal_that_memory_can_tell_is_told_at_once(t: tenantry.Tenantry) -> None:
    gate = t.sender(account="acme", user="ann")
    assert gate.try_admit() is None and t.try_admit(account="acme", user="ann") is None
    assert gate.admit(5)
    # Never asked for before, and then again.
    for _ in range(3):
        refused = gate.try_decide()
        assert refused is not None and refused.refusal is not None and not refused
        assert (refused.refusal.code, refused.remaining) == ("quota_exceeded", 0)
        assert refused == gate.last() == gate.decide() == t.try_decide(account="acme", user="ann")
        assert gate.try_admit() is False and t.try_admit(account="acme", user="ann") is False
    assert gate.try_decide(6) == t.sending.admit(account="acme", user="ann", count=6)
    t.accounts.hold(account="acme", reason="abuse")
    held = gate.try_decide()
    assert held is not None and held == gate.decide() and held.refusal is not None
    assert held.refusal.code == t.sending.admit(account="acme", count=1).refusal.code  # type: ignore[union-attr]
    with pytest.raises(tenantry.InvalidArgument):
        t.try_admit(account="acme", count=-1)


def test_a_check_that_memory_can_tell_is_told_at_once(t: tenantry.Tenantry) -> None:
    question = {"account": "acme", "user": "ann", "permission": "campaigns.send"}
    check = t.access(**question)
    assert check.try_allowed() is None and t.try_allowed(**question) is None
    assert check.allowed() and check.try_allowed() is True and t.try_allowed(**question) is True
    t.roles.edit(role="sender", allow=[])
    assert check.try_allowed() is False
    with pytest.raises(tenantry.InvalidArgument):
        t.try_allowed(account="acme", user="ann", permission="no.such")


def test_an_object_says_who_acts_where_and_whether_it_is_open(tmp_path: Path) -> None:
    name = f"sqlite:{tmp_path}/accounts.db"
    t = tenantry.open(name)
    furnish(t)
    key = t.api_keys.create(account="acme", user="ann", name="Shop", permissions=[{"permission": "campaigns"}]).token
    token = t.sessions.create(user="ann").token
    actors = [
        (t, "Tenantry "),
        (t.acting(user="ann", account="acme"), "Acting user 'ann' in account 'acme', "),
        (t.operating(user="otto"), "Operating user 'otto', "),
        (t.in_session(token=token, account="acme"), "InSession account 'acme', "),
        (t.in_session(token=token), "InSession "),
        (t.with_api_key(token=key), "WithApiKey "),
    ]
    assert [repr(actor) for actor, _ in actors] == [f"<tenantry.{who}{name!r}, open>" for _, who in actors]
    t.close()
    assert [repr(actor) for actor, _ in actors] == [f"<tenantry.{who}{name!r}, closed>" for _, who in actors]


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://app:secret@127.0.0.1:5433/mail?schema=t", "postgresql://127.0.0.1:5433/mail?schema=t"),
        ("postgres:///mail?host=/run/pg&user=app", "postgresql:///run/pg/.s.PGSQL.5432/mail?schema=tenantry"),
        ("postgresql://app@db/mail?password=secret", "the address"),
        ("accounts", "accounts"),
    ],
)
def test_what_is_shown_of_an_address_holds_no_password(address: str, shown: str) -> None:
    assert repr(Place(address)) == f"{shown!r}, open"
