"""Sinks that remember, so that a test can say what was delivered, in which order, and how often."""

from __future__ import annotations

import json
import os
import threading
from typing import TYPE_CHECKING

from streams.events.topics import JOINED_TOPICS
from streams.sink import Flushed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from streams.events.batch import Batch
    from streams.sink import Commit, DeadLetter, TopicShard

Row = tuple[int, int, bytes | None, bytes | None]
"""offset, record time, key, value."""


class MemorySink:
    """Keeps what was flushed; what was only added is gone with `assign`, as after a crash.

    letters: what `dead_letters` gives until it is marked. A test may replace any method.
    """

    def __init__(self, flushed: dict[TopicShard, list[Row]] | None = None) -> None:
        self.flushed: dict[TopicShard, list[Row]] = {} if flushed is None else flushed
        self.letters: list[DeadLetter] = []
        self.shards: frozenset[int] = frozenset()
        self.events: list[str] = []
        self.threads: dict[str, set[str]] = {}
        self.published_flushes_n = 0
        self._added: dict[TopicShard, list[Row]] = {}

    def agree_on_partitions(self, partitions_n: int) -> None:
        self.partitions_n = partitions_n

    def assign(self, shards: frozenset[int]) -> Mapping[TopicShard, int]:
        self._note(f"assign {sorted(shards)}")
        self.shards = shards
        self._added = {}
        return {
            (t.value, shard): self.next_offset(t.value, shard)
            for t in JOINED_TOPICS
            for shard in shards
        }

    def next_offset(self, topic: str, shard: int) -> int:
        rows = self.flushed.get((topic, shard))
        return rows[-1][0] + 1 if rows else 0

    def add(self, batch: Batch) -> None:
        self._note("add")
        assert batch.shard in self.shards
        rows = zip(batch.offsets, batch.record_times_ms, batch.keys, batch.values, strict=True)
        self._added.setdefault((batch.topic, batch.shard), []).extend(rows)

    def rows_buffered(self) -> int:
        return sum(map(len, self._added.values()))

    def seal(self) -> Commit:
        self._note("seal")
        added, self._added = self._added, {}
        return lambda: self.commit(added)

    def commit(self, added: dict[TopicShard, list[Row]]) -> Flushed:
        self._note("commit")
        self.keep(added)
        rows_n = sum(map(len, added.values()))
        return Flushed({k: rows[-1][0] + 1 for k, rows in added.items()}, rows_n, rows_n, 0, 0, 0.0)

    def keep(self, added: Mapping[TopicShard, list[Row]]) -> None:
        for key, rows in added.items():
            self.flushed.setdefault(key, []).extend(rows)

    @property
    def is_all_published(self) -> bool:
        return self.published_flushes_n == self.events.count("commit")

    def publish_if_due(self) -> bool:
        return False

    def publish(self) -> None:
        self._note("publish")
        self.published_flushes_n = self.events.count("commit")

    def dead_letters(self, limit: int) -> Sequence[DeadLetter]:
        return self.letters[:limit]

    def mark_forwarded(self, dlq_ids: Sequence[str]) -> None:
        self._note(f"forwarded {len(dlq_ids)}")
        self.letters = [letter for letter in self.letters if letter.dlq_id not in set(dlq_ids)]

    def close(self) -> None:
        self._note("close")

    def offsets(self) -> dict[TopicShard, list[int]]:
        return {key: [row[0] for row in rows] for key, rows in self.flushed.items()}

    def values(self) -> list[bytes | None]:
        return sorted(row[3] or b"" for rows in self.flushed.values() for row in rows)

    def _note(self, event: str) -> None:
        self.events.append(event)
        self.threads.setdefault(event, set()).add(threading.current_thread().name)


class FolderSink(MemorySink):
    """Writes each flush as one file by rename, for workers in several processes.

    The files of all workers together are the truth: a worker that is given a shard goes on where
    they end.
    """

    def __init__(self, folder: Path, name: str) -> None:
        super().__init__()
        self._folder = folder
        self._name = name
        self._flushes_n = 0

    def assign(self, shards: frozenset[int]) -> Mapping[TopicShard, int]:
        self.flushed = read_folder(self._folder)
        return super().assign(shards)

    def keep(self, added: Mapping[TopicShard, list[Row]]) -> None:
        super().keep(added)
        rows = [
            [*key, offset, value.decode()]
            for key, part in added.items()
            for offset, _, _, value in part
        ]
        self._flushes_n += 1
        made = self._folder / f"{self._name}-{os.getpid()}-{self._flushes_n:06}.json"
        made.with_suffix(".tmp").write_text(json.dumps(rows))
        made.with_suffix(".tmp").rename(made)


def read_folder(folder: Path) -> dict[TopicShard, list[Row]]:
    """All rows of all files by topic and shard, in offset order; twice if written twice."""
    found: dict[TopicShard, list[Row]] = {}
    for path in sorted(folder.glob("*.json")):
        for topic, shard, offset, value in json.loads(path.read_text()):
            found.setdefault((topic, shard), []).append((offset, 0, None, value.encode()))
    return {key: sorted(rows, key=lambda row: row[0]) for key, rows in found.items()}
