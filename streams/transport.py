"""The Faust transport that hands over batches: one event is one fetch of one topic partition.

Plain Faust spends four asyncio tasks on every message and ends at 6 to 8 thousand a second; here it
spends them on a batch. It stays Faust's: app, agents, streams, consumer group and rebalancing.
Everything that knows Faust's or aiokafka's inner workings is in this file, and differs from the
stock transport in these points:

- `getmany` gives a batch where Faust gives a message, after waiting for room in the intake.
- Offsets come from the sink: after every rebalance we seek to its offsets, not to Kafka's; what is
  committed to Kafka is what the sink made durable, whatever was acknowledged meanwhile.
- Partition p of all topics goes to one worker (range assignment).
- A fetch and a seek exclude each other. A fetch that began before a seek would deliver a later
  part of the log first, the sink would take it, and what lies between would be lost.
- A commit that fails is a warning: nothing depends on it.
"""

# ruff: noqa: ANN401, ARG002, ASYNC109 - the signatures are Faust's, which has no types.

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

import aiokafka
import faust
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import IllegalStateError, KafkaError
from aiokafka.protocol.group import LeaveGroupRequest
from faust.tables import TableManager
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage
from mode.threads import WorkerThread

from streams.clock import monotonic_ms
from streams.events.batch import Batch
from streams.fetch import fetched_columns, headers_bytes_n

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from aiokafka.structs import TopicPartition

    from streams.fetch import Columns

log = logging.getLogger(__name__)
faust_log = logging.getLogger("faust.batch")
"""For what Faust says in the name of these classes; ours are events an operator wants to see."""

SCHEME = "listenback-batch"
"""The entry point in the group faust.transports, and so the scheme of the broker URL."""
PARTITION_FETCH_BYTES_MAX = 4 << 20
FETCH_BYTES_MAX = 32 << 20
FETCH_WAIT_MAX_MS = 500
RECORDS_PER_POLL_MAX = 50_000
METADATA_AGE_MAX_MS = 15_000
"""How long a topic that was deleted, or given more partitions, may go unnoticed."""
COMMIT_WAIT_MAX_S = 2.0
END_LOOK_WAIT_MAX_S = 5.0
END_LOOK_EVERY_S = 0.02


@dataclass(frozen=True, slots=True)
class Fetched(Batch):
    """A batch, and what it takes to know that none before it was lost on the way.

    epoch: which seek it follows. position, next_position: where the partition was read before and
    after; the next batch of the partition begins at next_position. Offsets may have holes, and
    positions jump over them. bytes_n: what keys and values weigh.
    """

    epoch: int = 0
    position: int = 0
    next_position: int = 0
    bytes_n: int = 0


class Intake(Protocol):
    """What the transport needs of whoever takes the batches."""

    epoch: int
    """Grows with every seek and every loss of the partitions."""

    async def room(self) -> None:
        """Return when another fetch may be asked for."""

    async def assign(self, tps: frozenset[TP]) -> Mapping[TP, int]:
        """Own these partitions; returns the next offset of each (0: read from the log's start)."""

    def opened(
        self, wanted: Mapping[TP, int], begin: Mapping[TP, int], end: Mapping[TP, int]
    ) -> None:
        """We read from the wanted offsets, or from the log's begin; raise if it is another log."""

    def durable_offsets(self) -> Mapping[TP, int]:
        """What Kafka may be told."""

    def plain_topic(self, name: str) -> str:
        """The topic without prefix."""


class NoTables(TableManager):  # type: ignore[misc]  # Faust has no types
    """Faust waits a second for tables to be defined; nobody will."""

    logger = faust_log

    async def on_start(self) -> None:
        """Start what resumes the streams after a rebalance."""
        await self._update_channels()
        await self.recovery.start()


class BatchApp(faust.App):  # type: ignore[misc]
    """A Faust app whose transport delivers to `intake`; it leaves no directory behind."""

    logger = faust_log
    intake: Intake

    async def on_first_start(self) -> None:
        """Faust would make directories for tables here; there are none."""

    async def wait_crashed(self) -> BaseException:
        """Return when a part of the app has crashed, with the reason."""
        await self._crashed.wait()
        return cast("BaseException", self.crash_reason)


class BatchSchema(faust.Schema):  # type: ignore[misc]
    """Leaves keys and values as they are: the value is a batch, not bytes."""

    def loads_key(self, app: Any, message: Any, **_: Any) -> Any:
        """The key of the event: none."""
        return message.key

    def loads_value(self, app: Any, message: Any, **_: Any) -> Any:
        """The value of the event: the batch."""
        return message.value


