"""The joining side: from messages to committed rows, without a broker and with one."""

from __future__ import annotations

import resource
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.logs import SHARDS_N, broker_settings, live_batches
from benchmarks.traffic import Traffic
from benchmarks.watched import Watched
from streams.pipeline import Pipeline
from streams.settings import Settings
from streams.warehouse.connect import first_row, open_readable
from streams.worker import WorkerOptions, run_worker

if TYPE_CHECKING:
    from streams.events.batch import Batch

UNTIL_IDLE_S = 0.5
SESSION_S = 1.0
"""The embedded broker waits half of it before a new group begins."""
HOUR_US = 3_600_000_000
FACTS = ("exposure", "listen", "feedback", "judge_score", "human_label")


def flush_rate(
    traffic: dict[str, Any], folder: str, base: str, given: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Decode, dedupe, join, windows, one transaction a flush: no broker, no publishing.

    Args:
        traffic: fields of Traffic.
        folder: an empty or absent folder.
        base: a file with the history, which is copied; empty for none.
        given: settings other than the defaults.
    """
    settings = Settings(data_dir=Path(folder), **(given or {}))
    start_from(base, settings)
    found, held = live_batches(Traffic(**traffic))
    pipeline = Pipeline(settings)
    pipeline.assign(frozenset(range(SHARDS_N)))
    started_s = time.perf_counter()
    flushes_ms = joined(pipeline, found, settings.flush_rows_max)
    took_s = time.perf_counter() - started_s
    pipeline.close()
    return {
        "rows_n": held["read_n"],
        "took_s": took_s,
        "rate": held["read_n"] / took_s,
        "flushes_ms": flushes_ms,
    }


def joined(pipeline: Pipeline, found: list[Batch], rows_max: int) -> list[float]:
    """Add all and flush as a worker would; how long each flush took, ms."""
    flushes_ms = []
    for batch in found:
        pipeline.add(batch)
        if pipeline.rows_buffered() >= rows_max:
            flushes_ms.append(pipeline.flush().took_ms)
    if pipeline.rows_buffered():
        flushes_ms.append(pipeline.flush().took_ms)
    return flushes_ms


@dataclass(frozen=True, slots=True)
class Run:
    """A worker's run over a log. base: a file with the history, empty for none."""

    bootstrap: str
    name: str
    group: str
    folder: str
    base: str
    given: dict[str, Any] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        """The defaults, but for where, and for a short wait before the group begins."""
        where = broker_settings(
            self.bootstrap, self.name, data_dir=Path(self.folder), session_timeout_s=SESSION_S
        )
        return where.model_copy(update={"group": self.group, **self.given})


def worker_rate(until_idle_s: float = UNTIL_IDLE_S, **run: Any) -> dict[str, Any]:  # noqa: ANN401
    """The whole worker: consumer group, fetch, decode, join, commit, publish. run: fields of Run.

    The time runs from the assignment of the shards to the end of the last commit.
    """
    settings = Run(**run).settings
    start_from(run["base"], settings)
    watched = Watched(Pipeline(settings))
    report = run_worker(settings, watched, WorkerOptions(until_idle_s=until_idle_s))
    watched.close()
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024  # before ours: `accounts`
    times = watched.times
    ended_s = times.commits[-1][0] if times.commits else times.assigned_s
    took_s = ended_s - times.assigned_s
    to_wall_s = time.time() - time.perf_counter()
    return {
        "rows_n": report.progress.read_n,
        "took_s": took_s,
        "rate": report.progress.read_n / took_s if took_s else 0.0,
        "flushes_n": len(times.commits),
        "published_n": len(times.publishes),
        "first_commit_at_s": to_wall_s + times.commits[0][0] if times.commits else None,
        "assigned_at_s": to_wall_s + times.assigned_s,
        "ended_at_s": to_wall_s + ended_s,
        "peak_mib": peak_mib,
        "resident_mib": [(n, mib) for _, n, mib in times.commits],
        "accounts": accounts(settings),
        "file_mib": settings.worker_file.stat().st_size / (1 << 20),
    }


def accounts(settings: Settings) -> dict[str, Any]:
    """What the worker's published file says became of the messages, and of the events themselves.

    returned_to_n: generations of the history that were played in the slice: the worker found them.
    """
    con = open_readable(settings.published_dir / settings.worker_file.name)
    try:
        books = first_row(
            con,
            "SELECT sum(read_n)::BIGINT, sum(accepted_n)::BIGINT, sum(duplicate_n)::BIGINT, "
            "sum(dead_lettered_n)::BIGINT, bool_and(is_balanced) FROM pipeline_health",
        )
        facts = [
            first_row(con, f"SELECT count(*), count(DISTINCT (source, event_id)) FROM {table}")
            for table in FACTS
        ]
        returned = first_row(
            con,
            "SELECT count(*) FROM generation WHERE starts_n > 0 AND first_exposure_us < "
            f"(SELECT max(first_exposure_us) FROM generation) - {HOUR_US}",
        )
    finally:
        con.close()
    assert books is not None
    assert returned is not None
    names = ("read_n", "accepted_n", "duplicate_n", "dead_lettered_n", "is_balanced")
    rows_n = sum(row[0] for row in facts if row)
    distinct_n = sum(row[1] for row in facts if row)
    return {
        **dict(zip(names, books, strict=True)),
        "facts_n": rows_n,
        "distinct_n": distinct_n,
        "returned_to_n": returned[0],
    }


def start_from(base: str, settings: Settings) -> None:
    """Let the worker find its file as it was left after the history."""
    if base:
        settings.worker_file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(base, settings.worker_file)
