"""Latency at a steady rate: from a record's own time to its commit, and to its publishing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.joining import Run, start_from
from benchmarks.logs import broker_settings
from benchmarks.traffic import Live, Traffic
from benchmarks.watched import Watched
from streams.kafka_writer import KafkaWriter
from streams.pipeline import Pipeline
from streams.topics import create_topics
from streams.worker import WorkerOptions, run_worker

if TYPE_CHECKING:
    from streams.events.batch import Batch
    from streams.sink import Commit, Flushed

TICK_S = 0.1
"""What a producer gathers (Kafka's `linger.ms`) before it sends."""
PREPARE_S = 5.0


def send_paced(bootstrap: str, name: str, traffic: dict[str, Any]) -> dict[str, Any]:
    """Send each record when it is its time, and with that time, once all are prepared."""
    planned_s = time.time() + PREPARE_S
    live = Live(Traffic(**traffic, start_ms=int(planned_s * 1_000)))
    parts = [
        (topic, rows.with_columns(tick=rows["timestamp_ms"] // int(TICK_S * 1_000)))
        for topic, rows in live.simulation.records()
    ]
    ticks = sorted(
        (
            (int(part["tick"][0]), topic, part.drop("tick"))
            for topic, rows in parts
            for part in rows.partition_by("tick", maintain_order=True)
        ),
        key=lambda one: one[0],
    )
    settings = broker_settings(bootstrap, name)
    create_topics(settings)
    later_s = max(0.0, time.time() + 1.0 - planned_s)
    behind_s = 0.0
    with KafkaWriter(settings) as writer:
        for tick, topic, rows in ticks:
            wait_s = (tick + 1) * TICK_S + later_s - time.time()
            behind_s = max(behind_s, -wait_s)
            time.sleep(max(0.0, wait_s))
            at = rows["timestamp_ms"] + int(later_s * 1_000)
            writer.write(topic, rows.with_columns(timestamp_ms=at))
    return {"rows_n": live.simulation.records_n, "behind_s": behind_s}


class Timed(Watched):
    """Notes how old each message was when it was committed, and when it was published."""

    def __init__(self, sink: Pipeline) -> None:
        """Watch this one."""
        super().__init__(sink)
        self._added: list[list[int]] = []
        self._committed: list[np.ndarray] = []
        self._readable_n = 0
        self.to_commit_s: list[np.ndarray] = []
        self.to_publish_s: list[np.ndarray] = []

    def add(self, batch: Batch) -> None:
        """Keep the times of the records."""
        self._added.append(list(batch.record_times_ms))
        super().add(batch)

    def seal(self) -> Commit:
        """All that was added is committed when what this gives returns."""
        commit = super().seal()
        added, self._added = self._added, []

        def timed() -> Flushed:
            flushed = commit()
            sent_s = np.concatenate([np.asarray(part) for part in [[], *added]]) / 1_000
            self.to_commit_s.append(time.time() - sent_s)
            self._committed.append(sent_s)
            return flushed

        return timed

    def publish_if_due(self) -> bool:
        """What the snapshot holds can be read now; it may be of an earlier flush than the last."""
        is_published = super().publish_if_due()
        self._note_readable()
        return is_published

    def publish(self) -> None:
        """All that was committed can be read now."""
        super().publish()
        self._note_readable()

    def _note_readable(self) -> None:
        readable = self._committed[self._readable_n : self.published_flushes_n]
        self.to_publish_s += [time.time() - sent_s for sent_s in readable]
        self._readable_n = self.published_flushes_n


def latencies(wait_s: float, **run: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of Run
    """Run a worker while another process sends at a steady rate; percentiles in seconds."""
    settings = Run(**run).settings
    start_from(run["base"], settings)
    timed = Timed(Pipeline(settings))
    report = run_worker(settings, timed, WorkerOptions(until_idle_s=wait_s))
    timed.close()
    return {
        "rows_n": report.progress.read_n,
        "to_commit_s": percentiles(timed.to_commit_s),
        "to_publish_s": percentiles(timed.to_publish_s),
        "published_n": len(timed.times.publishes),
    }


def percentiles(parts: list[np.ndarray]) -> dict[str, float]:
    """Of all messages; nothing where there are none."""
    if not parts:
        return {}
    values = np.concatenate(parts)
    p50, p90, p99 = np.quantile(values, [0.5, 0.9, 0.99])
    return {"p50": p50, "p90": p90, "p99": p99, "max": float(values.max()), "n": len(values)}
