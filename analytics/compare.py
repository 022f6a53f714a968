"""Moments of two arms to intervals, for many comparisons at once.

Every kind of metric ends as two marginals (n, mean, m2 per arm), so the same intervals, margins
and boundaries serve means, proportions and ratios. One call handles all comparisons of one kind.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analytics.stats.confidence_sequence import (
    SequencePlan,
    difference_sequence,
    relative_sequence,
)
from analytics.stats.cuped import cuped, cuped_ratio
from analytics.stats.means import welch_interval
from analytics.stats.moments import Moments
from analytics.stats.noninferiority import NonInferiority, Preferred, noninferior_sequence
from analytics.stats.proportions import Counts, mee_interval, pooled_z_test, unpooled_interval
from analytics.stats.ratios import ratio
from analytics.stats.relative import fieller_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.catalog.metric import Kind
    from analytics.stats.checks import Alternative, FloatArray
    from analytics.stats.interval import Interval, TestResult
    from analytics.stats.moments import Marginal


@dataclass(frozen=True, eq=False)
class Arms:
    """Control and treatment as marginals, one comparison per element."""

    control: Marginal
    treatment: Marginal


@dataclass(frozen=True, eq=False)
class Shares:
    """Proportions seen the other way: the pooled z test and the unpooled (Wald) interval."""

    control: Counts
    treatment: Counts
    pooled: TestResult
    unpooled: Interval


@dataclass(frozen=True, eq=False)
class Compared:
    """One element a comparison.

    raw: the headline of the fixed horizon. always_valid: holds at every look, on the adjusted arms
    (they equal the raw ones where there was nothing to adjust by). variance_left: within-arm
    variance after adjustment as a share of that before, 1 for nothing.
    """

    arms: Arms
    raw: Interval
    relative: Interval
    adjusted_arms: Arms
    adjusted: Interval
    adjusted_relative: Interval
    variance_left: FloatArray
    always_valid: Interval
    always_valid_relative: Interval
    shares: Shares | None


@dataclass(frozen=True, eq=False)
class MarginTests:
    """Whether treatments stay within a relative margin of their controls; valid at every look.

    within: non-inferiority, with the worst relative effect that is still possible. breached:
    one-sided intervals for how much more than the margin is lost.
    """

    within: NonInferiority
    breached: Interval


@dataclass(frozen=True, eq=False, slots=True)
class Pair:
    """The moments of one comparison's arms: outcome columns first, then so many covariates."""

    kind: Kind
    control: Moments
    treatment: Moments
    covariates_n: int


def compare_pairs(pairs: Sequence[Pair], *, plan: SequencePlan) -> tuple[tuple[Compared, int], ...]:
    """For each pair where its numbers stand: one call of the statistics per kind, not per pair."""
    batches: dict[tuple[Kind, int], list[int]] = {}
    for index, pair in enumerate(pairs):
        batches.setdefault((pair.kind, pair.covariates_n), []).append(index)
    found: dict[int, tuple[Compared, int]] = {}
    for (kind, covariates_n), indices in batches.items():
        control = stack([pairs[index].control for index in indices])
        treatment = stack([pairs[index].treatment for index in indices])
        compared = compare(kind, control, treatment, plan=plan, covariates_n=covariates_n)
        found |= {index: (compared, place) for place, index in enumerate(indices)}
    return tuple(found[index] for index in range(len(pairs)))


def compare(
    kind: Kind, control: Moments, treatment: Moments, *, plan: SequencePlan, covariates_n: int
) -> Compared:
    """All intervals for comparisons of one kind.

    Args: moments over units, shape (comparisons,): the outcome (a ratio: numerator, denominator),
        then the covariates, as many as said. A proportion's outcome is 0 or 1. plan: error rate of
        all intervals, and the size at which the always-valid ones are tightest.
    Returns: differences in the metric's unit, relative ones as fractions. A proportion has the
        pooled z test and the score interval that agrees with it; all else Welch's t.
    """
    alpha = plan.alpha
    arms = _arms(kind, control, treatment)
    shares = _shares(control, treatment, alpha=alpha) if kind == "proportion" else None
    after, left = _adjusted(kind, control, treatment, covariates_n)
    if shares:
        raw = mee_interval(shares.control, shares.treatment, alpha=alpha)
        relative = fieller_interval(arms.control, arms.treatment, alpha=alpha)
    else:
        raw = welch_interval(arms.control, arms.treatment, alpha=alpha)
        relative = fieller_interval(arms.control, arms.treatment, alpha=alpha, distribution="t")
    return Compared(
        arms,
        raw,
        relative,
        after,
        welch_interval(after.control, after.treatment, alpha=alpha),
        fieller_interval(after.control, after.treatment, alpha=alpha, distribution="t"),
        left,
        difference_sequence(after.control, after.treatment, plan),
        relative_sequence(after.control, after.treatment, plan),
        shares,
    )


def margin_tests(
    arms: Arms, margin: float, *, higher_is_better: bool, plan: SequencePlan
) -> MarginTests:
    """Both one-sided tests of a margin relative to the control's mean, which is not taken as known.

    plan: error rate of each side. Case noninferiority-relative-linear.
    """
    preferred: Preferred = "increase" if higher_is_better else "decrease"
    within = noninferior_sequence(arms.control, arms.treatment, margin, plan, preferred=preferred)
    worse: Alternative = "less" if higher_is_better else "greater"
    bound = arms.control.scaled(1 - margin if higher_is_better else 1 + margin)
    one_sided = dataclasses.replace(plan, alternative=worse)
    return MarginTests(within, difference_sequence(bound, arms.treatment, one_sided))


def stack(cells: Sequence[Moments]) -> Moments:
    """Cells of equal width as one array of cells."""
    return Moments(
        np.stack([cell.n for cell in cells]),
        np.stack([cell.mean for cell in cells]),
        np.stack([cell.m2 for cell in cells]),
    )


def _arms(kind: Kind, control: Moments, treatment: Moments) -> Arms:
    if kind == "ratio":
        return Arms(ratio(control), ratio(treatment))
    return Arms(control.at(0), treatment.at(0))


def _shares(control: Moments, treatment: Moments, *, alpha: float) -> Shares:
    counts_c, counts_t = (
        Counts.of(np.round(arm.mean[..., 0] * arm.n), arm.n) for arm in (control, treatment)
    )
    return Shares(
        counts_c,
        counts_t,
        pooled_z_test(counts_c, counts_t),
        unpooled_interval(counts_c, counts_t, alpha=alpha),
    )


def _adjusted(
    kind: Kind, control: Moments, treatment: Moments, covariates_n: int
) -> tuple[Arms, FloatArray]:
    """The arms after CUPED; as they are without covariates."""
    if not covariates_n:
        return _arms(kind, control, treatment), np.ones(control.n.shape)
    adjust = cuped_ratio if kind == "ratio" else cuped
    result = adjust(control, treatment)
    return Arms(*result.arms), result.variance_left
