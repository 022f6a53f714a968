"""Accepted frames from small Python dicts, for tests that start behind the decoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from streams.engine.books import READ
from streams.events.contracts import CONTRACTS
from streams.events.source import SOURCE
from streams.flush import Arrived

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.events.topics import Topic

Entry = tuple["Topic", dict[str, Any]]
"""A topic and an event's columns, shard, offset and record_time_us among them."""


def frame(topic: Topic, events: Sequence[dict[str, Any]]) -> pl.DataFrame:
    """Rows of a contract; what an event does not name is null."""
    schema = {**SOURCE, **CONTRACTS[topic].schema}
    return pl.DataFrame(
        [{name: event.get(name) for name in schema} for event in events],
        schema=schema,
        orient="row",
    )


def arrived(entries: Sequence[Entry]) -> Arrived:
    """What a flush gets of these log entries, all of which keep their contract."""
    accepted: dict[Topic, list[dict[str, Any]]] = {}
    for topic, event in entries:
        accepted.setdefault(topic, []).append(event)
    read = [
        (topic.value, event["shard"], event["offset"] + 1, 1, event["record_time_us"])
        for topic, event in entries
    ]
    return Arrived(
        accepted={topic: [frame(topic, events)] for topic, events in accepted.items()},
        rejected={},
        read=pl.DataFrame(read, schema=READ, orient="row"),
    )
