"""Limits that Kafka's clients keep for us, made small, and reached."""

from __future__ import annotations

import pytest
from kafka import TopicPartition

from streams import original_records
from streams.broker import EmbeddedBroker
from streams.bulk_producer import BulkProducer, Records
from streams.events.topics import Topic
from streams.replay import kafka as log_of_kafka

pytestmark = pytest.mark.integration

RECORDS_N = 8
VALUE = b"v" * 4_000


def send(settings, partitions):
    """Records of 4 KB, a record batch each."""
    for partition in partitions:
        for n in range(RECORDS_N):
            with BulkProducer(settings) as producer:
                producer.send(
                    Records(
                        topic=Topic.LISTENS.value,
                        keys=[b"k"],
                        values=[VALUE],
                        record_times_ms=[1_000 + n],
                        partitions=[partition],
                    )
                )


def test_a_poll_brings_no_more_records_than_its_limit(settings, monkeypatch):
    monkeypatch.setattr(original_records, "POLL_RECORDS_MAX", 5)
    send(settings, [1])
    sizes = []
    with original_records.consumer(settings) as client:
        client.assign([TopicPartition(settings.topic("listens"), 1)])
        client.seek_to_beginning()
        for _ in range(100):
            sizes += [len(records) for records in client.poll(250).values()]
            if sum(sizes) >= RECORDS_N:
                break
    assert (max(sizes), sum(sizes)) == (5, RECORDS_N)


@pytest.mark.release  # Apache Kafka's answers: the embedded one now and then gives more
@pytest.mark.parametrize("limit", ["PARTITION_FETCH_BYTES_MAX", "FETCH_BYTES_MAX"])
def test_a_fetch_brings_no_more_bytes_than_its_limit(settings, broker, monkeypatch, limit):
    if isinstance(broker, EmbeddedBroker):
        pytest.skip("the embedded broker does not always keep to what a fetch may hold")
    monkeypatch.setattr(log_of_kafka, limit, 3 * len(VALUE))
    send(settings, [0])
    source = log_of_kafka.KafkaSource(settings)
    sizes = [len(batch) for batch in source.batches({}, {("listens", 0): RECORDS_N})]
    assert sum(sizes) == RECORDS_N
    assert max(sizes) <= 3  # a broker may add the record batch that reaches it
