"""A method exists because its operation exists: the Python classes held against include/tenantry.json, both ways."""

from __future__ import annotations

import inspect
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import tenantry
from conftest import ROOT
from tenantry import _generated, _native
from tenantry._call import Namespace

CATALOGUE = json.loads((ROOT / "include/tenantry.json").read_text())


# What is added by hand.
ADDED = {"users.import_file"}
# The outbox is the host's.
ADDED_FOR_THE_HOST = {"outbox.messages", "outbox.wait"}


def methods(t: tenantry.Tenantry | tenantry.Acting | tenantry.Operating | tenantry.InSession | tenantry.WithApiKey) -> dict[str, inspect.Signature]:
    return {
        f"{name}.{method}": inspect.signature(function)
        for name in dir(t)
        if not name.startswith("_") and isinstance(namespace := getattr(t, name), Namespace)
        for method, function in inspect.getmembers(namespace, inspect.ismethod)
        if not method.startswith("_")
    }


def test_the_methods_are_the_operations(t: tenantry.Tenantry) -> None:
    operations = {operation["name"] for operation in CATALOGUE["operations"]}
    assert set(methods(t)) == operations | ADDED | ADDED_FOR_THE_HOST
    for actor in (t.acting(user="ann", account="acme"), t.operating(user="ann"), t.in_session(token="none"), t.with_api_key(token="none")):
        assert set(methods(actor)) == operations | ADDED


def test_the_parameters_are_the_fields(t: tenantry.Tenantry) -> None:
    signatures = methods(t)
    for operation in CATALOGUE["operations"]:
        parameters = signatures[operation["name"]].parameters.values()
        assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in parameters)
        required = {parameter.name: parameter.default is parameter.empty for parameter in parameters}
        assert required == {field["name"]: field["required"] for field in operation["request"]}


def test_the_files_match_the_library() -> None:
    assert _native.catalogue_hash() == _generated.CATALOGUE_HASH == CATALOGUE["hash"]
    assert tenantry.__version__ == CATALOGUE["version"]


def test_files_of_another_version_are_refused_at_import(tmp_path: Path) -> None:
    package = tmp_path / "tenantry"
    shutil.copytree(Path(str(tenantry.__file__)).parent, package)
    generated = package / "_generated.py"
    generated.write_text(generated.read_text().replace(_generated.CATALOGUE_HASH, "0" * 32))
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", "import tenantry"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 1
    assert "ImportError: The Python files of tenantry and its native library come from different versions" in done.stderr
