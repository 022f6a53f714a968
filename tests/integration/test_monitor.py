"""What a running worker tells those who watch it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.fleet import OWN_DEADLINE

from streams.events.contracts import CONTRACTS
from streams.events.topics import JOINED_TOPICS
from streams.producer import Message, Producer
from streams.topics import create_topics

pytestmark = pytest.mark.integration

WAIT_MAX_S = 60
SENT_AT_MS = 1_793_700_000_000  # a day after the times in the examples


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get(port, path):
    """Status and text; None while nobody listens."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return None


def wait_for(look, is_good):
    until = time.monotonic() + WAIT_MAX_S
    while True:
        seen = look()
        if seen is not None and is_good(seen):
            return seen
        assert time.monotonic() < until, f"still {seen}"
        time.sleep(0.1)


def samples(port):
    """Every sample of /metrics by name and labels."""
    answer = get(port, "/metrics")
    if answer is None:
        return None
    return {
        (one.name, *sorted(one.labels.items())): one.value
        for family in text_string_to_metric_families(answer[1])
        for one in family.samples
    }


def lags(found):
    return [value for (name, *_), value in found.items() if name == "listenback_lag_records"]


@pytest.fixture
def watched(make_settings):
    """A worker with a monitor, in a process of its own; gives its port, settings and process."""
    settings = make_settings()
    create_topics(settings)
    port = free_port()
    environment = os.environ | {
        "LISTENBACK_BOOTSTRAP": settings.bootstrap,
        "LISTENBACK_GROUP": settings.group,
        "LISTENBACK_TOPIC_PREFIX": settings.topic_prefix,
        "LISTENBACK_DATA_DIR": str(settings.data_dir),
        "LISTENBACK_PARTITIONS_N": str(settings.partitions_n),
        "LISTENBACK_LOG_FORMAT": "json",
        "LISTENBACK_MONITOR_PORT": str(port),
    }
    command = [sys.executable, "-m", "listenback", "worker"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield port, settings, process
        finally:
            process.kill()


def test_metrics_balance_and_lag_ends_at_nothing(watched):
    port, settings, process = watched
    wait_for(lambda: get(port, "/readyz"), lambda answer: answer[0] == 200)
    assert get(port, "/healthz") == (200, "ok\n")
    with Producer(settings) as producer:
        for topic in JOINED_TOPICS:
            example = json.dumps(dict(CONTRACTS[topic].example)).encode()
            producer.send([Message(topic, b"gen-7f3a", example, SENT_AT_MS)] * 2)
        producer.send([Message("listens", b"k", b"not json", SENT_AT_MS)])
    seen = wait_for(lambda: samples(port), lambda found: found["listenback_read_total",] == 11)
    outcomes = {
        dict(labels)["outcome"]: value
        for (name, *labels), value in seen.items()
        if name == "listenback_messages_total"
    }
    assert outcomes == {"accepted": 5, "duplicate": 5, "dead_lettered": 1}
    assert seen["listenback_flush_seconds_count",] >= 1
    assert seen["listenback_flush_seconds_sum",] > 0
    lags_n = len(JOINED_TOPICS) * settings.partitions_n  # known once a fetch has told of each
    wait_for(lambda: samples(port), lambda found: lags(found) == [0] * lags_n)
    renewed = "listenback_warehouse_timestamp_seconds"
    shown = wait_for(lambda: samples(port), lambda found: found[renewed,] > 0)
    assert shown["listenback_snapshot_timestamp_seconds",] >= shown[renewed,]
    assert shown["listenback_report_timestamp_seconds",] == 0

    process.send_signal(signal.SIGTERM)
    log = [json.loads(line) for line in process.communicate(timeout=WAIT_MAX_S)[1].splitlines()]
    is_late = OWN_DEADLINE in log[-1]["event"]  # on a machine with too much to do
    assert process.returncode == (3 if is_late else 0), log[-1]
    told = [line for line in log if line["event"] == "reading shards %s"]
    assert told[0]["worker_id"] == settings.worker_id
    assert told[0]["group"] == settings.group
    assert told[0]["level"] == "INFO"


def test_a_taken_port_stops_the_worker_with_what_to_do(make_settings):
    settings = make_settings()
    create_topics(settings)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = subprocess.run(
            [
                *(sys.executable, "-m", "listenback", "worker"),
                *("--bootstrap", settings.bootstrap, "--topic-prefix", settings.topic_prefix),
                *("--data-dir", str(settings.data_dir)),
                *("--monitor-port", str(taken.getsockname()[1])),
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=WAIT_MAX_S,
        )
    assert done.returncode == 2
    assert "cannot listen here" in done.stderr
    assert "address already in use" in done.stderr.lower()
    assert "monitor_port" in done.stderr
