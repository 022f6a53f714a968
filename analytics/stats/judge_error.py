"""A pass rate corrected for the judge's errors, and tests of paired verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analytics.stats import tails
from analytics.stats.checks import bad, check_alpha, check_finite, check_positive, floats
from analytics.stats.interval import Interval, Sizes, TestResult, result, whole

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from analytics.stats.checks import FloatArray


def rogan_gladen_interval(
    passed: tuple[ArrayLike, ArrayLike],
    specificity: tuple[ArrayLike, ArrayLike],
    sensitivity: tuple[ArrayLike, ArrayLike],
    *,
    alpha: float,
) -> Interval:
    """The true pass rate behind a judge's, with the errors of both measured on labels.

    Args: passed: (share the judge passed, items); specificity: (share of truly bad items that the
        judge fails, such labels); sensitivity: (share of truly good ones it passes, such labels).
    Returns: between 0 and 1; p is 1 (no null). enough is False where the judge is no better than
        a coin (specificity + sensitivity <= 1, smoothed) or something was never measured.
    Source: Rogan and Gladen (1978); interval Lee et al. (2025), arXiv 2511.21140, with z^2/2
        added to the pass rate and one success and failure to each error rate. Case
        judge-rogan-gladen-ci.
    """
    z = tails.normal_upper_quantile(check_alpha(alpha) / 2)
    (p, n), (q0, m0), (q1, m1) = (
        (_rate(rate), floats(size)) for rate, size in (passed, specificity, sensitivity)
    )
    measured = (n > 0) & (m0 > 0) & (m1 > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        estimate = np.clip((p + q0 - 1) / (q0 + q1 - 1), 0.0, 1.0)
        near_p, near_n = (n * p + z**2 / 2) / (n + z**2), n + z**2
        near_q0, near_q1 = (m0 * q0 + 1) / (m0 + 2), (m1 * q1 + 1) / (m1 + 2)
        gain = near_q0 + near_q1 - 1
        centre = (near_p + near_q0 - 1) / gain
        miss0, miss1 = near_q0 * (1 - near_q0) / (m0 + 2), near_q1 * (1 - near_q1) / (m1 + 2)
        shift = 2 * z**2 * (-(1 - centre) * miss0 + centre * miss1)
        spread = near_p * (1 - near_p) / near_n + (1 - centre) ** 2 * miss0 + centre**2 * miss1
        se = np.sqrt(spread) / gain
        low = np.clip(centre + shift - z * se, 0, 1)
        high = np.clip(centre + shift + z * se, 0, 1)
    return whole(
        (estimate, low, high, se, 1.0),
        sizes=Sizes.one(n),
        method="pass rate corrected for the judge's errors",
        alpha=alpha,
        enough=measured & (gain > 0) & (q0 + q1 > 1),
    )


def mcnemar(table: ArrayLike, *, continuity: bool = True) -> TestResult:
    """McNemar's test that two judges (or a judge and a human) pass equally often.

    Args: table: (2, 2) counts of the same items, first judge in rows. Only the items they differ
        on count. enough is False where they never differ.
    Source: McNemar (1947), Psychometrika 12, 153-157. Case mcnemar.
    """
    above, below = _discordant(table)
    apart = max(abs(above - below) - (1.0 if continuity else 0.0), 0.0)
    differ = above + below
    chi2 = apart**2 / differ if differ > 0 else np.nan
    return result(chi2, tails.chi2_upper(chi2, 1.0), method="McNemar", df=1.0)


def mcnemar_exact(table: ArrayLike) -> TestResult:
    """The same by the binomial law; the statistic is the smaller discordant count."""
    above, below = _discordant(table)
    differ = above + below
    if differ == 0:
        return result(np.nan, np.nan, method="McNemar, exact")
    fewer = min(above, below)
    return result(fewer, 2 * tails.binomial_lower(fewer, differ, 0.5), method="McNemar, exact")


def _discordant(table: ArrayLike) -> tuple[float, float]:
    """Counts off the diagonal of a two-by-two table."""
    counts = check_finite(table, "table", ndim=2)
    if counts.shape != (2, 2) or np.any(counts < 0):
        raise bad(f"the table must be 2 by 2 and not negative, it is {counts.shape}.")
    return float(counts[0, 1]), float(counts[1, 0])


def _rate(rate: ArrayLike) -> FloatArray:
    """Shares between 0 and 1, or ConfigError."""
    values = floats(rate)
    if not np.all((values >= 0) & (values <= 1)):
        raise bad(f"a rate must lie between 0 and 1, got {rate!r}.")
    return values


def smallest_certifiable(labels: ArrayLike, *, alpha: float) -> float:
    """The largest error rate that zero errors in so many labels leave possible, one-sided.

    The rule of three, exact: 1 - alpha^(1/labels). For "how many labels until we may claim ...".
    """
    n = check_positive(labels, "labels")
    return float(-np.expm1(np.log(check_alpha(alpha)) / n))
