"""Krippendorff's alpha: agreement of any number of raters, with gaps, on any level of measurement.

Source: Krippendorff (2011), Computing Krippendorff's alpha-reliability. Case
krippendorff-canonical.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from analytics.stats.agreement import at_most_one
from analytics.stats.checks import bad, check_alpha, check_one_of, floats
from analytics.stats.interval import Interval, Reference, Sizes, wald

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from analytics.stats.checks import FloatArray

Level = Literal["nominal", "ordinal", "interval", "ratio"]
_LEVELS = ("nominal", "ordinal", "interval", "ratio")
VALUES_MAX = 2000


def krippendorff_alpha(data: ArrayLike, *, level: Level, alpha: float = 0.05) -> Interval:
    """Krippendorff's alpha with a jackknife interval over units; shape ().

    Args: data: (raters, units), labels as numbers, NaN where a rater said nothing; units with
        fewer than two labels do not count. level: how labels are told apart. More than 2,000
        different labels, infinity, a negative one on the ratio level: ConfigError.
    Returns: 1 perfect, 0 as by chance; t with units - 1. n: pairable units. enough is False where
        nothing can disagree (all labels equal, or fewer than 2 pairable units).
    """
    check_one_of(level, _LEVELS, "level")
    check_alpha(alpha)
    counts, values = _unit_counts(data)
    units = len(counts)
    name = f"Krippendorff's alpha, {level}"
    reference = Reference(floats(max(units - 1, 1)), alpha, "two-sided")
    if units < 2 or len(values) < 2:
        return wald(np.nan, np.nan, reference, sizes=Sizes.one(units), method=name)
    if level == "ratio" and np.any(values < 0):
        raise bad("the ratio level needs labels of 0 or above.")
    estimate = _alpha(counts, values, level)
    left_out = _jackknife(counts, values, level)
    usable = left_out[np.isfinite(left_out)]
    se = np.nan
    if len(usable) == units:
        se = float(np.sqrt((units - 1) / units * np.sum(np.square(usable - usable.mean()))))
    return at_most_one(wald(estimate, se, reference, sizes=Sizes.one(units), method=name))


def _unit_counts(data: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Labels per unit, (units, values), of units with at least two; and the values."""
    table = floats(data)
    if table.ndim != 2 or np.any(np.isinf(table)):
        raise bad("data must be raters by units, without infinity.")
    known = ~np.isnan(table)
    table, known = table[:, known.sum(axis=0) >= 2], known[:, known.sum(axis=0) >= 2]
    values = np.unique(table[known])
    if len(values) > VALUES_MAX:
        raise bad(f"{len(values)} different labels; at most {VALUES_MAX}.", "Round them first.")
    unit = np.broadcast_to(np.arange(table.shape[1]), table.shape)[known]
    place = unit * max(len(values), 1) + np.searchsorted(values, table[known])
    counts = np.bincount(place, minlength=table.shape[1] * len(values))
    return counts.reshape(table.shape[1], len(values)).astype(np.float64), values


def _distances(values: FloatArray, totals: FloatArray, level: Level) -> FloatArray:
    """Squared distance of each pair of labels; ordinal ones depend on how often each occurs."""
    if level == "nominal":
        return 1.0 - np.eye(len(values))
    if level == "interval":
        return floats(np.square(values[:, None] - values[None, :]))
    if level == "ratio":
        total = values[:, None] + values[None, :]
        apart = values[:, None] - values[None, :]
        return floats(np.square(np.divide(apart, total, where=total > 0, out=np.zeros_like(apart))))
    middle = np.cumsum(totals) - totals / 2
    return floats(np.square(middle[:, None] - middle[None, :]))


def _alpha(counts: FloatArray, values: FloatArray, level: Level) -> float:
    """1 - observed over expected disagreement; NaN where nothing can disagree."""
    totals = counts.sum(axis=0)
    distance = _distances(values, totals, level)
    observed = float(np.sum(_unit_disagreement(counts, distance)))
    expected = float(totals @ distance @ totals)
    n = float(totals.sum())
    return 1 - (n - 1) * observed / expected if expected > 0 else float("nan")


def _unit_disagreement(counts: FloatArray, distance: FloatArray) -> FloatArray:
    """Summed distance of each unit's ordered pairs, over its labels less one."""
    within = np.einsum("uv,uv->u", counts @ distance, counts)
    return floats(within / (counts.sum(axis=1) - 1))


def _jackknife(counts: FloatArray, values: FloatArray, level: Level) -> FloatArray:
    """Alpha without each unit in turn."""
    if level == "ordinal":  # the distances change with the labels left
        keep = np.arange(len(counts))
        return floats([_alpha(counts[keep != k], values, level) for k in keep])
    totals = counts.sum(axis=0)
    distance = _distances(values, totals, level)
    each = _unit_disagreement(counts, distance)
    of_total = counts @ (distance @ totals)
    of_self = np.einsum("uv,uv->u", counts @ distance, counts)
    expected = float(totals @ distance @ totals) - 2 * of_total + of_self
    n = float(totals.sum()) - counts.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return floats(np.where(expected > 0, 1 - (n - 1) * (each.sum() - each) / expected, np.nan))
