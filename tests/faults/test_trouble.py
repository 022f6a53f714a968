"""Each trouble from outside has one defined end: the worker waits, or stops and says why."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time

import duckdb
import pytest
from support.audit import audit
from support.fleet import LISTENBACK, READING
from support.traffic import Traffic

from streams.topics import admin

AWAY_S = 120
DISK_BYTES = 12 << 20


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
    with Traffic(fleet.settings, events_n=12_000, seed=3, pause_s=0.1):
        workers = [fleet.start("a"), fleet.start("b")]
        fleet.until(lambda: all(READING in worker.said() for worker in workers))
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
    fleet = fleet_on(kafka)
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
        client.create_partitions({fleet.settings.topic(n): 8 for n in grown})
    assert worker.ended() == 5, worker.said()[-3000:]
    assert "partitions" in worker.said()
    again = fleet.start("a")
    assert again.ended() == 5, again.said()[-3000:]


def test_a_clock_that_jumps_by_weeks_changes_nothing(kafka, fleet_on):
    fleet = fleet_on(kafka)
    with Traffic(fleet.settings, events_n=8_000, seed=4, pause_s=0.05):
        worker = reading(fleet, ODD_CLOCK_JUMPS_S="2000000")
        time.sleep(3)
        assert worker.is_running, worker.said()[-3000:]
    worker.kill()
    fleet.finish("a")
    assert_clean(fleet)


def test_a_file_of_a_newer_version_is_refused_and_left_alone(kafka, fleet_on):
    fleet = fleet_on(kafka)
    send(fleet)
    fleet.finish("a")
    with duckdb.connect(str(fleet.settings.worker_file.with_name("worker-a.duckdb"))) as con:
        con.execute("INSERT INTO schema_history VALUES (999, 'of tomorrow', now()::TIMESTAMP)")
    worker = fleet.start("a")
    assert worker.ended() == 5
    assert "newer than this listenback" in worker.said()


def test_a_worker_file_that_someone_holds_is_waited_for_by_the_supervisor(kafka, fleet_on):
    fleet = fleet_on(kafka)
    send(fleet)
    fleet.finish("a")
    file = fleet.settings.worker_file.with_name("worker-a.duckdb")
    with duckdb.connect(str(file), read_only=True):
        worker = fleet.start("a")
        assert worker.ended() == 3, worker.said()[-3000:]
    assert "another process holds this file" in worker.said()
    fleet.finish("a")
    assert_clean(fleet)


def test_a_published_file_that_someone_opened_for_writing_stops_nobody(kafka, fleet_on):
    fleet = fleet_on(kafka)
    send(fleet)
    fleet.finish("a")
    with duckdb.connect(str(fleet.settings.warehouse_file)):
        send(fleet, seed=2)
        fleet.finish("a")
    assert_clean(fleet)


def test_a_published_folder_that_takes_nothing_is_tried_again(kafka, fleet_on):
    fleet = fleet_on(kafka)
    send(fleet)
    fleet.settings.data_dir.mkdir()
    fleet.settings.published_dir.write_text("in the way of the folder")
    worker = reading(fleet)
    fleet.until(lambda: "no snapshot was published" in worker.said())
    assert worker.is_running
    worker.signal(signal.SIGTERM)
    assert worker.ended() == 3, worker.said()[-3000:]
    assert "was not published" in worker.said()
    fleet.settings.published_dir.unlink()
    fleet.finish("a")
    assert_clean(fleet)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of a few MiB; where none can be mounted, a limit for files says the same."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", folder]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no right to mount a file system here")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_disk_ends_the_worker_and_costs_nothing(kafka, fleet_on, small_disk, tmp_path):
    fleet = fleet_on(kafka, data_dir=small_disk / "data")
    send(fleet, events_n=30_000)
    worker = fleet.start("a")
    assert worker.ended() == 3, worker.said()[-3000:]
    assert "the disk takes no more" in worker.said()
    shutil.copytree(fleet.settings.data_dir, tmp_path / "roomy")
    fleet.settings = fleet.settings.model_copy(update={"data_dir": tmp_path / "roomy"})
    fleet.finish("a")
    assert_clean(fleet)


def test_a_limit_for_the_size_of_files_is_a_full_disk(kafka, fleet_on):
    fleet = fleet_on(kafka)
    send(fleet, events_n=30_000)
    limited = "import os, resource as r, sys; r.setrlimit(r.RLIMIT_FSIZE, (5_000_000,) * 2); "
    command = [sys.executable, "-c", limited + "os.execv(sys.argv[1], sys.argv[1:])"]
    done = subprocess.run(
        [*command, LISTENBACK, "worker", "--worker-id", "a"],
        env=fleet.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 3, done.stderr[-3000:]
    assert "the disk takes no more" in done.stderr
    fleet.finish("a")
    assert_clean(fleet)
