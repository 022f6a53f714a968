"""Prediction-powered quantiles: the human label's quantile from few labels and many scores.

Source: Angelopoulos, Bates, Fannjiang, Jordan and Zrnic (2023), Science 382, 669-674, arXiv
2301.09633. Case ppi-quantile-median.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analytics.stats import tails
from analytics.stats.checks import bad, check_alpha, check_finite, check_same_length
from analytics.stats.interval import Interval, Sizes, whole

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from analytics.stats.checks import FloatArray


@dataclass(frozen=True, eq=False)
class RectifiedCdf:
    """The human label's distribution function as the judge helps to see it, at each place."""

    places: FloatArray
    share: FloatArray
    se: FloatArray


def ppi_quantile(
    human: ArrayLike, judge: ArrayLike, unlabelled: ArrayLike, *, q: float, alpha: float
) -> Interval:
    """The q-quantile of the human label; shape ().

    Args: human, judge: of the labelled items, shape (n,), one scale; unlabelled: the judge's
        scores of the others. Every value that occurs is tried: no grid.
    Returns: the values whose rectified share cannot be told from q; se is a quarter of the
        interval at alpha .05 (half-width over z), p is 1 (no null). enough is False without
        labels or scores, or where no value fits.
    """
    if not 0 < q < 1:
        raise bad(f"q is {q!r}, not between 0 and 1.")
    z = float(tails.normal_upper_quantile(check_alpha(alpha) / 2))
    y, f = check_finite(human, "human", ndim=1), check_finite(judge, "judge", ndim=1)
    u = check_finite(unlabelled, "unlabelled", ndim=1)
    n = check_same_length(human=y, judge=f)
    low = high = point = np.nan
    if n > 1 and len(u) > 1:
        seen = rectified_cdf(y, f, u)
        off = np.abs(seen.share - q)
        point = float(seen.places[np.argmin(off)])
        kept = seen.places[off < z * seen.se]
        if len(kept):
            low, high = float(kept[0]), float(kept[-1])
    return whole(
        (point, low, high, (high - low) / (2 * z), 1.0),
        sizes=Sizes.one(n),
        method=f"PPI {q:g}-quantile",
        alpha=alpha,
        enough=np.isfinite(low),
    )


def rectified_cdf(human: FloatArray, judge: FloatArray, unlabelled: FloatArray) -> RectifiedCdf:
    """F_judge over the unlabelled, plus what humans and judge differ by on the labelled."""
    places = np.unique(np.concatenate([human, judge, unlabelled]))
    n, many = len(human), len(unlabelled)
    far = _share(unlabelled, places)
    both = _share(np.maximum(human, judge), places)
    any_of = _share(np.minimum(human, judge), places)
    moved = _share(human, places) - _share(judge, places)
    # An item's rectifier is -1, 0 or 1: its square says that exactly one of the two is below.
    spread = np.maximum(any_of - both - np.square(moved), 0.0)
    se = np.sqrt(spread / n + far * (1 - far) / many)
    return RectifiedCdf(places, far + moved, se)


def _share(values: FloatArray, places: FloatArray) -> FloatArray:
    """Share of values at or below each place."""
    return np.searchsorted(np.sort(values), places, side="right") / len(values)
