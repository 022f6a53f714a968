"""Quix Streams: five topics joined in keyed state (RocksDB), regrouped by window, summed there.

The join is one stateful function on the concatenated topics; its moves go through a repartition
topic, as `group_by` does it, to a stateful sum. At-least-once, changelogs on: the defaults.
Arguments: bootstrap, prefix, events to read, file for the result.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

from quixstreams import Application
from quixstreams.models import TopicConfig

from benchmarks.peers.work import TOPICS, added, joined, parsed

IDLE_S = 4.0


def join(event: dict[str, Any], state: Any) -> list[tuple[str, list[int]]]:  # noqa: ANN401
    """The event into the state of its key; what moves."""
    after, moves = joined(state.get("state"), event["topic"], event)
    state.set("state", after)
    return moves


def add(move: list[Any], state: Any) -> list[int]:  # noqa: ANN401 - quixstreams' State
    """A move into the sums of its window."""
    sums = added(state.get("sums"), move[1])
    state.set("sums", sums)
    return sums


def read(topic: str, value: bytes) -> dict[str, Any] | None:
    """The event with its topic, or None."""
    event = parsed(topic, value)
    return event and {**event, "topic": topic}


def main(bootstrap: str, prefix: str, events_n: str, out: str) -> None:
    """Read the log once and write what it took."""
    seen = {"rows_n": 0, "first_s": 0.0, "last_s": 0.0}
    own = {f"{prefix}-{topic}" for topic in TOPICS}

    def done(topic: str, _partition: int, _offset: int) -> None:
        seen["last_s"] = time.perf_counter()
        seen["first_s"] = seen["first_s"] or seen["last_s"]
        seen["rows_n"] += topic in own

    with tempfile.TemporaryDirectory() as folder:
        app = Application(
            bootstrap,
            consumer_group=f"{prefix}-quix-{time.time_ns()}",
            auto_offset_reset="earliest",
            state_dir=folder,
            on_message_processed=done,
            loglevel="ERROR",
            consumer_extra_config={"session.timeout.ms": 6_000},
        )
        frames = []
        for topic in TOPICS:
            source = app.topic(
                f"{prefix}-{topic}",
                value_deserializer="bytes",
                key_deserializer="str",
                config=TopicConfig(num_partitions=4, replication_factor=1),
            )
            # Tansu does not tell a topic's retention, which regrouping asks for.
            source.broker_config.extra_config.setdefault("retention.ms", "-1")
            events = app.dataframe(source).apply(partial(read, topic))
            frames.append(events.filter(lambda event: event is not None))
        first, *others = frames
        for other in others:
            first = first.concat(other)
        moves = first.apply(join, stateful=True, expand=True)
        moves.group_by(lambda move: move[0], name="window").apply(add, stateful=True)
        app.run(timeout=IDLE_S, collect=False)
    result = {"rows_n": seen["rows_n"], "took_s": seen["last_s"] - seen["first_s"]}
    Path(out).write_text(json.dumps({**result, "wanted_n": int(events_n)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
