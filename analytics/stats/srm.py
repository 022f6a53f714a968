"""Sample ratio mismatch: did the arms get the users the allocation promised?

A mismatch says that randomisation, exposure logging or the join is broken, and nothing else of
the experiment may be believed. Fixed-n chi-square for one look; the Bayes factor for every night.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from analytics.stats import tails
from analytics.stats.checks import bad, check_alpha, check_positive, floats
from analytics.stats.interval import TestResult, result

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from analytics.stats.checks import BoolArray, FloatArray


def srm_chi2(counts: ArrayLike, weights: ArrayLike) -> TestResult:
    """Pearson's chi-square of users per arm against the allocation.

    Args: counts: shape S + (arms,), users; weights: (arms,) or S + (arms,), any positive scale.
    Returns: statistic, p, df = arms - 1; enough is False where there are no users.
    Source: Fabijan et al. (2019), KDD. Cases srm-4way, srm-3way-uneven, srm-kohavi.
    """
    counts, share = _checked(counts, weights)
    total = counts.sum(axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = total * share
        chi2 = np.sum(np.square(counts - expected) / expected, axis=-1)
    df = counts.shape[-1] - 1
    return result(chi2, tails.chi2_upper(chi2, df), method="SRM chi-square", df=df)


@dataclass(frozen=True, eq=False)
class SequentialSrm:
    """Evidence of a sample ratio mismatch at every look.

    log_bayes_factor: natural logarithm, one per look. p: always valid, never above 1, never
    rising from look to look. rejected: p <= alpha at this look or before.
    """

    log_bayes_factor: FloatArray
    p: FloatArray
    rejected: BoolArray


def sequential_srm(
    counts: ArrayLike, weights: ArrayLike, *, alpha: float = 0.001, concentration: float = 100.0
) -> SequentialSrm:
    """Bayes factor of Dirichlet-multinomial arms against the allocation, all in logarithms.

    Args: counts: users per arm up to each look, shape (looks, arms), or (arms,) for one look.
        weights: the allocation, any positive scale. concentration: how near to the allocation the
        alternative expects the shares (in users).
    Returns: one element per look. The evidence does not depend on the order of users in a look.
    Source: Lindon and Malek (2022), NeurIPS, arXiv 2011.03567. Cases ssrm-dirichlet-*.
    """
    check_alpha(alpha)
    prior = float(check_positive(concentration, "concentration"))
    cumulative, share = _checked(counts, weights)
    cumulative = np.atleast_2d(cumulative)
    start = prior * share
    log_bf = (
        _log_beta(start + cumulative)
        - _log_beta(np.broadcast_to(start, cumulative.shape))
        - np.sum(cumulative * np.log(share), axis=-1)
    )
    best = np.maximum.accumulate(np.maximum(log_bf, 0.0), axis=0)
    p = np.exp(-best)
    return SequentialSrm(log_bf, p, p <= alpha)


def _log_beta(a: FloatArray) -> FloatArray:
    """Logarithm of the multivariate beta function, over the last axis."""
    return floats(np.sum(special.gammaln(a), axis=-1) - special.gammaln(np.sum(a, axis=-1)))


def _checked(counts: ArrayLike, weights: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Counts, and weights as shares; ConfigError where they cannot be an allocation."""
    numbers = floats(counts)
    share = check_positive(weights, "weights")
    if numbers.ndim == 0 or numbers.shape[-1] < 2 or share.shape[-1:] != numbers.shape[-1:]:
        raise bad(f"counts {numbers.shape} and weights {share.shape} need one entry per arm, >= 2.")
    if not np.all(np.isfinite(numbers) & (numbers >= 0)):
        raise bad("counts must be finite and not negative.")
    return numbers, share / share.sum(axis=-1, keepdims=True)
