"""The night's analysis against two libraries on the same users, in turn; and 28 looks."""

from __future__ import annotations

import math
import shutil
from typing import TYPE_CHECKING, Any

from analytics.fold import UNIT_DAYS
from benchmarks.child import FailedError, measured
from benchmarks.nightly import METRICS_N
from benchmarks.pairs import in_turn
from benchmarks.peers.environment import Peer, peer_result, python_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.bench import Bench

TEA = Peer("tea-tasting", ("tea-tasting==1.14.0", "ibis-framework[duckdb]==12.0.0"), "tea")
CONFIDENCE = Peer(
    "spotify-confidence",
    ("spotify-confidence==4.1.0", "pandas==2.3.3", "pyarrow==26.0.1"),
    "confidence",
)
FILES = {TEA.name: "users.duckdb", CONFIDENCE.name: "users.parquet"}
FOLD_SHARE = 10
"""A tenth of the users: they have 15 rows each."""


def nightly(bench: Bench) -> dict[str, Any]:
    """1 million users, 4 variants, 20 metrics, CUPED: ours and theirs in turn."""
    place = bench.folder / "users"
    measured("benchmarks.nightly:make_users", folder=str(place), users_n=bench.size.users_n)
    measures: dict[str, Callable[[], Any]] = {
        "ours": lambda: measured("benchmarks.nightly:night", folder=str(place))
    }
    failed: dict[str, str] = {}
    if bench.size.peer_events_n:
        for peer in (TEA, CONFIDENCE):
            measures[peer.name] = lambda peer=peer: _peer(bench, peer, failed)
    try:
        rounds = in_turn(measures, bench.size.pairs_n)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return {"users_n": bench.size.users_n, "rounds": rounds, "not_run": failed}


def _peer(bench: Bench, peer: Peer, failed: dict[str, str]) -> dict[str, Any]:
    """One run of a peer, nothing where it cannot run."""
    if peer.name in failed:
        return {}
    try:
        python_of(peer)
        return peer_result(peer, bench.folder / "users" / FILES[peer.name], METRICS_N)
    except FailedError as error:
        failed[peer.name] = str(error)
        return {}


def agreement(rounds: dict[str, Any]) -> dict[str, float]:
    """Largest relative distance of each peer's CUPED estimates from ours: the same answer?"""
    ours = rounds["ours"][0]["estimates"]
    return {
        name: max(abs(theirs[key] - ours[key]) / abs(ours[key]) for key in ours)
        for name, found in rounds.items()
        if name != "ours" and found and (theirs := found[0].get("estimates"))
        if all(key in theirs and math.isfinite(theirs[key]) for key in ours)
    }


def fold(bench: Bench) -> list[dict[str, Any]]:
    """Days to users: from the view that people read, and from the rows under it, as we do."""
    place = bench.folder / "days"
    users_n = bench.size.users_n // FOLD_SHARE
    try:
        made = measured("benchmarks.nightly:make_days", folder=str(place), users_n=users_n)
        sources = ("unit_day", UNIT_DAYS)
        return [
            {
                "source": source,
                **measured("benchmarks.nightly:fold_time", source=source, path=made["path"]),
            }
            for source in sources
        ]
    finally:
        shutil.rmtree(place, ignore_errors=True)


def looks(bench: Bench) -> list[dict[str, Any]]:
    """Bounds of 28 looks and what they decide for 30 comparisons."""
    return [measured("benchmarks.nightly:looks") for _ in range(bench.size.pairs_n)]
