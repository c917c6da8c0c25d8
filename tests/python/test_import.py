"""A file of users: part by part, with progress, as every kind of actor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tenantry
from test_handles import another_thread_runs_during


def rows(count: int) -> bytes:
    return b"email\n" + b"".join(b"u%d@acme.example\n" % row for row in range(count))


def test_a_file_goes_in_part_by_part(t: tenantry.Tenantry, tmp_path: Path) -> None:
    file = tmp_path / "users.csv"
    file.write_bytes(rows(1200) + b"nobody\n")
    seen: list[tenantry.ImportProgress] = []

    def progress(at: tenantry.ImportProgress) -> None:
        # It may use the store, and goes on without saying so.
        t.accounts.get(account="acme")
        seen.append(at)

    done = t.users.import_file(file, account="acme", role="viewer", progress=progress)
    assert (done.rows, done.created, done.members, done.refused, done.stopped) == (1201, 1200, 1200, 1, False)
    problems = [(row.line, row.problem.field, row.problem.code) for row in done.results if row.problem]
    assert problems == [(1202, "/email", "invalid_argument")]
    assert [at.rows for at in seen] == [500, 1000, 1201]
    assert seen[-1].bytes == seen[-1].bytes_total == file.stat().st_size
    again = t.users.import_file(str(file), account="acme", role="viewer")
    assert (again.members, again.refused) == (0, 1201)


def test_false_stops_and_what_is_in_stays(t: tenantry.Tenantry) -> None:
    done = t.users.import_file(rows(600), account="acme", role="viewer", progress=lambda at: False)
    assert (done.rows, done.members, done.stopped) == (500, 500, True)
    done = t.users.import_file(rows(600), account="acme", role="viewer", progress=lambda at: None)
    assert (done.members, done.refused, done.stopped) == (100, 500, False)


def test_what_progress_raises_is_raised(t: tenantry.Tenantry) -> None:
    class Enough(Exception):
        pass

    def progress(at: tenantry.ImportProgress) -> None:
        raise Enough(at.rows)

    with pytest.raises(Enough, match="500"):
        t.users.import_file(rows(600), account="acme", role="viewer", progress=progress)
    assert t.users.export_csv(account="acme").rows == 503
    broken: Any = "no function"
    with pytest.raises(TypeError):
        t.users.import_file(rows(1), account="acme", role="viewer", progress=broken)


def test_other_threads_run_between_the_callbacks(t: tenantry.Tenantry) -> None:
    assert another_thread_runs_during(lambda: t.users.import_file(rows(100), account="acme", role="viewer"))


def test_all_or_nothing(t: tenantry.Tenantry) -> None:
    done = t.users.import_file(rows(10) + b"nobody\n", account="acme", role="viewer", atomic=True)
    assert (done.rows, done.members, done.refused) == (11, 0, 1)
    with pytest.raises(tenantry.InvalidArgument) as refused:
        t.users.import_file(rows(1001), account="acme", role="viewer", atomic=True)
    assert refused.value.field == "/atomic"


def test_what_is_no_file_of_users_is_refused(t: tenantry.Tenantry, tmp_path: Path) -> None:
    before = t.store.state_hash()
    for file, line in ((b"", 1), (b"email,colour\n", 1), (b"email\na@b.example\n\xff\n", 3)):
        with pytest.raises(tenantry.InvalidArgument) as refused:
            t.users.import_file(file, account="acme", role="viewer")
        assert (refused.value.code, refused.value.details["line"]) == ("csv_invalid", line)
    with pytest.raises(tenantry.NotFound):
        t.users.import_file(rows(1), account="nobody")
    with pytest.raises(FileNotFoundError):
        t.users.import_file(tmp_path / "missing.csv", account="acme")
    no_file: Any
    for no_file in (5, None, bytearray(b"email\n")):
        with pytest.raises(tenantry.InvalidArgument):
            t.users.import_file(no_file, account="acme")
    assert t.store.state_hash() == before


def test_every_actor_imports_what_they_may(t: tenantry.Tenantry) -> None:
    olga, ann = t.acting(user="olga", account="acme"), t.acting(user="ann", account="acme")
    assert olga.users.import_file(rows(1), account="acme", role="viewer").members == 1
    with pytest.raises(tenantry.Refused):
        ann.users.import_file(rows(1), account="acme", role="viewer")
    with pytest.raises(tenantry.NotFound) as refused:
        t.operating(user="ann").users.import_file(rows(1), account="acme", role="viewer")
    assert refused.value.details["kind"] == "operator"


def test_what_comes_out_goes_in_again(t: tenantry.Tenantry) -> None:
    t.members.add(account="acme", email="+eve@acme.example", first_name="=1+1", last_name="'=Eve, \"E\"", role="viewer")
    t.accounts.create(id="bolt", name="Bolt", owner={"user": "otto", "email": "otto@bolt.example"})
    out = t.users.export_csv(account="acme").csv
    with tenantry.open(":memory:") as other:
        other.roles.create(id="sender", name="Sender")
        other.roles.create(id="viewer", name="Viewer")
        other.accounts.create(id="acme", name="Acme", owner={"user": "olga", "email": "olga@acme.example"})
        done = other.users.import_csv(account="acme", csv=out)
        assert [row.problem.code for row in done.results if row.problem] == ["already_member"]
        assert other.users.export_csv(account="acme").csv == out
