"""Columns straight from fetched bytes: aiokafka's fetcher without an object of its own per record.

`AIOKafkaConsumer.getmany` makes a Python object of every record (measured: 250 thousand/s on one
core); its compiled reader alone gives 1.3 million/s. We keep aiokafka's fetcher for all that is
hard (connections, leaders, positions, retries) and only take its results out by another door. The
attributes used here are aiokafka's own, not promised by it: pyproject.toml holds it to one minor
version, and a test compares what both doors give.
"""

# ruff: noqa: SLF001 - this file is the other door; see above.

from __future__ import annotations

import asyncio
import contextlib
import gc
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiokafka.consumer.fetcher import READ_COMMITTED
from aiokafka.errors import ConsumerStoppedError, CorruptRecordException

from streams.clock import monotonic_ms
from streams.inflating import BatchTooLargeError, bound_inflation
from streams.odd_headers import keep_fetched_bytes, read_again

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from aiokafka.consumer.fetcher import Fetcher, FetchResult
    from aiokafka.structs import TopicPartition

keep_fetched_bytes()
bound_inflation()

INFLATED_BYTES_MAX = 64 << 20
"""Of compressed batches in one poll; it ends with the batch that reaches it."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What one partition gave, in offset order.

    No record at all is an answer, too: the position moved over what is none (markers of
    transactions, what was aborted or compacted away).

    position, next_position: where the partition was read before and after.
    headers: one sequence a record, or empty where no record has any.
    timestamp_types: Kafka's 0 (create) or 1 (log append), or empty where all are 0.
    unreadable: why a record stands for a whole record batch that could not be read, by its offset,
    the batch's first. It has neither key nor value; the batch's other offsets are a hole.
    """

    position: int
    next_position: int
    offsets: list[int]
    record_times_ms: list[int]
    keys: list[bytes | None]
    values: list[bytes | None]
    headers: list[list[tuple[str, bytes | None]]]
    timestamp_types: list[int]
    unreadable: Mapping[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Room:
    """What a poll may still take."""

    rows_n: int
    inflated_bytes: int

    @property
    def is_left(self) -> bool:
        return self.rows_n > 0 and self.inflated_bytes > 0


@dataclass(frozen=True, slots=True)
class _Unread:
    """Stands in for the records of a batch that cannot be read."""

    offset: int
    timestamp: int
    why: str
    key: None = None
    value: None = None
    headers: tuple[()] = ()


async def fetched_columns(
    fetcher: Fetcher, active: AbstractSet[Any] | None, *, wait_max_s: float, rows_max: int
) -> dict[TopicPartition, Columns]:
    """What was fetched meanwhile, or what comes within the wait. Twin of `fetched_records`.

    Args:
        fetcher: of a started consumer, in its own loop.
        active: give only these partitions; others keep what they have.
        wait_max_s: how long to wait where there is nothing.
        rows_max: stop after this many records, at the end of a record batch.

    Raises: what Kafka answered for a partition, when there is nothing else to give.
    """
    give_up_at_ms = monotonic_ms() + wait_max_s * 1_000
    while True:
        if fetcher._closed:
            raise ConsumerStoppedError
        subscriptions = fetcher._subscriptions
        if subscriptions.reassignment_in_progress:
            await subscriptions.wait_for_assignment()
        drained = _drain_all(fetcher, active, rows_max)
        wait_s = (give_up_at_ms - monotonic_ms()) / 1_000
        if drained or wait_s <= 0:
            return drained
        waiter = fetcher._create_fetch_waiter()
        try:
            async with asyncio.timeout(wait_s):
                await waiter
        except TimeoutError:
            return {}


def _drain_all(
    fetcher: Fetcher, active: AbstractSet[Any] | None, rows_max: int
) -> dict[TopicPartition, Columns]:
    drained: dict[TopicPartition, Columns] = {}
    room = _Room(rows_max, INFLATED_BYTES_MAX)
    results = fetcher._records
    for tp in list(results):
        if active and tp not in active:
            if not fetcher._subscriptions.is_assigned(tp):
                del results[tp]
            continue
        if not room.is_left:
            break
        result = results[tp]
        if hasattr(result, "check_raise"):
            if drained:
                break  # give what we have; the error is raised next time
            _forget(fetcher, tp)
            result.check_raise()
        with _collector_paused():
            columns = _drain(result, room)
        if not result.has_more():
            _forget(fetcher, tp)
        if columns is not None:
            drained[tp] = columns
    return drained


@contextlib.contextmanager
def _collector_paused() -> Iterator[None]:
    """Records live as objects for a moment only: looking through them tripled what a fetch costs.

    Measured with 2 million records: 4.9 s with the cyclic collector, 1.5 s without.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _forget(fetcher: Fetcher, tp: TopicPartition) -> None:
    """Let the next fetch of this partition begin."""
    del fetcher._records[tp]
    fetcher._notify(fetcher._wait_consume_future)


def _drain(result: FetchResult, room: _Room) -> Columns | None:
    """Take whole record batches until no room is left; None if the position does not move."""
    source = result._partition_records
    if source is None or not result.check_assignment(result._topic_partition):
        return None
    position = source.next_fetch_offset
    rows, types = _rows(source, room)
    result._update_position()
    if not source._records.has_next():
        result._partition_records = None
    if source.next_fetch_offset == position:
        return None
    headers = [row.headers for row in rows]
    return Columns(
        position=position,
        next_position=source.next_fetch_offset,
        offsets=[row.offset for row in rows],
        record_times_ms=[row.timestamp for row in rows],
        keys=[row.key for row in rows],
        values=[row.value for row in rows],
        headers=headers if any(headers) else [],
        timestamp_types=types if any(types) else [],
        unreadable={row.offset: row.why for row in rows if type(row) is _Unread},
    )


def _rows(
    source: Any,  # noqa: ANN401 - aiokafka's PartitionRecords
    room: _Room,
) -> tuple[list[Any], list[int]]:
    """The compiled records of whole batches, and who set the time of each.

    Moves `next_fetch_offset` behind the last of them.
    """
    rows: list[Any] = []
    types: list[int] = []
    while room.is_left and source._records.has_next():
        batch = source._records.next_batch()
        if source._check_crcs and not _is_sound(batch):
            raise CorruptRecordException(f"checksum of {source._tp}")
        if not _is_passed_over(source, batch):
            fetched = _records_of(batch, source)
            if batch.compression_type:
                room.inflated_bytes -= sum(map(_bytes_n, fetched))
            while fetched and fetched[0].offset < source.next_fetch_offset:
                fetched.pop(0)  # a fetch may begin inside a batch
            rows += fetched
            types += [getattr(batch, "timestamp_type", 0) or 0] * len(fetched)
            room.rows_n -= len(fetched)
        source.next_fetch_offset = max(source.next_fetch_offset, batch.next_offset)
    return rows, types


def _is_passed_over(source: Any, batch: Any) -> bool:  # noqa: ANN401 - aiokafka's own
    """Whether its records are none: a marker of a transaction, or what was aborted.

    The steps are those of `PartitionRecords._unpack_records`.
    """
    if source._isolation_level == READ_COMMITTED and batch.producer_id is not None:
        source._consume_aborted_up_to(batch.base_offset)
        if batch.is_control_batch and source._contains_abort_marker(batch):
            source._aborted_producers.discard(batch.producer_id)
        if batch.is_transactional and batch.producer_id in source._aborted_producers:
            return True
    return bool(batch.is_control_batch)


def _records_of(batch: Any, source: Any) -> list[Any]:  # noqa: ANN401 - aiokafka's own
    try:
        return list(batch)
    except UnicodeDecodeError:
        found = read_again(source._records, batch.base_offset)
        if found is None:
            raise
        return found
    except BatchTooLargeError as error:
        why = f"offsets {batch.base_offset} to {batch.next_offset - 1}: {error.what}"
        return [_Unread(batch.base_offset, batch.max_timestamp, why)]


def _bytes_n(row: Any) -> int:  # noqa: ANN401 - aiokafka's record, or an _Unread
    return len(row.key or b"") + len(row.value or b"") + headers_bytes_n(row.headers)


def headers_bytes_n(headers: Iterable[tuple[str, bytes | None]]) -> int:
    """Bytes of a record's headers; of names that are ASCII."""
    return sum(len(name) + len(value or b"") for name, value in headers)


def _is_sound(batch: Any) -> bool:  # noqa: ANN401 - aiokafka's record batch
    """Whether the batch is what its checksum says."""
    return bool(batch.validate_crc())
