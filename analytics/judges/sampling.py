"""What was graded was drawn with known probabilities: each score weighs 1 / probability.

Source: Hajek (1971): the sum of weighted values over the sum of weights. Units (users) are the
clusters, so that the ratio's variance is that of its linearised unit totals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analytics.stats.checks import floats
from analytics.stats.means import mean_interval
from analytics.stats.moments import Marginal, Moments
from analytics.stats.ratios import ratio
from streams.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from analytics.stats.checks import FloatArray, IntArray
    from analytics.stats.interval import Interval

PROBABILITY_MIN = 1e-6
"""As the contract of judge scores has it: a weight beyond a million speaks for nobody."""


def weights_of(probability: ArrayLike, *, where: str) -> FloatArray:
    """1 / probability. 0, above 1, negative, NaN: ConfigError that names the first such row."""
    p = floats(probability)
    bad = np.flatnonzero(~((p >= PROBABILITY_MIN) & (p <= 1)))
    if len(bad):
        row = int(bad[0])
        raise ConfigError(
            f"{len(bad):,} of {len(p):,} sampling probabilities are not above 0 and at most 1;"
            f" the first is {p[row]!r} in row {row + 1}.",
            where=where,
            done="Nothing was computed: such a score stands for no known number of others.",
            todo="Log the probability with which each item was drawn; 1 where all were.",
        )
    return floats(1 / p)


def hajek(value: ArrayLike, weight: FloatArray, cluster: IntArray) -> Marginal:
    """The weighted mean as a Marginal over clusters; absent values are left out before.

    Args: value, weight, cluster: (n,); cluster: numbers from 0, need not be dense.
    """
    totals = cluster_totals(cluster, floats(value) * weight, weight)
    return ratio(Moments.of(totals))


def hajek_interval(
    value: ArrayLike, weight: FloatArray, cluster: IntArray, *, alpha: float
) -> Interval:
    """The same with its t interval; n counts clusters."""
    return mean_interval(hajek(value, weight, cluster), alpha=alpha)


def cluster_totals(cluster: IntArray, *columns: FloatArray) -> FloatArray:
    """Sums per cluster that occurs, (clusters, columns)."""
    place = np.unique(cluster, return_inverse=True)[1]
    n = int(place.max(initial=-1)) + 1
    return np.column_stack([np.bincount(place, column, n) for column in columns])
