"""What the data dir tells Prometheus: who merges, whether the night was made, what is archived."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import threading
from pathlib import Path

import pytest

from listenback.file_findings import nights
from streams.errors import ConfigError
from streams.folder_metrics import Folder
from streams.settings import Settings
from streams.warehouse import night_outcome

HOUR_US = 3_600_000_000


@pytest.fixture
def settings(tmp_path):
    return Settings(data_dir=tmp_path)


def told(folder):
    return {family.name: family.samples[0].value for family in folder.collect()}


def seen(settings):
    folder = Folder(settings)
    folder.look()
    return told(folder)


def put(path, *, at_s, text="x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (at_s, at_s))


def test_an_empty_folder_tells_zeros_and_makes_nothing(settings):
    assert set(seen(settings).values()) == {0}
    assert list(settings.data_dir.iterdir()) == []


def test_the_newest_snapshot_and_the_warehouse_are_told_by_their_times(settings):
    put(settings.published_dir / "worker-a.duckdb", at_s=1_000)
    put(settings.published_dir / "worker-b.duckdb", at_s=2_000)
    put(settings.published_dir / "worker-b.duckdb.1", at_s=9_000)
    put(settings.published_dir / ".worker-c.duckdb.7.coming", at_s=9_000)
    found = seen(settings)
    assert found["listenback_snapshot_timestamp_seconds"] == 2_000
    assert found["listenback_warehouse_timestamp_seconds"] == 0
    put(settings.warehouse_file, at_s=1_500)
    assert seen(settings)["listenback_warehouse_timestamp_seconds"] == 1_500


def test_parts_of_the_archive_are_counted_with_their_bytes_and_nothing_else_is(settings):
    day = settings.archive_dir / "shard=03" / "listen" / "day=2026-10-01"
    put(day / "part-ab.parquet", at_s=1, text="12345")
    put(day / "part-cd.parquet", at_s=1, text="123")
    put(day / ".part-ef.parquet.coming", at_s=1, text="1234567")
    found = seen(settings)
    assert (found["listenback_archive_parts"], found["listenback_archive_bytes"]) == (2, 8)


def test_a_failed_night_leaves_the_moment_of_the_last_good_report(settings):
    where = settings.nights_dir
    night_outcome.note(where, "2026-11-20", is_made=False, at_us=1 * HOUR_US)
    found = seen(settings)
    assert (
        found["listenback_report_failed"],
        found["listenback_report_timestamp_seconds"],
    ) == (1, 0)
    night_outcome.note(where, "2026-11-21", is_made=True, at_us=2 * HOUR_US)
    night_outcome.note(where, "2026-11-22", is_made=False, at_us=3 * HOUR_US)
    found = seen(settings)
    assert found["listenback_report_failed"] == 1
    assert found["listenback_report_timestamp_seconds"] == 2 * 3_600
    one = nights(settings)
    assert (one.state, "2026-11-22, failed" in one.says) == ("warn", True)
    night_outcome.note(where, "2026-11-22", is_made=True, at_us=4 * HOUR_US)
    found = seen(settings)
    assert found["listenback_report_failed"] == 0
    assert found["listenback_report_timestamp_seconds"] == 4 * 3_600
    assert nights(settings).state == "ok"
    assert [path.name for path in where.iterdir()] == [night_outcome.NAME]


@pytest.mark.parametrize("is_made", [False, True])
def test_a_night_gone_by_that_is_made_anew_says_nothing_of_tonight(settings, is_made):
    where = settings.nights_dir
    night_outcome.note(where, "2026-11-22", is_made=is_made, at_us=2 * HOUR_US)
    tonight = seen(settings)
    night_outcome.note(where, "2026-11-20", is_made=not is_made, at_us=3 * HOUR_US)
    assert seen(settings) == tonight
    assert nights(settings).state == ("ok" if is_made else "warn")
    night_outcome.note(where, "2026-11-23", is_made=not is_made, at_us=4 * HOUR_US)
    assert seen(settings)["listenback_report_failed"] == int(is_made)


def test_a_night_noted_while_the_clock_was_wrong_holds_up_no_later_try(settings):
    where = settings.nights_dir
    night_outcome.note(where, "2031-01-01", is_made=False, at_us=9 * HOUR_US)
    night_outcome.note(where, "2026-11-22", is_made=True, at_us=2 * HOUR_US)
    assert night_outcome.last(where) == night_outcome.Outcome(
        "2026-11-22", is_made=True, tried_at_us=2 * HOUR_US, made_at_us=2 * HOUR_US
    )


OURS = {"schema": night_outcome.SCHEMA, "date": "2026-11-22", "is_made": True}
UNREADABLE = [
    *("", "{", "[]", '{"schema": "other/1"}', json.dumps(OURS)),
    json.dumps(OURS | {"tried_at_us": "yesterday", "made_at_us": None}),
    json.dumps(OURS | {"tried_at_us": 1, "made_at_us": None, "date": 20261122}),
]


@pytest.mark.parametrize("text", UNREADABLE)
def test_an_outcome_that_cannot_be_read_is_none_and_is_written_anew(settings, text):
    put(settings.nights_dir / night_outcome.NAME, at_s=1, text=text)
    assert night_outcome.last(settings.nights_dir) is None
    assert seen(settings)["listenback_report_timestamp_seconds"] == 0
    night_outcome.note(settings.nights_dir, "2026-11-22", is_made=True, at_us=HOUR_US)
    assert seen(settings)["listenback_report_timestamp_seconds"] == 3_600


def test_an_outcome_that_cannot_be_kept_is_said(settings):
    put(settings.nights_dir, at_s=1)  # a file where the folder should be
    with pytest.raises(ConfigError, match="cannot be kept"):
        night_outcome.note(settings.nights_dir, "2026-11-22", is_made=True, at_us=1)


@pytest.mark.parametrize("code", [errno.ESTALE, errno.EIO, errno.ETIMEDOUT])
def test_a_disk_that_refuses_leaves_what_was_seen_and_is_said(settings, monkeypatch, caplog, code):
    put(settings.published_dir / "worker-a.duckdb", at_s=1_000)
    put(settings.warehouse_file, at_s=1_500)

    def refuses(*_):
        raise OSError(code, os.strerror(code))

    async def scrapes():
        folder = Folder(settings)
        await folder.refresh()
        before = told(folder)
        with monkeypatch.context() as patch:
            patch.setattr(Path, "glob", refuses)
            await folder.refresh()
        assert told(folder) == before
        put(settings.warehouse_file, at_s=1_600)
        await folder.refresh()
        assert told(folder)["listenback_warehouse_timestamp_seconds"] == 1_600

    asyncio.run(scrapes())
    assert os.strerror(code) in caplog.text


def test_a_disk_that_hangs_holds_up_no_scrape_and_is_asked_once(settings, monkeypatch):
    monkeypatch.setattr("streams.folder_metrics.LOOK_WAIT_MAX_S", 0.01)
    put(settings.warehouse_file, at_s=1_500)
    answers, asked = threading.Event(), []

    def slow(_):
        asked.append(1)
        answers.wait(60)

    monkeypatch.setattr("streams.folder_metrics.night_outcome.last", slow)

    async def scrapes():
        folder = Folder(settings)
        for _ in range(3):
            await folder.refresh()
        assert told(folder)["listenback_warehouse_timestamp_seconds"] == 0
        assert len(asked) <= 1
        answers.set()
        while not told(folder)["listenback_warehouse_timestamp_seconds"]:
            await folder.refresh()

    asyncio.run(scrapes())
    assert asked
