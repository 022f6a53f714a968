"""Has a distribution moved: Kolmogorov-Smirnov for numbers, population stability for shares.

For a judge on its anchor set. A nightly p-value would alarm by chance: alert through a confidence
sequence of the anchor's mean error, and use these to describe what moved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from analytics.stats.checks import bad, check_finite, floats
from analytics.stats.interval import TestResult, result

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from analytics.stats.checks import FloatArray

EXACT_MAX = 250_000  # n * m up to which the exact law is counted


def ks_two_sample(x: ArrayLike, y: ArrayLike) -> TestResult:
    """Largest distance of two empirical distribution functions, and its two-sided p.

    Args: x, y: values, shape (n,), (m,). p is exact up to n * m = 250,000 where no value occurs
        twice (conservative where some do), asymptotic beyond. enough is False where one is empty.
    Source: Smirnov (1939); Hodges (1958) for the exact law. Case ks-two-sample.
    """
    a, b = np.sort(check_finite(x, "x", ndim=1)), np.sort(check_finite(y, "y", ndim=1))
    n, m = len(a), len(b)
    if min(n, m) == 0:
        return result(np.nan, np.nan, method="Kolmogorov-Smirnov")
    places = np.concatenate([a, b])
    # As integers: whether a path touches the distance must not hang on rounding.
    apart = m * np.searchsorted(a, places, "right") - n * np.searchsorted(b, places, "right")
    steps = int(np.max(np.abs(apart)))
    d = steps / (n * m)
    if n * m <= EXACT_MAX:
        return result(d, _exact_p(n, m, steps), method="Kolmogorov-Smirnov, exact")
    p = special.kolmogorov(np.sqrt(n * m / (n + m)) * d)
    return result(d, p, method="Kolmogorov-Smirnov, asymptotic")


def _exact_p(n: int, m: int, steps: int) -> float:
    """Chance that a random path from (0, 0) to (n, m) gets `steps` or further off the diagonal.

    touched[k]: the share of paths to (i, k) that have; a sum of what touched, so that a tiny p
    keeps its digits.
    """
    j = np.arange(m + 1)
    touched = np.where(n * j >= steps, 1.0, 0.0)
    for i in range(1, n + 1):
        row = np.ones(m + 1)
        for k in np.flatnonzero(np.abs(m * i - n * j) < steps).tolist():
            from_left = row[k - 1] if k else 0.0
            row[k] = (i * touched[k] + k * from_left) / (i + k)
        touched = row
    return float(touched[m])


def population_stability(before: ArrayLike, after: ArrayLike, *, floor: float = 1e-6) -> float:
    """Population stability index over the same bins: sum of (q - p) ln(q / p).

    Args: before, after: counts or shares per bin, shape (bins,); floor: the least share of a bin,
        so that an empty one counts as much but not without end. Nothing in either: ConfigError.
    Source: Siddiqi (2006); it is the symmetrised Kullback-Leibler divergence.
    """
    p, q = _shares(before, floor), _shares(after, floor)
    if p.shape != q.shape:
        raise bad(f"bins differ: {p.shape} and {q.shape}.")
    return float(np.sum((q - p) * np.log(q / p)))


def _shares(counts: ArrayLike, floor: float) -> FloatArray:
    """Counts as shares, none below the floor."""
    numbers = check_finite(counts, "counts", ndim=1)
    total = numbers.sum()
    if np.any(numbers < 0) or not total > 0:
        raise bad("counts must not be negative, and not all zero.")
    return floats(np.maximum(numbers / total, floor))
