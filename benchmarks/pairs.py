"""Two things measured in turn, so that what else the machine does falls on both."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Measure = "Callable[[], Mapping[str, Any]]"


def in_turn(measures: Mapping[str, Callable[[], Any]], pairs_n: int) -> dict[str, list[Any]]:
    """Each measure once a round, in order; what each gave in every round."""
    found: dict[str, list[Any]] = {name: [] for name in measures}
    for _ in range(pairs_n):
        for name, measure in measures.items():
            found[name].append(measure())
    return found


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, float]:
    """Ours divided by theirs, round by round: median, least and largest."""
    return spread([a / b for a, b in zip(ours, theirs, strict=True)])


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, least and largest."""
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}
