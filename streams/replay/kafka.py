"""The log itself: all partitions of the five topics, read outside of any group."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import aiokafka
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from streams.clock import monotonic_ms
from streams.errors import IntegrityError, TransientError
from streams.events.batch import Batch
from streams.events.topics import JOINED_TOPICS
from streams.fetch import fetched_columns
from streams.topics import check_topics

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from streams.fetch import Columns
    from streams.settings import Settings
    from streams.sink import TopicShard

ROWS_MAX = 50_000
FETCH_BYTES_MAX = 32 << 20
PARTITION_FETCH_BYTES_MAX = 4 << 20
FETCH_WAIT_MAX_S = 1.0
SILENCE_MAX_S = 30.0
"""Without a record for so long before the end is reached, the broker is called unreachable."""


class KafkaSource:
    """Satisfies streams.replay.source.Source. No group: Kafka keeps nothing of our reading."""

    def __init__(self, settings: Settings) -> None:
        """Read the topics of these settings. Raises ConfigError, IntegrityError, TransientError."""
        self._settings = settings
        self._names = {settings.topic(topic): topic.value for topic in JOINED_TOPICS}
        self._partitions_n = check_topics(settings)

    @property
    def shards(self) -> frozenset[int]:
        """The partitions that the five topics share."""
        return frozenset(range(self._partitions_n))

    def batches(
        self, start: Mapping[TopicShard, int], end: Mapping[TopicShard, int] | None
    ) -> Iterator[Batch]:
        """See Source."""
        with asyncio.Runner() as runner:
            reader = _Reader(self._settings, self._names, self._targets(end))
            runner.run(reader.open(start))
            try:
                while reader.targets:
                    for tp, columns in runner.run(reader.fetch()).items():
                        batch = self._batch(tp, columns)
                        if end is not None:
                            batch = batch.before(end.get((batch.topic, batch.shard), 0))
                        if len(batch):
                            yield batch
            finally:
                runner.run(reader.close())

    def _targets(self, end: Mapping[TopicShard, int] | None) -> dict[TopicPartition, int | None]:
        """Where each partition ends; None where the log will say."""
        return {
            TopicPartition(name, shard): None if end is None else end.get((topic, shard), 0)
            for name, topic in self._names.items()
            for shard in self.shards
        }

    def _batch(self, tp: TopicPartition, columns: Columns) -> Batch:
        return Batch(
            self._names[tp.topic],
            tp.partition,
            columns.offsets,
            columns.record_times_ms,
            columns.keys,
            columns.values,
            columns.headers,
            timestamp_types=columns.timestamp_types,
            unreadable=columns.unreadable,
        )


class _Reader:
    """A consumer without a group, and where each of its partitions is to end."""

    def __init__(
        self,
        settings: Settings,
        names: Mapping[str, str],
        targets: dict[TopicPartition, int | None],
    ) -> None:
        self._settings = settings
        self._names = names
        self._consumer: Any = None
        self._quiet_since_ms = monotonic_ms()
        self.targets = targets

    async def open(self, start: Mapping[TopicShard, int]) -> None:
        """Connect and stand where the reading begins. Raises IntegrityError, TransientError."""
        self._consumer = aiokafka.AIOKafkaConsumer(
            bootstrap_servers=self._settings.bootstrap,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            fetch_max_bytes=FETCH_BYTES_MAX,
            max_partition_fetch_bytes=PARTITION_FETCH_BYTES_MAX,
            **self._settings.kafka_security().client_options(),
        )
        try:
            await self._consumer.start()
            self._consumer.assign(list(self.targets))
            begin = await self._consumer.beginning_offsets(list(self.targets))
        except KafkaError as error:
            raise self._gone(error) from error
        for tp, first in begin.items():
            wanted = start.get((self._names[tp.topic], tp.partition), 0)
            if first > wanted and self.targets[tp] != wanted:
                raise IntegrityError(
                    f"the log begins at offset {first}: what came before was deleted.",
                    where=f"{tp.topic}[{tp.partition}]",
                    done="Nothing was rebuilt.",
                    todo="Rebuild from files of the whole log: --from jsonl; or keep the file.",
                )
            self._consumer.seek(tp, wanted)
        self._drop_done({tp: start.get((self._names[tp.topic], tp.partition), 0) for tp in begin})

    async def fetch(self) -> Mapping[TopicPartition, Columns]:
        """What one fetch brings; partitions that have come to their end leave `targets`."""
        fetcher = self._consumer._fetcher  # noqa: SLF001 - see streams.fetch
        try:
            found = await fetched_columns(
                fetcher, set(self.targets), wait_max_s=FETCH_WAIT_MAX_S, rows_max=ROWS_MAX
            )
        except KafkaError as error:
            raise self._gone(error) from error
        if found:
            self._quiet_since_ms = monotonic_ms()
        elif monotonic_ms() - self._quiet_since_ms > SILENCE_MAX_S * 1_000:
            waiting = ", ".join(f"{tp.topic}[{tp.partition}]" for tp in sorted(self.targets))
            raise self._gone(f"nothing came for {SILENCE_MAX_S:.0f} s; still to read: {waiting}")
        for tp, target in self.targets.items():
            if target is None:  # the end as the first fetch said it: the log may go on growing
                self.targets[tp] = self._consumer.highwater(tp)
        self._drop_done({tp: columns.next_position for tp, columns in found.items()})
        self._drop_done({tp: 0 for tp, target in self.targets.items() if target == 0})
        return found

    async def close(self) -> None:
        """Disconnect."""
        if self._consumer is not None:
            await self._consumer.stop()

    def _drop_done(self, positions: Mapping[TopicPartition, int]) -> None:
        for tp, position in positions.items():
            target = self.targets.get(tp)
            if target is not None and position >= target:
                del self.targets[tp]

    def _gone(self, error: KafkaError | str) -> TransientError:
        return TransientError(
            f"the log cannot be read: {error}.",
            where=self._settings.bootstrap,
            done="The rebuilt file ends where reading ended; the live one is untouched.",
            todo="Look at `listenback doctor`, then go on with: listenback replay --resume",
        )
