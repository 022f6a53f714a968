"""The bootstrap over users, for statistics that have no formula here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analytics.stats.checks import bad, check_alpha, check_finite, floats
from analytics.stats.interval import Interval, Sizes, whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike

    from analytics.stats.checks import FloatArray

DRAWS_N = 2000
_UNITS_MIN = 10


def bootstrap_difference(
    control: ArrayLike,
    treatment: ArrayLike,
    statistic: Callable[[FloatArray], float],
    *,
    alpha: float,
    rng: np.random.Generator,
) -> Interval:
    """statistic(treatment) - statistic(control), percentile interval; shape ().

    Args: control, treatment: one row per user, shape (n,) or (n, k); statistic: of such rows;
        rng: seeded by the caller. Users are drawn with replacement within arms, 2,000 times.
    Returns: in the statistic's unit; p is twice the smaller share of draws on one side of 0, never
        below 1 / 1,000. enough is False below 10 users an arm, or where draws do not vary.
    Source: Efron (1979), Ann. Stat. 7, 1-26.
    """
    half = check_alpha(alpha) / 2
    arms = [check_finite(arm, "values") for arm in (control, treatment)]
    if any(arm.ndim not in {1, 2} for arm in arms):
        raise bad("values must be rows of users, in one or two dimensions.")
    sizes = [len(arm) for arm in arms]
    parts: tuple[float, ...] = (float("nan"),) * 5
    if min(sizes) >= _UNITS_MIN:
        moved = floats([_draw(arms, statistic, rng) for _ in range(DRAWS_N)])
        low, high = np.quantile(moved, [half, 1 - half])
        side = min(float(np.mean(moved <= 0)), float(np.mean(moved >= 0)))
        apart = statistic(arms[1]) - statistic(arms[0])
        p = min(1.0, max(2 * side, 2 / DRAWS_N))
        parts = (apart, float(low), float(high), float(np.std(moved)), p)
    return whole(
        (parts[0], parts[1], parts[2], parts[3], parts[4]),
        sizes=Sizes(floats(sizes[0]), floats(sizes[1])),
        method="bootstrap over users",
        alpha=alpha,
        enough=bool(np.isfinite(parts[3]) and parts[3] > 0),
    )


def _draw(
    arms: list[FloatArray], statistic: Callable[[FloatArray], float], rng: np.random.Generator
) -> float:
    """One draw of users in each arm."""
    control, treatment = (arm[rng.integers(0, len(arm), len(arm))] for arm in arms)
    return statistic(treatment) - statistic(control)
