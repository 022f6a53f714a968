"""Regression adjustment with treatment-by-covariate interaction, from rows.

Unlike CUPED it lets the covariate act differently in each arm; HC2 and HC3 errors hold without
equal variances. For one row per user that fits in memory; the cube of moments serves CUPED.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from analytics.stats.checks import bad, check_finite, check_one_of, check_same_length, floats
from analytics.stats.interval import Interval, Sizes, normal_reference, wald

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from analytics.stats.checks import FloatArray

Robust = Literal["hc0", "hc1", "hc2", "hc3"]
_ROBUST = ("hc0", "hc1", "hc2", "hc3")


@dataclass(frozen=True, eq=False)
class LeastSquares:
    """A fit of y on the columns of x: coefficients, residuals, leverages, (X'X)^-1."""

    coef: FloatArray
    residuals: FloatArray
    leverage: FloatArray
    inverse: FloatArray
    x: FloatArray

    def covariance(self, robust: Robust = "hc2") -> FloatArray:
        """Sandwich covariance of the coefficients.

        Source: MacKinnon and White (1985), J. Econom. 29, 305-325.
        """
        check_one_of(robust, _ROBUST, "robust")
        n, k = self.x.shape
        square = np.square(self.residuals)
        room = np.maximum(1 - self.leverage, 1e-12)
        meat = {
            "hc0": square,
            "hc1": square * n / max(n - k, 1),
            "hc2": square / room,
            "hc3": square / np.square(room),
        }[robust]
        bread = self.x @ self.inverse
        return floats((bread * meat[:, None]).T @ bread)

    def covariance_equal_variance(self) -> FloatArray:
        """Covariance of the coefficients under one residual variance."""
        n, k = self.x.shape
        return floats(self.inverse * (np.sum(np.square(self.residuals)) / max(n - k, 1)))


def least_squares(x: FloatArray, y: FloatArray) -> LeastSquares:
    """Ordinary least squares; columns that repeat others share (least norm). n < k: ConfigError."""
    n, k = x.shape
    if n < k:
        raise bad(f"{n} rows cannot fit {k} coefficients.")
    scale = np.sqrt(np.mean(np.square(x), axis=0))
    unit = np.where(scale > 0, scale, 1.0)
    u, s, vt = np.linalg.svd(x / unit, full_matrices=False)
    kept = s > (s[0] if len(s) else 0.0) * max(n, k) * np.finfo(float).eps
    u, s, vt = u[:, kept], s[kept], vt[kept]
    coef = (vt.T / s) @ (u.T @ y) / unit
    inverse = (vt.T / s**2) @ vt / unit[:, None] / unit[None, :]
    return LeastSquares(coef, y - x @ coef, np.sum(np.square(u), axis=1), inverse, x)


def lin_interval(
    y: ArrayLike, treated: ArrayLike, x: ArrayLike, *, alpha: float, robust: Robust = "hc2"
) -> Interval:
    """Effect of treatment adjusted for covariates in each arm on its own; shape ().

    Args: y: outcome per user (n,); treated: 0 or 1 (n,); x: covariates (n,) or (n, k), fixed
        before exposure. Lengths, NaN: ConfigError.
    Returns: in y's unit; enough is False where an arm has no more users than coefficients.
    Source: Lin (2013), Ann. Appl. Stat. 7, 295-318. Case lin-interacted-hc2.
    """
    reference = normal_reference(alpha)
    outcome, arm = check_finite(y, "y", ndim=1), check_finite(treated, "treated", ndim=1)
    covariates = check_finite(x, "x")
    covariates = covariates[:, None] if covariates.ndim == 1 else covariates
    check_same_length(y=outcome, treated=arm, x=covariates)
    if not np.all((arm == 0) | (arm == 1)):
        raise bad("treated must be 0 or 1 for every user.")
    near = covariates - (covariates.mean(axis=0) if len(covariates) else 0.0)
    means, variances, sizes = [], [], []
    for which in (0.0, 1.0):
        mine = arm == which
        sizes.append(float(mine.sum()))
        mean, variance = _intercept(near[mine], outcome[mine], robust)
        means.append(mean)
        variances.append(variance)
    return wald(
        means[1] - means[0],
        np.sqrt(variances[0] + variances[1]),
        reference,
        sizes=Sizes(floats(sizes[0]), floats(sizes[1])),
        method=f"regression with interactions, {robust}",
    )


def _intercept(near: FloatArray, y: FloatArray, robust: Robust) -> tuple[float, float]:
    """Mean outcome at the common centre of the covariates, and its variance, within one arm."""
    check_one_of(robust, _ROBUST, "robust")
    if len(y) <= near.shape[1] + 1:
        return float("nan"), float("nan")
    fit = least_squares(np.column_stack([np.ones(len(y)), near]), y)
    return float(fit.coef[0]), float(fit.covariance(robust)[0, 0])
