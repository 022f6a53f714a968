"""Asymptotic confidence sequences: intervals that hold at every look together, for any look times.

A difference in means with its standard error, however obtained (plain, CUPED, ratio, fused with a
judge), gets a boundary in standard errors that grows with n: looked at every night, it errs in at
most alpha of the experiments over all nights. Asymptotic: it needs about 200 units an arm before
the first look (`burn_in`), and roughly constant shares of the arms.

Source: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2024), Ann. Stat. 52, arXiv 2103.06476v9,
equations 9 (two-sided), 134 (one-sided) and 161 (tuning).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analytics.stats.checks import check_alpha, check_alternative, check_positive, floats
from analytics.stats.interval import Boundary, Interval, Sizes, wald_at
from analytics.stats.means import difference_se
from analytics.stats.relative import fieller_at

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from analytics.stats.checks import Alternative, FloatArray
    from analytics.stats.moments import Marginal

BURN_IN = 200.0  # units an arm, below which the normal approximation is not trusted


@dataclass(frozen=True)
class SequencePlan:
    """What is fixed before the first look.

    n_star: units (both arms together) at which the sequence is tightest: the planned size is a
    good choice. alpha: chance to err at any look. burn_in: units an arm below which there is not
    enough data.
    """

    n_star: float
    alpha: float
    alternative: Alternative = "two-sided"
    burn_in: float = BURN_IN

    def __post_init__(self) -> None:
        check_positive(self.n_star, "n_star")
        check_alternative(self.alternative)
        check_alpha(self.alpha)
        if self.alternative != "two-sided":
            check_alpha(2 * self.alpha, "twice a one-sided alpha")

    @property
    def rho(self) -> float:
        """The tuning; one-sided sequences are tuned as two-sided ones at 2 alpha (equation 161)."""
        two_sided = self.alpha if self.alternative == "two-sided" else 2 * self.alpha
        level = -2 * np.log(two_sided)
        return float(np.sqrt((level + np.log1p(level)) / self.n_star))


def critical(n: ArrayLike, plan: SequencePlan) -> FloatArray:
    """How many standard errors the sequence reaches at n units; inf where n is 0."""
    growth = floats(n) * plan.rho**2
    root = 0.5 * np.log1p(growth)
    if plan.alternative == "two-sided":
        log_term = root - np.log(plan.alpha)
    else:
        log_term = np.logaddexp(0.0, root - np.log(2 * plan.alpha))
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = np.sqrt(2 * (growth + 1) / growth * log_term)
    return np.where(growth > 0, reach, np.inf)


def half_width(n: ArrayLike, variance: ArrayLike, plan: SequencePlan) -> FloatArray:
    """Half-width of the sequence for a mean of n units of the given variance, in their unit.

    Cases asympcs-n100, asympcs-n1000, asympcs-n100000.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return floats(critical(n, plan) * np.sqrt(floats(variance) / floats(n)))


def always_valid_p(z: ArrayLike, n: ArrayLike, plan: SequencePlan) -> FloatArray:
    """The p-value that may be read at any look: at most alpha exactly when zero is left out.

    z: estimate over its standard error; n: units. alpha only sets the tuning. Never above 1.
    """
    growth = floats(n) * plan.rho**2
    score = floats(z) if plan.alternative != "less" else -floats(z)
    exponent = growth / (growth + 1) * np.square(score) / 2
    log_root = 0.5 * np.log1p(growth)
    if plan.alternative == "two-sided":
        return np.exp(np.minimum(log_root - exponent, 0.0))
    # ln(1 + root / (2 p)) = exponent, solved for p without overflow at a large exponent
    with np.errstate(divide="ignore", over="ignore"):
        log_p = log_root - np.log(2.0) - exponent - np.log(-np.expm1(-exponent))
    return np.where(score > 0, np.exp(np.minimum(log_p, 0.0)), 1.0)


def boundary_at(z: ArrayLike, n: ArrayLike, plan: SequencePlan) -> Boundary:
    """The boundary of any asymptotically normal estimate z standard errors from its null."""
    reach, p = critical(n, plan), always_valid_p(z, n, plan)
    return Boundary(reach, p, plan.alpha, plan.alternative, "asymptotic confidence sequence")


def difference_sequence(control: Marginal, treatment: Marginal, plan: SequencePlan) -> Interval:
    """Always-valid intervals for mean(treatment) - mean(control), one comparison per element.

    Args: moments over users, in the metric's unit, at one look or (another axis) at many.
    Returns: in the metric's unit; p may be read at any look. Interval.intersected along the axis
        of looks gives a verdict that never un-happens. enough is False during the burn-in.
    Source: see the module. Case asympcs-two-arm.
    """
    se = difference_se(control, treatment)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (treatment.mean - control.mean) / se
    boundary = boundary_at(z, control.n + treatment.n, plan)
    sizes = Sizes(control.n, treatment.n)
    interval = wald_at(treatment.mean - control.mean, se, boundary, sizes=sizes)
    return _burnt(interval, np.minimum(control.n, treatment.n), plan)


def relative_sequence(control: Marginal, treatment: Marginal, plan: SequencePlan) -> Interval:
    """Always-valid Fieller intervals: leave out zero exactly when difference_sequence does.

    Args, Returns: as difference_sequence, in fractions; unbounded sets as in fieller_interval.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (treatment.mean - control.mean) / difference_se(control, treatment)
    boundary = boundary_at(z, control.n + treatment.n, plan)
    named = dataclasses.replace(boundary, method=f"{boundary.method}, Fieller")
    interval = fieller_at(control, treatment, named)
    return _burnt(interval, np.minimum(control.n, treatment.n), plan)


def mean_sequence(sample: Marginal, plan: SequencePlan) -> Interval:
    """Always-valid intervals for one mean (a judge's error, a prediction-powered level)."""
    se = np.sqrt(sample.se2)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = sample.mean / se
    boundary = boundary_at(z, sample.n, plan)
    interval = wald_at(sample.mean, se, boundary, sizes=Sizes.one(sample.n))
    return _burnt(interval, sample.n, plan)


def e_value(z: ArrayLike, n: ArrayLike, plan: SequencePlan) -> FloatArray:
    """The two-sided mixture's e-process: evidence to multiply or average; inf past overflow."""
    growth = floats(n) * plan.rho**2
    exponent = growth / (growth + 1) * np.square(floats(z)) / 2 - 0.5 * np.log1p(growth)
    with np.errstate(over="ignore"):
        return np.exp(exponent)


def _burnt(interval: Interval, n: FloatArray, plan: SequencePlan) -> Interval:
    """Before the burn-in there is not enough data, whatever the numbers say."""
    early = n < plan.burn_in
    blank = np.where(early, np.nan, 0.0)
    return dataclasses.replace(
        interval,
        low=interval.low + blank,
        high=interval.high + blank,
        p=interval.p + blank,
        enough=interval.enough & ~early,
    )