class DaemonThread(WorkerThread):  # type: ignore[misc]
    """A thread that does not keep a process alive which has ended all it could in order."""

    def __init__(self, service: Any, **kwargs: Any) -> None:
        """As mode makes it, but for the daemon flag."""
        super().__init__(service, **kwargs)
        self.daemon = True


class BatchConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """The thread that talks to Kafka."""

    logger = faust_log
    Worker = DaemonThread

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        """As the stock one but for the assignment, the size of a fetch and how long it waits."""
        conf = self.app.conf
        # The recovery service asks the assignor for tables; there are none, it only must be there.
        self._assignor = RangePartitionAssignor
        return aiokafka.AIOKafkaConsumer(
            client_id=conf.broker_client_id,
            group_id=conf.id,
            bootstrap_servers=driver.server_list(transport.url, transport.default_port),
            partition_assignment_strategy=[RangePartitionAssignor],
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            max_poll_interval_ms=int(conf.broker_max_poll_interval * 1_000),
            max_partition_fetch_bytes=PARTITION_FETCH_BYTES_MAX,
            fetch_max_bytes=FETCH_BYTES_MAX,
            fetch_max_wait_ms=FETCH_WAIT_MAX_MS,
            metadata_max_age_ms=METADATA_AGE_MAX_MS,
            request_timeout_ms=int(conf.broker_request_timeout * 1_000),
            session_timeout_ms=int(conf.broker_session_timeout * 1_000),
            rebalance_timeout_ms=int(conf.broker_rebalance_timeout * 1_000),
            heartbeat_interval_ms=int(conf.broker_heartbeat_interval * 1_000),
            check_crcs=conf.broker_check_crcs,
            **driver.credentials_to_aiokafka_auth(conf.broker_credentials, conf.ssl_context),
        )

    async def fetch_columns(
        self, active: set[TP] | None, wait_max_s: float
    ) -> Mapping[TopicPartition, Columns]:
        """What came, a set of columns a partition; nothing while the flow is stopped."""
        return cast(
            "Mapping[TopicPartition, Columns]",
            await self.call_thread(self._fetch_columns, active, wait_max_s),
        )

    async def _fetch_columns(
        self, active: set[TP] | None, wait_max_s: float
    ) -> Mapping[TopicPartition, Columns]:
        if not self.consumer.flow_active:
            return {}
        fetcher = self._ensure_consumer()._fetcher  # noqa: SLF001 - as Faust itself does
        with fetcher._subscriptions.fetch_context():  # noqa: SLF001 - we are alive: no rebalance
            return await fetched_columns(
                fetcher, active, wait_max_s=wait_max_s, rows_max=RECORDS_PER_POLL_MAX
            )

    async def on_thread_stop(self) -> None:
        """Leave the group and close, also where the broker is gone."""
        await self._leave_first_generation()
        try:
            await super().on_thread_stop()
        except asyncio.CancelledError:
            # aiokafka cancels a fetch that waits to try again, and is itself cancelled by that.
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            await self._ensure_consumer()._client.close()  # noqa: SLF001 - what it left undone

    async def _leave_first_generation(self) -> None:
        """Leave in the group's first generation, too: aiokafka takes that for not having joined.

        Apache Kafka counts generations from 1, Tansu from 0. A member that does not leave holds up
        the next join until its session times out.
        """
        coordinator: Any = getattr(self._consumer, "_coordinator", None)
        if getattr(coordinator, "generation", None) == 0:
            request = LeaveGroupRequest(coordinator.group_id, coordinator.member_id)
            with contextlib.suppress(KafkaError):
                await coordinator._send_req(request)  # noqa: SLF001 - as aiokafka itself does

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """Tell Kafka; only lag tools listen, so a refusal is a warning and never a crash."""
        consumer = self._ensure_consumer()
        mine = {tp: offset for tp, offset in offsets.items() if tp in self.assignment()}
        try:
            async with asyncio.timeout(COMMIT_WAIT_MAX_S):  # aiokafka would try for ever
                await consumer.commit(
                    {driver.ensure_aiokafka_TP(tp): offset for tp, offset in mine.items()}
                )
        except (KafkaError, TimeoutError) as error:
            log.warning("offsets were not committed (only lag tools need them): %r", error)
            return False
        return True


