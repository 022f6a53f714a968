"""Confidence sequences for the mean of values between 0 and 1, by betting against each mean.

Non-asymptotic and tight from the first value on: for scores on a bounded scale and few labels.
Values on another scale are mapped to 0..1 by their known ends before, the result back after.

Source: Waudby-Smith and Ramdas (2024), J. R. Stat. Soc. B 86, 1-27, arXiv 2010.09686.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analytics.stats.checks import bad, check_alpha, check_finite, floats

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from analytics.stats.checks import FloatArray

GRID_N = 10_000
GRID_MAX = 100_000


@dataclass(frozen=True, eq=False)
class Sequence:
    """low and high after each value, shape (n,), both between 0 and 1."""

    low: FloatArray
    high: FloatArray


def betting_sequence(x: ArrayLike, *, alpha: float, grid_n: int = GRID_N) -> Sequence:
    """Hedged-capital confidence sequence, running intersection.

    Args: x: values in their order, between 0 and 1, shape (n,). grid_n: means tried; ends are
        moved out by one grid step, so the grid never costs coverage.
    Source: theorem 3 with the predictable plug-in bets of equation 26. Case cs-betting-20.
    """
    values = _unit(x)
    if not 2 <= grid_n <= GRID_MAX:
        raise bad(f"grid_n is {grid_n!r}, not between 2 and {GRID_MAX}.")
    bets = plug_in_bets(values, alpha=check_alpha(alpha))
    means = np.arange(grid_n + 1) / grid_n
    with np.errstate(divide="ignore"):
        cap_up, cap_down = 0.5 / means, 0.5 / (1 - means)
    up, down = np.zeros(grid_n + 1), np.zeros(grid_n + 1)
    low, high = np.zeros(len(values)), np.ones(len(values))
    limit = np.log(2 / alpha)  # each side holds half of the capital
    for k, (value, bet) in enumerate(zip(values.tolist(), bets.tolist(), strict=True)):
        up += np.log1p(np.minimum(bet, cap_up) * (value - means))
        down += np.log1p(-np.minimum(bet, cap_down) * (value - means))
        kept = np.flatnonzero(np.maximum(up, down) <= limit)
        if len(kept):  # an empty set keeps the last interval: it holds no less than before
            low[k] = max(means[kept[0]] - 1 / grid_n, 0.0)
            high[k] = min(means[kept[-1]] + 1 / grid_n, 1.0)
    return Sequence(np.maximum.accumulate(low), np.minimum.accumulate(high))


def plug_in_bets(x: FloatArray, *, alpha: float) -> FloatArray:
    """Bets from the values before each: sqrt(2 ln(2 / alpha) / (variance so far * t ln(1 + t)))."""
    t = np.arange(1, len(x) + 1)
    mean = (0.5 + np.cumsum(x)) / (t + 1)
    variance = (0.25 + np.cumsum(np.square(x - mean))) / (t + 1)
    before = np.concatenate([[0.25], variance[:-1]])
    return floats(np.sqrt(2 * np.log(2 / alpha) / (before * t * np.log1p(t))))


def hoeffding_sequence(x: ArrayLike, *, alpha: float) -> Sequence:
    """Predictable-mixture Hoeffding confidence sequence, each side at alpha / 2.

    Args: x: values in their order, between 0 and 1. Wider than betting; needs no grid.
    Source: proposition 1. Case cs-predmix-hoeffding-20.
    """
    values = _unit(x)
    side = check_alpha(alpha) / 2
    low = _hoeffding_low(values, side)
    high = 1 - _hoeffding_low(1 - values, side)
    return Sequence(np.clip(low, 0.0, 1.0), np.clip(high, 0.0, 1.0))


def _hoeffding_low(x: FloatArray, alpha: float) -> FloatArray:
    """Weighted mean less its margin, after each value."""
    t = np.arange(1, len(x) + 1)
    bet = np.minimum(np.sqrt(-8 * np.log(alpha) / (t * np.log1p(t))), 1.0)
    margin = -np.log(alpha) + np.cumsum(np.square(bet) / 8)
    return floats((np.cumsum(bet * x) - margin) / np.cumsum(bet))


def _unit(x: ArrayLike) -> FloatArray:
    """Values between 0 and 1, or ConfigError."""
    values = check_finite(x, "x", ndim=1)
    if np.any((values < 0) | (values > 1)):
        raise bad("values must lie between 0 and 1.", "Map them by the ends of their scale.")
    return values
