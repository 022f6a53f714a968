"""The topics: created with equal counts, checked by whoever starts."""

from __future__ import annotations

import socket

import pytest
from kafka.admin import ConfigResource

from streams.broker import EmbeddedBroker
from streams.errors import ConfigError, IntegrityError, TransientError
from streams.producer import Message, Producer
from streams.settings import Settings, load_settings
from streams.topics import (
    admin,
    all_names,
    check_topics,
    create_topics,
    joined_names,
    partition_counts,
    partition_states,
    require_broker,
)

pytestmark = pytest.mark.integration


def test_all_topics_are_created_with_the_same_count_and_only_once(make_settings):
    settings = make_settings(partitions_n=3)
    assert set(create_topics(settings)) == set(all_names(settings))
    assert set(partition_counts(settings).values()) == {3}
    assert len(all_names(settings)) == 11
    assert create_topics(settings) == ()
    assert check_topics(settings) == 3


@pytest.mark.release  # the embedded broker keeps no configuration
def test_topics_keep_events_for_longer_than_the_horizon(make_settings, broker):
    if isinstance(broker, EmbeddedBroker):
        pytest.skip("the embedded broker keeps all and knows no retention")
    settings = make_settings(horizon_days=20)
    create_topics(settings)
    with admin(settings) as client:
        asked = [ConfigResource("TOPIC", name) for name in all_names(settings)]
        found = client.describe_configs(asked)
    kept = [configs["retention.ms"] for one in found.values() for configs in one.values()]
    assert [int(one["value"]) for one in kept] == [30 * 86_400_000] * 11


@pytest.mark.release  # the embedded broker takes any number of copies for one
def test_more_copies_than_brokers_are_a_wrong_setting_and_make_nothing(make_settings, broker):
    if isinstance(broker, EmbeddedBroker):
        pytest.skip("the embedded broker keeps one copy, whatever is asked")
    settings = make_settings()
    with pytest.raises(ConfigError, match=r"3 copies .* 1 answered.* --replication 1$"):
        create_topics(settings, replication_n=3)
    assert partition_counts(settings) == {}


def test_a_missing_topic_is_created_like_those_that_are_there(make_settings):
    settings = make_settings(partitions_n=3)
    with admin(settings) as client:
        wish = {joined_names(settings)[0]: {"num_partitions": 5}}
        client.create_topics(wish, wait_for_metadata=True)
    create_topics(settings)
    assert check_topics(settings) == 5


def test_topics_that_are_missing_are_named_with_the_command_that_makes_them(make_settings):
    settings = make_settings()
    with pytest.raises(ConfigError, match=r"listens.* listenback topics create"):
        check_topics(settings)


@pytest.mark.parametrize("work", [check_topics, create_topics])
def test_unequal_partition_counts_stop_everything(make_settings, work):
    settings = make_settings()
    with admin(settings) as client:
        counts = dict.fromkeys(all_names(settings), 4) | {settings.topic("feedback"): 2}
        wish = {name: {"num_partitions": n} for name, n in counts.items()}
        client.create_topics(wish, wait_for_metadata=True)
    with pytest.raises(IntegrityError, match=r"exposures has 4, .*feedback has 2") as caught:
        work(settings)
    assert "Nothing was read" in str(caught.value)


def test_the_lag_is_what_the_group_has_not_told_kafka(settings):
    with Producer(settings) as producer:
        producer.send([Message("listens", b"k", b"v")] * 7)  # one batch, which Tansu counts as 1
    states = {(s.topic, s.lag_n) for s in partition_states(settings) if s.end_offset}
    assert states == {(settings.topic("listens"), 7)}
    assert {s.group_offset for s in partition_states(settings)} == {None}


def test_logs_that_hold_nothing_end_where_they_begin(settings):
    assert {(s.begin_offset, s.end_offset) for s in partition_states(settings)} == {(0, 0)}


def test_a_broker_that_does_not_answer_is_named():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(TransientError, match=rf"{address}.*no broker answers.*--bootstrap"):
        check_topics(Settings(bootstrap=address))


@pytest.mark.parametrize("address", ["kafka", "kafka:", ":9092", "kafka:port", ""])
def test_what_is_no_address_is_a_config_error(address):
    with pytest.raises(ConfigError, match="host:port"):
        load_settings(bootstrap=address)


def test_one_address_that_answers_is_enough(broker):
    require_broker(Settings(bootstrap=f"127.0.0.1:1,{broker.bootstrap}"))
