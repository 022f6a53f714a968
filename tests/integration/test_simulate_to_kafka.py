"""A simulated log arrives in Kafka as it was made: keys, bytes, times, order."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import pytest
from kafka import KafkaConsumer, TopicPartition

from streams.bulk_producer import BulkProducer, Records
from streams.clock import now_us
from streams.kafka_writer import KafkaWriter
from streams.partitioner import partitions_of
from streams.simulate.plan import Plan
from streams.simulate.simulation import simulate
from streams.topics import FOR_EVER, create_topics

if TYPE_CHECKING:
    from streams.events.topics import Topic

pytestmark = pytest.mark.integration


def read_back(settings, topic: Topic, records_n: int):
    """Partition -> (time, key, value) of each record, in offset order."""
    name = settings.topic(topic)
    homes = [TopicPartition(name, home) for home in range(settings.partitions_n)]
    consumer = KafkaConsumer(bootstrap_servers=settings.bootstrap, enable_auto_commit=False)
    try:
        consumer.assign(homes)
        consumer.seek_to_beginning()
        found, left_n = defaultdict(list), records_n
        while left_n and (batches := consumer.poll(timeout_ms=10_000)):
            for home, records in batches.items():
                found[home.partition] += [(one.timestamp, one.key, one.value) for one in records]
                left_n -= len(records)
        return found
    finally:
        consumer.close()


def test_records_arrive_as_they_were_made(settings):
    simulation = simulate(Plan(events_n=2_000, seed=9))
    made = defaultdict(list)
    with KafkaWriter(settings) as writer:
        for topic, records in simulation.records(500):
            writer.write(topic, records)
            made[topic] += records.select("timestamp_ms", "key", "value").rows()
    for topic, records in made.items():
        homes = partitions_of([key for _, key, _ in records], settings.partitions_n)
        found = read_back(settings, topic, len(records))
        for home in range(settings.partitions_n):
            expected = [one for one, at in zip(records, homes, strict=True) if at == home]
            assert found[home] == expected, (topic, home)


def test_records_of_the_past_and_of_the_future_are_taken_by_topics_made_for_them(make_settings):
    settings = make_settings()
    create_topics(settings, retention_ms=FOR_EVER)
    times_ms = [0, now_us() // 1_000 + 40 * 86_400_000]
    with BulkProducer(settings) as producer:
        producer.send(Records("listens", [b"k"] * 2, [b"old", b"new"], times_ms))
        assert producer.flush() == 2
