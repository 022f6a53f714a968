"""What the transport side needs of the joining side: one small protocol between the two."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streams.events.batch import Batch
    from streams.warehouse.erasures import Request

TopicShard = tuple[str, int]
"""(topic without prefix, partition)."""


@dataclass(frozen=True, slots=True)
class Flushed:
    """What one transaction made durable.

    next_offsets: per topic and shard the offset to read next; what Kafka may be told.
    """

    next_offsets: Mapping[TopicShard, int]
    read_n: int
    accepted_n: int
    duplicate_n: int
    dead_lettered_n: int
    took_ms: float


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A refused message on its way to `<topic>.dlq`: raw key and value, envelope as JSON bytes."""

    dlq_id: str
    topic: str
    key: bytes | None
    envelope: bytes


Commit = Callable[[], Flushed]
"""One transaction: rows and their offsets. To be called once, in the order of sealing. Raises on a
sick file; nothing is then kept, and nothing that was sealed later may be committed."""


class Sink(Protocol):
    """Where batches go. All may block.

    Two threads may call it, each a method at a time: one `add`, `rows_buffered` and `seal`, which
    touch no file; the other all else, and what `seal` gave. `assign` comes while both rest.
    """

    def agree_on_partitions(self, partitions_n: int) -> None:
        """Told once, first: how many partitions the log has. Raises IntegrityError: not ours."""

    def assign(self, shards: frozenset[int]) -> Mapping[TopicShard, int]:
        """Own exactly these shards; returns the next offset of each of the five topics (0: new)."""

    def add(self, batch: Batch) -> None:
        """Take a batch. Offsets below the stored ones are dropped here, not by the caller."""

    def rows_buffered(self) -> int:
        """How many rows wait for the next flush."""

    def seal(self) -> Commit:
        """End the buffer and begin a new one; what commits the old one, in the other thread."""

    @property
    def is_all_published(self) -> bool:
        """Whether a snapshot holds every flush, and none is on its way."""

    def publish_if_due(self) -> bool:
        """Publish a snapshot when the interval and the time share allow it; as `publish`.

        What it publishes may be of an earlier call, and hold less than was committed since.
        """

    def publish(self) -> None:
        """Publish a snapshot now. Raises OSError where its folder takes none: the rows are safe."""

    def dead_letters(self, limit: int) -> Sequence[DeadLetter]:
        """Stored dead letters that were not yet sent to their topic, oldest first."""

    def mark_forwarded(self, dlq_ids: Sequence[str]) -> None:
        """Remember that these dead letters were sent."""

    def erase(self, requests: Sequence[Request]) -> Mapping[str, int]:
        """Forget users, now and in what comes; rows that went or changed, by table."""

    def close(self) -> None:
        """Flush nothing more, close the file."""