class BatchConsumer(driver.Consumer):  # type: ignore[misc]
    """Faust's consumer, a batch at a time."""

    logger = faust_log

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """As Faust makes it."""
        super().__init__(*args, **kwargs)
        self._fetch_or_seek = asyncio.Lock()
        self._fetched_in_epoch = -1

    @property
    def _intake(self) -> Intake:
        return cast("BatchApp", self.app).intake

    def _new_consumer_thread(self) -> BatchConsumerThread:
        return BatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        """What one fetch brought, a batch a partition; nothing if a seek is due."""
        await self._intake.room()
        fetched, _ = await self._wait_next_records(timeout)
        if self.should_stop or not fetched:
            return
        for tp, columns in fetched.items():
            if self._fetched_in_epoch != self._intake.epoch or not self.flow_active:
                return  # a seek follows, and will read these again
            yield tp, self._message(tp, self._batch(tp, columns))

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:
        async with self._fetch_or_seek:
            if not self.flow_active:
                return {}
            self._fetched_in_epoch = self._intake.epoch
            thread = cast("BatchConsumerThread", self._thread)
            return await thread.fetch_columns(active_partitions, timeout)

    async def perform_seek(self) -> None:
        """Read on where the sink says: its offsets are those of record."""
        tps = frozenset(self.assignment())
        async with self._fetch_or_seek:
            wanted = await self._intake.assign(tps)
            epoch = self._intake.epoch
            begin = await self.earliest_offsets(*tps)
            targets = {tp: max(offset, begin[tp]) for tp, offset in wanted.items()}
            await self.seek_wait(targets)
            ends = await self._ends(targets)
            if self._intake.epoch != epoch or self.assignment() != tps:
                text = "the group dealt anew in the meantime"  # Faust waits for that deal, then
                raise IllegalStateError(text)
            self._intake.opened(wanted, begin, ends)
            self._committed_offset.clear()

    def highwater(self, tp: TP) -> int | None:
        """Where the log ends as the last fetch said; None where none did, or it is not ours now."""
        try:
            return cast("int | None", super().highwater(tp))
        except (AssertionError, AttributeError):  # aiokafka's word for what a deal took meanwhile
            return None

    async def _ends(self, targets: Mapping[TP, int]) -> Mapping[TP, int]:
        """Where the logs end. Tansu's answer is where its last record batch begins, plus one.

        So where the answer lies before the target, we wait for what a fetch says.
        """
        ends = dict(await self.highwaters(*targets))
        give_up_at_ms = monotonic_ms() + END_LOOK_WAIT_MAX_S * 1_000
        for tp, target in targets.items():
            while ends[tp] < target and self.highwater(tp) is None:
                if monotonic_ms() > give_up_at_ms:
                    break
                await asyncio.sleep(END_LOOK_EVERY_S)
            ends[tp] = max(ends[tp], self.highwater(tp) or 0)
        return ends

    def ack(self, message: Any) -> bool:
        """An agent is done with a batch. That says nothing about the sink; see `_new_offset`."""
        message.acked = True
        self._unacked_messages.discard(message)
        return True

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        durable = self._intake.durable_offsets()
        return (tp for tp in durable if topics is None or tp in topics or tp.topic in topics)

    def _new_offset(self, tp: TP) -> int | None:
        return self._intake.durable_offsets().get(tp)

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Faust tracks holes for its own offsets; with batches that would stall commits."""

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Faust's stall detector reads per-message times that batches do not have."""

    def _batch(self, tp: TP, columns: Columns) -> Fetched:
        bytes_n = sum(map(len, filter(None, columns.keys)))
        bytes_n += sum(map(headers_bytes_n, columns.headers))
        return Fetched(
            topic=self._intake.plain_topic(tp.topic),
            shard=tp.partition,
            offsets=columns.offsets,
            record_times_ms=columns.record_times_ms,
            keys=columns.keys,
            values=columns.values,
            headers=columns.headers,
            timestamp_types=columns.timestamp_types,
            unreadable=columns.unreadable,
            epoch=self._fetched_in_epoch,
            position=columns.position,
            next_position=columns.next_position,
            bytes_n=bytes_n + sum(map(len, filter(None, columns.values))),
        )

    def _message(self, tp: TP, batch: Fetched) -> ConsumerMessage:
        times_ms = batch.record_times_ms
        return ConsumerMessage(
            topic=tp.topic,
            partition=tp.partition,
            offset=batch.next_position - 1,
            timestamp=times_ms[-1] / 1_000 if times_ms else 0.0,
            timestamp_type=0,
            headers=None,
            key=None,
            value=batch,
            checksum=None,
            serialized_key_size=0,
            serialized_value_size=0,
            tp=tp,
            generation_id=self.app.consumer_generation_id,
        )


class BatchTransport(driver.Transport):  # type: ignore[misc]
    """Named by the broker URL `listenback-batch://host:port`."""

    Consumer = BatchConsumer
    driver_version = f"{SCHEME}+{driver.Transport.driver_version}"
