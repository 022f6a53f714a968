"""The bulk producer: columns of ready bytes to Kafka, 30 times the rate of one message at a time.

aiokafka's batch builder is compiled, and a whole record batch is one call into the client; its
event loop has a thread of its own, so that the caller stays ordinary code. For the simulator,
importers and benchmarks. Every record goes to the partition that Kafka's partitioner gives its key.

acks=all, one request in flight a partition: the order within a partition holds. A retry may write a
batch twice; the joining side drops what it has seen by (source, event id).
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TypeVar

import numpy as np
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from streams.errors import TransientError
from streams.partitioner import partitions_of
from streams.topics import home_counts

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Sequence
    from concurrent.futures import Future
    from types import TracebackType
    from typing import Any

    from aiokafka.producer.message_accumulator import BatchBuilder

    from streams.settings import Settings

T = TypeVar("T")

BATCH_BYTES = 256 << 10
"""Bytes of a record batch; from 256 KiB on the rate no longer grows."""
UNACKNOWLEDGED_BATCHES_MAX = 32
"""Encoded batches that wait for the broker: 8 MiB at most, then `send` waits."""
START_WAIT_MAX_S = 15.0
DELIVERY_WAIT_MAX_S = 20.0
"""A batch that the broker has not taken by then is lost, and with it the whole run."""
STOP_WAIT_MAX_S = 3.0


@dataclass(frozen=True, slots=True)
class Records:
    """Equal-length columns, one element a message; topic is without prefix.

    record_times_ms: the time that the log will say, milliseconds UTC. headers: all or none.
    partitions: where each goes; empty: where Kafka's partitioner sends its key.
    """

    topic: str
    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    record_times_ms: Sequence[int]
    headers: Sequence[Sequence[tuple[str, bytes | None]]] = ()
    partitions: Sequence[int] = ()

    def __len__(self) -> int:
        """How many messages."""
        return len(self.values)


class BulkProducer:
    """`with BulkProducer(settings) as producer: producer.send(records)`.

    Leaving the `with` waits until the broker acknowledged everything, or raises.
    """

    def __init__(self, settings: Settings) -> None:
        """Connect. Raises TransientError, ConfigError."""
        self._settings = settings
        self._partitions_n = home_counts(settings)
        self._room = threading.Semaphore(UNACKNOWLEDGED_BATCHES_MAX)
        self._in_order: dict[tuple[str, int], asyncio.Lock] = defaultdict(asyncio.Lock)
        self._failed_n = 0
        self._first_error: BaseException | None = None
        self.acknowledged_n = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        try:
            self._client = self._call(self._started(), START_WAIT_MAX_S)
        except (KafkaError, TimeoutError) as error:
            self._end_loop()
            raise self._trouble(f"the producer did not start: {error!r}.") from error

    def send(self, records: Records) -> None:
        """Encode and hand over; waits while too much is unacknowledged.

        Raises TransientError as soon as some earlier batch is known to be lost.
        """
        self._raise_if_lost()
        topic = self._settings.topic(records.topic)
        homes = np.array(records.partitions, dtype=np.int64)
        if not records.partitions:
            homes = partitions_of(records.keys, self._partitions_n[topic])
        in_home_order = np.argsort(homes, kind="stable")
        homes_in_use, starts = np.unique(homes[in_home_order], return_index=True)
        for home, rows in zip(homes_in_use, np.split(in_home_order, starts[1:]), strict=False):
            for batch in self._encoded(records, rows.tolist()):
                self._hand_over(batch, topic, int(home))

    def flush(self) -> int:
        """Wait until all is acknowledged; returns how many ever were. Raises TransientError."""
        give_up_at = time.monotonic() + DELIVERY_WAIT_MAX_S
        taken_n = 0
        while taken_n < UNACKNOWLEDGED_BATCHES_MAX:
            if not self._room.acquire(timeout=max(0.0, give_up_at - time.monotonic())):
                break
            taken_n += 1
        self._room.release(taken_n)
        self._raise_if_lost()
        if taken_n < UNACKNOWLEDGED_BATCHES_MAX:
            raise self._trouble(f"no acknowledgement for {DELIVERY_WAIT_MAX_S:.0f} s.")
        return self.acknowledged_n

    def close(self) -> None:
        """Let go without waiting for what is unacknowledged; use `flush` first."""
        if not self._loop.is_closed():
            self._call(self._stopped(), START_WAIT_MAX_S)
            self._end_loop()

    def __enter__(self) -> Self:
        """The producer itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        """Wait for the acknowledgements unless something went wrong already; close."""
        try:
            if error is None:
                self.flush()
        finally:
            self.close()

    async def _started(self) -> AIOKafkaProducer:
        client = AIOKafkaProducer(
            bootstrap_servers=self._settings.bootstrap,
            acks="all",
            max_batch_size=BATCH_BYTES,
            max_request_size=BATCH_BYTES * UNACKNOWLEDGED_BATCHES_MAX,
            request_timeout_ms=int(DELIVERY_WAIT_MAX_S * 1_000),
            **self._settings.kafka_security().client_options(),
        )
        try:
            await client.start()
        except BaseException:
            await client.stop()
            raise
        return client

    async def _stopped(self) -> None:
        """Stop the client; what it still waits for is cancelled, not waited for."""
        stop = asyncio.ensure_future(self._client.stop())
        await asyncio.wait([stop], timeout=STOP_WAIT_MAX_S)
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _encoded(self, records: Records, rows: list[int]) -> Iterator[BatchBuilder]:
        """The rows as record batches of BATCH_BYTES, in order. A larger message has its own."""
        batch = self._client.create_batch()
        keys, values, times_ms = records.keys, records.values, records.record_times_ms
        headers = [list(pairs) for pairs in records.headers]
        for row in rows:
            head = headers[row] if headers else []
            key, value, time_ms = keys[row], values[row], times_ms[row]
            if batch.append(timestamp=time_ms, key=key, value=value, headers=head) is None:
                yield batch
                batch = self._client.create_batch()
                batch.append(timestamp=time_ms, key=key, value=value, headers=head)
        yield batch

    def _hand_over(self, batch: BatchBuilder, topic: str, partition: int) -> None:
        if not self._room.acquire(timeout=DELIVERY_WAIT_MAX_S):
            self._raise_if_lost()
            raise self._trouble(f"no acknowledgement for {DELIVERY_WAIT_MAX_S:.0f} s.")
        sent = asyncio.run_coroutine_threadsafe(self._sent(batch, topic, partition), self._loop)
        sent.add_done_callback(lambda done: self._account(done, batch.record_count()))

    async def _sent(self, batch: BatchBuilder, topic: str, partition: int) -> None:
        async with self._in_order[topic, partition]:
            if self._first_error is not None:  # each would wait as long as the first one did
                raise self._first_error
            acknowledged = await self._client.send_batch(batch, topic, partition=partition)
        await acknowledged

    def _account(self, done: Future[None], records_n: int) -> None:
        error = asyncio.CancelledError() if done.cancelled() else done.exception()
        if error is None:
            self.acknowledged_n += records_n
        else:
            self._failed_n += records_n
            self._first_error = self._first_error or error
        self._room.release()

    def _raise_if_lost(self) -> None:
        if self._first_error is not None:
            error = self._first_error
            raise self._trouble(
                f"{self._failed_n} messages were not acknowledged ({error!r})."
            ) from error

    def _trouble(self, what: str) -> TransientError:
        return TransientError(
            what,
            where=self._settings.bootstrap,
            done=f"{self.acknowledged_n} messages were acknowledged.",
            todo="Look at `listenback doctor`, then send all of it again: "
            "what came twice is counted as duplicate.",
        )

    def _call(self, work: Coroutine[Any, Any, T], wait_max_s: float) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(wait_max_s)

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(START_WAIT_MAX_S)
        self._loop.close()
