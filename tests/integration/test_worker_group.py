"""Several workers: shards are split, taken over from the dead, and handed over by the leaving."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.sinks import read_folder

from streams.broker import embedded_broker
from streams.events.topics import JOINED_TOPICS
from streams.producer import Message, Producer
from streams.topics import create_topics

pytestmark = pytest.mark.integration

SCRIPT = Path(__file__).parents[1] / "support" / "worker_process.py"
SESSION_S = 2.0
WAIT_MAX_S = 40.0


@pytest.fixture
def settings(make_settings):
    made = make_settings(partitions_n=4)
    create_topics(made)
    return made


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "flushed"
    made.mkdir()
    return made


@pytest.fixture
def dying_broker(broker):
    """A broker to be killed."""
    assert broker.is_alive  # where none can start, `broker` has skipped
    with embedded_broker() as running:
        yield running


@pytest.fixture
def start(settings, folder):
    """Start workers by name; what still runs at the end is killed."""
    started = []

    def start_worker(name, bootstrap=settings.bootstrap):
        given = [bootstrap, settings.group, settings.topic_prefix, folder, name, SESSION_S]
        output = (folder / f"{name}.txt").open("w")
        process = subprocess.Popen(
            [sys.executable, SCRIPT, *map(str, given)], stdout=output, stderr=output
        )
        started.append((process, output))
        return process

    yield start_worker
    for process, output in started:
        process.kill()
        process.wait()
        output.close()


def said(folder, name):
    return (folder / f"{name}.txt").read_text()


def shards(folder, name):
    """The shards a worker said last that it has."""
    lines = [line for line in said(folder, name).splitlines() if line.startswith("shards")]
    return {int(word) for word in lines[-1].split()[1:]} if lines else set()


def until(condition, folder):
    give_up_at = time.monotonic() + WAIT_MAX_S
    while not condition():
        assert time.monotonic() < give_up_at, [p.read_text() for p in folder.glob("*.txt")]
        time.sleep(0.05)


def send(settings, numbers):
    with Producer(settings) as producer:
        producer.send(
            [
                Message(topic, b"key-%d" % (n % 29), b"%d" % n)
                for n in numbers
                for topic in JOINED_TOPICS
            ]
        )


def offsets(folder):
    return {key: [row[0] for row in rows] for key, rows in read_folder(folder).items()}


def rows_n(folder):
    return sum(map(len, offsets(folder).values()))


def each_once(folder):
    return all(found == list(range(len(found))) for found in offsets(folder).values())


def test_two_workers_split_the_shards_and_one_takes_over_from_the_killed(settings, folder, start):
    first = start("first")
    until(lambda: shards(folder, "first") == {0, 1, 2, 3}, folder)
    send(settings, range(100))
    start("second")
    until(lambda: len(shards(folder, "first")) == len(shards(folder, "second")) == 2, folder)
    assert shards(folder, "first") | shards(folder, "second") == {0, 1, 2, 3}
    send(settings, range(100, 200))
    until(lambda: rows_n(folder) == 1_000, folder)
    assert each_once(folder)

    first.send_signal(signal.SIGKILL)
    send(settings, range(200, 300))
    until(lambda: rows_n(folder) >= 1_500, folder)
    assert shards(folder, "second") == {0, 1, 2, 3}
    assert rows_n(folder) == 1_500
    assert each_once(folder)


@pytest.mark.parametrize(
    ("number", "name"), [(signal.SIGTERM, "SIGTERM"), (signal.SIGINT, "SIGINT")]
)
def test_a_signal_flushes_publishes_and_leaves_the_group(settings, folder, start, number, name):
    worker = start("only")
    until(lambda: shards(folder, "only") == {0, 1, 2, 3}, folder)
    send(settings, range(50))
    until(lambda: rows_n(folder) == 250, folder)
    worker.send_signal(number)
    assert worker.wait(10) == 0
    assert f"ended by {name} 250" in said(folder, "only")
    assert shards(folder, "only") == set()
    assert "Traceback" not in said(folder, "only")


def test_shards_of_a_worker_that_left_go_to_the_other(settings, folder, start):
    start("stays")
    leaver = start("leaves")
    until(lambda: len(shards(folder, "stays")) == len(shards(folder, "leaves")) == 2, folder)
    send(settings, range(50))
    until(lambda: rows_n(folder) == 250, folder)
    leaver.send_signal(signal.SIGTERM)
    assert leaver.wait(10) == 0
    send(settings, range(50, 100))
    until(lambda: rows_n(folder) == 500, folder)
    assert shards(folder, "stays") == {0, 1, 2, 3}
    assert each_once(folder)


def test_a_worker_waits_out_a_broker_that_hangs(
    settings, folder, start, make_settings, dying_broker
):
    there = make_settings(
        bootstrap=dying_broker.bootstrap, topic_prefix=settings.topic_prefix, partitions_n=4
    )
    create_topics(there)
    start("waits", dying_broker.bootstrap)
    until(lambda: shards(folder, "waits") == {0, 1, 2, 3}, folder)
    dying_broker.process.send_signal(signal.SIGSTOP)
    time.sleep(SESSION_S + 1)
    dying_broker.process.send_signal(signal.SIGCONT)
    send(there, range(20))
    until(lambda: rows_n(folder) == 100, folder)
    assert each_once(folder)


def test_a_worker_whose_broker_is_gone_still_ends_in_order(
    settings, folder, start, make_settings, dying_broker
):
    there = make_settings(
        bootstrap=dying_broker.bootstrap, topic_prefix=settings.topic_prefix, partitions_n=4
    )
    create_topics(there)
    worker = start("ends", there.bootstrap)
    until(lambda: shards(folder, "ends") == {0, 1, 2, 3}, folder)
    send(there, range(20))
    until(lambda: rows_n(folder) == 100, folder)
    dying_broker.process.kill()
    until(lambda: "Failed fetch" in said(folder, "ends"), folder)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(15) == 0
    assert "Traceback" not in said(folder, "ends")
    assert "ended by SIGTERM 100" in said(folder, "ends")
