"""What grows with the open generations: rate, memory, restart, publishing, latency."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.bench import together
from benchmarks.child import measured
from benchmarks.logs import broker_settings
from benchmarks.pairs import in_turn, spread
from streams.broker import embedded_broker
from streams.topics import create_topics

if TYPE_CHECKING:
    from benchmarks.bench import Bench

PUBLISH_EVENTS_N = 20_000
PAST_THE_END_S = 20.0


def files(bench: Bench) -> dict[str, Any]:
    """Make every file of open generations that this size needs; once for the code, then kept."""
    size = bench.size
    wanted = sorted({size.base_n, *size.open_n, size.restart_n, size.paced_n})
    return {str(open_n): bench.base(open_n) for open_n in wanted}


def open_generations(bench: Bench) -> dict[str, Any]:
    """The worker on the least and the most state in turn; once on what lies between."""
    size = bench.size
    bases = {open_n: bench.base(open_n) for open_n in size.open_n}
    with embedded_broker() as broker:
        for open_n in size.open_n:
            traffic = bench.traffic(events_n=size.open_events_n, open_n=open_n)
            measured(
                "benchmarks.logs:send_live",
                bootstrap=broker.bootstrap,
                name=f"open-{open_n}",
                traffic=traffic,
            )
        runs = {
            str(open_n): partial(bench.worker, broker.bootstrap, f"open-{open_n}", base)
            for open_n, base in bases.items()
        }
        least, *between, most = runs
        rounds = in_turn({least: runs[least], most: runs[most]}, size.pairs_n)
        return {**rounds, **in_turn({name: runs[name] for name in between}, 1)}


def restart(bench: Bench) -> dict[str, Any]:
    """From the start of the process to the first commit, after an orderly stop."""
    open_n = bench.size.restart_n
    base = bench.base(open_n)
    with embedded_broker() as broker:
        traffic = bench.traffic(events_n=bench.size.grown_events_n, open_n=open_n)
        measured(
            "benchmarks.logs:send_live", bootstrap=broker.bootstrap, name="again", traffic=traffic
        )
        runs = []
        for _ in range(min(3, bench.size.pairs_n)):
            started_s = time.time()
            found = bench.worker(broker.bootstrap, "again", base)
            runs.append({**found, "to_first_commit_s": found["first_commit_at_s"] - started_s})
    return {"open_n": open_n, "runs": runs}


def publishing(bench: Bench) -> list[dict[str, Any]]:
    """One snapshot of each file."""
    return [
        {
            "open_n": open_n,
            **bench.in_folder(
                "benchmarks.lifetime:publish_time",
                base=bench.base(open_n),
                traffic=bench.traffic(events_n=PUBLISH_EVENTS_N, open_n=open_n),
            ),
        }
        for open_n in bench.size.open_n
    ]


def latency(bench: Bench) -> list[dict[str, Any]]:
    """At half the rate that the worker reached in this run: on little state, and on much."""
    rates = [one["rate"] for one in bench.raw["main"]["rounds"]["worker"]]
    rate = max(100, int(spread(rates)["median"] / 2))
    return [_paced(bench, rate, open_n) for open_n in (bench.size.base_n, bench.size.paced_n)]


def _paced(bench: Bench, rate: int, open_n: int) -> dict[str, Any]:
    base, log = bench.base(open_n), bench.fresh("paced")
    traffic = bench.traffic(events_n=int(rate * bench.size.paced_s), open_n=open_n, rate=rate)
    del traffic["start_ms"]
    with embedded_broker() as broker:
        create_topics(broker_settings(broker.bootstrap, log))
        sent, found = together(
            lambda: measured(
                "benchmarks.pacing:send_paced",
                bootstrap=broker.bootstrap,
                name=log,
                traffic=traffic,
            ),
            lambda: bench.in_folder(
                "benchmarks.pacing:latencies",
                wait_s=PAST_THE_END_S + traffic["events_n"] / 20_000,
                bootstrap=broker.bootstrap,
                name=log,
                group=log,
                base=base,
            ),
        )
    return {"open_n": open_n, "rate": rate, "sent": sent, **found}
