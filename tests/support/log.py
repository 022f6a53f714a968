"""Batches as Kafka would give them, from small Python dicts."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

from streams.events.batch import Batch
from streams.events.contracts import CONTRACTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.events.topics import Topic

START = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
USER = "a" * 64


def message(topic: Topic, event_id: str, **fields: Any) -> dict[str, Any]:
    """A message that keeps its contract: the documented example with other values."""
    example = dict(CONTRACTS[topic].example)
    own = {"event_id": event_id, CONTRACTS[topic].own_id: event_id}
    late_s = fields.pop("late_s", 0)
    happened = START + dt.timedelta(seconds=late_s)
    times = {"event_time": happened.isoformat(), "recorded_time": happened.isoformat()}
    if "started_at" in example:
        times["started_at"] = (happened - dt.timedelta(minutes=5)).isoformat()
    return {**example, "user_key": USER, "generation_id": "g1", **own, **times, **fields}


def batch(
    topic: Topic,
    messages: Sequence[dict[str, Any] | bytes],
    *,
    shard: int = 0,
    first_offset: int = 0,
) -> Batch:
    """A batch of one partition; a message that is bytes goes as it stands."""
    values = [m if isinstance(m, bytes) else json.dumps(m).encode() for m in messages]
    keys = [
        b"poison" if isinstance(m, bytes) else (m.get("generation_id") or m["user_key"]).encode()
        for m in messages
    ]
    times_ms = [int((START + dt.timedelta(hours=1)).timestamp() * 1_000)] * len(messages)
    offsets = list(range(first_offset, first_offset + len(messages)))
    return Batch(topic.value, shard, offsets, times_ms, keys, values)
