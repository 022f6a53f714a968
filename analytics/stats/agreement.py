"""Agreement of two raters beyond chance: Cohen's kappa, weighted kappa, Gwet's AC1.

Kappa falls to zero where nearly all items belong to one category, however often raters agree;
AC1 does not. The report shows both, and the raw share.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from analytics.stats.checks import (
    bad,
    check_finite,
    check_one_of,
    check_same_length,
    floats,
)
from analytics.stats.interval import Interval, Sizes, normal_reference, wald

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from analytics.stats.checks import FloatArray

Weights = Literal["none", "linear", "quadratic"]
CATEGORIES_MAX = 1000


@dataclass(frozen=True, eq=False)
class Confusion:
    """How often the first rater said row and the second column.

    counts: (k, k); categories: the k labels as numbers, rising; distances of weighted kappa are
    distances of these numbers.
    """

    counts: FloatArray
    categories: FloatArray

    @classmethod
    def of(
        cls, first: ArrayLike, second: ArrayLike, *, categories: ArrayLike | None = None
    ) -> Confusion:
        """From the labels of two raters on the same items, coded as numbers, shape (items,).

        categories: all labels of the scale; those that occur, unless given. A label outside it,
        NaN, unequal lengths: ConfigError.
        """
        a, b = check_finite(first, "first", ndim=1), check_finite(second, "second", ndim=1)
        check_same_length(first=a, second=b)
        seen = np.unique(np.concatenate([a, b]))
        scale = seen if categories is None else np.unique(floats(categories))
        if len(scale) > CATEGORIES_MAX:
            raise bad(f"{len(scale)} categories; at most {CATEGORIES_MAX} are compared.")
        outside = np.setdiff1d(seen, scale)
        if len(outside):
            raise bad(f"label {outside[0]:g} is not on the scale {scale.tolist()}.")
        k = len(scale)
        place = np.searchsorted(scale, a) * k + np.searchsorted(scale, b)
        counts = np.bincount(place, minlength=k * k).reshape(k, k).astype(np.float64)
        return cls(counts, scale)

    @classmethod
    def of_counts(cls, counts: ArrayLike) -> Confusion:
        """From a square table; its categories are 0, 1, 2, ..."""
        table = check_finite(counts, "counts", ndim=2)
        if table.shape[0] != table.shape[1] or np.any(table < 0):
            raise bad(f"the table must be square and not negative, it is {table.shape}.")
        return cls(table, np.arange(float(len(table))))

    @property
    def n(self) -> float:
        """Items rated by both."""
        return float(self.counts.sum())


def kappa(table: Confusion, *, alpha: float, weights: Weights = "none") -> Interval:
    """Cohen's kappa, plain or weighted, with its large-sample interval; shape ().

    Returns: 1 perfect, 0 as by chance. enough is False without items or where chance alone agrees
        fully (one category). The estimate is NaN only there.
    Source: Cohen (1960, 1968); standard error Fleiss, Cohen and Everitt (1969), Psychol. Bull. 72.
        Cases kappa-paradox, qwk-20.
    """
    check_one_of(weights, ("none", "linear", "quadratic"), "weights")
    reference = normal_reference(alpha)
    name = "Cohen's kappa" if weights == "none" else f"{weights} weighted kappa"
    n = table.n
    if n == 0:
        return wald(np.nan, np.nan, reference, sizes=Sizes.one(0.0), method=name)
    p = table.counts / n
    w = _agreement_weights(table.categories, weights)
    row, column = p.sum(axis=1), p.sum(axis=0)
    observed, chance = float(np.sum(w * p)), float(row @ w @ column)
    if chance >= 1 - 1e-15:
        return wald(np.nan, np.nan, reference, sizes=Sizes.one(n), method=name)
    estimate = (observed - chance) / (1 - chance)
    by_row, by_column = w @ column, row @ w
    inner = w * (1 - chance) - (by_row[:, None] + by_column[None, :]) * (1 - observed)
    spread = float(np.sum(p * np.square(inner)))
    spread -= (observed * chance - 2 * chance + observed) ** 2
    se = np.sqrt(max(spread, 0.0) / n) / (1 - chance) ** 2
    return at_most_one(wald(estimate, se, reference, sizes=Sizes.one(n), method=name))


def _agreement_weights(categories: FloatArray, weights: Weights) -> FloatArray:
    """1 on the diagonal, less with distance."""
    if weights == "none" or len(categories) < 2:
        return np.eye(len(categories))
    apart = np.abs(categories[:, None] - categories[None, :])
    share = apart / apart.max()
    return floats(1 - (share if weights == "linear" else np.square(share)))


def ac1(table: Confusion, *, alpha: float) -> Interval:
    """Gwet's AC1 with its interval for a population of items; shape ().

    enough is False without items or with one category on the scale (give all categories).
    Source: Gwet (2008), Br. J. Math. Stat. Psychol. 61, 29-48. Case kappa-paradox.
    """
    reference = normal_reference(alpha)
    n, k = table.n, len(table.categories)
    if n == 0 or k < 2:
        return wald(np.nan, np.nan, reference, sizes=Sizes.one(n), method="Gwet's AC1")
    p = table.counts / n
    share = (p.sum(axis=1) + p.sum(axis=0)) / 2
    observed = float(np.trace(p))
    chance = float(np.sum(share * (1 - share))) / (k - 1)
    estimate = (observed - chance) / (1 - chance)
    # Each item's influence: its agreement, less what its labels move the chance agreement by.
    agree = np.eye(k)
    moved = (1 - (share[:, None] + share[None, :]) / 2) / (k - 1)
    item = (agree - chance) / (1 - chance)
    item = item - 2 * (1 - estimate) * (moved - chance) / (1 - chance)
    spread = float(np.sum(p * np.square(item - estimate)))
    se = np.sqrt(spread / max(n - 1, 1.0))
    return at_most_one(wald(estimate, se, reference, sizes=Sizes.one(n), method="Gwet's AC1"))


def at_most_one(interval: Interval) -> Interval:
    """Agreement cannot exceed 1: neither does its interval."""
    return dataclasses.replace(interval, high=np.minimum(interval.high, 1.0))


def raw_agreement(table: Confusion) -> float:
    """Share of items on which both said the same; NaN without items."""
    return float(np.trace(table.counts) / table.n) if table.n > 0 else float("nan")
