"""Intervals for statistics without a formula of their own: the grouped jackknife over clusters.

Clusters (users, items) are dealt into at most 100 groups; the statistic is computed without each
group in turn. Rows of one cluster never part, so their likeness is in the interval; weights stay
with their rows. A correlation is held on its Fisher scale, a share on its logit, so that no end
leaves the range.

Source: Kott (2001), J. Off. Stat. 17, 521-526, the delete-a-group jackknife; Wolter (2007),
Introduction to Variance Estimation, chapter 4; Fisher (1915).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from analytics.judges.figure import Figure, finite, nothing
from analytics.stats import tails
from analytics.stats.checks import check_alpha, floats

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike

    from analytics.stats.checks import FloatArray, IntArray

Scale = Literal["plain", "fisher", "logit"]
GROUPS_MAX = 100
"""More groups no longer narrow t(groups - 1)."""
CLUSTERS_MIN = 10
EDGE = 1e-9


@dataclass(frozen=True, slots=True)
class How:
    """alpha: error rate. scale: on which it is nearly normal. unit: what the clusters are."""

    alpha: float
    scale: Scale = "plain"
    unit: str = "items"
    groups_max: int = GROUPS_MAX

    def __post_init__(self) -> None:
        check_alpha(self.alpha)


def groups_of(cluster: ArrayLike, *, groups_max: int = GROUPS_MAX) -> tuple[IntArray, int]:
    """For each row the group of its cluster, and how many clusters there are.

    Clusters are dealt out in turn by their sorted names: the same rows give the same groups.
    """
    place = np.unique(np.asarray(cluster), return_inverse=True)[1].astype(np.int64)
    clusters_n = int(place.max(initial=-1)) + 1
    return place % max(1, min(groups_max, clusters_n)), clusters_n


def jackknifed(
    name: str,
    statistic: Callable[[FloatArray], float],
    weight: FloatArray,
    cluster: ArrayLike,
    how: How,
) -> Figure:
    """The statistic of the rows with its interval.

    Args: statistic: of the rows' weights, where 0 means left out; NaN where it does not exist.
    """
    group, clusters_n = groups_of(cluster, groups_max=how.groups_max)
    groups_n = int(group.max(initial=-1)) + 1
    whole = statistic(weight)
    left = floats([statistic(np.where(group == g, 0.0, weight)) for g in range(groups_n)])
    return from_replicates(name, whole, left, clusters_n, how)


def from_replicates(name: str, whole: float, left: FloatArray, n: int, how: How) -> Figure:
    """A figure from a statistic and its values without each group; t with groups - 1.

    n: how many clusters there are.
    """
    if not np.isfinite(whole):
        return nothing(name, "it does not exist here: nothing varies", n=n, unit=how.unit)
    groups_n, level = len(left), 1 - how.alpha
    said = f"jackknife over {how.unit}"
    bare = Figure(name, float(whole), None, None, n, how.unit, said, level)
    if groups_n < CLUSTERS_MIN or not np.all(np.isfinite(left)):
        return replace(bare, reason=f"{n} {how.unit} are too few for an interval")
    centre, near = _to(whole, how.scale), _to(left, how.scale)
    se = float(np.sqrt((groups_n - 1) / groups_n * np.sum(np.square(near - near.mean()))))
    if not se > 0:
        return replace(bare, reason="it is the same without any group: an interval says nothing")
    reach = float(tails.t_upper_quantile(how.alpha / 2, groups_n - 1)) * se
    low, high = (finite(_back(centre + by, how.scale)) for by in (-reach, reach))
    return replace(bare, low=low, high=high)


def _to(value: ArrayLike, scale: Scale) -> FloatArray:
    """On the scale where it is nearly normal."""
    number = floats(value)
    if scale == "fisher":
        return np.arctanh(np.clip(number, EDGE - 1, 1 - EDGE))
    if scale == "logit":
        share = np.clip(number, EDGE, 1 - EDGE)
        return floats(np.log(share / (1 - share)))
    return number


def _back(value: ArrayLike, scale: Scale) -> FloatArray:
    if scale == "fisher":
        return np.tanh(floats(value))
    if scale == "logit":
        return floats(1 / (1 + np.exp(-floats(value))))
    return floats(value)
