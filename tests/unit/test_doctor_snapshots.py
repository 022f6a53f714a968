"""`doctor` sees rows that readers do not see."""

from __future__ import annotations

import os

import pytest
from support.simulated import warehouse

from listenback.findings import findings


@pytest.fixture
def settings(tmp_path):
    return warehouse(tmp_path / "data", events_n=1_000)


def found(settings):
    """The finding on the warehouse; no broker is asked, port 1 refuses at once."""
    flags = {"data_dir": settings.data_dir, "bootstrap": "127.0.0.1:1"}
    return next(one for one in findings(flags) if one.check == "warehouse")


def shifted(path, seconds):
    at = path.stat().st_mtime + seconds
    os.utime(path, (at, at))


def test_a_warehouse_that_shows_all_there_is_is_well(settings):
    assert found(settings).state == "ok"


def test_workers_whose_snapshots_nobody_merges_are_a_warning(settings):
    other = settings.published_dir / "worker-other.duckdb"
    other.write_bytes(settings.warehouse_file.read_bytes())
    shifted(other, 300)
    one = found(settings)
    assert one.state == "warn"
    assert "2 workers publish, it is 3" in one.says
    assert "listenback publish --every" in one.todo


def test_a_worker_that_commits_and_does_not_publish_is_a_warning(settings):
    shifted(settings.worker_file, 300)
    one = found(settings)
    assert (one.state, "has rows that it has not published" in one.says) == ("warn", True)
