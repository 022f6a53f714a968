"""How many units, how small an effect, what power: for the tests that the report's verdicts use.

A success metric is tested two-sided at alpha over success metrics and treatments, a guardrail
one-sided at alpha (it needs no share), each with the power that the whole rule asks of it. Looking
more than once costs units: by exact crossing chances, not by a rule of thumb.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import optimize

from analytics.stats import group_sequential as gst
from analytics.stats.checks import floats
from analytics.stats.confidence_sequence import SequencePlan, critical
from analytics.stats.overrun import SpendingPlan, monitoring_bounds
from analytics.stats.power import (
    Shares,
    Target,
    bernoulli_variances,
    power_of,
    power_per_test,
    sequential_inflation,
    users_needed,
)
from streams.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.catalog.metric import Kind
    from analytics.stats.checks import FloatArray
    from analytics.stats.spending import Sides

Design = Literal["once", "group-sequential", "always"]
DESIGNS: tuple[Design, ...] = ("once", "group-sequential", "always")
METHODS = {
    "once": "one look, z test",
    "group-sequential": "group sequential, O'Brien-Fleming spending, a tenth of alpha kept back",
    "always": "asymptotic confidence sequence, as the report decides",
}
EFFECT_MAX = 10.0
"""Relative effects are looked for up to eleven times the control's mean."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """What is known of a metric before: mean and variance per unit, in the metric's unit.

    variance: of the linearised ratio for a ratio; ignored for a proportion, whose mean says it.
    variance_left: share that CUPED leaves, 0 to 1. n: units it was read from, None where given.
    """

    metric: str
    kind: Kind
    mean: float
    variance: float
    higher_is_better: bool = True
    variance_left: float = 1.0
    n: int | None = None
    source: str = "given"


@dataclass(frozen=True, slots=True)
class Rule:
    """What the whole decision must hold, and how often it is looked at.

    shares: of the units, the control first. alpha_quality: error rate of the deterioration and
    quality tests together, which costs power.
    """

    alpha: float = 0.05
    power: float = 0.8
    shares: tuple[float, ...] = (0.5, 0.5)
    successes: int = 1
    guardrails: int = 0
    alpha_quality: float = 0.0
    looks: int = 28

    @property
    def treatments(self) -> int:
        """Variants but the control."""
        return len(self.shares) - 1

    def target(self, role: str) -> Target:
        """Error rate, power and direction of one metric's test."""
        power = power_per_test(
            self.power,
            successes=self.successes,
            guardrails=self.guardrails,
            alpha_quality=self.alpha_quality,
        )
        if role == "guardrail":
            return Target(self.alpha, power, "greater")
        return Target(self.alpha / (max(self.successes, 1) * self.treatments), power)


@dataclass(frozen=True, slots=True)
class Row:
    """One metric under one design. effect: relative, positive; for a guardrail its margin.

    units: whole units by variant, control first; total their sum. power: of this metric's test;
    alpha: its error rate. inflation: units over those of one look.
    """

    metric: str
    role: str
    design: Design
    method: str
    effect: float
    effect_absolute: float
    alpha: float
    alternative: str
    power: float
    inflation: float
    units: tuple[int, ...]
    total: int


def size(baseline: Baseline, role: str, effect: float, rule: Rule, design: Design) -> Row:
    """Units for the power asked for, at a relative effect (guardrail: a margin)."""
    target = rule.target(role)
    grown = inflation(rule.looks, target, rule.alpha, design)
    variances, absolute = _at(baseline, role, effect)
    total = 0.0
    for share in rule.shares[1:]:
        needed = users_needed(
            variances, absolute, target, shares=Shares(rule.shares[0], share), inflation=grown
        )
        total = max(total, float(needed.control) / rule.shares[0])
    return _row(baseline, role, effect, rule, design, total, target.power)


def smallest(baseline: Baseline, role: str, total: int, rule: Rule, design: Design) -> Row:
    """The relative effect (or margin) that so many units of all variants see with that power."""
    target = rule.target(role)

    def lack(effect: float) -> float:
        return power_at(baseline, role, effect, rule, design, total) - target.power

    top = _largest_effect(baseline, role)
    if lack(top) < 0:
        raise ConfigError(
            f"{total:,} units see no effect of {baseline.metric} with power {target.power:.3g}.",
            where="--users",
            todo="Give more units, or less power.",
        )
    effect = float(optimize.brentq(lack, 1e-9, top, xtol=1e-12))
    return _row(baseline, role, effect, rule, design, total, target.power)


