"""The embedded broker: it starts, keeps what records say, and never outlives us."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from kafka import KafkaConsumer, TopicPartition

from streams.broker import LOG_LINES_MAX, broker_binary, embedded_broker, start_broker
from streams.errors import ConfigError, TransientError
from streams.producer import Message, Producer

pytestmark = pytest.mark.integration


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    return state != "Z"


def until(condition, wait_max_s=10.0):
    give_up_at = time.monotonic() + wait_max_s
    while not condition() and time.monotonic() < give_up_at:
        time.sleep(0.02)
    return condition()


def records_of(settings, topic, partition):
    consumer = KafkaConsumer(bootstrap_servers=settings.bootstrap)
    tp = TopicPartition(settings.topic(topic), partition)
    consumer.assign([tp])
    consumer.seek_to_beginning()
    found = [record for part in consumer.poll(5_000).values() for record in part]
    consumer.close()
    return found


def test_it_keeps_the_time_key_and_headers_that_the_producer_gave(settings):
    sent = Message("listens", b"k", b"v", 1_600_000_000_123, (("trace", b"\x00\xff"), ("b", b"")))
    with Producer(settings) as producer:
        assert producer.send([sent]) == 1
    found = [r for shard in (0, 1) for r in records_of(settings, "listens", shard)]
    assert [(r.timestamp, r.timestamp_type, r.key, r.value) for r in found] == [
        (1_600_000_000_123, 0, b"k", b"v")
    ]
    assert list(found[0].headers) == [("trace", b"\x00\xff"), ("b", b"")]


@pytest.fixture
def own_broker(broker):
    """A second broker, to be ended."""
    assert broker.is_alive  # where none can start, `broker` has skipped
    with embedded_broker() as running:
        yield running


def test_stopping_it_ends_its_process_and_twice_is_once(own_broker):
    assert own_broker.is_alive
    own_broker.stop()
    own_broker.stop()
    assert not own_broker.is_alive


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a child to its parent")
@pytest.mark.usefixtures("broker")
def test_it_dies_with_a_parent_that_was_killed():
    code = (
        "import time; from streams.broker import start_broker; b = start_broker();"
        "print(b.process.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        child = int(parent.stdout.readline())
        assert is_running(child)
        parent.send_signal(signal.SIGKILL)
    assert until(lambda: not is_running(child))


@pytest.mark.usefixtures("broker")
def test_a_port_that_is_taken_is_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(TransientError, match=r"did not start .*AddrInUse"):
            start_broker(port=port)


@pytest.fixture
def fake_binary(tmp_path, monkeypatch):
    """A binary that does what a test wants, in the place of the broker's."""

    def make(script):
        path = tmp_path / "tansu"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("CALF_TANSU_BIN", str(path))
        return path

    return make


def test_a_broker_that_does_not_start_is_quoted_with_its_last_lines(fake_binary):
    fake_binary("for i in $(seq 100); do echo line $i; done; echo no memory left >&2; exit 3")
    with pytest.raises(TransientError, match="no memory left") as caught:
        start_broker(port=1)
    assert str(caught.value).count("line ") == LOG_LINES_MAX - 1


def test_a_machine_without_the_binary_is_told_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("CALF_TANSU_BIN", str(tmp_path / "absent"))
    with pytest.raises(ConfigError, match="--bootstrap"):
        broker_binary()
