"""Quantiles of a metric: of independent values, of events clustered in users, and by arm.

For independent values the Poisson bootstrap of a quantile needs no resampling: the place of the
q-quantile among the sorted values is Binomial(n + 1, q). Where events of one user are alike, use
the clustered variance, or the interval is far too narrow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analytics.stats import tails
from analytics.stats.checks import bad, check_alpha, check_finite, check_positive, floats
from analytics.stats.interval import Interval, Sizes, whole
from analytics.stats.moments import Marginal

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from analytics.stats.checks import FloatArray

DRAWS_N = 100_000  # 13 ms, whatever the number of values


@dataclass(frozen=True, eq=False)
class OrderRanks:
    """Places (from 1) among the sorted values between which the quantile lies."""

    low: FloatArray
    high: FloatArray


def bootstrap_ranks(n: ArrayLike, q: ArrayLike, *, alpha: float) -> OrderRanks:
    """Places of the interval's ends: the alpha/2 and 1 - alpha/2 quantiles of Binomial(n + 1, q).

    Args: n: values; 0 < q < 1. Returns: places from 0 (below the smallest) to n + 1.
    Source: Schultzberg and Ankargren (2022), arXiv 2202.10992. Case
        quantile-poisson-bootstrap-index.
    """
    q = _checked_q(q)
    places = floats(n) + 1
    half = check_alpha(alpha) / 2
    return OrderRanks(
        tails.binomial_quantile(half, places, q), tails.binomial_quantile(1 - half, places, q)
    )


def quantile_interval(values: ArrayLike, *, q: float, alpha: float) -> Interval:
    """The q-quantile of independent values, with its bootstrap interval; shape ().

    Args: values: shape (n,), one per independent unit. Returns: in the values' unit; se is the
        interval's half-width over z, p is 1 (there is no null). enough is False where an end lies
        beyond the smallest or largest value.
    Source: as bootstrap_ranks.
    """
    rows = np.sort(check_finite(values, "values", ndim=1))
    n = len(rows)
    ranks = bootstrap_ranks(n, q, alpha=alpha)
    first, last = int(ranks.low), int(ranks.high)
    inside = first >= 1 and last <= n
    low = rows[first - 1] if inside else np.nan
    high = rows[last - 1] if inside else np.nan
    z = tails.normal_upper_quantile(alpha / 2)
    return whole(
        (_at(rows, q), low, high, (high - low) / (2 * z), 1.0),
        sizes=Sizes.one(n),
        method=f"{q:g}-quantile, bootstrap by order statistics",
        alpha=alpha,
        enough=inside,
    )


def quantile_difference(
    control: ArrayLike,
    treatment: ArrayLike,
    *,
    q: float,
    alpha: float,
    rng: np.random.Generator,
) -> Interval:
    """Difference in q-quantiles of independent values between arms; shape ().

    Args: values of each arm, shape (n,); rng: seeded by the caller, so that the result repeats.
    Returns: in the values' unit; p is twice the smaller share of DRAWS_N bootstrap draws on one
        side of 0, never below 2 / DRAWS_N. enough is False where an arm has fewer than 2 values or
        nothing varies.
    Source: Schultzberg and Ankargren (2022), arXiv 2202.10992, algorithm 2.
    """
    quantile = float(_checked_q(q))
    half = check_alpha(alpha) / 2
    arms = [np.sort(check_finite(arm, "values", ndim=1)) for arm in (control, treatment)]
    n_c, n_t = (len(arm) for arm in arms)
    if min(n_c, n_t) < 2:
        apart, ends, se, p = np.nan, np.array([np.nan, np.nan]), np.nan, np.nan
    else:
        drawn = [_drawn(arm, quantile, rng) for arm in arms]
        moved = drawn[1] - drawn[0]
        ends = np.quantile(moved, [half, 1 - half])
        apart, se = _at(arms[1], quantile) - _at(arms[0], quantile), float(np.std(moved))
        side = min(float(np.mean(moved <= 0)), float(np.mean(moved >= 0)))
        p = min(1.0, max(2 * side, 2 / DRAWS_N))
    return whole(
        (apart, ends[0], ends[1], se, p),
        sizes=Sizes(floats(n_c), floats(n_t)),
        method=f"difference in {q:g}-quantiles, bootstrap by order statistics",
        alpha=alpha,
        enough=np.isfinite(se) and se > 0,
    )


def _drawn(rows: FloatArray, q: float, rng: np.random.Generator) -> FloatArray:
    """Bootstrap quantiles of sorted values."""
    place = rng.binomial(len(rows) + 1, q, size=DRAWS_N)
    return rows[np.clip(place, 1, len(rows)) - 1]


def _at(rows: FloatArray, q: float) -> float:
    """The sample quantile of sorted values; NaN where there are none."""
    return float(np.quantile(rows, q)) if len(rows) else float("nan")


@dataclass(frozen=True, eq=False)
class ClusteredQuantile:
    """What one arm must keep of its events to give the variance of a quantile of events in users.

    n: events. nu: which quantile. q_low, q_high: the sample quantiles at the ends of the 95 %
    interval of an independent sample of n_star events (n_star = n unless capped). below: moments
    over users of (events at or below the quantile, events).
    """

    n: float
    n_star: float
    nu: float
    q_low: float
    q_high: float
    users: float
    below_sum: float
    below_sq: float
    events_sum: float
    events_sq: float
    below_events: float


@dataclass(frozen=True, eq=False)
class QuantileVariance:
    """Variances per event: as if independent, of the share below, and as clustered.

    iid and clustered: of the quantile times n events, in the square of the metric's unit.
    share: of the share of events at or below the quantile, over users.
    """

    iid: float
    share: float
    clustered: float


def clustered_quantile_variance(
    kept: ClusteredQuantile, *, alpha: float = 0.05
) -> QuantileVariance:
    """Variance of a quantile of events when events of one user are alike.

    The independent variance, stretched by how much more the share below the quantile varies over
    users than a binomial share would. Divide clustered by n for the quantile's own variance.
    Source: Deng, Knoblich and Lu (2018), section 4.3, arXiv 1803.06336. Case
        quantile-clustered-var.
    """
    _checked_q(kept.nu)
    check_positive([kept.n, kept.n_star, kept.users, kept.events_sum], "n, n_star, users, events")
    z = float(tails.normal_upper_quantile(check_alpha(alpha) / 2))
    one = ((kept.q_high - kept.q_low) / (2 * z)) ** 2  # of the quantile of n_star events
    iid = kept.n_star / kept.n * (kept.n - 1) * one
    users = kept.users
    if users < 2:
        raise bad(f"{users:g} users: the spread over users needs at least 2.")
    mean_events = kept.events_sum / users
    share = kept.below_sum / kept.events_sum
    var_below = (kept.below_sq - kept.below_sum**2 / users) / (users - 1)
    var_events = (kept.events_sq - kept.events_sum**2 / users) / (users - 1)
    cross = (kept.below_events - kept.below_sum * kept.events_sum / users) / (users - 1)
    spread = max(var_below - 2 * share * cross + share**2 * var_events, 0.0)
    of_share = spread / (users * mean_events**2)
    binomial = kept.nu * (1 - kept.nu) / kept.n
    return QuantileVariance(iid, of_share, iid * of_share / binomial)


def clustered_quantile(estimate: float, kept: ClusteredQuantile) -> Marginal:
    """A clustered quantile as a Marginal over events, comparable by any interval."""
    variance = clustered_quantile_variance(kept).clustered
    return Marginal.from_var(kept.n, estimate, variance)


def _checked_q(q: ArrayLike) -> FloatArray:
    """Quantiles strictly between 0 and 1, or ConfigError."""
    values = floats(q)
    if not np.all((values > 0) & (values < 1)):
        raise bad(f"a quantile must lie between 0 and 1, got {q!r}.")
    return values
