"""The tree of exceptions, held against the table of codes."""

from __future__ import annotations

import json
import pickle
import typing

import pytest
import tenantry
from conftest import ROOT
from tenantry import _errors

CATALOGUE = json.loads((ROOT / "include/tenantry.json").read_text())


def test_there_is_one_exception_for_each_class_of_errors() -> None:
    classes = {error["class"] for error in CATALOGUE["errors"]}
    assert classes <= set(_errors._CLASSES)
    assert len(set(_errors._CLASSES.values())) == len(_errors._CLASSES)
    for exception in _errors._CLASSES.values():
        assert exception.__mro__[1] is tenantry.TenantryError
        assert getattr(tenantry, exception.__name__) is exception
    assert issubclass(tenantry.TenantryError, Exception)


@pytest.mark.parametrize("entry", CATALOGUE["errors"], ids=lambda entry: str(entry["name"]))
def test_every_code_becomes_its_exception(entry: dict[str, typing.Any]) -> None:
    wire = {"code": entry["name"], **{name: entry[name] for name in ("number", "class", "retry", "http_status", "smtp_reply")}}
    error = _errors._from_json(json.dumps({**wire, "message": "no `x`", "field": "/x", "details": {"pid": 7}}))
    for one in (error, pickle.loads(pickle.dumps(error))):
        assert type(one) is _errors._CLASSES[entry["class"]]
        assert (one.code, one.number, one.retry) == (entry["name"], entry["number"], entry["retry"])
        assert (one.http_status, one.smtp_reply) == (entry["http_status"], entry["smtp_reply"])
        assert (str(one), one.field, one.details) == ("no `x`", "/x", {"pid": 7})
    assert entry["name"] in str(type(error).__doc__)


def test_an_error_of_the_library_has_all_its_parts(t: tenantry.Tenantry) -> None:
    with pytest.raises(tenantry.NotFound) as caught:
        t.accounts.get(account="nowhere")
    error = caught.value
    assert (error.code, error.number, error.retry) == ("not_found", 3, "never")
    assert (error.http_status, error.smtp_reply) == (404, "550 5.7.1")
    assert error.details == {"kind": "account", "id": "nowhere"}
    assert "`nowhere`" in str(error)

    with pytest.raises(tenantry.Conflict) as stale:
        t.accounts.edit(account="acme", name="Late", expected_rev=99)
    assert (stale.value.code, stale.value.field, stale.value.retry) == ("rev_conflict", "/expected_rev", "again")


def test_the_traceback_names_the_public_class() -> None:
    assert tenantry.NotFound.__module__ == "tenantry"
