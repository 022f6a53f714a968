"""Brokers, topics and fleets of the fault tests, which have the marker `faults`."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from support.fleet import Fleet
from support.kafka.cluster import running_kafka
from support.needed import absent

from streams.broker import broker_binary, embedded_broker
from streams.errors import ConfigError
from streams.settings import Settings
from streams.topics import FOR_EVER, create_topics

NUMBERS = itertools.count()
HERE = Path(__file__).parent
TEST_WAIT_MAX_S = 1_500


LOGINS = "test_secured_kafka.py"
"""Logins and TLS, which are no fault: `make test-release` and `make test-kafka` run them."""


def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in item.path.parents:
            is_fault = item.path.name != LOGINS
            item.add_marker(pytest.mark.faults if is_fault else pytest.mark.release)
            item.add_marker(pytest.mark.timeout(TEST_WAIT_MAX_S))


@pytest.fixture(scope="session")
def embedded():
    try:
        broker_binary()
    except ConfigError as error:
        absent(str(error))
    with embedded_broker() as broker:
        yield broker


@pytest.fixture(scope="session")
def kafka(tmp_path_factory):
    """One node of Apache Kafka for all tests; who ends it starts it again."""
    with running_kafka(tmp_path_factory.mktemp("kafka")) as cluster:
        yield cluster


@pytest.fixture(params=["embedded", "kafka"])
def broker(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def fleet_on(tmp_path):
    """A fleet on a broker, with topics of its own, many small flushes and short timeouts."""
    fleets = []

    def make(broker, *, replication_n=1, **other):
        own = f"f{next(NUMBERS)}"
        given = {
            "bootstrap": getattr(broker, "bootstrap", None),
            "group": own,
            "topic_prefix": f"{own}-",
            "data_dir": tmp_path / "data",
            "session_timeout_s": 2.0,
            "rebalance_timeout_s": 6.0,
            "flush_rows_max": 2_000,
            "flush_age_max_ms": 100,
            "publish_interval_s": 0.2,
            "publish_share_max": 0.3,
        }
        settings = Settings(**{**given, **other})
        create_topics(settings, replication_n=replication_n, retention_ms=FOR_EVER)
        fleets.append(Fleet(settings, tmp_path))
        return fleets[-1]

    yield make
    for fleet in fleets:
        fleet.end()


@pytest.fixture
def fleet(broker, fleet_on):
    """A fleet on each of the two brokers."""
    return fleet_on(broker)
