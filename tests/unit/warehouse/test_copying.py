"""A large file is copied behind later commits: its snapshot is what the checkpoint was."""

from __future__ import annotations

import errno
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.simulated import SHARDS_N, batches

from streams import pipeline as piping
from streams.pipeline import Pipeline
from streams.settings import Settings
from streams.simulate.plan import Plan
from streams.warehouse import copying
from streams.warehouse.connect import first_row, open_readable
from streams.warehouse.content import content_of

MANY_N = 60_000
"""Of which a flush fills row groups, which DuckDB writes to the file at once."""
FEW_N = 2_000
LOG_SETTING = "SELECT current_setting('wal_autocheckpoint')"


class Gate:
    """Holds a copy at its beginning until the test lets it go."""

    def __init__(self, monkeypatch):
        self.is_open = threading.Event()
        self.begun_n = 0
        self.really = copying.copy
        monkeypatch.setattr(copying, "copy", self)
        monkeypatch.setattr(piping, "COPY_BEHIND_BYTES_MIN", 0)

    def __call__(self, source, target, is_unwanted):
        self.begun_n += 1
        assert self.is_open.wait(30)
        self.really(source, target, is_unwanted)


@pytest.fixture
def gate(monkeypatch):
    return Gate(monkeypatch)


def halves(events_n):
    """The records of a small world, the earlier and the later."""
    found = list(batches(Plan(events_n=events_n), rows_max=events_n // 12))
    return found[: len(found) // 2], found[len(found) // 2 :]


@pytest.fixture(scope="module")
def parts():
    return halves(FEW_N)


@pytest.fixture
def worker(tmp_path):
    made = Pipeline(Settings(data_dir=tmp_path, publish_interval_s=0, publish_share_calm_max=1))
    made.assign(frozenset(range(SHARDS_N)))
    yield made
    made.close()


def flush(worker, found):
    for batch in found:
        worker.add(batch)
    worker.flush()


def published(worker):
    """The content of what readers see; None where there is nothing."""
    path = worker._settings.warehouse_file
    if not path.exists():
        return None
    con = open_readable(path)
    try:
        return content_of(con)
    finally:
        con.close()


def coming(worker):
    return list(worker._settings.published_dir.glob("*.coming*"))


def until_copied(worker):
    worker._copy._thread.join(30)
    assert not worker._copy.is_under_way


def until_published(worker):
    worker._publish_took_ms = worker._copy_took_ms = 0.0
    if not worker.publish_if_due():
        until_copied(worker)
        assert worker.publish_if_due()


def test_a_snapshot_is_the_checkpoint_whatever_was_committed_while_it_was_copied(worker, gate):
    parts = halves(MANY_N)
    flush(worker, parts[0])
    assert not worker.publish_if_due(), "it is being copied"
    at_checkpoint = content_of(worker._con)
    size = worker._settings.worker_file.stat().st_size
    flush(worker, parts[1])
    after = content_of(worker._con)
    assert after.hash != at_checkpoint.hash
    assert worker._settings.worker_file.stat().st_size > size, "blocks were written meanwhile"
    assert not worker.publish_if_due()
    assert published(worker) is None
    gate.is_open.set()
    until_copied(worker)
    assert worker.publish_if_due()
    assert published(worker) == at_checkpoint
    assert worker.published_flushes_n == 1
    worker._publish_took_ms = worker._copy_took_ms = 0.0
    assert not worker.publish_if_due(), "the second flush is being copied"
    until_copied(worker)
    assert worker.publish_if_due()
    assert published(worker) == after
    assert worker.published_flushes_n == 2
    assert coming(worker) == []


def test_no_log_forces_a_checkpoint_while_a_file_is_copied(worker, parts, gate, monkeypatch):
    monkeypatch.setattr(copying, "LOG_BYTES_MAX", 4_096)
    copying.allow_log(worker._con, copying.LOG_BYTES_MAX)
    flush(worker, parts[0])
    usual = first_row(worker._con, LOG_SETTING)
    assert not worker.publish_if_due()
    at_checkpoint = content_of(worker._con)
    flush(worker, parts[1])
    log = worker._settings.worker_file.with_name("worker-0.duckdb.wal")
    assert log.stat().st_size > copying.LOG_BYTES_MAX
    gate.is_open.set()
    until_copied(worker)
    assert worker.publish_if_due()
    assert published(worker) == at_checkpoint
    assert first_row(worker._con, LOG_SETTING) == usual


def test_publishing_now_does_not_wait_for_a_copy_and_leaves_nothing_of_it(worker, parts, gate):
    flush(worker, parts[0])
    assert not worker.publish_if_due()
    flush(worker, parts[1])
    threading.Timer(0.2, gate.is_open.set).start()
    worker.publish()
    assert published(worker) == content_of(worker._con)
    assert worker.published_flushes_n == 2
    worker._publish_took_ms = worker._copy_took_ms = 0.0
    assert not worker.publish_if_due(), "nothing changed since"
    assert (gate.begun_n, coming(worker)) == (1, [])


def test_a_worker_that_ends_leaves_no_half_copy(tmp_path, parts, gate):
    worker = Pipeline(Settings(data_dir=tmp_path, publish_interval_s=0))
    worker.assign(frozenset(range(SHARDS_N)))
    flush(worker, parts[0])
    assert not worker.publish_if_due()
    gate.is_open.set()
    worker.close()
    assert coming(worker) == []
    again = Pipeline(Settings(data_dir=tmp_path, publish_interval_s=0))
    assert not again.publish_if_due(), "it is ahead of what was published: copied again"
    again.close()
    assert gate.begun_n == 2


def test_a_copy_that_finds_no_room_is_an_error_and_is_made_again(worker, parts, gate, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    flush(worker, parts[0])
    with monkeypatch.context() as patch:
        patch.setattr(copying, "copy", full)
        assert not worker.publish_if_due()
        until_copied(worker)
        assert coming(worker) == [], "the log of the next commit needs that room"
        with pytest.raises(OSError, match="No space left"):
            worker.publish_if_due()
    assert (published(worker), coming(worker)) == (None, [])
    assert worker.published_flushes_n == 0
    gate.is_open.set()
    assert not worker.publish_if_due()
    until_copied(worker)
    assert worker.publish_if_due()
    assert published(worker) == content_of(worker._con)


def test_no_copy_is_begun_that_would_leave_the_log_no_room(worker, parts, gate, monkeypatch):
    flush(worker, parts[0])
    room = worker._settings.worker_file.stat().st_size + copying.LOG_BYTES_MAX
    free = SimpleNamespace(free=room - 1_000_000)
    with monkeypatch.context() as patch:
        patch.setattr(copying.shutil, "disk_usage", lambda _: free)
        with pytest.raises(OSError, match="no room for a copy") as found:
            worker.publish_if_due()
    assert found.value.errno == errno.ENOSPC
    assert (gate.begun_n, coming(worker)) == (0, [])
    flush(worker, parts[1])
    gate.is_open.set()
    until_published(worker)
    assert published(worker) == content_of(worker._con)


def test_a_copy_shorter_than_the_file_is_none(tmp_path, monkeypatch):
    source = tmp_path / "source"
    source.write_bytes(b"x" * 100)
    monkeypatch.setattr(copying, "_copied_some", lambda *_: 0)
    with pytest.raises(OSError, match="shorter than the file"):
        copying.copy(source, tmp_path / "target", threading.Event())


def test_a_folder_that_refuses_the_removal_does_not_keep_a_worker_from_ending(
    tmp_path, parts, gate, monkeypatch
):
    def refused(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    worker = Pipeline(Settings(data_dir=tmp_path, publish_interval_s=0))
    worker.assign(frozenset(range(SHARDS_N)))
    flush(worker, parts[0])
    assert not worker.publish_if_due()
    gate.is_open.set()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refused)
        worker.close()
    assert len(coming(worker)) == 1, "the next snapshot removes it"
    again = Pipeline(Settings(data_dir=tmp_path, publish_interval_s=0))
    again.assign(frozenset(range(SHARDS_N)))
    again.publish()
    assert coming(again) == []
    assert again.is_all_published
    again.close()


def test_what_is_on_its_way_is_not_published_yet(worker, parts, gate):
    assert worker.is_all_published
    flush(worker, parts[0])
    assert not worker.is_all_published
    worker.publish()
    assert worker.is_all_published
    flush(worker, parts[1])
    worker._publish_took_ms = 0.0
    assert not worker.publish_if_due()
    worker.published_flushes_n = 2
    assert not worker.is_all_published, "a copy is under way"
    gate.is_open.set()
    until_copied(worker)
    assert worker.publish_if_due()
    assert worker.is_all_published


@pytest.mark.parametrize("is_large", [True, False])
def test_what_could_not_be_linked_is_published_again(worker, parts, gate, monkeypatch, is_large):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(piping, "COPY_BEHIND_BYTES_MIN", 0 if is_large else 1 << 40)
    gate.is_open.set()
    flush(worker, parts[0])
    with monkeypatch.context() as patch:
        patch.setattr(piping.publish, "link", full)
        with pytest.raises(OSError, match="No space left"):
            until_published(worker)
    assert (published(worker), worker.published_flushes_n) == (None, 0)
    until_published(worker)
    assert published(worker) == content_of(worker._con)
    assert worker.published_flushes_n == 1


@pytest.mark.parametrize("number", [None, errno.EXDEV])
def test_a_copy_is_byte_equal_in_the_kernel_and_without(tmp_path, monkeypatch, number):
    def refused(*_):
        raise OSError(number, "not here")

    if number:
        monkeypatch.setattr(copying.os, "copy_file_range", refused, raising=False)
    monkeypatch.setattr(copying, "CHUNK_BYTES", 1_000)
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(bytes(range(256)) * 40)
    is_unwanted = threading.Event()
    copying.copy(source, target, is_unwanted)
    assert target.read_bytes() == source.read_bytes()
    is_unwanted.set()
    with pytest.raises(copying.AbandonedError):
        copying.copy(source, target, is_unwanted)


def test_a_worker_that_is_behind_publishes_less_often_than_one_that_keeps_up(tmp_path):
    worker = Pipeline(
        Settings(
            data_dir=tmp_path,
            publish_interval_s=5,
            publish_share_max=0.1,
            publish_share_calm_max=0.5,
        )
    )
    worker._publish_took_ms = 4_000
    worker._is_behind = True
    assert worker._publish_wait_ms == 40_000
    worker._is_behind = False
    assert worker._publish_wait_ms == 8_000
    worker._publish_took_ms = 100
    assert worker._publish_wait_ms == 5_000
    worker._copy_took_ms = 9_000
    assert worker._publish_wait_ms == 9_000, "a copy holds nothing up, but is work for the disk"
    worker.close()


@pytest.mark.parametrize(("rows_max", "is_behind"), [(100, True), (1_000_000, False)])
def test_a_full_flush_says_that_the_worker_is_behind(tmp_path, parts, rows_max, is_behind):
    worker = Pipeline(Settings(data_dir=tmp_path, flush_rows_max=rows_max))
    worker.assign(frozenset(range(SHARDS_N)))
    flush(worker, parts[0])
    assert worker._is_behind is is_behind
    worker.close()
