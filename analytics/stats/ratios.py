"""Ratio metrics: sum(y) / sum(d) over users, e.g. skips per listen; the user is the unit.

Moments hold the two numbers per user: index 0 the numerator y, index 1 the denominator d (others
may follow). The result is a Marginal, so every interval, relative effect, sequential boundary and
margin of this package applies to ratios as to means.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from analytics.stats.checks import check_one_of, floats
from analytics.stats.moments import Marginal

if TYPE_CHECKING:
    from analytics.stats.checks import FloatArray
    from analytics.stats.moments import Moments

SmallSample = Literal["none", "users", "rows"]


def ratio(arm: Moments, *, numerator: int = 0, denominator: int = 1) -> Marginal:
    """The ratio of means as a Marginal: its variance is that of the linearised user value.

    Args: arm: moments over users. Returns: mean = sum(y)/sum(d), in the unit of y per d; var =
        (vyy - 2 R vyd + R^2 vdd) / mean(d)^2. NaN, hence enough False, where mean(d) is 0.
    Source: Deng, Knoblich and Lu (2018), section 3, arXiv 1803.06336. Case ratio-delta-abs.
    """
    weights = linear_weights(arm, numerator=numerator, denominator=denominator)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = arm.mean[..., numerator] / arm.mean[..., denominator]
    spread = arm.linear(weights)
    return Marginal(arm.n, np.where(np.isfinite(value), value, np.nan), spread.m2)


def linear_weights(arm: Moments, *, numerator: int, denominator: int) -> FloatArray:
    """Weights that turn a user's numbers into the linearised ratio, (y - R d) / mean(d)."""
    weights = np.zeros_like(arm.mean)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_d = arm.mean[..., denominator]
        value = arm.mean[..., numerator] / mean_d
        weights[..., numerator] = 1 / mean_d
        weights[..., denominator] = -value / mean_d
    return np.where(np.isfinite(value)[..., None], weights, np.nan)


@dataclass(frozen=True, eq=False)
class SessionSlope:
    """The difference of ratios seen as a regression over sessions, with its clustered error."""

    difference: FloatArray
    se: FloatArray


def session_cluster_se(
    control: Moments, treatment: Moments, *, small_sample: SmallSample = "none"
) -> SessionSlope:
    """Cluster-robust standard error of the session-level regression of y on the arm.

    The regression's rows are the units that d counts, clustered by user; no row is needed, since
    its sandwich is the delta method with divisor n. small_sample: "none"; "users" for G / (G - 1);
    "rows" for G / (G - 1) * (N - 1) / (N - 2), the default of Stata and statsmodels.
    Source: Deng et al. (2018), section 3; Liang and Zeger (1986). Case
    ratio-cluster-ols-equivalence.
    """
    check_one_of(small_sample, ("none", "users", "rows"), "small_sample")
    arms = [ratio(arm) for arm in (control, treatment)]
    variance = sum((arm.m2 / np.square(arm.n) for arm in arms), start=np.zeros(()))
    users = control.n + treatment.n
    rows = control.n * control.mean[..., 1] + treatment.n * treatment.mean[..., 1]
    factor = floats(1.0)
    if small_sample != "none":
        factor = factor * users / (users - 1)
    if small_sample == "rows":
        factor = factor * (rows - 1) / (rows - 2)
    return SessionSlope(arms[1].mean - arms[0].mean, np.sqrt(variance * factor))
