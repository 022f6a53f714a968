"""The commands `worker`, `topics` and `doctor` on a broker."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from streams.events.contracts import CONTRACTS
from streams.events.topics import JOINED_TOPICS
from streams.producer import Message, Producer
from streams.topics import DAY_MS, FOR_EVER, all_names, create_topics, joined_names

pytestmark = pytest.mark.integration

LISTENBACK = Path(sys.executable).with_name("listenback")


@pytest.fixture
def listenback(make_settings, tmp_path):
    """Run a command with a test's topics, group and folder; gives what it did."""
    settings = make_settings()
    environment = {
        "PATH": "",
        "HOME": str(tmp_path),
        "LISTENBACK_BOOTSTRAP": settings.bootstrap,
        "LISTENBACK_GROUP": settings.group,
        "LISTENBACK_TOPIC_PREFIX": settings.topic_prefix,
        "LISTENBACK_PARTITIONS_N": "2",
        "LISTENBACK_DATA_DIR": str(settings.data_dir),
        "LISTENBACK_SESSION_TIMEOUT_S": "1",
    }

    def run(*args, **other):
        return subprocess.run(
            [LISTENBACK, *args],
            env=environment | other,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    run.settings = settings
    return run


def send_examples(settings):
    """One good message a topic, and one that is none."""
    with Producer(settings) as producer:
        for topic in JOINED_TOPICS:
            example = json.dumps(dict(CONTRACTS[topic].example)).encode()
            producer.send([Message(topic, b"gen-7f3a", example, 1_793_000_000_000)])
        producer.send([Message("listens", b"k", b"not json")])


def test_topics_are_created_listed_and_checked(listenback):
    assert listenback("topics", "check").returncode == 2
    created = json.loads(listenback("topics", "create", "--json").stdout)
    assert created == {"created": list(all_names(listenback.settings)), "partitions_n": 2}
    assert "all topics were there; 2 partitions" in listenback("topics", "create").stdout
    assert listenback("topics", "check").stdout == "11 topics, 2 partitions\n"
    send_examples(listenback.settings)
    listed = json.loads(listenback("topics", "list", "--json").stdout)
    assert {one["topic"]: one["lag_n"] for one in listed if one["records_n"]} == {
        **dict.fromkeys(joined_names(listenback.settings), 1),
        listenback.settings.topic("listens"): 2,
    }
    lines = listenback("topics", "list").stdout.splitlines()
    assert lines[0].split() == ["topic", "partitions", "records", "lag"]
    assert len(lines) == 12


def test_a_worker_fills_the_warehouse_tells_kafka_and_ends_when_idle(listenback):
    create_topics(listenback.settings)
    send_examples(listenback.settings)
    done = listenback("worker", "--until-idle", "0.5", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["ended_by"], told["read_n"]) == ("idle", 6)
    assert told["read_n"] == told["accepted_n"] + told["duplicate_n"] + told["dead_lettered_n"]
    assert told["dead_lettered_n"] == told["forwarded_n"] >= 1
    with duckdb.connect(str(listenback.settings.warehouse_file), read_only=True) as con:
        assert con.sql("SELECT sum(read_n) FROM pipeline_health").fetchall() == [(6,)]
    assert "Traceback" not in done.stderr
    again = listenback("worker", "--until-idle", "0.3")
    assert again.returncode == 0
    assert "read 0 = accepted 0" in again.stderr
    assert again.stdout == ""


def test_doctor_says_what_to_do_until_all_is_well(listenback):
    first = listenback("doctor")
    assert first.returncode == 1
    assert "listenback topics create" in first.stdout
    create_topics(listenback.settings, retention_ms=FOR_EVER)  # the examples' times are made up
    send_examples(listenback.settings)
    second = listenback("doctor", "--json")
    assert second.returncode == 0
    states = {one["check"]: one["state"] for one in json.loads(second.stdout)}
    assert states["lag"] == states["warehouse"] == "warn"
    listenback("worker", "--until-idle", "0.3")
    third = json.loads(listenback("doctor", "--json").stdout)
    checks = ["packages", "settings", "broker", "topics", "lag", "limits", "times", "data dir"]
    checks += ["room", "clock", "warehouse", "nights"]
    found = {one["check"]: one["state"] for one in third}
    assert found == {**dict.fromkeys(checks, "ok"), "dlq": "warn"}, "a listen of two is refused"


def test_doctor_names_topics_that_delete_events_before_the_horizon(listenback):
    create_topics(listenback.settings, retention_ms=7 * DAY_MS)
    done = listenback("doctor", "--json")
    (found,) = [one for one in json.loads(done.stdout) if one["check"] == "limits"]
    assert (done.returncode, found["state"]) == (0, "warn")
    assert "keep events for 7.0 days" in found["says"]
    assert all(name in found["says"] for name in all_names(listenback.settings))
    assert f"retention.ms={45 * DAY_MS}" in found["todo"]


@pytest.mark.parametrize("command", [("worker",), ("topics", "list"), ("topics", "create")])
def test_no_broker_is_one_line_and_code_3(listenback, command):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    done = listenback(*command, LISTENBACK_BOOTSTRAP=address)
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert "no broker answers" in done.stderr
    assert not listenback.settings.data_dir.exists()


def test_what_takes_connections_but_is_no_broker_is_one_line_and_code_3(listenback):
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        address = f"127.0.0.1:{deaf.getsockname()[1]}"
        done = listenback("worker", LISTENBACK_BOOTSTRAP=address)
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert "no answer as a Kafka broker gives it" in done.stderr


def test_doctor_names_a_folder_it_may_not_write_to(listenback, tmp_path):
    (tmp_path / "file").write_text("")
    done = listenback("doctor", "--json", LISTENBACK_DATA_DIR=str(tmp_path / "file" / "data"))
    found = {one["check"]: one for one in json.loads(done.stdout)}
    assert found["data dir"]["state"] == "fail"
    assert done.returncode == 1
