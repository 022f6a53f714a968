"""Two proportions: counts of users with an outcome, of all users.

x: users with the outcome, n: users, arrays of one shape, 0 <= x <= n. The `mee` interval leaves
out zero exactly when the pooled z test rejects; it is the default for verdicts on conversions.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from analytics.stats import tails
from analytics.stats.checks import bad, check_alpha, check_one_of, floats
from analytics.stats.interval import (
    Interval,
    Sizes,
    TestResult,
    normal_reference,
    result,
    wald,
    whole,
)
from analytics.stats.moments import Marginal
from analytics.stats.score import (
    restricted_variance,
    restricted_variance_statsmodels,
    score_limits,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import ArrayLike

    from analytics.stats.checks import FloatArray
    from analytics.stats.score import Arm

RestrictedFit = Literal["likelihood", "statsmodels"]
_FITS: Mapping[str, Callable[[Arm, Arm, ArrayLike], FloatArray]] = {
    "likelihood": restricted_variance,
    "statsmodels": restricted_variance_statsmodels,
}


@dataclass(frozen=True, eq=False)
class Counts:
    """x of n users had the outcome; float64 arrays of one shape."""

    x: FloatArray
    n: FloatArray

    @classmethod
    def of(cls, x: ArrayLike, n: ArrayLike) -> Counts:
        """Checked counts: 0 <= x <= n, finite, else ConfigError."""
        x, n = np.broadcast_arrays(floats(x), floats(n))
        if not np.all(np.isfinite(x) & np.isfinite(n) & (x >= 0) & (x <= n)):
            raise bad("counts must satisfy 0 <= x <= n.", "x: users with the outcome, n: users.")
        return cls(x, n)

    @property
    def rate(self) -> FloatArray:
        """X / n; NaN where n is 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return floats(self.x / self.n)

    @property
    def marginal(self) -> Marginal:
        """The same users as a mean of zeros and ones, for every method on means."""
        mean = np.where(self.n > 0, self.rate, 0.0)
        return Marginal(self.n, mean, self.n * mean * (1 - mean))


def unpooled_interval(control: Counts, treatment: Counts, *, alpha: float) -> Interval:
    """Wald interval for the difference in rates, variance p(1-p)/n of each arm.

    enough is False where an arm is empty or both rates are 0 or 1: prefer a score interval there.
    Case prop-z-unpooled-readme.
    """
    se = np.sqrt(_variance(control) + _variance(treatment))
    return wald(
        treatment.rate - control.rate,
        se,
        normal_reference(alpha),
        sizes=Sizes(control.n, treatment.n),
        method="two proportions, unpooled z",
    )


