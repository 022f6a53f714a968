"""A full disk is told as one; what a dead process left is removed; another log is refused."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import duckdb
import pytest
from support.log import batch, message
from support.simulated import warehouse

from streams.errors import IntegrityError
from streams.events.topics import Topic
from streams.pipeline import Pipeline
from streams.settings import Settings
from streams.warehouse import publish
from streams.warehouse.trouble import disk_trouble

PATH = Path("worker.duckdb")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_disk_that_takes_no_more_is_named_with_what_to_do(code):
    ours = disk_trouble(OSError(code, os.strerror(code)), PATH)
    theirs = disk_trouble(
        duckdb.IOException(f"IO Error: Could not write: {os.strerror(code)}"), PATH
    )
    for said in (ours, theirs):
        assert said.exit_code == 3
        assert os.strerror(code) in str(said)
        assert "Make room" in str(said)


def test_other_errors_are_not_the_disks():
    assert disk_trouble(OSError(errno.EACCES, "Permission denied"), PATH) is None
    assert disk_trouble(ValueError(os.strerror(errno.ENOSPC)), PATH) is None


def test_half_a_copy_does_not_stay_behind(tmp_path, monkeypatch):
    settings = warehouse(tmp_path / "data", events_n=500)
    con = duckdb.connect(str(settings.worker_file))

    def broken(_, coming):
        coming.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(publish.shutil, "copyfile", broken)
    target = settings.published_dir / settings.worker_file.name
    with pytest.raises(OSError, match="full"):
        publish.snapshot(con, settings.worker_file, target, keep_n=2)
    con.close()
    assert list(settings.published_dir.glob(".*coming*")) == []


def test_what_a_merge_that_was_killed_left_is_removed_with_its_wal(tmp_path):
    settings = warehouse(tmp_path / "data", events_n=500)
    for name in (".warehouse.duckdb.99999999.coming", ".warehouse.duckdb.99999999.coming.wal"):
        (settings.published_dir / name).write_bytes(b"left")
    sources = settings.published_dir.glob(publish.WORKER_GLOB)
    publish.merge(sources, settings.warehouse_file, memory="200MB", keep_n=2)
    assert list(settings.published_dir.glob(".*coming*")) == []


def test_a_log_with_another_number_of_partitions_is_refused(tmp_path):
    settings = Settings(data_dir=tmp_path)
    pipeline = Pipeline(settings)
    pipeline.agree_on_partitions(4)
    pipeline.agree_on_partitions(4)
    pipeline.close()
    again = Pipeline(settings)
    with pytest.raises(IntegrityError, match=r"8 partitions, this file was made from 4"):
        again.agree_on_partitions(8)
    again.close()


def test_a_shard_of_another_log_is_not_taken_over(tmp_path):
    first = warehouse(tmp_path, events_n=500)
    old = Pipeline(first)
    old.agree_on_partitions(4)
    old.publish()
    old.close()
    new = Pipeline(first.model_copy(update={"worker_id": "new"}))
    new.agree_on_partitions(8)
    with pytest.raises(IntegrityError, match="another number of partitions"):
        new.assign(frozenset({0}))
    new.close()


def read(settings, worker_id, messages_n, *, first_offset):
    """A worker that reads shard 0 of the listens from an offset on, publishes and ends."""
    pipeline = Pipeline(settings.model_copy(update={"worker_id": worker_id}))
    wanted = pipeline.assign(frozenset({0}))["listens", 0]
    sent = [message(Topic.LISTENS, f"e{first_offset + n}") for n in range(messages_n)]
    pipeline.add(batch(Topic.LISTENS, sent, first_offset=first_offset))
    pipeline.flush()
    pipeline.publish()
    pipeline.close()
    return wanted


def test_a_copy_that_began_late_is_not_taken_for_one_that_is_further(tmp_path):
    settings = Settings(data_dir=tmp_path / "whole")
    read(settings, "whole", 20, first_offset=0)
    apart = Settings(data_dir=tmp_path / "apart")
    read(apart, "late", 5, first_offset=100)  # Kafka had deleted what came before
    late = apart.published_dir / "worker-late.duckdb"
    late.rename(settings.published_dir / late.name)
    assert read(settings, "heir", 1, first_offset=20) == 20
