"""Three brokers, every partition on all of them, one killed and brought back."""

from __future__ import annotations

import time

import pytest
from support.audit import audit
from support.fleet import READING
from support.kafka.cluster import running_kafka
from support.traffic import Traffic


@pytest.fixture
def three(tmp_path_factory):
    with running_kafka(tmp_path_factory.mktemp("three"), nodes_n=3) as cluster:
        yield cluster


def test_each_of_three_brokers_may_die_while_workers_read_and_producers_send(three, fleet_on):
    fleet = fleet_on(three, replication_n=3, session_timeout_s=6.0)
    with Traffic(fleet.settings, events_n=20_000, seed=6, pause_s=0.1):
        workers = [fleet.start("a"), fleet.start("b")]
        fleet.until(lambda: all(READING in worker.said() for worker in workers))
        for index in range(3):
            three.kill(index)
            time.sleep(5)
            three.start(index)
            time.sleep(3)
    for worker in workers:
        assert worker.is_running, worker.said()[-3000:]
        worker.kill()
    fleet.finish("a", "b")
    found = audit(fleet.settings, fleet.settings.warehouse_file)
    assert found.is_clean, found
    assert found.events_n > 0
