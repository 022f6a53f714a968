"""Per-event Faust with Tables: the design that Faust's own guide leads to.

Five agents, one event at a time; the generation's state and the windows in Tables, whose changes go
to changelog topics. Windows are plain keys: windowed Tables expire by the wall clock. Settings that
its documentation names for speed: the compiled paths, larger buffers, orjson, the memory store.
Arguments: bootstrap, prefix, events to read, file for the result.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import faust

from benchmarks.peers.work import TOPICS, added, joined, parsed

IDLE_MAX_S = 20.0


class Count:
    """How many came, when the first and when the last."""

    def __init__(self) -> None:
        self.n = 0
        self.first_s = self.last_s = time.perf_counter()

    def one(self) -> None:
        """Another event is done with."""
        self.last_s = time.perf_counter()
        if not self.n:
            self.first_s = self.last_s
        self.n += 1


def build(bootstrap: str, prefix: str, count: Count) -> faust.App:
    """The app with its tables and agents."""
    app = faust.App(
        f"{prefix}-faust-{time.time_ns()}",
        broker=f"kafka://{bootstrap}",
        store="memory://",
        topic_partitions=4,
        value_serializer="raw",
        stream_buffer_maxsize=50_000,
        broker_max_poll_records=5_000,
        cython_optimizations=True,
        web_enabled=False,
        topic_disable_leader=True,
        table_standby_replicas=0,
        consumer_auto_offset_reset="earliest",
        broker_session_timeout=6.0,
        broker_heartbeat_interval=1.5,
    )
    states = app.Table("state", partitions=4)
    windows = app.Table("windows", partitions=4)

    def define(topic: str) -> None:
        channel = app.topic(f"{prefix}-{topic}", value_serializer="raw", key_serializer="raw")

        @app.agent(channel, name=topic)
        async def handle(stream: Any) -> None:  # noqa: ANN401 - Faust has no types
            async for event in stream.events():
                read = parsed(topic, event.value)
                if read is not None:
                    key = event.key.decode()
                    state, moves = joined(states.get(key), topic, read)
                    states[key] = state
                    for place, sums in moves:
                        windows[place] = added(windows.get(place), sums)
                count.one()

    for topic in TOPICS:
        define(topic)
    return app


async def until_done(app: faust.App, count: Count, events_n: int) -> None:
    """Run until all events are handled, or nothing comes any more."""
    await app.start()
    started_s = time.perf_counter()
    while count.n < events_n:
        await asyncio.sleep(0.1)
        if time.perf_counter() - max(count.last_s, started_s) > IDLE_MAX_S:
            break
    await app.stop()


def main(bootstrap: str, prefix: str, events_n: str, out: str) -> None:
    """Read the log once and write what it took."""

    async def work() -> Count:
        count = Count()
        await until_done(build(bootstrap, prefix, count), count, int(events_n))
        return count

    count = asyncio.run(work())
    Path(out).write_text(json.dumps({"rows_n": count.n, "took_s": count.last_s - count.first_s}))


if __name__ == "__main__":
    main(*sys.argv[1:])
