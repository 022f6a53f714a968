"""`listenback demo` as people run it, from the start of the process to its end."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TYPE_CHECKING, Any

from benchmarks.child import FailedError, run

if TYPE_CHECKING:
    from benchmarks.bench import Bench

DEMO_EVENTS_MIN = 1_000


def demo_time(bench: Bench) -> dict[str, Any]:
    """The whole command, broker, simulation, join and report included."""
    place = bench.folder / "demo"
    place.mkdir()
    few = (
        []
        if bench.size.name == "full"
        else ["--events", str(max(DEMO_EVENTS_MIN, bench.size.grown_events_n))]
    )
    start = "from listenback.cli import main; main()"
    command = [sys.executable, "-c", start, "demo", "--out", place / "made", *few]
    started_s = time.perf_counter()
    status, peak_mib, said = run(command, folder=place)
    took_s = time.perf_counter() - started_s
    shutil.rmtree(place, ignore_errors=True)
    if status not in {0, 1}:  # 1: findings, which the demo's planted effects are
        raise FailedError(f"listenback demo ended with {status}: {said}")
    return {"took_s": took_s, "peak_mib": peak_mib, "status": status}
