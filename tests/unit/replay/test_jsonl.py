"""JSONL files read as a log: what was written, at the offsets that Kafka would give."""

from __future__ import annotations

from collections import defaultdict

import polars as pl
import pytest
from support.simulated import SHARDS_N, batches

from streams.errors import ConfigError, IntegrityError
from streams.event_writer import RECORD, JsonlWriter
from streams.events.topics import Topic
from streams.replay.jsonl import JsonlSource
from streams.simulate.plan import Plan
from streams.simulate.simulation import simulate

PLAN = Plan(events_n=3_000, seed=3)


def log_of(found):
    """(topic, shard) -> (offset, time, key, value) of each record."""
    log = defaultdict(list)
    for batch in found:
        log[batch.topic, batch.shard] += zip(
            batch.offsets, batch.record_times_ms, batch.keys, batch.values, strict=True
        )
    return dict(log)


def write(folder, topic, *rows):
    with JsonlWriter(folder) as writer:
        writer.write(topic, pl.DataFrame(rows, schema=RECORD, orient="row"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("jsonl")
    with JsonlWriter(folder) as writer:
        for topic, records in simulate(PLAN).records(500):
            writer.write(topic, records)
    return folder


def test_files_hold_the_log_that_was_simulated(folder):
    source = JsonlSource(folder, partitions_n=SHARDS_N)
    assert log_of(source.batches({}, None)) == log_of(batches(PLAN))


def test_a_part_of_the_log_is_what_lies_between_the_offsets(folder):
    source = JsonlSource(folder, partitions_n=SHARDS_N)
    whole = log_of(source.batches({}, None))
    start, end = ({at: len(rows) * part // 5 for at, rows in whole.items()} for part in (2, 4))
    found = log_of(source.batches(start, end))
    assert found == {at: rows[start[at] : end[at]] for at, rows in whole.items()}


def test_what_is_no_json_and_odd_keys_come_back_as_they_were(tmp_path):
    rows = [
        (b'g"1\\\n', b'{"a":"\xc3\xbc,\\"value\\":"}', -5, True),
        (b',"value":', b"\xff\x00", 7, False),
        (None, None, 8, False),
        (b"g", b"", 9, False),
    ]
    write(tmp_path, Topic.LISTENS, *rows)
    ((at, found),) = log_of(JsonlSource(tmp_path, partitions_n=1).batches({}, None)).items()
    assert at == ("listens", 0)
    assert found == [(n, time, key, value) for n, (key, value, time, _) in enumerate(rows)]


def test_a_foreign_line_is_named(tmp_path):
    write(tmp_path, Topic.LISTENS, (b"g", b"{}", 1, True))
    with (tmp_path / "listens.jsonl").open("a") as file:
        file.write('{"event": 1}\n')
    with pytest.raises(ConfigError, match=r"listens\.jsonl:2: .*no record"):
        list(JsonlSource(tmp_path, partitions_n=1).batches({}, None))


def test_a_folder_without_records_is_said(tmp_path):
    with pytest.raises(ConfigError, match=r"none of exposures\.jsonl"):
        JsonlSource(tmp_path, partitions_n=1)


def test_files_that_end_before_the_wanted_offset_are_another_log(folder):
    source = JsonlSource(folder, partitions_n=SHARDS_N)
    with pytest.raises(IntegrityError, match="not its log"):
        list(source.batches({}, {("listens", 0): 1_000_000}))
