"""E-values: evidence that may be looked at any time, multiplied over independent data, averaged.

Under no effect an e-value's mean is at most 1, so it exceeds 1 / alpha with chance at most alpha.
All are kept as natural logarithms: real mismatches overflow otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analytics.stats.checks import bad, check_alpha, check_finite, check_positive, floats

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from analytics.stats.checks import FloatArray


def msprt_log_ratio(
    difference: ArrayLike, n: ArrayLike, *, variance: ArrayLike, tau2: ArrayLike
) -> FloatArray:
    """Logarithm of the mixture likelihood ratio of a difference in means of n pairs of users.

    Args: difference: treatment - control mean; n: users an arm; variance: of one user's value;
        tau2: mixing variance of the effect, in the square of the metric's unit.
    Source: Johari, Pekelis and Walsh (2022), Oper. Res. 70, 1806-1821, arXiv 1512.04922.
        Case msprt-normal-10.
    """
    noise = 2 * check_positive(variance, "variance")
    tau2 = check_positive(tau2, "tau2")
    n, difference = floats(n), floats(difference)
    whole = noise + n * tau2
    exponent = np.square(n * difference) * tau2 / (2 * noise * whole)
    return floats(0.5 * np.log(noise / whole) + exponent)


def msprt_p(log_ratio: ArrayLike) -> FloatArray:
    """Always-valid p after each look along the last axis: the running minimum of 1 / ratio."""
    best = np.maximum.accumulate(np.maximum(floats(log_ratio), 0.0), axis=-1)
    return np.exp(-best)


def msprt_z_boundary(n: ArrayLike, *, sd: ArrayLike, tau2: ArrayLike, alpha: float) -> FloatArray:
    """The mSPRT as a bound on z at n users an arm. Case msprt-z-boundary."""
    noise = 2 * np.square(check_positive(sd, "sd")) / check_positive(n, "n")
    tau2 = check_positive(tau2, "tau2")
    grown = noise + tau2
    log_term = -np.log(check_alpha(alpha)) + 0.5 * np.log(grown / noise)
    return floats(np.sqrt(2 * grown / tau2 * log_term))


@dataclass(frozen=True, eq=False)
class AnytimeT:
    """Anytime-valid t-test of one regression coefficient.

    log_e: logarithm of the e-value; p: always valid; radius: half-width of the confidence
    sequence in the coefficient's unit, inf where n is still too small.
    """

    log_e: FloatArray
    p: FloatArray
    radius: FloatArray


def anytime_t(  # noqa: PLR0913 - the five numbers of a t-test and its tuning
    t2: ArrayLike, *, df: ArrayLike, n: ArrayLike, se: ArrayLike, alpha: float, g: float = 1.0
) -> AnytimeT:
    """Anytime-valid linear model: the group-invariant mixture of the t statistic.

    Args: t2: squared t of the coefficient; df: residual degrees of freedom; n: rows; se: standard
        error; g: precision of the mixture relative to one row. Exact for normal errors.
    Source: Lindon, Ham, Tingley and Bojinov (2022), arXiv 2210.08589. Case avlm-mtcars.
    """
    check_alpha(alpha)
    df, n = check_positive(df, "df"), check_positive(n, "n")
    g_share = check_positive(g, "g") / (g + n)
    grown = np.log1p(floats(t2) / df) - np.log1p(g_share * floats(t2) / df)
    log_e = 0.5 * np.log(g_share) + (df + 1) / 2 * grown
    # (1 + x) / (1 + g_share x) = k, solved for x = t2 / df
    k = np.exp((-2 * np.log(alpha) - np.log(g_share)) / (df + 1))
    room = 1 - g_share * k
    with np.errstate(divide="ignore", invalid="ignore"):
        radius = floats(se) * np.sqrt(df * (k - 1) / room)
    return AnytimeT(
        floats(log_e), np.exp(-np.maximum(log_e, 0.0)), np.where(room > 0, radius, np.inf)
    )


def p_from_log_e(log_e: ArrayLike) -> FloatArray:
    """A p-value from an e-value: min(1, 1 / e)."""
    return np.exp(-np.maximum(floats(log_e), 0.0))


def log_e_from_p(p: ArrayLike, *, kappa: float = 0.5) -> FloatArray:
    """An e-value's logarithm from a p-value: ln(kappa p^(kappa - 1)); inf at p = 0.

    Source: Vovk and Wang (2021), Ann. Stat. 49, 1736-1754.
    """
    check_alpha(kappa, "kappa")
    values = floats(p)
    if not np.all((values >= 0) & (values <= 1)):
        raise bad("p-values must lie between 0 and 1.")
    with np.errstate(divide="ignore"):
        return floats(np.log(kappa) + (kappa - 1) * np.log(values))


def mean_log_e(log_e: ArrayLike) -> float:
    """Logarithm of the average of e-values: an e-value under any dependence."""
    values = floats(log_e)
    if values.size == 0 or np.any(np.isnan(values)):
        raise bad("there are no e-values to average, or one is NaN.")
    top = float(np.max(values))
    if not np.isfinite(top):
        return top
    return float(top + np.log(np.mean(np.exp(values - top))))


def product_log_e(log_e: ArrayLike) -> float:
    """Logarithm of the product of e-values from independent data."""
    return float(np.sum(check_finite(log_e, "log_e")))
