"""Which items to score next, so that what is known of a judge grows most for its cost.

Trust rests on three kinds of estimates: the judge's mean of each variant, the slope of *kept* on
its score, and its slope beside people's ratings. Each item moves each by its influence. With item i
scored with probability p_i, an estimate weighted by 1 / p has the variance sum(influence^2 / p_i);
for a given cost the sum over the kinds, each in units of its own variance, is least at

    p_i proportional to root mean square influence of the cell / root of its cost,

capped at 1 and held above a floor, which keeps every item possible and the estimates unbiased. The
influences are those of items of the same cell that were scored before. Items are drawn by
systematic sampling with a random start, cells in order of cost: each has exactly its probability,
and the cost strays from its expectation by at most two scores.

Source: Neyman (1934), J. R. Stat. Soc. 97, 558-625; Sarndal, Swensson and Wretman (1992), Model
Assisted Survey Sampling, 3.7 and 12.2; Madow (1949) for systematic sampling with probabilities.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from analytics.stats.checks import floats
from streams.errors import ConfigError

if TYPE_CHECKING:
    from analytics.stats.checks import FloatArray, IntArray

KINDS: Final = ("means of variants", "slope of kept plays", "slope of ratings")
FLOOR_SHARE: Final = 0.2
"""Least probability, as a share of that of uniform sampling at the same cost."""
PRIOR_ITEMS: Final = 20
"""How many items' weight the overall influence has in a cell's own."""
STRAY_SCORES: Final = 2
"""By how many of the dearest scores a draw may cost more than expected."""
STEPS_N: Final = 200
SLOPE_MIN: Final = 3
"""A line through two points has no residuals."""


@dataclass(frozen=True, eq=False, slots=True)
class History:
    """Items scored before, one element each. kept, rating: NaN where not known.

    arm: number of the variant (and surface); cell: number of the cell; weight: 1 / probability.
    """

    score: FloatArray
    weight: FloatArray
    arm: IntArray
    cell: IntArray
    kept: FloatArray
    rating: FloatArray


@dataclass(frozen=True, eq=False, slots=True)
class Design:
    """Per cell: probability. uniform: that of uniform sampling at the same cost.

    width: per kind, expected width of its interval as a share of that with uniform sampling; NaN
    where the history does not carry the kind.
    """

    probability: FloatArray
    uniform: float
    width: FloatArray


def squared_influence(history: History) -> FloatArray:
    """(kinds, items): squared influence in units of its kind's mean; 0 where that is unknown."""
    s, w = history.score, history.weight
    arms_n = int(history.arm.max(initial=-1)) + 1
    total = np.bincount(history.arm, w, arms_n)
    mean = np.bincount(history.arm, w * s, arms_n) / np.where(total > 0, total, 1)
    centred = s - mean[history.arm]
    share = total / total.sum()
    kinds = [centred / share[history.arm]]
    kinds += [_slope_influence(centred, y, w) for y in (history.kept, history.rating)]
    squares = np.square(np.vstack(kinds))
    level = squares @ w / w.sum()
    level = np.broadcast_to(level[:, None], squares.shape)
    return floats(np.divide(squares, level, out=np.zeros_like(squares), where=level > 0))


def _slope_influence(x: FloatArray, y: FloatArray, w: FloatArray) -> FloatArray:
    """Influence of each item on the weighted slope of y on x, but for a constant factor."""
    known = np.isfinite(y)
    if known.sum() < SLOPE_MIN:
        return np.zeros_like(x)
    v = np.where(known, w, 0.0)
    dx = x - v @ x / v.sum()
    dy = np.where(known, y, 0.0) - v @ np.where(known, y, 0.0) / v.sum()
    spread = float(v @ dx**2)
    beta = float(v @ (dx * dy)) / spread if spread > 0 else 0.0
    return np.where(known, dx * (dy - beta * dx), 0.0)


def design(
    history: History,
    items: FloatArray,
    cost: FloatArray,
    budget: float,
    *,
    importance: FloatArray | None = None,
) -> Design:
    """Probabilities per cell.

    Args: items: how many wait in each cell. cost: of one score in it. budget: same unit.
        importance: of each of KINDS; alike unless given.
    Raises: ConfigError for a budget that pays for no draw, or a cost that is not positive.
    """
    if not (np.all(cost > 0) and np.all(np.isfinite(cost))):
        raise ConfigError("a score must cost something.", where="--cost-per-score")
    spendable = budget - STRAY_SCORES * float(cost.max(initial=0))
    if not spendable > 0:
        raise ConfigError(
            f"a cap of {budget:g} pays for no more than {STRAY_SCORES} scores.", where="--cap"
        )
    by_cell = _by_cell(squared_influence(history), history, len(items))
    aims = np.ones(len(KINDS)) if importance is None else importance
    root = np.sqrt(aims @ by_cell)
    uniform = min(1.0, spendable / float(items @ cost))
    floor = FLOOR_SHARE * uniform
    p = _scaled(root / np.sqrt(cost), floor, items * cost, spendable)
    mass = items * by_cell
    with np.errstate(invalid="ignore"):
        width = np.sqrt((mass / p).sum(axis=1) / (mass / uniform).sum(axis=1))
    return Design(p, uniform, floats(width))


def _by_cell(squares: FloatArray, history: History, cells_n: int) -> FloatArray:
    """(kinds, cells): mean squared influence, drawn to the overall one."""
    w = history.weight / history.weight.mean()
    held = np.bincount(history.cell, w, cells_n)
    overall = squares @ w / w.sum()
    sums = np.vstack([np.bincount(history.cell, w * one, cells_n) for one in squares])
    return floats((sums + PRIOR_ITEMS * overall[:, None]) / (held + PRIOR_ITEMS))


def _scaled(size: FloatArray, floor: float, cost: FloatArray, budget: float) -> FloatArray:
    """clip(factor * size, floor, 1) whose expected cost is the budget, by bisection."""
    if cost.sum() <= budget:
        return np.ones_like(size)
    low, high = 0.0, 1.0 / float(size[size > 0].min())
    for _ in range(STEPS_N):
        middle = (low + high) / 2
        if float(np.clip(middle * size, floor, 1) @ cost) > budget:
            high = middle
        else:
            low = middle
    return floats(np.clip(low * size, floor, 1))


def drawn(probability: FloatArray, cost: FloatArray, rng: np.random.Generator) -> IntArray:
    """Which items are drawn, by systematic sampling: places in ascending order.

    probability, cost: per item. Items of one cost stand in random order.
    """
    order = np.lexsort((rng.random(len(probability)), cost))
    ends = np.cumsum(probability[order]) + rng.random()
    starts = np.concatenate([ends[:1] - probability[order][:1], ends[:-1]])
    return np.sort(order[np.floor(ends) > np.floor(starts)])
