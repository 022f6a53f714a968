"""Both producers: everything arrives once, where Kafka's partitioner says, with its own time."""

from __future__ import annotations

import asyncio
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from streams import bulk_producer
from streams import producer as producer_module
from streams.broker import embedded_broker
from streams.bulk_producer import BATCH_BYTES, BulkProducer, Records
from streams.errors import ConfigError, TransientError
from streams.partitioner import partitions_of
from streams.producer import Message, Producer
from streams.topics import create_topics

pytestmark = pytest.mark.integration


def read_all(settings, topic, count):
    """All records of a topic by partition, in offset order."""

    async def read():
        consumer = AIOKafkaConsumer(bootstrap_servers=settings.bootstrap)
        await consumer.start()
        tps = [TopicPartition(settings.topic(topic), p) for p in range(settings.partitions_n)]
        consumer.assign(tps)
        for tp in tps:
            consumer.seek(tp, 0)
        found = {tp.partition: [] for tp in tps}
        while sum(map(len, found.values())) < count:
            for tp, rows in (await consumer.getmany(timeout_ms=5_000)).items():
                found[tp.partition] += rows
        assert await consumer.getmany(timeout_ms=50) == {}
        await consumer.stop()
        return found

    return asyncio.run(asyncio.wait_for(read(), 20))


def columns(count, *, value_bytes=10):
    keys = [b"key-%d" % (i % 97) for i in range(count)]
    values = [b"%d" % i + b"x" * value_bytes for i in range(count)]
    return keys, values, [1_700_000_000_000 + 7 * i for i in range(count)]


def test_bulk_sends_each_record_once_in_order_to_its_keys_partition(settings):
    keys, values, times_ms = columns(5_000)
    with BulkProducer(settings) as producer:
        for cut in (slice(0, 1), slice(1, 3_000), slice(3_000, None)):
            producer.send(Records("listens", keys[cut], values[cut], times_ms[cut]))
        assert producer.flush() == 5_000
    homes = partitions_of(keys, settings.partitions_n).tolist()
    sent = list(zip(homes, keys, values, times_ms, strict=True))
    for home, rows in read_all(settings, "listens", 5_000).items():
        got = [(home, row.key, row.value, row.timestamp) for row in rows]
        assert got == [record for record in sent if record[0] == home]


def test_both_producers_agree_on_the_partition_of_a_key(settings):
    keys, values, times_ms = columns(200)
    with BulkProducer(settings) as producer:
        producer.send(Records("listens", keys, values, times_ms))
    with Producer(settings) as producer:
        producer.send([Message("listens", key, b"small") for key in keys])
    for rows in read_all(settings, "listens", 400).values():
        by_bulk = {row.key for row in rows if row.value != b"small"}
        assert by_bulk == {row.key for row in rows if row.value == b"small"}


def test_bulk_keeps_headers_absent_keys_and_absent_values(settings):
    headers = [[("a", b"1")], [], [("b", b""), ("c", b"\xff")]]
    records = Records("feedback", [None, b"k", b"k"], [b"v", None, b"w"], [1, 2, 3], headers)
    with BulkProducer(settings) as producer:
        producer.send(records)
    rows = [row for part in read_all(settings, "feedback", 3).values() for row in part]
    found = sorted((row.timestamp, row.key, row.value, list(row.headers)) for row in rows)
    assert found == [
        (1, None, b"v", headers[0]),
        (2, b"k", None, headers[1]),
        (3, b"k", b"w", headers[2]),
    ]


def test_bulk_never_holds_more_batches_than_it_may(settings, monkeypatch):
    monkeypatch.setattr(bulk_producer, "UNACKNOWLEDGED_BATCHES_MAX", 2)
    keys, values, times_ms = columns(40, value_bytes=BATCH_BYTES // 2)
    held = []
    with BulkProducer(settings) as producer:
        sent = producer._sent

        async def watched(*args):
            held.append(2 - producer._room._value)
            await sent(*args)

        producer._sent = watched
        producer.send(Records("listens", keys, values, times_ms))
    assert len(held) >= 20
    assert max(held) == 2


def test_a_message_larger_than_a_batch_is_sent_alone(settings):
    value = b"x" * (BATCH_BYTES * 2)
    with BulkProducer(settings) as producer:
        producer.send(Records("listens", [b"k", b"k"], [value, b"small"], [1, 2]))
    rows = [row for part in read_all(settings, "listens", 2).values() for row in part]
    assert [row.value for row in rows] == [value, b"small"]


def test_a_lost_broker_is_a_transient_error_that_says_how_far_it_went(make_settings, monkeypatch):
    monkeypatch.setattr(bulk_producer, "DELIVERY_WAIT_MAX_S", 1.0)
    keys, values, times_ms = columns(10)
    with embedded_broker() as dying:
        settings = make_settings(bootstrap=dying.bootstrap)
        create_topics(settings)
        producer = BulkProducer(settings)
        producer.send(Records("listens", keys, values, times_ms))
        producer.flush()
        dying.process.kill()
        producer.send(Records("listens", keys, values, times_ms))
        with pytest.raises(TransientError, match="10 messages were acknowledged"):
            producer.flush()
        producer.close()


@pytest.mark.parametrize("kind", [BulkProducer, Producer])
def test_no_producer_starts_where_topics_are_missing(make_settings, kind):
    with pytest.raises(ConfigError, match="topics create"):
        kind(make_settings())


def test_closing_a_producer_whose_broker_hangs_ends_a_send_that_waits(make_settings, monkeypatch):
    monkeypatch.setattr(producer_module, "DELIVERY_WAIT_MAX_S", 600.0)
    with embedded_broker() as broker, ThreadPoolExecutor(1) as pool:
        there = make_settings(bootstrap=broker.bootstrap)
        create_topics(there)
        producer = Producer(there)
        producer.send([Message("listens", b"k", b"known")])
        broker.process.send_signal(signal.SIGSTOP)
        waiting = pool.submit(producer.send, [Message("listens", b"k", b"lost")])
        with pytest.raises(TimeoutError):
            waiting.result(1.0)
        producer.close(wait_max_s=0.0)
        with pytest.raises(TransientError, match="0 were acknowledged"):
            waiting.result(60.0)
        broker.process.send_signal(signal.SIGCONT)
