"""How the rate moves with what a person sets, with shards and workers, and memory with time."""

from __future__ import annotations

import shutil
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.bench import together
from benchmarks.child import measured
from streams.broker import embedded_broker

if TYPE_CHECKING:
    from benchmarks.bench import Bench

HOUR_S = 3_600
REGROUP_SESSION_S = 8.0
"""The embedded broker waits half of it: both workers are there before shards are dealt out."""


def flush_sizes(bench: Bench) -> list[dict[str, Any]]:
    """Rows that force a flush."""
    return [
        {"flush_rows_max": rows, **_flushed(bench, {"flush_rows_max": rows})}
        for rows in bench.size.flush_rows
    ]


def windows(bench: Bench) -> list[dict[str, Any]]:
    """Number of window sizes, into an empty file: the rules of a file are fixed."""
    return [
        {"window_sizes_s": sizes, **_flushed(bench, {"window_sizes_s": sizes}, base="")}
        for sizes in bench.size.window_sizes_s
    ]


def dimensions(bench: Bench) -> list[dict[str, Any]]:
    """Variants of the largest experiment."""
    return [
        {"arms_n": arms_n, **_flushed(bench, {}, arms_n=arms_n)} for arms_n in bench.size.arms_n
    ]


def _flushed(
    bench: Bench,
    given: dict[str, Any],
    base: str | None = None,
    **traffic: Any,  # noqa: ANN401
) -> dict[str, Any]:
    return bench.in_folder(
        "benchmarks.joining:flush_rate",
        traffic=bench.traffic(events_n=bench.size.grown_events_n, **traffic),
        base=bench.base(bench.size.base_n) if base is None else base,
        given=given,
    )


def shards(bench: Bench) -> list[dict[str, Any]]:
    """The same events in 1, 2, 4 partitions of each topic, one worker, empty file."""
    found = []
    for shards_n in bench.size.shards_n:
        with embedded_broker() as broker:
            _send(bench, broker.bootstrap, shards_n)
            run = bench.worker(broker.bootstrap, "live", "")
            found.append({"shards_n": shards_n, **run})
    return found


def workers(bench: Bench) -> list[dict[str, Any]]:
    """One worker and two on this machine, each with its own file, in one group.

    They share a folder, as in earnest: who ends first leaves its shards to the other, which goes on
    from what was published and reads nothing again.
    """
    found = []
    for workers_n in (1, 2):
        with embedded_broker() as broker:
            _send(bench, broker.bootstrap, max(2, *bench.size.shards_n))
            group = bench.fresh("group")
            place = bench.folder / group
            jobs = [
                partial(
                    measured,
                    "benchmarks.joining:worker_rate",
                    until_idle_s=3.0,
                    bootstrap=broker.bootstrap,
                    name="live",
                    group=group,
                    folder=str(place),
                    base="",
                    given={"session_timeout_s": REGROUP_SESSION_S, "worker_id": f"w{n}"},
                )
                for n in range(workers_n)
            ]
            runs = together(*jobs)
            shutil.rmtree(place)
            rows_n = sum(run["rows_n"] for run in runs)
            took_s = max(run["ended_at_s"] for run in runs) - min(
                run["assigned_at_s"] for run in runs
            )
            found.append({"workers_n": workers_n, "rate": rows_n / took_s, "runs": runs})
    return found


def long_run(bench: Bench) -> dict[str, Any]:
    """The worker over an hour of event time: resident memory after every commit."""
    events_n = bench.size.long_events_n
    traffic = bench.traffic(events_n=events_n, rate=max(1, events_n // HOUR_S))
    with embedded_broker() as broker:
        measured(
            "benchmarks.logs:send_live", bootstrap=broker.bootstrap, name="long", traffic=traffic
        )
        return bench.worker(broker.bootstrap, "long", bench.base(bench.size.base_n))


def _send(bench: Bench, at: str, shards_n: int) -> None:
    traffic = bench.traffic(events_n=bench.size.grown_events_n)
    measured(
        "benchmarks.logs:send_live", bootstrap=at, name="live", traffic=traffic, shards_n=shards_n
    )
