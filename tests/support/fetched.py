"""Record batches as a broker sends them, and what our fetch makes of the bytes."""

from __future__ import annotations

import asyncio
import struct
from types import SimpleNamespace

from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult, PartitionRecords
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition

from streams.fetch import fetched_columns

TP = TopicPartition("listens", 0)
BATCH_HEAD = 8 + 4 + 4 + 1 + 4  # base offset, length, leader epoch, magic, checksum


def record_batch(base_offset, values, *, attributes=0, producer_id=-1, key=b"k"):
    """A record batch as a broker stores it; its checksum no longer fits."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=0,
        producer_id=producer_id,
        producer_epoch=0,
        base_sequence=0,
        batch_size=1 << 20,
    )
    for number, value in enumerate(values):
        builder.append(number, 1_000 + number, key, value, [])
    raw = builder.build()
    struct.pack_into(">q", raw, 0, base_offset)
    struct.pack_into(">h", raw, BATCH_HEAD, attributes)
    return bytes(raw)


def partition_records(raw, offset, aborted=(), records=MemoryRecords):
    return PartitionRecords(
        TP,
        records(raw),
        list(aborted),
        offset,
        key_deserializer=None,
        value_deserializer=None,
        check_crcs=False,
        isolation_level=READ_COMMITTED,
    )


def read(raw, offset=0, aborted=(), rows_max=1_000_000, records=MemoryRecords):
    """All columns that the fetcher gives of these bytes, and the position it ends at."""
    state = SimpleNamespace(position=offset, paused=False)
    state.consumed_to = lambda to: setattr(state, "position", to)
    assignment = SimpleNamespace(active=True, state_value=lambda _: state)
    result = FetchResult(
        TP,
        assignment=assignment,
        partition_records=partition_records(raw, offset, aborted, records),
        backoff=0,
    )
    fetcher = SimpleNamespace(
        _closed=False,
        _records={TP: result},
        _subscriptions=SimpleNamespace(reassignment_in_progress=False),
        _notify=lambda _: None,
        _wait_consume_future=None,
    )

    async def all_of_it():
        found = []
        while fetcher._records:
            got = await fetched_columns(fetcher, None, wait_max_s=0, rows_max=rows_max)
            found += got.values()
        return found

    return asyncio.run(all_of_it()), state.position
