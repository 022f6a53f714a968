"""Prediction-powered inference: few human labels, many judge scores, no trust needed.

theta = lam * mean(judge, unlabelled) + mean(human - lam * judge, labelled). Unbiased for any lam
and any judge; the better the judge, the narrower the interval. The labelled items must be drawn at
random. One control-variate solve (control_variates.py) serves several signals as it serves CUPED.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from analytics.stats.checks import (
    bad,
    check_alpha,
    check_alternative,
    check_finite,
    check_one_of,
    check_same_length,
    floats,
)
from analytics.stats.control_variates import solve
from analytics.stats.interval import Interval, Reference, Sizes, wald
from analytics.stats.moments import Marginal, Moments

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from analytics.stats.checks import Alternative, FloatArray, IntArray

Divisor = Literal["n", "n-1"]


@dataclass(frozen=True, eq=False)
class PowerTuned:
    """A prediction-powered mean.

    mean: as a Marginal of the labelled items, comparable between arms and over time by any
    interval. lam: the trust in the judge that was used, 0 to 1; lam_unclipped: what the data
    asked for. se_human_only: without the judge.
    """

    mean: Marginal
    lam: FloatArray
    lam_unclipped: FloatArray
    se_human_only: FloatArray


def ppi_mean(
    labelled: Moments,
    unlabelled: Marginal,
    *,
    lam: ArrayLike | None = None,
    divisor: Divisor = "n-1",
) -> PowerTuned:
    """PPI++ mean of the human label.

    Args: labelled: moments over labelled items of (human, judge); unlabelled: of the judge on the
        others; one unit. lam: trust in the judge; tuned to the data and clipped to 0..1 unless
        given (0 forces human-only, when the judge is not certified). divisor: of the variances;
        "n" as ppi_py, "n-1" the safer for few labels.
    Returns: NaN variance, hence not enough, below 2 items on either side. Estimate, interval and
        p-value all use the one clipped lam.
    Source: Angelopoulos, Duchi and Zrnic (2023), arXiv 2311.01453. Cases ppi-pp-continuous,
        ppi-binary-iid-60, ppi-lambda-clip-trap.
    """
    check_one_of(divisor, ("n", "n-1"), "divisor")
    if labelled.mean.shape[-1] != 2:
        raise bad(f"labelled holds {labelled.mean.shape[-1]} numbers, not (human, judge).")
    wished = tuned_lam(labelled, unlabelled)
    used = np.clip(wished if lam is None else floats(lam), 0.0, 1.0)
    rest = labelled.linear(np.stack([np.ones_like(used), -used], axis=-1))
    anchor = unlabelled.mean - labelled.mean[..., 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        se2 = _mean_variance(rest, divisor)
        far = np.square(used) * _mean_variance(unlabelled, divisor)
        se2 = se2 + np.where(used > 0, far, 0.0)
        theta = labelled.mean[..., 0] + np.where(used > 0, used * anchor, 0.0)
    mean = Marginal.from_se(labelled.n, theta, np.sqrt(se2))
    return PowerTuned(mean, used, wished, np.sqrt(_mean_variance(labelled.at(0), divisor)))


def tuned_lam(labelled: Moments, unlabelled: Marginal) -> FloatArray:
    """cov(human, judge) / ((1 + n / N) var(judge over all)), unclipped; 0 where it cannot be."""
    judge = labelled.at(1).merge(unlabelled)
    with np.errstate(divide="ignore", invalid="ignore"):
        cross = labelled.m2[..., 0, 1] / labelled.n
        lam = cross / ((1 + labelled.n / unlabelled.n) * judge.var)
    return np.where(np.isfinite(lam), lam, 0.0)


def ppi_interval(
    tuned: PowerTuned, *, alpha: float, alternative: Alternative = "two-sided", null: float = 0.0
) -> Interval:
    """Normal interval of a prediction-powered mean, and the p of `null`, of one lam; all sides.

    Source: as ppi_mean. Case ppi-one-sided-trap.
    """
    check_alpha(alpha)
    check_alternative(alternative)
    return _against(tuned.mean, Reference(floats(np.inf), alpha, alternative), null)


def _against(mean: Marginal, reference: Reference, null: float) -> Interval:
    """An interval whose p is that of a null value other than 0."""
    n, se = mean.n, np.sqrt(mean.se2)
    shifted = wald(mean.mean - null, se, reference, sizes=Sizes.one(n), method="PPI++ mean")
    moved = (part + null for part in (shifted.estimate, shifted.low, shifted.high))
    estimate, low, high = moved
    return dataclasses.replace(shifted, estimate=estimate, low=low, high=high)


def ppi_clustered_interval(
    labelled: tuple[ArrayLike, ArrayLike, ArrayLike],
    unlabelled: tuple[ArrayLike, ArrayLike],
    *,
    alpha: float,
    lam: float | None = None,
    null: float = 0.0,
) -> Interval:
    """PPI++ mean where items of one cluster (a user, a song) are alike; shape ().

    Args: labelled: (human, judge, cluster), unlabelled: (judge, cluster), rows; clusters as
        numbers. A cluster may have items on both sides: their errors are then added before they
        are squared. Returns: t with (labelled clusters - 1); n: labelled clusters. enough is False
        below two of them.
    Source: cluster-robust variance (Liang and Zeger 1986) of the PPI++ estimate. Case
        ppi-binary-cluster-60.
    """
    y, f, ids = (check_finite(column, "labelled", ndim=1) for column in labelled)
    u, other_ids = (check_finite(column, "unlabelled", ndim=1) for column in unlabelled)
    check_same_length(human=y, judge=f, cluster=ids)
    check_same_length(judge=u, cluster=other_ids)
    check_alpha(alpha)
    both = Moments.of(np.column_stack([y, f]))
    tuned = ppi_mean(both, Marginal.of(u), lam=lam)
    trust = float(tuned.lam)
    place = np.unique(np.concatenate([ids, other_ids]), return_inverse=True)[1].astype(np.int64)
    rest = y - trust * f
    near = _cluster_errors(rest, place[: len(y)], place.max(initial=-1) + 1)
    far = _cluster_errors(trust * u, place[len(y) :], place.max(initial=-1) + 1)
    groups = len(np.unique(ids))
    se = np.sqrt(np.sum(np.square(near + far))) if groups > 1 and len(u) > 1 else np.nan
    mean = Marginal.from_se(floats(max(groups, 2)), tuned.mean.mean, se)
    return _against(mean, Reference(floats(max(groups - 1, 1)), alpha, "two-sided"), null)


def _cluster_errors(values: FloatArray, place: IntArray, clusters: int) -> FloatArray:
    """Each cluster's part of the error of a mean, stretched by G / (G - 1)."""
    if len(values) == 0:
        return np.zeros(clusters)
    sums = np.bincount(place, values - values.mean(), clusters) / len(values)
    groups = len(np.unique(place))
    return floats(sums * np.sqrt(groups / max(groups - 1, 1)))


