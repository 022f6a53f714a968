"""The worker as a process: killed at any moment it loses and doubles nothing; readers go on."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest
from support.oracle import differences

from streams.kafka_writer import KafkaWriter
from streams.simulate.plan import Plan
from streams.simulate.simulation import simulate
from streams.topics import create_topics

pytestmark = pytest.mark.integration

LISTENBACK = Path(sys.executable).with_name("listenback")
KILLS_N = 3
SEED = 11
END_WAIT_MAX_S = 120


@pytest.fixture
def log(make_settings):
    """A broker with a simulated log, settings for many small flushes, and the truth."""
    settings = make_settings(partitions_n=4)
    create_topics(settings)
    simulation = simulate(Plan(events_n=40_000))
    with KafkaWriter(settings) as writer:
        for topic, records in simulation.records():
            writer.write(topic, records)
    return settings, simulation.truth()["counts"]


@pytest.fixture
def environment(log):
    settings, _ = log
    return {
        **os.environ,
        "LISTENBACK_BOOTSTRAP": settings.bootstrap,
        "LISTENBACK_TOPIC_PREFIX": settings.topic_prefix,
        "LISTENBACK_GROUP": settings.group,
        "LISTENBACK_DATA_DIR": str(settings.data_dir),
        "LISTENBACK_FLUSH_ROWS_MAX": "3000",
        "LISTENBACK_PUBLISH_INTERVAL_S": "0.2",
        "LISTENBACK_PUBLISH_SHARE_MAX": "1",
        "LISTENBACK_SESSION_TIMEOUT_S": "2",
        "LISTENBACK_REBALANCE_TIMEOUT_S": "3",
    }


def read_n(settings):
    """Messages behind the published snapshot; 0 while there is none."""
    try:
        with duckdb.connect(str(settings.warehouse_file), read_only=True) as con:
            return con.sql("SELECT coalesce(sum(read_n), 0)::BIGINT FROM topic_shard").fetchall()[
                0
            ][0]
    except duckdb.Error:
        return 0


def finish(environment):
    done = subprocess.run(
        [LISTENBACK, "worker", "--until-idle", "1"],
        env=environment,
        capture_output=True,
        check=False,
        timeout=END_WAIT_MAX_S,
    )
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.faults  # no fault of a machine, but long
def test_kills_lose_and_double_nothing_and_queries_work_meanwhile(log, environment):
    settings, truth = log
    chance = random.Random(SEED)
    queried = []
    for _ in range(KILLS_N):
        before = read_n(settings)
        with subprocess.Popen(
            [LISTENBACK, "worker"], env=environment, stderr=subprocess.DEVNULL
        ) as worker:
            deadline = time.monotonic() + END_WAIT_MAX_S
            while read_n(settings) == before and time.monotonic() < deadline:
                time.sleep(0.02)
            time.sleep(chance.uniform(0, 0.4))
            asked = subprocess.run(
                [LISTENBACK, "query", "select * from window_aggregate limit 5", "--json"],
                env=environment,
                capture_output=True,
                check=True,
            )
            queried.append(len(json.loads(asked.stdout)))
            worker.kill()
    finish(environment)
    assert len(queried) == KILLS_N
    assert queried[-1] == 5, "the first flush may hold judge scores alone, the last holds windows"
    with duckdb.connect(str(settings.worker_file)) as con:
        assert differences(con) == {}
        booked = con.sql(
            "SELECT topic, sum(read_n)::BIGINT, sum(accepted_n)::BIGINT, sum(duplicate_n)::BIGINT, "
            "sum(dead_lettered_n)::BIGINT FROM topic_shard GROUP BY topic"
        ).fetchall()
    assert {topic: counts for topic, *counts in booked} == {
        topic: [one["records"], one["events"], one["duplicates"], one["poison"]]
        for topic, one in truth.items()
    }
