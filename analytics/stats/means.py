"""Differences in means between arms of an experiment, absolute."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analytics.stats.checks import (
    check_alpha,
    check_alternative,
    check_finite,
    check_one_of,
    check_same_length,
    floats,
)
from analytics.stats.interval import (
    Interval,
    Reference,
    Sizes,
    need_same_shape,
    normal_reference,
    wald,
)
from analytics.stats.moments import Marginal

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from analytics.stats.checks import Alternative, Distribution, FloatArray


def z_interval(
    control: Marginal,
    treatment: Marginal,
    *,
    alpha: float,
    alternative: Alternative = "two-sided",
) -> Interval:
    """Intervals for mean(treatment) - mean(control), normal law, one comparison per element.

    Args: moments over *users* (not events), in the metric's unit; variances may differ.
        0 < alpha < 1, else ConfigError.
    Returns: in the metric's unit; enough is False where an arm has n < 2 or neither varies.
    Source: the central limit theorem. Case mean-z-12x12.
    """
    return mean_difference(
        control, treatment, alpha=alpha, alternative=alternative, distribution="normal"
    )


def welch_interval(
    control: Marginal,
    treatment: Marginal,
    *,
    alpha: float,
    alternative: Alternative = "two-sided",
) -> Interval:
    """Intervals for mean(treatment) - mean(control), Welch's t, one comparison per element.

    Args, Returns: as z_interval.
    Source: Welch (1947), Biometrika 34, 28-35. Case mean-welch-t-12x12; twin scipy's ttest_ind.
    """
    return mean_difference(
        control, treatment, alpha=alpha, alternative=alternative, distribution="t"
    )


def mean_difference(
    control: Marginal,
    treatment: Marginal,
    *,
    alpha: float,
    alternative: Alternative = "two-sided",
    distribution: Distribution = "t",
) -> Interval:
    """z_interval or welch_interval, by name of the law ("normal" or "t")."""
    check_one_of(distribution, ("normal", "t"), "distribution")
    need_same_shape(control.n, treatment.n, "control and treatment")
    reference = reference_of(
        control, treatment, alpha=alpha, alternative=alternative, distribution=distribution
    )
    return wald(
        treatment.mean - control.mean,
        difference_se(control, treatment),
        reference,
        sizes=Sizes(control.n, treatment.n),
        method="Welch t" if distribution == "t" else "z",
    )


def difference_se(control: Marginal, treatment: Marginal) -> FloatArray:
    """Standard error of the difference in means; NaN where an arm has n < 2."""
    return np.sqrt(control.se2 + treatment.se2)


@np.errstate(divide="ignore", invalid="ignore")
def welch_df(control: Marginal, treatment: Marginal) -> FloatArray:
    """Welch-Satterthwaite degrees of freedom; NaN where an arm has n < 2 or none varies."""
    whole = control.se2 + treatment.se2
    # As shares of the whole: squares of 1e-200 or 1e200 would leave the range of float64.
    control_share, treatment_share = control.se2 / whole, treatment.se2 / whole
    return floats(
        1.0 / (control_share**2 / (control.n - 1) + treatment_share**2 / (treatment.n - 1))
    )


def reference_of(
    control: Marginal,
    treatment: Marginal,
    *,
    alpha: float,
    alternative: Alternative,
    distribution: Distribution,
) -> Reference:
    """The law of the standardised difference: normal, or t with Welch's degrees of freedom."""
    check_alpha(alpha)
    check_alternative(alternative)
    if distribution == "normal":
        return normal_reference(alpha, alternative)
    return Reference(welch_df(control, treatment), alpha, alternative)


def pooled_t_interval(control: Marginal, treatment: Marginal, *, alpha: float) -> Interval:
    """Student's t with one variance for both arms: only where the arms must share it.

    Args, Returns: as z_interval. Source: Student (1908); twin tea-tasting's equal_var.
    """
    check_alpha(alpha)
    df = control.n + treatment.n - 2
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = (control.m2 + treatment.m2) / df * (1 / control.n + 1 / treatment.n)
    se = np.where((control.n >= 1) & (treatment.n >= 1) & (df > 0), np.sqrt(spread), np.nan)
    return wald(
        treatment.mean - control.mean,
        se,
        Reference(np.maximum(df, 1.0), alpha, "two-sided"),
        sizes=Sizes(control.n, treatment.n),
        method="Student t, pooled variance",
    )


def paired_t_interval(x: ArrayLike, y: ArrayLike, *, alpha: float) -> Interval:
    """Interval for mean(y - x) over pairs of one unit each; x, y: shape (pairs,), one unit.

    enough is False below two pairs or where all differences are equal. Unequal lengths, NaN:
    ConfigError. Source: Student (1908). Case t-paired-sleep (t = estimate / se).
    """
    first, second = check_finite(x, "x", ndim=1), check_finite(y, "y", ndim=1)
    check_same_length(x=first, y=second)
    return mean_interval(Marginal.of(second - first), alpha=alpha, distribution="t")


def mean_interval(
    sample: Marginal,
    *,
    alpha: float,
    alternative: Alternative = "two-sided",
    distribution: Distribution = "t",
) -> Interval:
    """Interval for one mean, in its unit; enough is False where n < 2 or nothing varies."""
    check_alpha(alpha)
    check_alternative(alternative)
    check_one_of(distribution, ("normal", "t"), "distribution")
    df = np.maximum(sample.n - 1, 1.0) if distribution == "t" else floats(np.inf)
    return wald(
        sample.mean,
        np.sqrt(sample.se2),
        Reference(df, alpha, alternative),
        sizes=Sizes.one(sample.n),
        method="t, one sample" if distribution == "t" else "z, one sample",
    )