def pooled_z_test(control: Counts, treatment: Counts, *, continuity: bool = False) -> TestResult:
    """Two-sided test of equal rates with the pooled variance; its square is Pearson's chi-square.

    continuity: Yates' correction. enough is False where no or all users had the outcome.
    Source: Pearson (1900); Yates (1934). Cases prop-z-pooled-cc, prop-chisq-yates.
    """
    difference = treatment.rate - control.rate
    shift = _continuity(control, treatment) if continuity else 0.0
    reach = np.maximum(np.abs(difference) - shift, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.sign(difference) * reach / _pooled_se(control, treatment)
    name = "two proportions, pooled z" + (", continuity corrected" if continuity else "")
    return result(z, tails.normal_two_sided(z), method=name)


def pooled_cc_interval(control: Counts, treatment: Counts, *, alpha: float) -> Interval:
    """Pooled-variance interval widened by the continuity correction, p of the corrected z.

    Source: Fleiss (1981); twin tea-tasting's Proportion. Case prop-z-pooled-cc.
    """
    se = _pooled_se(control, treatment)
    plain = wald(
        treatment.rate - control.rate,
        se,
        normal_reference(alpha),
        sizes=Sizes(control.n, treatment.n),
        method="two proportions, pooled z, continuity corrected",
    )
    shift = _continuity(control, treatment)
    test = pooled_z_test(control, treatment, continuity=True)
    return dataclasses.replace(plain, low=plain.low - shift, high=plain.high + shift, p=test.p)


def newcombe_interval(control: Counts, treatment: Counts, *, alpha: float) -> Interval:
    """Newcombe's hybrid score interval for the difference in rates; p of the pooled z test.

    Finite for every pair of non-empty arms, also at 0 and 1.
    Source: Newcombe (1998), Stat. Med. 17, 873-890, method 10. Case prop-newcombe.
    """
    check_alpha(alpha)
    low_c, high_c = wilson_limits(control, alpha=alpha)
    low_t, high_t = wilson_limits(treatment, alpha=alpha)
    rate_c, rate_t = control.rate, treatment.rate
    difference = rate_t - rate_c
    below = np.sqrt(np.square(rate_t - low_t) + np.square(high_c - rate_c))
    above = np.sqrt(np.square(high_t - rate_t) + np.square(rate_c - low_c))
    return _score_result(
        control, treatment, (difference - below, difference + above), "Newcombe", alpha
    )


def miettinen_nurminen_interval(
    control: Counts, treatment: Counts, *, alpha: float, fit: RestrictedFit = "likelihood"
) -> Interval:
    """Score interval with the variance of the restricted fit times N / (N - 1).

    fit: "likelihood" is the maximum under the difference, as in the paper; "statsmodels" is what
    statsmodels 0.15 solves in its place, for comparing numbers with it, not for decisions.
    Source: Miettinen and Nurminen (1985), Stat. Med. 4, 213-226; Newcombe (1998), table II. Case
        prop-miettinen-nurminen.
    """
    total = control.n + treatment.n
    with np.errstate(divide="ignore"):
        factor = np.where(total > 1, total / np.maximum(total - 1, 1.0), 1.0)
    variance = _FITS[check_one_of(fit, _FITS, "fit")]
    limits = _limits(control, treatment, alpha=alpha, factor=factor, variance=variance)
    name = "Miettinen-Nurminen" + ("" if fit == "likelihood" else ", fit of statsmodels 0.15")
    return _score_result(control, treatment, limits, name, alpha)


def mee_interval(control: Counts, treatment: Counts, *, alpha: float) -> Interval:
    """Score interval that leaves out zero exactly when the pooled z test rejects.

    Args: counts of users. Returns: a difference in rates; p is pooled_z_test's; se is the
        unpooled one, for display. enough is False where an arm is empty.
    Source: Mee (1984), Biometrics 40, 1175-1176.
    """
    limits = _limits(control, treatment, alpha=alpha, factor=floats(1.0))
    return _score_result(control, treatment, limits, "Mee score", alpha)


def wilson_limits(counts: Counts, *, alpha: float) -> tuple[FloatArray, FloatArray]:
    """Wilson's score limits of one rate; NaN where n is 0. Source: Wilson (1927)."""
    z2 = np.square(tails.normal_upper_quantile(check_alpha(alpha) / 2))
    n = counts.n
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = (counts.x + z2 / 2) / (n + z2)
        half = np.sqrt(z2) / (n + z2) * np.sqrt(counts.x * (n - counts.x) / n + z2 / 4)
    return np.maximum(centre - half, 0.0), np.minimum(centre + half, 1.0)


def pearson_chi2(control: Counts, treatment: Counts, *, continuity: bool = False) -> TestResult:
    """Pearson's chi-square of the two-by-two table, one degree of freedom."""
    z = pooled_z_test(control, treatment, continuity=continuity)
    name = "chi-square" + (", Yates" if continuity else "")
    return result(np.square(z.statistic), z.p, method=name, df=1.0)


def _limits(
    control: Counts,
    treatment: Counts,
    *,
    alpha: float,
    factor: FloatArray,
    variance: Callable[[Arm, Arm, ArrayLike], FloatArray] = restricted_variance,
) -> tuple[FloatArray, FloatArray]:
    """Both score limits, NaN where an arm is empty."""
    low, high = score_limits(
        (control.x, control.n),
        (treatment.x, treatment.n),
        critical=tails.normal_upper_quantile(check_alpha(alpha) / 2),
        factor=factor,
        variance=variance,
    )
    filled = (control.n > 0) & (treatment.n > 0)
    return np.where(filled, low, np.nan), np.where(filled, high, np.nan)


def _score_result(
    control: Counts,
    treatment: Counts,
    limits: tuple[FloatArray, FloatArray],
    method: str,
    alpha: float,
) -> Interval:
    """A score interval with the pooled test's p; p is 1 where no or all users had the outcome."""
    test = pooled_z_test(control, treatment)
    filled = (control.n > 0) & (treatment.n > 0)
    p = np.where(filled & ~test.enough, 1.0, test.p)
    se = np.sqrt(_variance(control) + _variance(treatment))
    return whole(
        (treatment.rate - control.rate, *limits, se, p),
        sizes=Sizes(control.n, treatment.n),
        method=f"two proportions, {method}",
        alpha=alpha,
        enough=filled,
    )


def _variance(counts: Counts) -> FloatArray:
    """Variance of a rate, p(1-p)/n; NaN where n is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return floats(counts.rate * (1 - counts.rate) / counts.n)


def _pooled_se(control: Counts, treatment: Counts) -> FloatArray:
    """Standard error under equal rates."""
    variance = restricted_variance((control.x, control.n), (treatment.x, treatment.n), floats(0.0))
    return np.sqrt(variance)


def _continuity(control: Counts, treatment: Counts) -> FloatArray:
    """Half a user in each arm, as a rate."""
    with np.errstate(divide="ignore"):
        return floats(0.5 * (1 / control.n + 1 / treatment.n))
