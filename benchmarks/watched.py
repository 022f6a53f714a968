"""A sink that notes when what happened; and one that only counts."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streams.events.topics import JOINED_TOPICS
from streams.sink import DeadLetter, Flushed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streams.events.batch import Batch
    from streams.sink import Commit, Sink, TopicShard


@dataclass(slots=True)
class Times:
    """Seconds of one clock. commits: (end, messages, resident MiB then); publishes: end."""

    assigned_s: float = 0.0
    first_add_s: float = 0.0
    last_add_s: float = 0.0
    commits: list[tuple[float, int, float]] = field(default_factory=list)
    publishes: list[float] = field(default_factory=list)


class Watched:
    """Another sink, watched: what is not named here goes straight to it."""

    def __init__(self, sink: Sink) -> None:
        """Watch this one."""
        self._sink = sink
        self.times = Times()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the sink has
        """What is not watched."""
        return getattr(self._sink, name)

    def assign(self, shards: frozenset[int]) -> Mapping[TopicShard, int]:
        """Pass on; the clock of a run starts at the first assignment of shards."""
        given = self._sink.assign(shards)
        if shards and not self.times.assigned_s:
            self.times.assigned_s = time.perf_counter()
        return given

    def add(self, batch: Batch) -> None:
        """Pass on."""
        if not self.times.first_add_s:
            self.times.first_add_s = time.perf_counter()
        self._sink.add(batch)
        self.times.last_add_s = time.perf_counter()

    def seal(self) -> Commit:
        """Pass on; committed when what it gives returns."""
        commit = self._sink.seal()

        def watched() -> Flushed:
            flushed = commit()
            self.times.commits.append((time.perf_counter(), flushed.read_n, resident_mib()))
            return flushed

        return watched

    def publish_if_due(self) -> bool:
        """Pass on."""
        is_published = self._sink.publish_if_due()
        if is_published:
            self.times.publishes.append(time.perf_counter())
        return is_published

    def publish(self) -> None:
        """Pass on."""
        self._sink.publish()
        self.times.publishes.append(time.perf_counter())


@dataclass(slots=True)
class CountingSink:
    """Takes and forgets: what the transport alone can do. Satisfies streams.sink.Sink."""

    rows_n: int = 0
    waiting_n: int = 0
    next_offsets: dict[TopicShard, int] = field(default_factory=dict)
    is_all_published: bool = True

    def agree_on_partitions(self, partitions_n: int) -> None:
        """With any number."""

    def assign(self, shards: frozenset[int]) -> Mapping[TopicShard, int]:
        """Everything from its beginning."""
        return {(topic.value, shard): 0 for topic in JOINED_TOPICS for shard in shards}

    def add(self, batch: Batch) -> None:
        """Count."""
        self.rows_n += len(batch)
        self.waiting_n += len(batch)
        self.next_offsets[batch.topic, batch.shard] = batch.offsets[-1] + 1

    def rows_buffered(self) -> int:
        """Counted since the last flush."""
        return self.waiting_n

    def seal(self) -> Commit:
        """Forget."""
        read_n, self.waiting_n = self.waiting_n, 0
        flushed = Flushed(dict(self.next_offsets), read_n, read_n, 0, 0, 0.0)
        return lambda: flushed

    def publish_if_due(self) -> bool:
        """Never."""
        return False

    def publish(self) -> None:
        """Nothing to publish."""

    def dead_letters(self, limit: int) -> Sequence[DeadLetter]:
        """None."""
        return [] if limit else ()

    def mark_forwarded(self, dlq_ids: Sequence[str]) -> None:
        """None was."""

    def close(self) -> None:
        """Nothing is open."""


def resident_mib() -> float:
    """Memory that this process has now; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)
