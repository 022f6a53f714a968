"""Small fetches of one partition become one batch, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.events.batch import Batch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.sink import TopicShard


def merged(batches: Iterable[Batch]) -> list[Batch]:
    """One batch a topic and shard, in order: a call of the sink costs per batch, too."""
    parts: dict[TopicShard, list[Batch]] = {}
    for batch in batches:
        parts.setdefault((batch.topic, batch.shard), []).append(batch)
    return [_joined(group) for group in parts.values()]


def _joined(batches: list[Batch]) -> Batch:
    first = batches[0]
    if len(batches) == 1:
        return first
    has_headers = any(batch.headers for batch in batches)
    has_types = any(batch.timestamp_types for batch in batches)
    return Batch(
        first.topic,
        first.shard,
        [n for batch in batches for n in batch.offsets],
        [ms for batch in batches for ms in batch.record_times_ms],
        [key for batch in batches for key in batch.keys],
        [value for batch in batches for value in batch.values],
        [pairs for batch in batches for pairs in batch.headers or [()] * len(batch)]
        if has_headers
        else (),
        timestamp_types=[
            kind for batch in batches for kind in batch.timestamp_types or [0] * len(batch)
        ]
        if has_types
        else (),
        unreadable={at: why for batch in batches for at, why in batch.unreadable.items()},
    )
