"""A judge beside listeners, item by item: what it scores high, do they keep?

Within variant, surface and place in the list only, so that neither a popular variant nor the top
of a list lends a judge its merit; weighted by 1 / sampling probability; users are the clusters
(100 groups of them, jackknife).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from analytics.judges.association import auc_of
from analytics.judges.daysums import USER_GROUPS_N
from analytics.judges.figure import Figure, nothing
from analytics.judges.resample import How, from_replicates
from analytics.stats.checks import floats

if TYPE_CHECKING:
    import polars as pl

    from analytics.stats.checks import FloatArray

Outcome = Literal["kept", "saved"]
COLUMNS: dict[Outcome, tuple[str, str]] = {
    "kept": ("kept_w", "skipped_w"),
    "saved": ("saved_w", "unsaved_w"),
}
UNITS: dict[Outcome, str] = {"kept": "plays", "saved": "listeners met"}
STRATUM = ("surface", "experiment_id", "variant_id", "place")
ROWS_MIN = 200


@dataclass(frozen=True, eq=False)
class Histogram:
    """Weights by (group of users, stratum, rising level): with the good outcome, with the bad."""

    good: FloatArray
    bad: FloatArray
    level: FloatArray
    rows_n: int

    @classmethod
    def of(cls, cells: pl.DataFrame, outcome: Outcome) -> Histogram:
        """From the cells of one instrument."""
        level, at = np.unique(cells["level"].to_numpy(), return_inverse=True)
        strata = cells.select(STRATUM)
        stratum = strata.to_struct("s").rank("dense").to_numpy().astype(np.int64) - 1
        strata_n = int(stratum.max(initial=-1)) + 1
        shape = (USER_GROUPS_N, strata_n, len(level))
        place = np.ravel_multi_index((cells["user_group"].to_numpy(), stratum, at), shape)
        size = int(np.prod(shape))
        good, bad = (
            floats(np.bincount(place, cells[name].to_numpy(), size)).reshape(shape)
            for name in COLUMNS[outcome]
        )
        counted = "plays_n" if outcome == "kept" else "pairs_n"
        return cls(good, bad, level, int(cells[counted].sum()))


def item_level(cells: pl.DataFrame, outcome: Outcome, *, alpha: float) -> tuple[Figure, ...]:
    """AUC, Spearman and slope of the outcome (0/1) on the score, in this order.

    Args: cells: of one instrument (and surface). The slope is in share of outcomes per point.
    """
    unit = UNITS[outcome]
    names = (f"AUC, {outcome}", f"Spearman, {outcome}", f"slope, {outcome}")
    if cells.is_empty():
        return tuple(nothing(name, "nothing it scored was met", unit=unit) for name in names)
    data = Histogram.of(cells, outcome)
    if data.rows_n < ROWS_MIN:
        why = f"{data.rows_n} {unit}; {ROWS_MIN} are needed"
        return tuple(nothing(name, why, n=data.rows_n, unit=unit) for name in names)
    if len(data.level) < 2:
        why = f"it scored everything {data.level[0]:g}: nothing varies"
        return tuple(nothing(name, why, n=data.rows_n, unit=unit) for name in names)
    whole_good, whole_bad = data.good.sum(axis=0), data.bad.sum(axis=0)
    groups = np.flatnonzero((data.good + data.bad).sum(axis=(1, 2)) > 0)
    left = [(whole_good - data.good[g], whole_bad - data.bad[g]) for g in groups]
    ways = (
        (names[0], _auc, How(alpha, "logit", unit)),
        (names[1], _spearman, How(alpha, "fisher", unit)),
        (names[2], _slope, How(alpha, "plain", unit)),
    )
    return tuple(
        from_replicates(
            name,
            way(whole_good, whole_bad, data.level),
            floats([way(good, bad, data.level) for good, bad in left]),
            data.rows_n,
            how,
        )
        for name, way, how in ways
    )


def _auc(good: FloatArray, bad: FloatArray, level: FloatArray) -> float:
    del level
    return auc_of(good, bad)


def _spearman(good: FloatArray, bad: FloatArray, level: FloatArray) -> float:
    """Of mid-ranks within strata; those of a 0/1 outcome are a line in it."""
    del level
    here = good + bad
    total = np.maximum(here.sum(axis=1, keepdims=True), 1e-300)
    rank = (np.cumsum(here, axis=1) - here / 2) / total - 0.5
    xx, xy, yy = _moments(rank, good, here)
    return xy / np.sqrt(xx * yy) if xx > 0 and yy > 0 else float("nan")


def _slope(good: FloatArray, bad: FloatArray, level: FloatArray) -> float:
    here = good + bad
    xx, xy, _ = _moments(np.broadcast_to(level, here.shape), good, here)
    return xy / xx if xx > 0 else float("nan")


def _moments(x: FloatArray, good: FloatArray, here: FloatArray) -> tuple[float, float, float]:
    """Weighted sums of squares and products of x and the 0/1 outcome about the stratum's means."""
    total = np.maximum(here.sum(axis=1, keepdims=True), 1e-300)
    mean_x = np.sum(here * x, axis=1, keepdims=True) / total
    mean_y = good.sum(axis=1, keepdims=True) / total
    near = x - mean_x
    return (
        float(np.sum(here * near * near)),
        float(np.sum(near * good)),
        float(np.sum(total * mean_y * (1 - mean_y))),
    )
