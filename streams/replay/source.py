"""What a replay needs of a log: its shards, and its batches between two offsets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from streams.events.batch import Batch
    from streams.sink import TopicShard


class Source(Protocol):
    """A log that can be read from its beginning, as often as wanted, without anybody noticing."""

    @property
    def shards(self) -> frozenset[int]:
        """The shards of the log."""

    def batches(
        self, start: Mapping[TopicShard, int], end: Mapping[TopicShard, int] | None
    ) -> Iterator[Batch]:
        """All batches from `start` up to `end` (exclusive); None: to the end of the log as it is.

        Each topic and shard in offset order; topics and shards in any.

        Raises:
            IntegrityError: the log does not hold what lies between.
            ConfigError, TransientError: it cannot be read.
        """
