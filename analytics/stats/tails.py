"""Upper tails and their quantiles, accurate where the tail is far below 1e-16.

`1 - cdf(9)` is 0; `normal_upper(9)` is 1.1e-19. Only scipy.special is imported: scipy.stats costs
three seconds at import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from analytics.stats.checks import floats

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from analytics.stats.checks import FloatArray

_NORMAL_FROM_DF = 1e10  # beyond, t and normal quantiles agree to the last bit but one


def normal_upper(z: ArrayLike) -> FloatArray:
    """P(Z > z)."""
    return np.asarray(special.ndtr(np.negative(z)))


def normal_upper_quantile(alpha: ArrayLike) -> FloatArray:
    """The z with P(Z > z) = alpha."""
    return np.asarray(-special.ndtri(alpha))


def normal_two_sided(z: ArrayLike) -> FloatArray:
    """P(|Z| > |z|)."""
    return np.asarray(2.0 * special.ndtr(-np.abs(z)))


def normal_log_upper(z: ArrayLike) -> FloatArray:
    """The natural logarithm of P(Z > z), finite far beyond underflow."""
    return np.asarray(special.log_ndtr(np.negative(z)))


def normal_density(z: ArrayLike) -> FloatArray:
    """The standard normal density."""
    # Above the subnormal numbers: those are a hundred times slower to compute with.
    return np.asarray(np.exp(np.maximum(-0.5 * np.square(z), -700.0)) / np.sqrt(2 * np.pi))


@np.errstate(invalid="ignore", over="ignore")  # t may be infinite: far then is 0
def t_upper(t: ArrayLike, df: ArrayLike) -> FloatArray:
    """P(T > t) for Student's t with df degrees of freedom; df may be infinite."""
    t, df = np.broadcast_arrays(np.asarray(t, float), np.asarray(df, float))
    if np.all(df > _NORMAL_FROM_DF):
        return normal_upper(t)
    small = np.minimum(df, _NORMAL_FROM_DF)
    square = t * t
    far = special.betainc(small / 2, 0.5, small / (small + square))
    near = special.betaincc(0.5, small / 2, square / (small + square))
    half = 0.5 * np.where(square > small, far, near)  # each keeps its digits on its own side
    tail = np.where(t >= 0, half, 1.0 - half)
    return floats(np.where(df > _NORMAL_FROM_DF, special.ndtr(-t), tail))


def t_two_sided(t: ArrayLike, df: ArrayLike) -> FloatArray:
    """P(|T| > |t|)."""
    return np.asarray(2.0 * t_upper(np.abs(t), df))


def t_upper_quantile(alpha: ArrayLike, df: ArrayLike) -> FloatArray:
    """The t with P(T > t) = alpha; df may be infinite."""
    alpha, df = np.broadcast_arrays(np.asarray(alpha, float), np.asarray(df, float))
    if np.all(df > _NORMAL_FROM_DF):
        return normal_upper_quantile(alpha)
    small = np.minimum(df, _NORMAL_FROM_DF)
    quantile = -special.stdtrit(small, alpha)
    log_density = (
        special.gammaln((small + 1) / 2)
        - special.gammaln(small / 2)
        - 0.5 * np.log(small * np.pi)
        - (small + 1) / 2 * np.log1p(quantile * quantile / small)
    )
    off = t_upper(quantile, small) - alpha  # stdtrit is 1e-8 off at 1e9 degrees of freedom
    quantile = quantile + off / np.maximum(np.exp(log_density), 1e-300)
    return floats(np.where(df > _NORMAL_FROM_DF, -special.ndtri(alpha), quantile))


def chi2_upper(x: ArrayLike, df: ArrayLike) -> FloatArray:
    """P(chi-square with df degrees of freedom > x)."""
    return np.asarray(special.gammaincc(np.asarray(df) / 2, np.asarray(x) / 2))


def f_upper(f: ArrayLike, df1: ArrayLike, df2: ArrayLike) -> FloatArray:
    """P(F > f) for the F distribution with df1 and df2 degrees of freedom."""
    return np.asarray(special.fdtrc(df1, df2, f))


def binomial_lower(k: ArrayLike, n: ArrayLike, chance: ArrayLike) -> FloatArray:
    """P(Binomial(n, chance) <= k), k a whole number from 0."""
    k, n = floats(k), floats(n)
    inside = np.minimum(k, n - 1)
    return floats(np.where(k >= n, 1.0, special.betaincc(inside + 1, n - inside, chance)))


def binomial_quantile(alpha: float, n: ArrayLike, chance: ArrayLike) -> FloatArray:
    """The smallest k with P(Binomial(n, chance) <= k) >= alpha."""
    n = floats(n)
    k = np.clip(np.ceil(special.bdtrik(alpha, n, chance) - 1e-6), 0.0, n)
    k = np.where(binomial_lower(k, n, chance) < alpha, k + 1, k)
    below = np.maximum(k - 1, 0)
    lower = (k > 0) & (binomial_lower(below, n, chance) >= alpha)
    return floats(np.where(lower, below, k))
