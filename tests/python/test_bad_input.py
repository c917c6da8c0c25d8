"""Whatever is passed: the error is tenantry's own, and nothing changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import tenantry

DEEP = 100_000
BAD_COUNTS = [-1, 1.5, float("nan"), float("inf"), 2**64, 2**53, 2**53 + 1, 0, None, True, "1", b"1", [1], -(2**63)]
BAD_TEXTS = [None, 5, 1.5, True, b"acme", "\ud800", "", "a\0b", "x" * 65, ["acme"]]


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def refused(t: tenantry.Tenantry, run: Callable[[], object], code: str = "invalid_argument") -> tenantry.TenantryError:
    before = t.store.state_hash()
    with pytest.raises(tenantry.InvalidArgument) as caught:
        run()
    assert caught.value.code == code
    assert t.store.state_hash() == before
    return caught.value


@pytest.mark.parametrize("count", BAD_COUNTS, ids=repr)
def test_a_bad_count_is_refused_by_every_call(t: tenantry.Tenantry, count: Any) -> None:
    gate = t.sender(account="acme")
    for run in (
        lambda: gate.admit(count),
        lambda: gate.admit(count=count),
        lambda: gate.decide(count),
        lambda: t.admit(account="acme", count=count),
        lambda: t.sending.admit(account="acme", count=count),
    ):
        error = refused(t, run)
        assert error.field in ("/count", None, "")
    assert gate.last() is None


@pytest.mark.parametrize("text", BAD_TEXTS, ids=repr)
def test_a_bad_id_is_refused_by_every_call(t: tenantry.Tenantry, text: Any) -> None:
    for field, run in (
        ("/account", lambda: t.sender(account=text)),
        ("/account", lambda: t.admit(account=text)),
        ("/account", lambda: t.allowed(account=text, user="ann", permission="campaigns.send")),
        ("/account", lambda: t.access(account=text, user="ann", permission="campaigns.send")),
        ("/user", lambda: t.access(account="acme", user=text, permission="campaigns.send")),
        ("/account", lambda: t.accounts.get(account=text)),
    ):
        assert refused(t, run).field in (field, None, "")
    if text is not None:
        assert refused(t, lambda: t.sender(account="acme", user=text)).field == "/user"
    with pytest.raises(tenantry.InvalidArgument):
        t.acting(user=text, account="acme").accounts.get(account="acme")


@pytest.mark.parametrize("permission", [None, 5, "\ud800"], ids=repr)
def test_a_bad_permission_is_refused(t: tenantry.Tenantry, permission: Any) -> None:
    assert refused(t, lambda: t.allowed(account="acme", user="ann", permission=permission)).field == "/permission"
    assert refused(t, lambda: t.access(account="acme", user="ann", permission=permission)).field == "/permission"


def test_a_permission_that_is_not_in_the_tree_is_unknown(t: tenantry.Tenantry) -> None:
    for permission in ("no.such", ""):
        refused(t, lambda: t.allowed(account="acme", user="ann", permission=permission), "permission_unknown")
        refused(t, lambda: t.access(account="acme", user="ann", permission=permission), "permission_unknown")


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("roles.create", {"name": "X", "colour": "red"}),
        ("roles.create", {}),
        ("roles.create", {"name": 5}),
        ("roles.create", {"name": None}),
        ("roles.create", {"name": "X", "allow": "campaigns.send"}),
        ("roles.create", {"name": "X", "allow": [{"permission": "campaigns.send", "scope": "all"}]}),
        ("roles.create", {"name": "\ud800"}),
        ("roles.create", {"name": b"\xff"}),
        ("roles.create", {"name": {1, 2}}),
        ("roles.create", {"name": "x" * (2 << 20)}),
        ("limits.set", {"account": "acme", "limit": "email_per_day", "value": -1}),
        ("limits.set", {"account": "acme", "limit": "email_per_day", "value": 1.5}),
        ("limits.set", {"account": "acme", "limit": "email_per_day", "value": float("nan")}),
        ("limits.set", {"account": "acme", "limit": "email_per_day", "value": 2**53}),
        ("limits.set", {"account": "acme", "limit": "email_per_day", "value": 2**64}),
        ("limits.set", {"account": "acme", "limit": "email_per_day", "value": True}),
        ("limits.set", {"account": "acme", "limit": "email_per_day", "value": "none"}),
        ("limits.set", {"account": "acme", "limit": "email_per_week", "value": 1}),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_a_bad_request_is_refused(t: tenantry.Tenantry, operation: str, request_: dict[str, Any]) -> None:
    refused(t, lambda: t.call(operation, **request_))


@pytest.mark.parametrize("depth", [500, DEEP])
def test_a_deeply_nested_value_is_refused(t: tenantry.Tenantry, depth: int) -> None:
    # Not a parameter: even `repr` of the value ends in a RecursionError.
    refused(t, lambda: t.call("roles.create", name=nested(depth)))


@pytest.mark.parametrize(
    "request_",
    [
        b'{"name":"\xff"}',
        b'{"name":"\xed\xa0\x80"}',
        b'{"name":"x"',
        b'{"name":"x"} {}',
        b"[]",
        b"null",
        b"[" * DEEP + b"]" * DEEP,
        b'{"name":' * DEEP,
        b'{"name":"' + b"x" * (2 << 20) + b'"}',
        '{"name":"\ud800"}',
        None,
        5,
    ],
    ids=lambda value: repr(value)[:40],
)
def test_bad_json_is_refused(t: tenantry.Tenantry, request_: Any) -> None:
    refused(t, lambda: t._store.call("", "roles.create", request_))
    refused(t, lambda: t._store.call(request_, "roles.create", '{"name":"X"}'))


@pytest.mark.parametrize("name", ["", "accounts", "accounts.get.x", "Accounts.get", "accounts.frobnicate", "x" * (2 << 20)])
def test_an_unknown_operation_is_refused(t: tenantry.Tenantry, name: str) -> None:
    error = refused(t, lambda: t.call(name, account="acme"), "unknown_operation")
    assert len(str(error)) < 1000


@pytest.mark.parametrize("name", [None, 5, "\ud800"], ids=repr)
def test_a_name_that_is_no_text_is_refused(t: tenantry.Tenantry, name: Any) -> None:
    refused(t, lambda: t.call(name))


def test_the_deepest_request_that_is_read_is_32_deep(t: tenantry.Tenantry) -> None:
    at, beyond = (b"[" * depth + b"]" * depth for depth in (32, 33))
    assert "deep" not in str(refused(t, lambda: t._store.call("", "roles.create", at)))
    assert "deep" in str(refused(t, lambda: t._store.call("", "roles.create", beyond)))


@pytest.mark.parametrize(
    "options",
    [
        {"cache_mib": 0},
        {"cache_mib": 65_537},
        {"lock_wait_ms": 600_001},
        {"lock_wait_ms": -1},
        {"slow_ms": 600_001},
        {"cache_mib": -1},
        {"cache_mib": 1.5},
        {"cache_mib": "64"},
        {"durability": "fast"},
        {"seed": 7},
        {"manual_clock_ms": -1},
        {"manual_clock_ms": 2**53},
        {"create": "yes"},
    ],
    ids=repr,
)
def test_bad_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(tenantry.InvalidArgument):
        tenantry.open(":memory:", **options)


@pytest.mark.parametrize("path", [None, 5, b"store", "", "a\0b", "\ud800"], ids=repr)
def test_a_bad_path_is_refused(path: Any) -> None:
    with pytest.raises(tenantry.InvalidArgument) as caught:
        tenantry.open(path)
    assert caught.value.field == "/path"


@pytest.mark.parametrize("actor", ['{"kind":"session"}', '{"kind":"session","token":"tny_session_1","user":"ann"}', '{"kind":"user","token":"tny_session_1","user":"ann","account":"acme"}'])
def test_a_session_as_an_actor_is_its_token_and_no_user(t: tenantry.Tenantry, actor: str) -> None:
    error = refused(t, lambda: t._store.call(actor, "sessions.list", '{"user":"ann"}'))
    assert error.field == "/actor" and "tny_session" not in str(error)


def test_what_only_the_library_makes_cannot_be_made() -> None:
    for kind in (tenantry.Sender, tenantry.Access, tenantry._native.Store):
        with pytest.raises(TypeError):
            kind()
        with pytest.raises(TypeError):
            type("Own", (kind,), {})