@dataclass(frozen=True, eq=False)
class Fused:
    """Human labels fused with signals known for all items; per arm, in the order given.

    means: Marginals of the labelled items, comparable by any interval. lam: weight of each
    signal, the same in every arm. se_human_only: per arm, labels alone. label_saving: share of
    labels that the signals replace at the same precision, measured on this data (negative: they
    cost); averaged over arms by variance.
    """

    means: tuple[Marginal, ...]
    lam: FloatArray
    se_human_only: tuple[FloatArray, ...]
    label_saving: FloatArray


def fused_means(*arms: tuple[Moments, Moments], lam: ArrayLike | None = None) -> Fused:
    """Means of the human label, helped by k signals (judges, usage), one solve over all arms.

    Args: arms: per arm (labelled, everyone): moments over labelled items of (human, k signals),
        and over all items, labelled or not, of the k signals. lam: weights to use instead, shape
        (k,): 0 for a judge that is not certified.
    Returns: theta = Ybar_L - lam' (Xbar_L - Xbar_N), variance s2(Y - lam'X)/n + (lam' Sxx lam +
        2 lam' cov(X, Y - lam'X)) / N.
    Source: control variates; PPI++ with several predictions (arXiv 2311.01453). Case
        ppi-multi-signal.
    """
    if not arms:
        raise bad("fused_means needs at least one arm.")
    k = arms[0][1].mean.shape[-1]
    if any(near.mean.shape[-1] != k + 1 or far.mean.shape[-1] != k for near, far in arms):
        raise bad(f"each arm needs labelled (human, {k} signals) and everyone ({k} signals).")
    weights = pooled_weights(*arms) if lam is None else floats(lam)
    means = tuple(_fused(near, far, weights) for near, far in arms)
    alone = tuple(np.sqrt(near.at(0).se2) for near, _ in arms)
    before = sum((np.square(se) for se in alone), start=np.zeros(()))
    after = sum((mean.se2 for mean in means), start=np.zeros(()))
    with np.errstate(divide="ignore", invalid="ignore"):
        saving = np.where(before > 0, 1 - after / before, 0.0)
    return Fused(means, weights, alone, floats(saving))


def pooled_weights(*arms: tuple[Moments, Moments]) -> FloatArray:
    """Sxx^-1 Sxy: signals over everyone, their covariance with the label over the labelled.

    Covariances are within arms, so that a real difference between arms teaches nothing.
    """
    first = arms[0][1].mean
    among, cross = np.zeros((*first.shape, first.shape[-1])), np.zeros(first.shape)
    everyone, labels = np.zeros(first.shape[:-1]), np.zeros(first.shape[:-1])
    for near, far in arms:
        among = among + far.m2
        cross = cross + near.m2[..., 0, 1:]
        everyone = everyone + np.maximum(far.n - 1, 0.0)
        labels = labels + np.maximum(near.n - 1, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return solve(cross / labels[..., None], among / everyone[..., None, None])


def _fused(near: Moments, far: Moments, lam: FloatArray) -> Marginal:
    """One arm's estimate with the given weights."""
    rest = near.linear(np.concatenate([np.ones((*lam.shape[:-1], 1)), -lam], axis=-1))
    theta = near.mean[..., 0] - np.sum(lam * (near.mean[..., 1:] - far.mean), axis=-1)
    cov = near.cov
    with_rest = cov[..., 1:, 0] - np.einsum("...ij,...j->...i", cov[..., 1:, 1:], lam)
    own = np.einsum("...i,...ij,...j->...", lam, far.cov, lam)
    # Estimated from different items: the label's own variance, spread + rest.var, stays above 0.
    spread = np.maximum(own + 2 * np.sum(lam * with_rest, axis=-1), -rest.var)
    with np.errstate(divide="ignore", invalid="ignore"):
        se2 = rest.se2 + spread / far.n
    trusted = np.any(lam != 0, axis=-1)
    return Marginal.from_se(near.n, theta, np.sqrt(np.where(trusted, se2, near.at(0).se2)))


def _mean_variance(sample: Marginal, divisor: Divisor) -> FloatArray:
    """Variance of a mean; NaN below two items."""
    if divisor == "n-1":
        return sample.se2
    return np.where(sample.n > 1, sample.m2 / np.square(np.maximum(sample.n, 1.0)), np.nan)
