"""The types: mypy accepts the good sample and refuses each bad line; the stubs say what the package is."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
GUIDE = HERE.parent.parent / "examples/guide/python"
VERSIONS = ["3.10", f"3.{sys.version_info.minor}"]


def mypy(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    # In an empty folder, so that neither a cache nor a configuration decides.
    return subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True, timeout=300, cwd=cwd)


@pytest.mark.parametrize("version", VERSIONS)
def test_good_programs_are_accepted(version: str, tmp_path: Path) -> None:
    good = [HERE / "typing_good.py", HERE.parent.parent / "examples/python/domains.py", *sorted(GUIDE.glob("*.py"))]
    for what in (good, ["-p", "tenantry"]):
        done = mypy("mypy", "--strict", "--python-version", version, *what, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout


@pytest.mark.parametrize("version", VERSIONS)
def test_bad_lines_are_refused(version: str, tmp_path: Path) -> None:
    bad = HERE / "typing_bad.py"
    done = mypy("mypy", "--strict", "--python-version", version, bad, cwd=tmp_path)
    found = {int(number) for number in re.findall(r"typing_bad\.py:(\d+): error:", done.stdout)}
    marked = {number for number, line in enumerate(bad.read_text().splitlines(), 1) if line.endswith("# error")}
    assert found == marked, done.stdout


def test_the_tests_themselves_are_typed(tmp_path: Path) -> None:
    files = sorted(path for path in HERE.glob("*.py") if path.name != "typing_bad.py")
    done = mypy("mypy", "--strict", *files, cwd=tmp_path)
    assert done.returncode == 0, done.stdout


def test_the_stubs_say_what_the_package_is(tmp_path: Path) -> None:
    done = mypy("mypy.stubtest", "tenantry", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
