"""Pathway: the work as its tables do it: deduplicate, join on (generation, listener), group.

Incremental joins and group-bys of its Rust engine, streaming mode (static mode asks the broker for
the end, which Tansu tells too low). No latest-score logic and no orphan windows: less than the
others do. It ends when nothing has changed for a while. One value that cannot be read as a time
would end its run, so errors are values and rows with such are removed, as its guide has it.
Arguments: bootstrap, prefix, events to read, file for the result.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import pathway as pw

from benchmarks.peers.work import SIZES_US

IDLE_S = 4.0
IDLE_MAX_S = 20.0
READ_SHARE = 0.995
"""What it must have read before IDLE_S is the end; a thousandth is poison, and it drops some."""
TIME = "%Y-%m-%dT%H:%M:%S.%fZ"


class Exposure(pw.Schema):
    """What the join needs of an exposure."""

    exposure_id: str
    event_time: str
    generation_id: str
    user_key: str
    experiment_id: str | None = pw.column_definition(default_value=None)
    variant_id: str | None = pw.column_definition(default_value=None)


class Listen(pw.Schema):
    """What the join needs of a play."""

    playback_id: str
    event_time: str
    generation_id: str | None = pw.column_definition(default_value=None)
    user_key: str
    ms_played: int
    reason_end: str | None = pw.column_definition(default_value=None)


class Feedback(pw.Schema):
    """What the join needs of a reaction."""

    feedback_id: str
    event_time: str
    generation_id: str
    user_key: str
    polarity: int | None = pw.column_definition(default_value=None)


class Score(pw.Schema):
    """What the join needs of a grade."""

    score_id: str
    event_time: str
    generation_id: str
    score_value: float | None = pw.column_definition(default_value=None)


class Label(pw.Schema):
    """What is read of a human label."""

    label_id: str
    event_time: str
    generation_id: str


SCHEMAS = {
    "exposures": (Exposure, "exposure_id"),
    "listens": (Listen, "playback_id"),
    "feedback": (Feedback, "feedback_id"),
    "judge-scores": (Score, "score_id"),
    "human-labels": (Label, "label_id"),
}


def once(bootstrap: str, prefix: str, topic: str, seen: dict[str, float]) -> Any:  # noqa: ANN401 - Pathway's tables
    """A topic with each id once, its time in microseconds."""
    schema, own_id = SCHEMAS[topic]
    rows = pw.io.kafka.read(
        {
            "bootstrap.servers": bootstrap,
            "group.id": f"{prefix}-pathway-{time.time_ns()}",
            "auto.offset.reset": "earliest",
            "session.timeout.ms": "6000",
        },
        topic=f"{prefix}-{topic}",
        schema=schema,
        format="json",
        mode="streaming",
        autocommit_duration_ms=100,
    )
    counted = rows.reduce(n=pw.reducers.count())
    pw.io.subscribe(counted, on_change=partial(note, seen, topic))
    kept = {name: pw.reducers.any(rows[name]) for name in schema.column_names() if name != own_id}
    first = rows.groupby(rows[own_id]).reduce(rows[own_id], **kept)
    return first.with_columns(
        at_us=first.event_time.dt.strptime(TIME, contains_timezone=False).dt.timestamp("us")
    ).remove_errors()


def note(seen: dict[str, float], topic: str, row: dict[str, Any], **_: Any) -> None:  # noqa: ANN401
    """How many rows of a topic came so far."""
    seen[topic] = max(seen.get(topic, 0), row["n"])
    seen["last_s"] = time.perf_counter()
    seen.setdefault("first_s", seen["last_s"])


def by_window(rows: Any, at: Any, seen: dict[str, float]) -> None:  # noqa: ANN401
    """Sums of the windows of three sizes by experiment and variant."""
    for size_us in SIZES_US:
        placed = rows.with_columns(start_us=pw.cast(int, at) // size_us)
        sums = placed.groupby(placed.start_us, placed.experiment_id, placed.variant_id).reduce(
            placed.start_us,
            placed.experiment_id,
            placed.variant_id,
            n=pw.reducers.count(),
            total=pw.reducers.sum(placed.amount),
        )
        pw.io.subscribe(sums, on_change=lambda **_: seen.update(last_s=time.perf_counter()))


def main(bootstrap: str, prefix: str, events_n: str, out: str) -> None:
    """Read the log once and write what it took."""
    seen = {"last_s": 0.0}
    shown = once(bootstrap, prefix, "exposures", seen)
    by_window(shown.with_columns(amount=1), shown.at_us, seen)
    amounts = {"listens": "ms_played", "feedback": "polarity"}
    for topic, amount in amounts.items():
        rows = once(bootstrap, prefix, topic, seen)
        met = rows.join(
            shown,
            rows.generation_id == shown.generation_id,
            rows.user_key == shown.user_key,
        ).select(
            shown.experiment_id,
            shown.variant_id,
            amount=pw.coalesce(rows[amount], 0),
            acted_us=rows.at_us,
            exposed_us=shown.at_us,
        )
        by_window(met, met.acted_us, seen)
        by_window(met, met.exposed_us, seen)
    scores = once(bootstrap, prefix, "judge-scores", seen)
    graded = scores.join(shown, scores.generation_id == shown.generation_id).select(
        shown.experiment_id,
        shown.variant_id,
        amount=pw.cast(int, pw.coalesce(scores.score_value, 0.0) * 1_000_000),
        exposed_us=shown.at_us,
    )
    by_window(graded, graded.exposed_us, seen)
    labels = once(bootstrap, prefix, "human-labels", seen)
    pw.io.subscribe(labels, on_change=lambda **_: seen.update(last_s=time.perf_counter()))
    told = (seen, int(events_n), Path(out))
    threading.Thread(target=tell_when_quiet, args=told, daemon=True).start()
    pw.run(monitoring_level=pw.MonitoringLevel.NONE, terminate_on_error=False)


def tell_when_quiet(seen: dict[str, float], events_n: int, out: Path) -> None:
    """Write the result once nothing changes any more, and end the process: `run` never returns."""
    rows_n, quiet_s = 0, 0.0
    while quiet_s < (IDLE_S if rows_n >= events_n * READ_SHARE else IDLE_MAX_S):
        time.sleep(0.1)
        rows_n = sum(int(seen.get(topic, 0)) for topic in SCHEMAS)
        quiet_s = time.perf_counter() - seen["last_s"] if seen["last_s"] else 0.0
    took_s = seen["last_s"] - seen["first_s"]
    out.write_text(
        json.dumps({"rows_n": rows_n, "took_s": took_s, "wanted_n": events_n, "seen": seen})
    )
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
