"""Relative effects: mean(treatment) / mean(control) - 1, as a fraction.

`fieller_interval` is the one to use: it leaves out zero exactly when the absolute test rejects,
because both invert the same statistic. The delta method gives two verdicts on one data set in
about one borderline case of six; it is here to compare with tools that use it.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analytics.stats.checks import check_alpha, check_alternative, check_one_of, floats
from analytics.stats.interval import Boundary, Interval, Reference, Sizes, wald, whole
from analytics.stats.means import difference_se, reference_of, welch_df

if TYPE_CHECKING:
    from analytics.stats.checks import Alternative, Distribution, FloatArray
    from analytics.stats.moments import Marginal


def fieller_interval(
    control: Marginal,
    treatment: Marginal,
    *,
    alpha: float,
    alternative: Alternative = "two-sided",
    distribution: Distribution = "normal",
) -> Interval:
    """Intervals for the relative effect that agree with the absolute test, by inverting it.

    Args: moments over users; the control mean may have either sign, the ratio keeps it.
        distribution "normal" agrees with z_interval, "t" with welch_interval.
    Returns: fractions; p is the absolute test's. Where the control mean itself is within its own
        interval of zero the set is unbounded: low -inf, high +inf, enough False, p still given.
    Source: Fieller (1954), J. R. Stat. Soc. B 16, 175-185. Case mean-relative-fieller.
    """
    check_one_of(distribution, ("normal", "t"), "distribution")
    reference = reference_of(
        control, treatment, alpha=alpha, alternative=alternative, distribution=distribution
    )
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        z = (treatment.mean - control.mean) / difference_se(control, treatment)
    boundary = Boundary(reference.critical, reference.p(z), alpha, alternative, "Fieller")
    return fieller_at(control, treatment, boundary)


def fieller_at(control: Marginal, treatment: Marginal, boundary: Boundary) -> Interval:
    """Fieller's set for any boundary: fixed, group-sequential or always valid.

    A boundary that is a multiple of the standard error can be inverted in the ratio as well as at
    zero, so a relative confidence sequence comes out coherent with the absolute one too.
    """
    points = fieller_points(control, treatment, boundary.critical)
    low, high = points.low, points.high
    if boundary.alternative != "two-sided":
        # A one-sided claim on the difference turns round where the control mean is negative.
        up = (boundary.alternative == "greater") != (control.mean < 0)
        low, high = np.where(up, low, -np.inf), np.where(up, np.inf, high)
    known = np.isfinite(points.estimate) & (points.se > 0)
    interval = whole(
        (points.estimate, low, high, points.se, boundary.p),
        sizes=Sizes(control.n, treatment.n),
        method=boundary.method,
        alpha=boundary.alpha,
        alternative=boundary.alternative,
        enough=known,
    )
    # An unbounded set is not enough for a relative statement; its p, the absolute one, stays.
    return dataclasses.replace(interval, enough=interval.enough & (points.g < 1))


@dataclass(frozen=True, eq=False)
class FiellerPoints:
    """Ends of Fieller's set as fractions; g >= 1 says that the set is unbounded."""

    estimate: FloatArray
    low: FloatArray
    high: FloatArray
    se: FloatArray
    g: FloatArray


@np.errstate(divide="ignore", invalid="ignore", over="ignore")
def fieller_points(control: Marginal, treatment: Marginal, critical: FloatArray) -> FiellerPoints:
    """Both ends of Fieller's set, and g, the squared critical value over the control's z squared.

    se is the delta-method standard error, for display: the set does not use it.
    """
    r = treatment.mean / control.mean
    g = np.square(critical) * control.se2 / np.square(control.mean)
    inside = treatment.se2 + np.square(r) * control.se2 - g * treatment.se2
    half = np.abs(critical / control.mean) * np.sqrt(np.maximum(inside, 0.0))
    bounded = g < 1
    low = np.where(bounded, (r - half) / (1 - g) - 1, -np.inf)
    high = np.where(bounded, (r + half) / (1 - g) - 1, np.inf)
    return FiellerPoints(floats(r - 1), low, high, relative_se(control, treatment), floats(g))


@np.errstate(divide="ignore", invalid="ignore", over="ignore")
def relative_se(control: Marginal, treatment: Marginal) -> FloatArray:
    """Delta-method standard error of the ratio of means."""
    r = treatment.mean / control.mean
    return np.sqrt(treatment.se2 + np.square(r) * control.se2) / np.abs(control.mean)


def relative_delta_interval(
    control: Marginal, treatment: Marginal, *, alpha: float, alternative: Alternative = "two-sided"
) -> Interval:
    """The delta-method interval other tools print, with Welch's degrees of freedom.

    It can contradict the absolute test on the same data: decide by fieller_interval.
    Source: Deng, Knoblich and Lu (2018), arXiv 1803.06336. Case mean-relative-delta.
    """
    check_alpha(alpha)
    check_alternative(alternative)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        estimate = treatment.mean / control.mean - 1
    return wald(
        estimate,
        relative_se(control, treatment),
        Reference(welch_df(control, treatment), alpha, alternative),
        sizes=Sizes(control.n, treatment.n),
        method="relative, delta method",
    )


def relative_log_interval(
    control: Marginal,
    treatment: Marginal,
    *,
    alpha: float,
    distribution: Distribution = "normal",
) -> Interval:
    """The interval of the log ratio of means, brought back to a fraction.

    Both means must have one sign, else enough is False. se is that of the logarithm.
    Source: delta method on the logarithm. Case mean-relative-log-z.
    """
    check_one_of(distribution, ("normal", "t"), "distribution")
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = treatment.mean / control.mean
        unit_c = control.scaled(np.reciprocal(control.mean))
        unit_t = treatment.scaled(np.reciprocal(treatment.mean))
        reference = reference_of(
            unit_c, unit_t, alpha=alpha, alternative="two-sided", distribution=distribution
        )
        log_ratio = np.log(np.where(ratio > 0, ratio, np.nan))
    se = difference_se(unit_c, unit_t)
    sizes = Sizes(control.n, treatment.n)
    on_log = wald(log_ratio, se, reference, sizes=sizes, method="relative, log ratio")
    with np.errstate(over="ignore"):  # beyond the range of floats the end is open
        low, high = np.expm1(on_log.low), np.expm1(on_log.high)
    return whole(
        (ratio - 1, low, high, se, on_log.p),
        sizes=sizes,
        method=on_log.method,
        alpha=alpha,
        enough=on_log.enough,
    )