def powered(  # noqa: PLR0913, PLR0917 - the question in one call
    baseline: Baseline, role: str, effect: float, total: int, rule: Rule, design: Design
) -> Row:
    """The power of this metric's test at that effect and size."""
    reached = power_at(baseline, role, effect, rule, design, total)
    return _row(baseline, role, effect, rule, design, total, reached)


def power_at(  # noqa: PLR0913, PLR0917 - as above
    baseline: Baseline, role: str, effect: float, rule: Rule, design: Design, total: float
) -> float:
    """Chance of the verdict at that effect, at any look; of the smallest treatment."""
    target = rule.target(role)
    (control, treated), absolute = _at(baseline, role, effect)
    per_unit = max(control / rule.shares[0] + treated / share for share in rule.shares[1:])
    se = math.sqrt(per_unit / total)
    if design == "once":
        return float(power_of(se, absolute, alpha=target.alpha, alternative=target.alternative))
    bounds = _bounds(rule.looks, target, rule.alpha, design)
    sides: Sides = 2 if target.alternative == "two-sided" else 1
    return gst.power(gst.equal_looks(rule.looks), bounds, absolute / se, sides=sides)


@cache
def inflation(looks: int, target: Target, tuned_alpha: float, design: Design) -> float:
    """Units over those of one look, at the same power."""
    if design == "once":
        return 1.0
    return sequential_inflation(looks, target, bounds=_bounds(looks, target, tuned_alpha, design))


@cache
def _bounds(looks: int, target: Target, tuned_alpha: float, design: Design) -> FloatArray:
    """Z boundaries at equal looks, the last at the planned size."""
    t = gst.equal_looks(looks)
    if design == "group-sequential":
        return monitoring_bounds(t, SpendingPlan(target.alpha, alternative=target.alternative)).z
    n_star = 1e6  # only n / n_star matters
    plan = SequencePlan(n_star, tuned_alpha, target.alternative)
    if target.alpha == tuned_alpha:
        return critical(t * n_star, plan)
    # the report holds the p of a sequence tuned at its alpha against a share of it
    growth = t * n_star * plan.rho**2
    log_root = 0.5 * np.log1p(growth)
    return floats(np.sqrt(2 * (growth + 1) / growth * (log_root - np.log(target.alpha))))


def _at(baseline: Baseline, role: str, effect: float) -> tuple[tuple[float, float], float]:
    """Variances of control and treatment and the absolute effect, all positive."""
    absolute = effect * abs(baseline.mean)
    sign = 1.0 if baseline.higher_is_better else -1.0
    if role == "guardrail":
        first, second = _variance(baseline, 0.0), _variance(baseline, 0.0)
        return ((1 - sign * effect) ** 2 * first, second), absolute
    return (_variance(baseline, 0.0), _variance(baseline, sign * effect)), absolute


def _variance(baseline: Baseline, effect: float) -> float:
    """Per unit, after CUPED; of a proportion at its rate after the effect."""
    if baseline.kind != "proportion":
        return baseline.variance * baseline.variance_left
    _, moved = bernoulli_variances(baseline.mean, baseline.mean * effect)
    return float(moved) * baseline.variance_left


def _largest_effect(baseline: Baseline, role: str) -> float:
    if role == "guardrail":
        return 0.999 if baseline.higher_is_better else EFFECT_MAX
    if baseline.kind == "proportion" and baseline.higher_is_better:
        return (1 - baseline.mean) / baseline.mean * (1 - 1e-9)
    return EFFECT_MAX if baseline.kind != "proportion" else 1 - 1e-9


def _row(  # noqa: PLR0913, PLR0917 - the parts of a row
    baseline: Baseline,
    role: str,
    effect: float,
    rule: Rule,
    design: Design,
    total: float,
    power: float,
) -> Row:
    target = rule.target(role)
    units = tuple(math.ceil(total * share - 1e-6) for share in rule.shares)
    return Row(
        metric=baseline.metric,
        role=role,
        design=design,
        method=METHODS[design],
        effect=effect,
        effect_absolute=effect * abs(baseline.mean),
        alpha=target.alpha,
        alternative=target.alternative,
        power=power,
        inflation=inflation(rule.looks, target, rule.alpha, design),
        units=units,
        total=sum(units),
    )


def check_shares(shares: Sequence[float]) -> tuple[float, ...]:
    """An allocation: two shares or more above 0 that sum to 1, else ConfigError."""
    if len(shares) < 2 or min(shares) <= 0 or abs(math.fsum(shares) - 1) > 1e-9:
        raise ConfigError(
            f"the allocation {', '.join(f'{one:g}' for one in shares)} sums to"
            f" {math.fsum(shares):g}: two or more shares above 0 must sum to 1.",
            where="--shares",
            todo="Write the control first: --shares 1/2,1/4,1/4.",
        )
    return tuple(shares)
