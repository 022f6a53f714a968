"""From a judge's score to the outcome it stands for: a rising map, fitted where both are known.

Source: isotonic regression (Ayer et al. 1955; pool adjacent violators); cross-fitting and the mean-
preserving correction after CJE, arXiv 2512.11150.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analytics.stats.checks import bad, check_finite, check_same_length

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from analytics.stats.checks import FloatArray


@dataclass(frozen=True, eq=False)
class RisingMap:
    """A rising step map, straight between its points, level beyond its ends."""

    score: FloatArray
    outcome: FloatArray

    def at(self, score: ArrayLike) -> FloatArray:
        """Expected outcome at scores, in the outcome's unit."""
        return np.interp(check_finite(score, "score"), self.score, self.outcome)


def fit_rising(score: ArrayLike, outcome: ArrayLike) -> RisingMap:
    """The rising map nearest to the outcomes, least squares; equal scores get one outcome.

    Args: score, outcome: of labelled items, shape (n,), n >= 1. The map's mean over these items is
        the outcomes' mean.
    """
    s, y = check_finite(score, "score", ndim=1), check_finite(outcome, "outcome", ndim=1)
    if check_same_length(score=s, outcome=y) == 0:
        raise bad("there are no labelled items to fit a map on.")
    places, group = np.unique(s, return_inverse=True)
    weight = np.bincount(group).astype(np.float64)
    return RisingMap(places, _pooled(np.bincount(group, y) / weight, weight))


def _pooled(value: FloatArray, weight: FloatArray) -> FloatArray:
    """Neighbours that fall are pooled until none does."""
    levels: list[list[float]] = []  # [mean, weight, places]
    for one, heavy in zip(value.tolist(), weight.tolist(), strict=True):
        levels.append([one, heavy, 1.0])
        while len(levels) > 1 and levels[-2][0] > levels[-1][0]:
            mean, mass, places = levels.pop()
            below = levels[-1]
            below[0] = (below[0] * below[1] + mean * mass) / (below[1] + mass)
            below[1] += mass
            below[2] += places
    return np.repeat([level[0] for level in levels], [int(level[2]) for level in levels])


@dataclass(frozen=True, eq=False)
class Calibrated:
    """Scores brought to the outcome's scale.

    labelled: of each labelled item by a map fitted without its fold: honest for residuals and as
    the judge of ppi.ppi_mean, which corrects what the map leaves. everyone: by the mean of maps.
    """

    labelled: FloatArray
    everyone: FloatArray


def cross_fitted(
    score: ArrayLike, outcome: ArrayLike, fold: ArrayLike, everyone: ArrayLike
) -> Calibrated:
    """Rising maps fitted fold by fold.

    Args: score, outcome, fold: of labelled items, shape (n,); fold: whole numbers, at least two
        different; items of one cluster belong in one fold. everyone: scores to map, any shape.
    """
    s, y = check_finite(score, "score", ndim=1), check_finite(outcome, "outcome", ndim=1)
    part, rest = check_finite(fold, "fold", ndim=1), check_finite(everyone, "everyone")
    check_same_length(score=s, outcome=y, fold=part)
    folds = np.unique(part)
    if len(folds) < 2:
        raise bad(f"{len(folds)} fold; cross-fitting needs at least 2.")
    labelled, total = np.zeros(len(s)), np.zeros(rest.shape)
    for one in folds:
        mine = part == one
        fitted = fit_rising(s[~mine], y[~mine])
        labelled[mine] = fitted.at(s[mine])
        total += fitted.at(rest)
    return Calibrated(labelled, total / len(folds))
