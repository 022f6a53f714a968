"""Post-stratification: compare like with like, then weigh strata as they occur.

Strata must be fixed before exposure (surface, country, tenure). The result is a pair of Marginals.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analytics.stats.checks import bad, floats
from analytics.stats.moments import Marginal

if TYPE_CHECKING:
    from analytics.stats.checks import BoolArray, FloatArray, IntArray

N_MIN = 2.0  # users an arm that a stratum needs for a variance


@dataclass(frozen=True, eq=False)
class Stratified:
    """Arms weighted alike over strata.

    control, treatment: comparable by any interval. weights: share of each stratum, thin ones
    pooled at the end. collapsed: places of the strata that had too few users and were pooled.
    """

    control: Marginal
    treatment: Marginal
    weights: FloatArray
    collapsed: IntArray


def post_stratified(control: Marginal, treatment: Marginal) -> Stratified:
    """Arm means weighted by the strata's share of all users.

    Args: control, treatment: moments over users per stratum, shape (strata,); adjusted ones (of
        cuped) are welcome. Strata with fewer than 2 users in an arm are pooled into one; nothing
        is dropped silently: `collapsed` names them.
    Returns: variances sum of weight^2 var / n. Where even the pool is too thin, its stratum joins
        the largest one. No stratum with 2 users an arm: the unstratified arms.
    Source: Miratrix, Sekhon and Yu (2013), J. R. Stat. Soc. B 75, 369-396.
    """
    if control.n.ndim != 1 or control.n.shape != treatment.n.shape:
        raise bad(f"strata have shapes {control.n.shape} and {treatment.n.shape}.")
    thin = (control.n < N_MIN) | (treatment.n < N_MIN)
    collapsed = np.flatnonzero(thin & (control.n + treatment.n > 0))
    control, treatment = _collapsed(control, treatment, thin)
    total = control.n + treatment.n
    weights = total / total.sum()
    return Stratified(
        _weighted(control, weights), _weighted(treatment, weights), weights, collapsed
    )


def _collapsed(
    control: Marginal, treatment: Marginal, thin: BoolArray
) -> tuple[Marginal, Marginal]:
    """Thin strata pooled into one at the end, or into the largest where that is thin too."""
    if not np.any(thin):
        return control, treatment
    kept = ~thin
    rests = [_all(_some(arm, ~kept)) for arm in (control, treatment)]
    arms = [_some(arm, kept) for arm in (control, treatment)]
    if not np.any(kept):
        return _row(rests[0]), _row(rests[1])
    if min(float(rest.n) for rest in rests) >= N_MIN:
        return _joined(arms[0], rests[0]), _joined(arms[1], rests[1])
    largest = int(np.argmax(arms[0].n + arms[1].n))
    return _into(arms[0], rests[0], largest), _into(arms[1], rests[1], largest)


def _some(arm: Marginal, where: BoolArray) -> Marginal:
    return Marginal(arm.n[where], arm.mean[where], arm.m2[where])


def _all(arm: Marginal) -> Marginal:
    """All strata of an arm as one."""
    whole = Marginal(floats(0.0), floats(0.0), floats(0.0))
    for k in range(len(arm.n)):
        whole = whole.merge(Marginal(arm.n[k], arm.mean[k], arm.m2[k]))
    return whole


def _row(one: Marginal) -> Marginal:
    return Marginal(one.n[None], one.mean[None], one.m2[None])


def _joined(arm: Marginal, rest: Marginal) -> Marginal:
    """The strata and one more."""
    pairs = ((arm.n, rest.n), (arm.mean, rest.mean), (arm.m2, rest.m2))
    return Marginal(*(np.append(strata, one) for strata, one in pairs))


def _into(arm: Marginal, rest: Marginal, place: int) -> Marginal:
    """The strata with the rest merged into one of them."""
    whole = Marginal(arm.n[place], arm.mean[place], arm.m2[place]).merge(rest)
    parts = (arm.n.copy(), arm.mean.copy(), arm.m2.copy())
    for part, value in zip(parts, (whole.n, whole.mean, whole.m2), strict=True):
        part[place] = value
    return Marginal(*parts)


def _weighted(arm: Marginal, weights: FloatArray) -> Marginal:
    """The weighted mean of strata as a Marginal of the arm's users."""
    base = arm.mean[0]  # distances from one of them: a large common offset must not cost digits
    mean = base + np.sum(weights * (arm.mean - base))
    se = np.sqrt(np.sum(np.square(weights) * arm.se2))
    return Marginal.from_se(arm.n.sum(), mean, se)
