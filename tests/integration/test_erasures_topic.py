"""A request on the topic `erasures` reaches every shard, whenever the worker reads it."""

from __future__ import annotations

import pytest
from support.simulated import batches

from listenback.cli import run
from streams import forgetting
from streams.eraser import send
from streams.events.topics import ERASURES
from streams.kafka_writer import KafkaWriter
from streams.pipeline import Pipeline
from streams.producer import Message, Producer
from streams.simulate.plan import Plan
from streams.simulate.simulation import simulate
from streams.warehouse.connect import open_readable
from streams.worker import WorkerOptions, run_worker

pytestmark = pytest.mark.integration
PLAN = Plan(events_n=600, seed=4)


def user_of_the_log():
    listens = (b for b in batches(PLAN) if b.topic == "listens")
    text = next(listens).values[0].decode()
    return text.partition('"user_key":"')[2][:64]


def work(settings):
    pipeline = Pipeline(settings)
    run_worker(settings, pipeline, WorkerOptions(until_idle_s=0.3))
    pipeline.close()


def test_a_request_is_done_and_what_is_no_request_is_passed_over(make_settings, capsys):
    settings = make_settings(erasure_scrub_interval_s=0)
    assert run(["topics", "create", *flags(settings), "--partitions-n", "2"]) == 0
    capsys.readouterr()
    user = user_of_the_log()
    with KafkaWriter(settings) as kafka:
        for topic, records in simulate(PLAN).records():
            kafka.write(topic, records)
    work(settings)
    request = forgetting.request_of(user, None, 1_700_000_000_000_000)
    assert "published/warehouse.duckdb" in forgetting.residue(settings, request)
    with Producer(settings) as producer:
        producer.send([Message(ERASURES, b"k", b'{"user_key":"nobody"}', 1)])
    send(settings, request)
    work(settings)
    con = open_readable(settings.warehouse_file)
    health = con.sql("SELECT sum(erased_n) > 0, bool_and(is_balanced) FROM pipeline_health")
    assert health.fetchall() == [(True, True)]
    con.close()
    assert forgetting.residue(settings, request) == {}


def flags(settings):
    return ["--bootstrap", settings.bootstrap, "--topic-prefix", settings.topic_prefix]
