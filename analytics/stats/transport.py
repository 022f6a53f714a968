"""Does a calibrated judge hold in every variant, and do its scores follow what listeners do?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from analytics.stats.checks import (
    bad,
    check_alpha,
    check_finite,
    check_positive,
    check_same_length,
    floats,
)
from analytics.stats.interval import Interval, Reference, Sizes, wald
from analytics.stats.regression import least_squares

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from analytics.stats.checks import FloatArray

Status = Literal["PASS", "FAIL", "INCONCLUSIVE", "NOT_CHECKED"]
CLUSTERS_MIN = 20.0
EXPERIMENTS_MIN = 4


def transport_audit(residual: Interval, delta: ArrayLike) -> NDArray[np.str_]:
    """Status per variant of mean(human - f(judge)) being within -+ delta.

    Args: residual: intervals of the mean residual per variant, units = clusters of labels (for
        nightly looks confidence_sequence.mean_sequence, else means.mean_interval); delta: the
        largest error that does not matter, in the label's unit.
    Returns: PASS inside -+ delta, FAIL wholly outside, else INCONCLUSIVE; NOT_CHECKED without
        labels; fewer than 20 clusters never PASS. An audit acts on nothing by itself.
    Source: CJE, arXiv 2512.11150: two one-sided tests of equivalence (Schuirmann 1987).
    """
    allowed = check_positive(delta, "delta")
    inside = (residual.low > -allowed) & (residual.high < allowed)
    outside = (residual.low > allowed) | (residual.high < -allowed)
    enough = residual.enough
    passed = enough & inside & (residual.n_treatment >= CLUSTERS_MIN)
    said = np.where(passed, "PASS", np.where(enough & outside, "FAIL", "INCONCLUSIVE"))
    return np.where(residual.n_treatment > 0, said, "NOT_CHECKED")


def bias_slopes(
    error: ArrayLike, features: ArrayLike, cluster: ArrayLike, *, alpha: float
) -> Interval:
    """What a judge's error hangs on (length, position, own model): one slope per feature, (k,).

    Args: error: judge - human per item, (n,); features: (n, k), known before judging; cluster:
        (n,), items of one cluster are alike. Intercept fitted and left out.
    Returns: error units per feature unit, t with clusters - 1; enough is False below two clusters,
        below k + 2 items, or for a feature that does not vary.
    Source: least squares with cluster-robust errors, G / (G - 1) (Liang and Zeger 1986).
    """
    check_alpha(alpha)
    y, ids = check_finite(error, "error", ndim=1), check_finite(cluster, "cluster", ndim=1)
    x = check_finite(features, "features", ndim=2)
    n = check_same_length(error=y, features=x, cluster=ids)
    k = x.shape[1]
    group = np.unique(ids, return_inverse=True)[1]
    groups = int(group.max(initial=-1)) + 1
    slope, se = np.full(k, np.nan), np.full(k, np.nan)
    if groups >= 2 and n >= k + 2:
        near = x - x.mean(axis=0)
        fit = least_squares(np.column_stack([np.ones(n), near]), y)
        pull = (fit.x @ fit.inverse) * fit.residuals[:, None]
        sums = np.zeros((groups, k + 1))
        np.add.at(sums, group, pull)
        varies = near.std(axis=0) > 0
        slope = np.where(varies, fit.coef[1:], np.nan)
        error_of = np.sqrt(np.sum(np.square(sums), axis=0) * groups / (groups - 1))
        se = np.where(varies, error_of[1:], np.nan)
    reference = Reference(floats(max(groups - 1, 1)), alpha, "two-sided")
    return wald(slope, se, reference, sizes=Sizes.one(groups), method="judge error by feature")


@dataclass(frozen=True, eq=False)
class Validity:
    """How the effect on behaviour follows the judge's effect over past experiments.

    slope: with a jackknife interval, behaviour units per judge unit. naive: the slope that takes
    judge effects as known, too small. reliability: share of the judge effects' spread that is not
    sampling error. same_sign: share of experiments in which both effects point one way.
    """

    slope: Interval
    naive: float
    reliability: float
    same_sign: float


def behavioural_validity(
    judge: tuple[ArrayLike, ArrayLike],
    usage: tuple[ArrayLike, ArrayLike],
    *,
    alpha: float,
    error_covariance: ArrayLike = 0.0,
) -> Validity:
    """Errors-in-variables slope of usage effects on judge effects.

    Args: judge, usage: (effects, standard errors) per experiment, shape (k,); error_covariance:
        of the two estimates' errors within an experiment, where the same users make both.
    Returns: enough is False below 4 experiments, or where the judge effects spread no more than
        their sampling errors (reliability 0), also without any one experiment.
    Source: Fuller (1987), Measurement Error Models, section 2.2 (method of moments); jackknife.
    """
    check_alpha(alpha)
    x, sx = (check_finite(part, "judge", ndim=1) for part in judge)
    y, sy = (check_finite(part, "usage", ndim=1) for part in usage)
    k = check_same_length(judge=x, judge_se=sx, usage=y, usage_se=sy)
    if np.any(sx < 0) or np.any(sy < 0):
        raise bad("standard errors must not be negative.")
    shared = np.broadcast_to(floats(error_covariance), x.shape)
    reference = Reference(floats(max(k - 1, 1)), alpha, "two-sided")
    sizes, name = Sizes.one(k), "usage effect on judge effect, errors in variables"
    if k < EXPERIMENTS_MIN:
        nothing = wald(np.nan, np.nan, reference, sizes=sizes, method=name)
        return Validity(nothing, float("nan"), float("nan"), float("nan"))
    slope, naive, reliability = _corrected(x, y, sx, shared)
    keep = ~np.eye(k, dtype=bool)
    left = floats([_corrected(x[m], y[m], sx[m], shared[m])[0] for m in keep])
    se = np.sqrt((k - 1) / k * np.sum(np.square(left - left.mean())))
    interval = wald(slope, se, reference, sizes=sizes, method=name)
    return Validity(interval, naive, reliability, float(np.mean(np.sign(x) == np.sign(y))))


def _corrected(
    x: FloatArray, y: FloatArray, sx: FloatArray, shared: FloatArray
) -> tuple[float, float, float]:
    """Corrected slope (NaN where nothing but error spreads), naive slope, reliability."""
    spread = float(np.var(x, ddof=1))
    together = float(np.cov(x, y)[0, 1])
    if spread <= 0:
        return float("nan"), float("nan"), 0.0
    true = spread - float(np.mean(np.square(sx)))
    slope = (together - float(np.mean(shared))) / true if true > 0 else float("nan")
    return slope, together / spread, max(true / spread, 0.0)
