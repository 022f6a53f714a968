"""A merge while workers publish: what they publish meanwhile is not left out."""

from __future__ import annotations

import os

import duckdb
import pytest
from support.log import batch, message

from streams.events.topics import Topic
from streams.pipeline import Pipeline
from streams.settings import Settings
from streams.warehouse import publish


def read(worker, shard=0):
    """Let it read one more play, commit and publish it."""
    number = worker._next[Topic.LISTENS, shard]
    played = message(Topic.LISTENS, f"l{shard}-{number}")
    worker.add(batch(Topic.LISTENS, [played], shard=shard, first_offset=number))
    worker.flush()
    worker.publish()


def started(folder, shard=0):
    worker = Pipeline(Settings(data_dir=folder, worker_id=str(shard)))
    worker.assign(frozenset({shard}))
    read(worker, shard)
    return worker


def merged(place):
    sources = place.published_dir.glob(publish.WORKER_GLOB)
    return publish.merge(sources, place.warehouse_file, memory="500MB", keep_n=3)


def plays_n(place):
    with duckdb.connect(str(place.warehouse_file), read_only=True) as reader:
        return reader.sql("SELECT count(*) FROM listen").fetchall()[0][0]


@pytest.mark.parametrize("is_before", [True, False])
def test_what_a_sole_worker_publishes_while_a_merge_runs_is_in_the_warehouse(
    tmp_path, monkeypatch, is_before
):
    worker, do_merge = started(tmp_path), publish._merged

    def meanwhile(*args, **named):
        taken = None if is_before else do_merge(*args, **named)
        read(worker)
        return do_merge(*args, **named) if is_before else taken

    monkeypatch.setattr(publish, "_merged", meanwhile)
    assert list(merged(worker._settings)) == [0]
    assert plays_n(worker._settings) == 2
    assert not worker._is_changed  # it would not have published that later
    worker.close()


def test_a_merge_of_several_workers_stays_one_whoever_publishes_meanwhile(tmp_path, monkeypatch):
    workers = [started(tmp_path, 0), started(tmp_path, 1)]
    do_merge = publish._merged

    def meanwhile(*args, **named):
        taken = do_merge(*args, **named)
        os.utime(taken[0], ns=(1, 1))  # as if published anew
        return taken

    monkeypatch.setattr(publish, "_merged", meanwhile)
    assert sorted(merged(workers[0]._settings)) == [0, 1]
    assert plays_n(workers[0]._settings) == 2
    for worker in workers:
        worker.close()
