"""Killed, paused, moved: whatever happens to workers, nothing is lost and nothing is doubled."""

from __future__ import annotations

import os
import random
import signal
import time

import duckdb
from support.audit import audit
from support.fleet import OWN_DEADLINE, READING
from support.traffic import Traffic

KILLS_N = 100
SEED = int(os.environ.get("LISTENBACK_FAULT_SEED", random.SystemRandom().randrange(1 << 32)))
"""Another one in every run, printed with a failure; name it to see the same times again."""


def assert_clean(fleet):
    found = audit(fleet.settings, fleet.settings.warehouse_file)
    assert found.is_clean, (SEED, found)
    assert found.events_n > 0
    return found


def told_to_end(worker):
    """In order: 0. Where the machine is too slow for that, by its own deadline of 10 s: 3, told.

    Any other 3 would be a worker that could not publish or commit what it had read.
    """
    worker.signal(signal.SIGTERM)
    code = worker.ended(15)
    assert code == (3 if OWN_DEADLINE in worker.said() else 0), worker.said()[-3000:]


def test_a_hundred_kills_of_two_workers_lose_and_double_nothing(fleet):
    chance = random.Random(SEED)
    with Traffic(fleet.settings, events_n=80_000, seed=SEED, pause_s=0.4) as traffic:
        workers = [fleet.start("a"), fleet.start("b")]
        for _ in range(KILLS_N):
            one = chance.randrange(2)
            if chance.random() < 0.7:  # else it may not have come so far as to read
                fleet.until(lambda worker=workers[one]: READING in worker.said())
            time.sleep(chance.uniform(0.0, 1.0))
            assert workers[one].is_running, workers[one].said()[-3000:]
            workers[one].kill()
            workers[one] = fleet.start("ab"[one])
    for worker in workers:
        worker.kill()
    fleet.finish("a", "b")
    found = assert_clean(fleet)
    assert found.log_n >= traffic.sent_n > 0
    again = fleet.run("replay", "--from", "kafka")
    assert again.returncode == 0, f"a replay says otherwise: {again.stdout}{again.stderr}"
    reading_n = sum(READING in worker.said() for worker in fleet.workers)
    assert reading_n > KILLS_N / 4, "kills that come before a shard is read prove little"


def test_workers_that_come_and_go_during_flushes_lose_and_double_nothing(fleet):
    chance = random.Random(SEED)
    with Traffic(fleet.settings, events_n=60_000, seed=SEED, pause_s=0.1):
        stays = fleet.start("stays")
        for n in range(5):
            comes = fleet.start(f"comes-{n % 3}")
            fleet.until(lambda comes=comes: READING in comes.said())
            time.sleep(chance.uniform(0.0, 1.0))
            told_to_end(comes)
        told_to_end(stays)
    fleet.finish("stays", "comes-0")
    assert_clean(fleet)


def test_a_zombie_that_wakes_up_writes_nothing_wrong(fleet):
    with Traffic(fleet.settings, events_n=40_000, seed=SEED, pause_s=0.1):
        zombie, heir = fleet.start("zombie"), fleet.start("heir")
        fleet.until(lambda: READING in zombie.said() and READING in heir.said())
        for _ in range(2):
            readings_n = heir.said().count(READING)
            zombie.signal(signal.SIGSTOP)
            fleet.until(lambda n=readings_n: heir.said().count(READING) > n)
            time.sleep(1)
            zombie.signal(signal.SIGCONT)
            fleet.until(lambda n=readings_n: heir.said().count(READING) > n + 1)
    for worker in (zombie, heir):
        assert worker.is_running, worker.said()[-3000:]
        told_to_end(worker)
    fleet.finish("zombie", "heir")
    assert_clean(fleet)


def test_a_reader_that_holds_a_transaction_stops_nobody_and_sees_one_state(fleet):
    with Traffic(fleet.settings, events_n=30_000, seed=SEED, pause_s=0.05):
        worker = fleet.start("a")
        fleet.until(fleet.settings.warehouse_file.exists)
        reader = duckdb.connect(str(fleet.settings.warehouse_file), read_only=True)
        reader.begin()
        before = reader.execute("SELECT sum(read_n) FROM pipeline_health").fetchall()
        for _ in range(3):
            time.sleep(1)
            worker.kill()
            worker = fleet.start("a")
            fleet.until(lambda worker=worker: READING in worker.said())
    worker.kill()
    fleet.finish("a")
    assert reader.execute("SELECT sum(read_n) FROM pipeline_health").fetchall() == before
    reader.close()
    assert_clean(fleet)
