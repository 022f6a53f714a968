"""Each trouble from outside has one defined end: the worker waits, or stops and says why."""

from __future__ import annotations

import os
import shutil
import subprocess
import time

import duckdb
import pytest
from kafka import TopicPartition
from kafka.admin import NewPartitions
from support.audit import audit
from support.fleet import READING
from support.traffic import Traffic

from streams.topics import admin

AWAY_S = 60
DISK_BYTES = 24 << 20


def send(fleet, events_n=3_000, seed=1):
    with Traffic(fleet.settings, events_n=events_n, seed=seed, pause_s=0.0):
        pass


def assert_clean(fleet):
    found = audit(fleet.settings, fleet.settings.warehouse_file)
    assert found.is_clean, found
    assert found.events_n > 0


def reading(fleet, *args, **variables):
    worker = fleet.start("a", *args, **variables)
    fleet.until(lambda: READING in worker.said())
    return worker


def test_a_broker_that_is_away_for_a_while_is_waited_for(kafka, fleet_on):
    fleet = fleet_on(kafka)
    with Traffic(fleet.settings, events_n=10_000, seed=2, pause_s=0.1) as traffic:
        worker = reading(fleet)
        kafka.kill()
        time.sleep(AWAY_S)
        kafka.start()
        fleet.until(lambda: traffic.retries_n > 0)
    assert worker.is_running, worker.said()[-3000:]
    worker.kill()
    fleet.finish("a")
    assert_clean(fleet)


def test_a_broker_that_dies_again_and_again_costs_nothing(kafka, fleet_on):
    fleet = fleet_on(kafka)
    with Traffic(fleet.settings, events_n=20_000, seed=3, pause_s=0.1):
        workers = [fleet.start("a"), fleet.start("b")]
        for _ in range(3):
            time.sleep(4)
            kafka.kill()
            kafka.start()
    assert all(worker.is_running for worker in workers), [w.said()[-3000:] for w in workers]
    for worker in workers:
        worker.kill()
    fleet.finish("a", "b")
    assert_clean(fleet)


def test_a_topic_that_is_missing_ends_the_start_with_the_command_that_makes_it(kafka, fleet_on):
    fleet = fleet_on(kafka)
    with admin(fleet.settings) as client:
        client.delete_topics([fleet.settings.topic("feedback")])
    worker = fleet.start("a")
    assert worker.ended() == 2
    assert "listenback topics create" in worker.said()


def test_a_topic_that_is_deleted_under_it_ends_the_worker(kafka, fleet_on):
    fleet = fleet_on(kafka, LISTENBACK=None) if False else fleet_on(kafka)
    worker = reading(fleet)
    with admin(fleet.settings) as client:
        client.delete_topics([fleet.settings.topic("feedback")])
    assert worker.ended() == 5, worker.said()[-3000:]
    assert "feedback" in worker.said()


@pytest.mark.parametrize("names", [["feedback"], None], ids=["one topic", "all topics"])
def test_partitions_that_are_added_end_the_worker_and_keep_it_from_starting(kafka, fleet_on, names):
    fleet = fleet_on(kafka)
    send(fleet)
    worker = reading(fleet)
    grown = names or ["exposures", "listens", "feedback", "judge-scores", "human-labels"]
    with admin(fleet.settings) as client:
        client.create_partitions({fleet.settings.topic(n): {"count": 8} for n in grown})
    assert worker.ended() == 5, worker.said()[-3000:]
    assert "partitions" in worker.said()
    again = fleet.start("a")
    assert again.ended() == 5, again.said()[-3000:]
