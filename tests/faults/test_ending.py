"""SIGTERM at any moment: an orderly end within ten seconds, and nothing lost."""

from __future__ import annotations

import random
import signal
import time

import pytest
from support.audit import audit
from support.fleet import OWN_DEADLINE, READING
from support.traffic import Traffic

END_MAX_S = 10.0


def ended_in_time(worker, codes=(0,)):
    worker.signal(signal.SIGTERM)
    began = time.monotonic()
    assert worker.ended(60) in codes, worker.said()[-3000:]
    assert time.monotonic() - began < END_MAX_S, worker.said()[-3000:]
    return worker.process.returncode


@pytest.mark.parametrize("after_s", [0.0, 0.2, 0.4, 0.7, 1.0, 1.5, 2.0, 3.0])
def test_sigterm_while_it_starts_is_an_orderly_end(kafka, fleet_on, after_s):
    fleet = fleet_on(kafka)
    worker = fleet.start("early")
    time.sleep(after_s)
    code = ended_in_time(worker, codes=(0, -signal.SIGTERM))
    assert "Traceback" not in worker.said()
    if code:  # before our first line ran, so before anything was opened
        assert worker.said() == ""
        assert not fleet.settings.data_dir.exists()


def test_sigterm_in_the_middle_of_flushes_loses_nothing(fleet):
    chance = random.Random(5)
    with Traffic(fleet.settings, events_n=30_000, seed=5, pause_s=0.02):
        for _ in range(4):
            worker = fleet.start("a")
            fleet.until(lambda worker=worker: READING in worker.said())
            time.sleep(chance.uniform(0.2, 1.5))
            ended_in_time(worker)
            assert "ended by SIGTERM" in worker.said()
    fleet.finish("a")
    assert audit(fleet.settings, fleet.settings.warehouse_file).is_clean


def test_sigterm_while_the_broker_hangs_or_is_gone_is_an_orderly_end(kafka, fleet_on):
    fleet = fleet_on(kafka)
    worker = fleet.start("hangs")
    fleet.until(lambda: READING in worker.said())
    kafka.signal(signal.SIGSTOP)
    try:
        time.sleep(1)
        ended_in_time(worker)
    finally:
        kafka.signal(signal.SIGCONT)
    worker = fleet.start("gone")
    fleet.until(lambda: READING in worker.said())
    kafka.kill()
    try:
        time.sleep(3)
        ended_in_time(worker)
    finally:
        kafka.start()
    assert "Traceback" not in worker.said()


def test_a_disk_that_hangs_does_not_keep_a_told_worker_beyond_ten_seconds(kafka, fleet_on):
    fleet = fleet_on(kafka)
    worker = fleet.start("slow", ODD_FLUSH_HANGS_S="60")
    with Traffic(fleet.settings, events_n=2_000, seed=1, pause_s=0.0):
        fleet.until(lambda: "flush hangs" in worker.said())
    ended_in_time(worker, codes=(3,))
    assert OWN_DEADLINE in worker.said()
    fleet.finish("slow")
    assert audit(fleet.settings, fleet.settings.warehouse_file).is_clean
