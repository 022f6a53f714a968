"""`doctor` sees that the next snapshot has no room, and that a night was missed."""

from __future__ import annotations

import datetime as dt
import shutil
from types import SimpleNamespace

import pytest

from listenback.file_findings import of_nights, room
from listenback.findings import findings
from streams.settings import Settings
from streams.warehouse import copying
from streams.warehouse.connect import LOG_BYTES_MAX

TODAY = dt.date(2026, 11, 23)


@pytest.fixture
def settings(tmp_path):
    made = Settings(data_dir=tmp_path / "data")
    made.worker_file.parent.mkdir(parents=True)
    return made


@pytest.mark.parametrize(("free_bytes", "state"), [(7_999, "warn"), (8_000, "ok")])
def test_a_snapshot_needs_room_for_two_copies_of_the_largest_file_with_its_log(
    settings, monkeypatch, free_bytes, state
):
    folder = settings.worker_file.parent
    (folder / "worker-a.duckdb").write_bytes(bytes(1_000))
    (folder / "worker-b.duckdb").write_bytes(bytes(3_000))
    (folder / "worker-b.duckdb.wal").write_bytes(bytes(1_000))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free_bytes))
    one = room(settings)
    assert one.state == state
    assert "publishing worker-b.duckdb needs" in one.says
    assert ("Make room" in one.todo) == (state == "warn")


@pytest.mark.parametrize(("free_bytes", "state"), [(-1, "warn"), (0, "ok")])
def test_a_file_copied_behind_commits_needs_room_for_the_log_of_them(
    settings, monkeypatch, free_bytes, state
):
    size = copying.COPY_BEHIND_BYTES_MIN
    with (settings.worker_file.parent / "worker-a.duckdb").open("wb") as file:
        file.truncate(size)
    free = SimpleNamespace(free=size + LOG_BYTES_MAX + free_bytes)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
    assert room(settings).state == state


def test_without_a_worker_file_there_is_nothing_to_make_room_for(settings):
    assert (room(settings).state, room(settings).says) == ("ok", "no worker has a file yet")


@pytest.mark.parametrize(("days_ago", "missed_n"), [(0, 0), (1, 0), (2, 1), (9, 8)])
def test_a_night_older_than_yesterday_is_a_warning_that_counts_those_missed(days_ago, missed_n):
    kept = [dt.date(2026, 10, 1), TODAY - dt.timedelta(days_ago)]
    one = of_nights(kept, today=TODAY)
    assert one.state == ("warn" if missed_n else "ok")
    assert one.says.startswith(f"2 pinned, the last of {kept[-1]}")
    assert (f"({missed_n} in all)" in one.says) == bool(missed_n)


def test_nobody_has_to_make_nights():
    assert of_nights([], today=TODAY).state == "ok"


def test_doctor_looks_at_room_and_nights_without_a_broker(settings):
    night = settings.nights_dir / "2020-01-01"
    night.mkdir(parents=True)
    (night / "night.json").write_text("{}")
    flags = {"data_dir": settings.data_dir, "bootstrap": "127.0.0.1:1"}
    found = {one.check: one for one in findings(flags)}
    assert (found["broker"].state, found["room"].state) == ("fail", "ok")
    assert (found["nights"].state, "2020-01-01" in found["nights"].says) == ("warn", True)
