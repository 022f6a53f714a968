"""Bytewax: five topics joined by a stateful operator per generation, then summed per window.

Without recovery store: nothing would survive a crash, which is in its favour here.
Arguments: bootstrap, prefix, events to read, file for the result.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import run_main

from benchmarks.peers.work import TOPICS, added, joined, parsed

BATCH_ROWS = 5_000


class Dropped(StatelessSinkPartition[Any]):
    """Takes and forgets."""

    def write_batch(self, items: list[Any]) -> None:
        """Forget."""


class Nowhere(DynamicSink[Any]):
    """An output that costs nothing."""

    def build(self, _step_id: str, _worker_index: int, _workers_n: int) -> Dropped:
        """The one partition."""
        return Dropped()


def flow(bootstrap: str, prefix: str, seen: dict[str, float]) -> Dataflow:
    """Kafka to join to windows."""

    def read(message: Any) -> tuple[str, dict[str, Any]] | None:  # noqa: ANN401
        seen["first_s"] = seen["first_s"] or time.perf_counter()
        seen["rows_n"] += 1
        topic = message.topic.removeprefix(f"{prefix}-")
        event = parsed(topic, message.value)
        return event and (message.key.decode(), {**event, "topic": topic})

    def join(state: Any, event: dict[str, Any]) -> tuple[Any, list[Any]]:  # noqa: ANN401
        return joined(state, event["topic"], event)

    def add(sums: Any, move: list[int]) -> tuple[list[int], list[int]]:  # noqa: ANN401
        after = added(sums, move)
        return after, after

    made = Dataflow("listenback")
    topics = [f"{prefix}-{topic}" for topic in TOPICS]
    source = KafkaSource([bootstrap], topics, tail=False, batch_size=BATCH_ROWS)
    events = op.filter_map("read", op.input("kafka", made, source), read)
    moves = op.flat_map_value("moves", op.stateful_map("join", events, join), lambda one: one)
    by_window = op.map("by_window", moves, lambda pair: pair[1])
    op.output("out", op.stateful_map("add", by_window, add), Nowhere())
    return made


def main(bootstrap: str, prefix: str, events_n: str, out: str) -> None:
    """Read the log once and write what it took."""
    seen = {"rows_n": 0.0, "first_s": 0.0}
    run_main(flow(bootstrap, prefix, seen))
    took_s = time.perf_counter() - seen["first_s"]
    result = {"rows_n": int(seen["rows_n"]), "took_s": took_s, "wanted_n": int(events_n)}
    Path(out).write_text(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
