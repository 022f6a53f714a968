"""One broker for all integration tests; each test has its own topics and group on it."""

from __future__ import annotations

import itertools

import pytest
from support.kafka.cluster import running_kafka
from support.needed import absent

from streams.broker import broker_binary, embedded_broker
from streams.errors import ConfigError
from streams.settings import Settings
from streams.topics import create_topics

NUMBERS = itertools.count()


@pytest.fixture(
    scope="session",
    params=[
        "embedded",
        pytest.param("kafka", marks=[pytest.mark.faults, pytest.mark.timeout(600)]),
    ],
)
def broker(request, tmp_path_factory):
    """A running broker: the embedded one and, with marker `faults`, Apache Kafka."""
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
