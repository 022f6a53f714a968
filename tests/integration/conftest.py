"""One broker for all integration tests; each test has its own topics and group on it."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from support.kafka.cluster import running_kafka
from support.needed import absent

from streams.broker import broker_binary, embedded_broker
from streams.errors import ConfigError
from streams.settings import Settings
from streams.topics import create_topics

NUMBERS = itertools.count()
HERE = Path(__file__).parent
UNDER_FIRE = {"test_killed_worker.py", "test_worker_group.py"}
"""Files that kill workers, stop them and move their shards: on Apache Kafka by `make test-faults`,
the others there by `make test-release`."""


def pytest_collection_modifyitems(items):
    for item in items:
        is_ours = HERE in item.path.parents and hasattr(item, "callspec")
        if is_ours and item.callspec.params.get("broker") == "kafka":
            is_under_fire = item.path.name in UNDER_FIRE
            item.add_marker(pytest.mark.faults if is_under_fire else pytest.mark.release)
            item.add_marker(pytest.mark.timeout(600))


@pytest.fixture(scope="session", params=["embedded", "kafka"])
def broker(request, tmp_path_factory):
    """A running broker: the embedded one, and Apache Kafka for tests that are long by that."""
    if request.param == "kafka":
        with running_kafka(tmp_path_factory.mktemp("kafka")) as kafka:
            yield kafka
        return
    try:
        broker_binary()
    except ConfigError as error:
        absent(str(error))
    with embedded_broker() as running:
        yield running


@pytest.fixture
def make_settings(broker, tmp_path):
    """Settings of a test: fast flushes, its own topic names and group, files below tmp_path."""
    own = f"t{next(NUMBERS)}"
    given = {
        "bootstrap": broker.bootstrap,
        "group": own,
        "topic_prefix": f"{own}-",
        "partitions_n": 2,
        "data_dir": tmp_path / "data",
        "flush_age_max_ms": 100,
        "session_timeout_s": 1.0,  # the embedded broker waits half of it before a group begins
    }
    return lambda **other: Settings(**{**given, **other})


@pytest.fixture
def settings(make_settings):
    """Settings whose topics exist."""
    made = make_settings()
    create_topics(made)
    return made
