"""The programs of examples/guide/python, which the guide shows in parts, run and say nothing of what is wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

PROGRAMS = sorted((ROOT / "examples/guide/python").glob("*.py"))


def test_there_are_programs() -> None:
    assert len(PROGRAMS) >= 8


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.stem)
def test_a_program_of_the_guide_runs(program: Path, tmp_path: Path) -> None:
    command: list[str | Path] = [sys.executable, "-W", "error", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert list(tmp_path.iterdir()) == [], "it leaves files behind"
