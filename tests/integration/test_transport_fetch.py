"""Columns from fetched bytes hold what aiokafka's own door gives as objects."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import CorruptRecordException, OffsetOutOfRangeError

from streams.fetch import fetched_columns
from streams.producer import Message, Producer

pytestmark = pytest.mark.integration

MANY = 1_000_000


@asynccontextmanager
async def reading(settings, topic, offset=0, **other):
    """A consumer that reads both partitions of a topic from an offset."""
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.bootstrap, **other)
    await consumer.start()
    tps = [TopicPartition(settings.topic(topic), p) for p in range(settings.partitions_n)]
    consumer.assign(tps)
    for tp in tps:
        consumer.seek(tp, offset)
    await asyncio.sleep(0)  # aiokafka cannot stop what has not had its first turn
    try:
        yield consumer
    finally:
        await consumer.stop()


async def by_objects(settings, topic, offset):
    async with reading(settings, topic, offset) as consumer:
        found = {}
        while batch := await consumer.getmany(timeout_ms=700):
            for tp, rows in batch.items():
                found.setdefault(tp.partition, []).extend(
                    (r.offset, r.timestamp, r.key, r.value, list(r.headers)) for r in rows
                )
        return found


async def by_columns(settings, topic, offset, rows_max):
    async with reading(settings, topic, offset) as consumer:
        found, positions = {}, {}
        while batch := await fetched_columns(
            consumer._fetcher, None, wait_max_s=0.7, rows_max=rows_max
        ):
            for tp, c in batch.items():
                assert c.position == positions.get(tp, offset)
                positions[tp] = c.next_position
                headers = c.headers or [[]] * len(c.offsets)
                rows = zip(c.offsets, c.record_times_ms, c.keys, c.values, headers, strict=True)
                found.setdefault(tp.partition, []).extend((*row[:4], list(row[4])) for row in rows)
        return found


async def send_batches(settings, topic, *, compression=None, sizes=(1, 40, 3)):
    producer = AIOKafkaProducer(bootstrap_servers=settings.bootstrap, compression_type=compression)
    await producer.start()
    number = 0
    for size in sizes:
        for partition in range(settings.partitions_n):
            batch = producer.create_batch()
            for _ in range(size):
                number += 1
                key = None if number % 5 == 0 else b"k%d" % number
                value = None if number % 7 == 0 and key else b"v%d" % number
                headers = [("h", b"%d" % number)] if number % 3 == 0 else []
                batch.append(key=key, value=value, timestamp=1_000 + number, headers=headers)
            name = settings.topic(topic)
            await (await producer.send_batch(batch, name, partition=partition))
    await producer.stop()


@pytest.mark.parametrize("compression", [None, "gzip", "zstd"])
@pytest.mark.parametrize(("offset", "rows_max"), [(0, MANY), (0, 1), (17, MANY), (17, 5)])
def test_both_doors_give_the_same_records(settings, compression, offset, rows_max):
    async def compare():
        await send_batches(settings, "listens", compression=compression)
        objects = await by_objects(settings, "listens", offset)
        columns = await by_columns(settings, "listens", offset, rows_max)
        assert columns == objects
        assert [len(rows) for rows in columns.values()] == [44 - offset, 44 - offset]

    asyncio.run(compare())


def test_a_fetch_gives_no_more_records_than_asked_for_but_for_whole_batches(settings):
    async def sizes():
        await send_batches(settings, "listens", sizes=(10, 10, 10))
        async with reading(settings, "listens") as consumer:
            found = []
            while batch := await fetched_columns(
                consumer._fetcher, None, wait_max_s=0.7, rows_max=15
            ):
                found.append(sum(len(columns.offsets) for columns in batch.values()))
            return found

    found = asyncio.run(sizes())
    assert sum(found) == 60
    assert max(found) <= 15 + 9


def test_partitions_that_are_not_asked_for_keep_what_was_fetched(settings):
    async def read():
        await send_batches(settings, "listens")
        async with reading(settings, "listens") as consumer:
            first, second = sorted(consumer.assignment())
            got = {}
            for tp in (first, second):
                got |= await fetched_columns(consumer._fetcher, {tp}, wait_max_s=5, rows_max=MANY)
                assert set(got) <= {first, second}
            assert set(got) == {first, second}
            return [columns.offsets for columns in got.values()]

    assert asyncio.run(read()) == [list(range(44))] * 2


def test_nothing_to_read_is_an_empty_answer_after_the_wait(settings):
    async def read():
        async with reading(settings, "listens") as consumer:
            return await fetched_columns(consumer._fetcher, None, wait_max_s=0.05, rows_max=MANY)

    assert asyncio.run(read()) == {}


def test_an_error_of_kafka_is_raised_when_there_is_nothing_else_to_give(settings):
    class Refused:
        def calculate_backoff(self):
            return 0

        def check_raise(self):
            raise OffsetOutOfRangeError({})

    async def read():
        async with reading(settings, "listens") as consumer:
            fetcher = consumer._fetcher
            fetcher._records[min(consumer.assignment())] = Refused()
            with pytest.raises(OffsetOutOfRangeError):
                await fetched_columns(fetcher, None, wait_max_s=0.5, rows_max=MANY)
            assert fetcher._records == {}

    asyncio.run(read())


def test_a_broken_checksum_is_raised_and_nothing_of_the_fetch_is_given(settings, monkeypatch):
    with Producer(settings) as producer:
        producer.send([Message("listens", b"k", b"v")])

    async def read():
        async with reading(settings, "listens") as consumer:
            monkeypatch.setattr("streams.fetch._is_sound", lambda _: False)
            with pytest.raises(CorruptRecordException):
                await fetched_columns(consumer._fetcher, None, wait_max_s=5, rows_max=MANY)
            monkeypatch.undo()
            again = await fetched_columns(consumer._fetcher, None, wait_max_s=5, rows_max=MANY)
            assert [columns.values for columns in again.values()] == [[b"v"]]

    asyncio.run(read())
