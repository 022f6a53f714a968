"""How two columns go together, weighted and within strata: ranks, lines, who stands higher.

Only rows of one stratum (variant, surface, position) are ever held against each other: a judge
that merely knows which variant is popular, or what stands on top of a list, scores nothing here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analytics.stats.checks import check_finite, check_same_length, floats

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from analytics.stats.checks import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Together:
    """Score and outcome of rows, ready for any weights.

    stratum: number from 0 per row. score_level, outcome_level: place of the value among all
    different ones, from 0.
    """

    score: FloatArray
    outcome: FloatArray
    stratum: IntArray
    score_level: IntArray
    outcome_level: IntArray

    @classmethod
    def of(cls, score: ArrayLike, outcome: ArrayLike, stratum: ArrayLike | None = None) -> Together:
        """From rows, shape (n,). NaN, infinity, unequal lengths: ConfigError."""
        x = check_finite(score, "score", ndim=1)
        y = check_finite(outcome, "outcome", ndim=1)
        n = check_same_length(score=x, outcome=y)
        part = np.zeros(n) if stratum is None else np.asarray(stratum)
        codes = [_codes(column) for column in (part, x, y)]
        return cls(x, y, codes[0], codes[1], codes[2])

    @property
    def strata_n(self) -> int:
        """How many strata occur."""
        return int(self.stratum.max(initial=-1)) + 1


def _codes(column: ArrayLike) -> IntArray:
    return np.unique(np.asarray(column), return_inverse=True)[1].astype(np.int64)


def ranks(level: IntArray, stratum: IntArray, weight: FloatArray) -> FloatArray:
    """Share of the stratum's weight below each row, and half of what ties; -1/2 to 1/2."""
    levels_n, strata_n = int(level.max(initial=-1)) + 1, int(stratum.max(initial=-1)) + 1
    cell = stratum * levels_n + level
    here = np.bincount(cell, weight, levels_n * strata_n).reshape(strata_n, levels_n)
    below = np.cumsum(here, axis=1) - here / 2
    total = np.maximum(here.sum(axis=1, keepdims=True), 1e-300)
    return np.asarray((below / total).ravel()[cell] - 0.5)


def correlation(x: FloatArray, y: FloatArray, stratum: IntArray, weight: FloatArray) -> float:
    """Weighted correlation within strata, pooled; NaN where a column does not vary in any."""
    xx, xy, yy = _within(x, y, stratum, weight)
    floor = 1e-24 * float(np.sum(weight))
    if xx <= floor * float(np.max(np.square(x), initial=0)) or yy <= floor * float(
        np.max(np.square(y), initial=0)
    ):
        return float("nan")
    return float(np.clip(xy / np.sqrt(xx * yy), -1, 1))


def spearman(rows: Together, weight: FloatArray) -> float:
    """Rank correlation: of weighted mid-ranks within strata. Source: Spearman (1904)."""
    x = ranks(rows.score_level, rows.stratum, weight)
    y = ranks(rows.outcome_level, rows.stratum, weight)
    return correlation(x, y, rows.stratum, weight)


def pearson(rows: Together, weight: FloatArray) -> float:
    """Linear correlation within strata."""
    return correlation(rows.score, rows.outcome, rows.stratum, weight)


def slope(rows: Together, weight: FloatArray) -> float:
    """Outcome units per score unit, least squares within strata; NaN where no score varies."""
    xx, xy, _ = _within(rows.score, rows.outcome, rows.stratum, weight)
    return xy / xx if xx > 0 else float("nan")


def auc(rows: Together, weight: FloatArray) -> float:
    """Chance that a row with outcome 1 scores above one with 0 of its stratum, ties half.

    Pairs weigh the product of their weights; the outcome must be 0 or 1 (see `high_rows`).
    Source: Mann and Whitney (1947).
    """
    levels_n = int(rows.score_level.max(initial=-1)) + 1
    cell = rows.stratum * levels_n + rows.score_level
    size = levels_n * rows.strata_n
    good = np.bincount(cell, weight * rows.outcome, size).reshape(-1, levels_n)
    bad = np.bincount(cell, weight * (1 - rows.outcome), size).reshape(-1, levels_n)
    return auc_of(floats(good), floats(bad))


def auc_of(good: FloatArray, bad: FloatArray) -> float:
    """The same from weights per (stratum, rising score level); NaN without a pair."""
    below = np.cumsum(bad, axis=-1) - bad / 2
    pairs = float(np.sum(good.sum(axis=-1) * bad.sum(axis=-1)))
    return float(np.sum(good * below)) / pairs if pairs > 0 else float("nan")


def kendall(rows: Together, weight: FloatArray) -> float:
    """Kendall's tau-b of the rows whose weight is above 0, each counted once; strata ignored.

    Source: Kendall (1945), Biometrika 33, 239-251; discordant pairs by merging (Knight 1966).
    """
    keep = weight > 0
    x, y = rows.score_level[keep], rows.outcome_level[keep]
    n = len(x)
    order = np.lexsort((y, x))
    discordant = _inversions(y[order])
    levels_n = int(y.max(initial=-1)) + 1
    pairs = n * (n - 1) / 2
    ties_x, ties_y = _pairs(x), _pairs(y)
    ties_both = _pairs(x * levels_n + y)
    concordant = pairs - ties_x - ties_y + ties_both - discordant
    below = np.sqrt((pairs - ties_x) * (pairs - ties_y))
    return float((concordant - discordant) / below) if below > 0 else float("nan")


def _pairs(codes: IntArray) -> float:
    counts = np.bincount(np.unique(codes, return_inverse=True)[1]).astype(np.float64)
    return float(np.sum(counts * (counts - 1) / 2))


def _inversions(values: IntArray) -> float:
    """Pairs in which a later value is smaller: merge sort, a whole level of blocks at a time."""
    n = len(values)
    span = int(values.max(initial=0)) + 1
    current, found, width = values.astype(np.int64), 0.0, 1
    while width < n:
        block = np.arange(n) // (2 * width)
        is_right = (np.arange(n) // width) % 2 == 1
        key = block * span + current
        left, right = key[~is_right], key[is_right]  # each sorted within its blocks, hence whole
        ends = np.searchsorted(left, (block[is_right] + 1) * span, "left")
        found += float(np.sum(ends - np.searchsorted(left, right, "right")))
        current = np.sort(key, kind="stable") - block * span
        width *= 2
    return found


def _within(
    x: FloatArray, y: FloatArray, stratum: IntArray, weight: FloatArray
) -> tuple[float, float, float]:
    """Weighted sums of squares and products of distances from the stratum's means."""
    strata_n = int(stratum.max(initial=-1)) + 1
    total = np.maximum(np.bincount(stratum, weight, strata_n), 1e-300)
    near_x = x - (np.bincount(stratum, weight * x, strata_n) / total)[stratum]
    near_y = y - (np.bincount(stratum, weight * y, strata_n) / total)[stratum]
    return (
        float(np.sum(weight * near_x * near_x)),
        float(np.sum(weight * near_x * near_y)),
        float(np.sum(weight * near_y * near_y)),
    )


def high_rows(outcome: FloatArray, share: float) -> FloatArray:
    """1 where the outcome is above its (1 - share) quantile, else 0: an outcome for the AUC."""
    return np.asarray(outcome > np.quantile(outcome, 1 - share), dtype=np.float64)
