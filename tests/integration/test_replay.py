"""A replay from the broker and one from files give the warehouse that workers made."""

from __future__ import annotations

import json

import pytest
from kafka import KafkaAdminClient

from listenback.cli import run
from streams.event_writer import JsonlWriter
from streams.kafka_writer import KafkaWriter
from streams.pipeline import Pipeline
from streams.replay.kafka import KafkaSource
from streams.simulate.plan import Plan
from streams.simulate.simulation import simulate
from streams.worker import WorkerOptions, run_worker

pytestmark = pytest.mark.integration

PLAN = Plan(events_n=3_000, seed=5)


@pytest.fixture
def live(settings, tmp_path):
    """A worker has read a simulated log, which is in files, too."""
    simulation = simulate(PLAN)
    with KafkaWriter(settings) as kafka, JsonlWriter(tmp_path / "log") as files:
        for topic, records in simulation.records(700):
            kafka.write(topic, records)
            files.write(topic, records)
    pipeline = Pipeline(settings)
    run_worker(settings, pipeline, WorkerOptions(until_idle_s=0.3))
    pipeline.close()
    return settings


def replay(live, capsys, *args):
    places = ["--data-dir", str(live.data_dir), "--topic-prefix", live.topic_prefix]
    broker = ["--bootstrap", live.bootstrap, "--partitions-n", str(live.partitions_n)]
    code = run(["replay", *places, *broker, "--json", *args])
    return code, json.loads(capsys.readouterr().out)


def test_topics_and_files_give_the_content_that_the_worker_made(live, tmp_path, capsys):
    code, from_kafka = replay(live, capsys, "--from", "kafka")
    assert (code, from_kafka["is_compared"], from_kafka["differing"]) == (0, True, [])
    code, from_files = replay(live, capsys, "--from", "jsonl", "--input", str(tmp_path / "log"))
    assert (code, from_files["hash"]) == (0, from_kafka["hash"])
    code, to_the_end = replay(live, capsys, "--from", "kafka", "--until", "end")
    assert (code, to_the_end["hash"]) == (0, from_kafka["hash"])
    assert to_the_end["is_compared"] is False


def test_a_replay_leaves_no_trace_in_kafka(live, capsys):
    client = KafkaAdminClient(bootstrap_servers=live.bootstrap)
    before = sorted(group["group_id"] for group in client.list_groups())
    replay(live, capsys, "--from", "kafka")
    assert sorted(group["group_id"] for group in client.list_groups()) == before
    client.close()


def test_a_part_of_the_log_is_what_lies_between_the_offsets(live):
    source = KafkaSource(live)
    whole = {}
    for batch in source.batches({}, None):
        whole.setdefault((batch.topic, batch.shard), []).extend(batch.offsets)
    assert sum(map(len, whole.values())) == simulate(PLAN).records_n
    end = {at: len(offsets) // 2 for at, offsets in whole.items()}
    start = {at: offset // 2 for at, offset in end.items()}
    found = {}
    for batch in source.batches(start, end):
        found.setdefault((batch.topic, batch.shard), []).extend(batch.offsets)
    expected = {at: list(range(start[at], end[at])) for at in end if start[at] < end[at]}
    assert found == expected
