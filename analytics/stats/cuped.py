"""Variance reduction with what was known before the experiment: CUPED, CUPAC, CUPED for ratios.

A covariate must not be touched by the treatment: pre-period values of the same user, or a model's
prediction from them (CUPAC). The adjusted arms are Marginals: any interval applies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from analytics.stats.checks import bad, check_one_of, floats
from analytics.stats.control_variates import adjusted, coefficients, pooled_or_bad, solve
from analytics.stats.moments import Marginal, Moments
from analytics.stats.ratios import linear_weights, ratio

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.stats.checks import FloatArray

Linearised = Literal["pooled", "per-arm"]


@dataclass(frozen=True, eq=False)
class Adjusted:
    """Arms after adjustment.

    arms: adjusted moments, in the order given, comparable with each other by any interval.
    theta: coefficients, in outcome units per covariate unit, shape S + (k,).
    variance_left: pooled within-arm variance after / before, 0 to 1 (above 1: it did harm).
    """

    arms: tuple[Marginal, ...]
    theta: FloatArray
    variance_left: FloatArray


def cuped(*arms: Moments, outcome: int = 0, covariates: Sequence[int] = (1,)) -> Adjusted:
    """Means adjusted for covariates: y - theta' (x - mean of x over all arms).

    Args: arms: moments over users, control first; outcome, covariates: places of the numbers in
        them. theta is taken over all arms' users together, so that it is the same in each.
    Returns: adjusted arms; an arm's variance uses divisor n - 1 throughout. A covariate that does
        not vary changes nothing.
    Source: Deng, Xu, Kohavi and Walker (2013), WSDM. Cases cuped-mean-abs, cuped-ddof-trap.
    """
    if not arms:
        raise bad("cuped needs at least one arm.")
    whole = pooled_or_bad(*arms)
    theta = coefficients(whole, outcome, covariates)
    centre = whole.mean[..., list(covariates)]
    after = tuple(
        adjusted(arm, theta, centre, outcome=outcome, covariates=covariates) for arm in arms
    )
    before = [arm.at(outcome) for arm in arms]
    return Adjusted(after, theta, _left(before, after))


def cuped_ratio(
    *arms: Moments,
    covariate: tuple[int, int] = (2, 3),
    metric: tuple[int, int] = (0, 1),
    linearised: Linearised = "pooled",
) -> Adjusted:
    """Ratios of means adjusted for the same ratio in the pre-period: linearise, then CUPED.

    Args: arms: moments over users, control first. metric, covariate: places of (numerator,
        denominator). linearised: theta from values linearised at the pooled ratios over all
        users, or at each arm's own ratios with the covariances summed within arms.
    Returns: adjusted ratios. theta is 0 where the covariate does not vary or cannot be formed.
    Source: Deng, Knoblich and Lu (2018), arXiv 1803.06336. Case ratio-cuped-per-arm-theta.
    """
    check_one_of(linearised, ("pooled", "per-arm"), "linearised")
    if not arms:
        raise bad("cuped_ratio needs at least one arm.")
    whole = pooled_or_bad(*arms)
    sources = (whole,) if linearised == "pooled" else arms
    pairs = [_linear_pair(arm, metric, covariate) for arm in sources]
    cross = sum((pair.m2[..., 0, 1] for pair in pairs), start=np.zeros(()))
    own = sum((pair.m2[..., 1, 1] for pair in pairs), start=np.zeros(()))
    theta = solve(floats(cross)[..., None], floats(own)[..., None, None])
    centre = ratio(whole, numerator=covariate[0], denominator=covariate[1]).mean
    after = tuple(_adjusted_ratio(arm, theta[..., 0], centre, metric, covariate) for arm in arms)
    before = [ratio(arm, numerator=metric[0], denominator=metric[1]) for arm in arms]
    return Adjusted(after, theta, _left(before, after))


def _linear_pair(arm: Moments, metric: tuple[int, int], covariate: tuple[int, int]) -> Moments:
    """Moments of the linearised metric and the linearised covariate, distances from 0."""
    weights = np.stack(
        [
            linear_weights(arm, numerator=metric[0], denominator=metric[1]),
            linear_weights(arm, numerator=covariate[0], denominator=covariate[1]),
        ],
        axis=-2,
    )
    m2 = np.einsum("...ai,...ij,...bj->...ab", weights, arm.m2, weights)
    return Moments(arm.n, np.zeros(m2.shape[:-1]), m2)


def _adjusted_ratio(
    arm: Moments,
    theta: FloatArray,
    centre: FloatArray,
    metric: tuple[int, int],
    covariate: tuple[int, int],
) -> Marginal:
    """The ratio less theta times what the covariate's ratio lies above its centre."""
    own = ratio(arm, numerator=metric[0], denominator=metric[1])
    pre = ratio(arm, numerator=covariate[0], denominator=covariate[1])
    pair = _linear_pair(arm, metric, covariate)
    used = np.where(np.isfinite(pre.mean) & np.isfinite(centre), theta, 0.0)
    shift = np.where(used != 0, used * (pre.mean - centre), 0.0)
    m2 = pair.m2[..., 0, 0]
    gain = np.square(used) * pair.m2[..., 1, 1] - 2 * used * pair.m2[..., 0, 1]
    return Marginal(arm.n, own.mean - shift, np.maximum(m2 + np.where(used != 0, gain, 0.0), 0.0))


def _left(before: Sequence[Marginal], after: Sequence[Marginal]) -> FloatArray:
    """Within-arm variance after adjustment as a share of that before; 1 where there was none."""
    old = sum((arm.m2 for arm in before), start=np.zeros(()))
    new = sum((arm.m2 for arm in after), start=np.zeros(()))
    with np.errstate(divide="ignore", invalid="ignore"):
        return floats(np.where(old > 0, new / old, 1.0))
