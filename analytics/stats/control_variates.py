"""One control-variate solve behind CUPED, CUPAC, PPI++ and the fusion of judge and usage.

theta = Sxx^-1 Sxy, from one matrix of moments. What differs between the methods is only over whom
the covariances are taken and what the covariates are compared with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analytics.stats.checks import bad, floats
from analytics.stats.moments import Marginal, Moments, pooled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.stats.checks import FloatArray

# Correlations nearer to singular than this carry no further direction, only rounding.
_RCOND = 1e-12


def solve(cross: FloatArray, among: FloatArray) -> FloatArray:
    """The coefficients that take most variance out: among^-1 cross, shape S + (k,).

    cross: covariances of the outcome with k covariates, S + (k,); among: of the covariates with
    each other, S + (k, k); both sums or both averages. A covariate that does not vary gets 0;
    collinear ones share (least-norm solution in standard units). NaN gives 0: nothing is adjusted.
    """
    scale = np.sqrt(np.maximum(np.diagonal(among, axis1=-2, axis2=-1), 0.0))
    usable = (scale > 0) & np.isfinite(scale) & np.isfinite(cross)
    unit = np.where(usable, np.where(scale > 0, scale, 1.0), 1.0)
    kept = usable[..., :, None] & usable[..., None, :]
    with np.errstate(over="ignore"):
        standard = np.where(kept, among / unit[..., :, None] / unit[..., None, :], 0.0)
    target = np.where(usable, cross / unit, 0.0)
    inverse = np.linalg.pinv(standard, rcond=_RCOND, hermitian=True)
    return np.where(usable, np.einsum("...ij,...j->...i", inverse, target) / unit, 0.0)


def coefficients(whole: Moments, outcome: int, covariates: Sequence[int]) -> FloatArray:
    """Theta of the outcome on the covariates, over the units of the given moments."""
    chosen = list(covariates)
    if not chosen or outcome in chosen:
        raise bad(f"covariates {chosen} must name at least one number other than {outcome}.")
    cross = whole.m2[..., outcome, :][..., chosen]
    among = whole.m2[..., chosen, :][..., :, chosen]
    return solve(cross, among)


def adjusted(
    arm: Moments,
    theta: FloatArray,
    centre: FloatArray,
    *,
    outcome: int,
    covariates: Sequence[int],
) -> Marginal:
    """The moments of outcome - theta' (covariates - centre), without touching a row.

    centre: what the covariates are compared with, shape S + (k,): their mean over all units.
    """
    chosen = list(covariates)
    weights = np.zeros(np.broadcast_shapes(arm.mean.shape, (*theta.shape[:-1], 1)))
    weights[..., outcome] = 1.0
    weights[..., chosen] = -theta
    spread = arm.linear(weights)
    # Not sum(mean * weights) + theta * centre: near 1e9 that would cancel what is left.
    mean = arm.mean[..., outcome] - np.sum(theta * (arm.mean[..., chosen] - centre), axis=-1)
    return Marginal(spread.n, mean, spread.m2)


def variance_left(whole: Moments, outcome: int, covariates: Sequence[int]) -> FloatArray:
    """Share of the outcome's variance that the covariates leave, 0 to 1 (1 where none varies)."""
    theta = coefficients(whole, outcome, covariates)
    centre = whole.mean[..., list(covariates)]
    rest = adjusted(whole, theta, centre, outcome=outcome, covariates=covariates).m2
    total = whole.m2[..., outcome, outcome]
    with np.errstate(divide="ignore", invalid="ignore"):
        return floats(np.where(total > 0, np.clip(rest / total, 0.0, 1.0), 1.0))


def pooled_or_bad(*arms: Moments) -> Moments:
    """All arms' units together; arms of different width are a ConfigError."""
    widths = {arm.mean.shape[-1] for arm in arms}
    if len(widths) > 1:
        raise bad(f"arms hold different numbers of columns: {sorted(widths)}.")
    return pooled(*arms)
