"""A plan keeps its word: the test that the report runs has the planned power, at any design."""

from __future__ import annotations

import numpy as np
import pytest

from analytics import plan as planning
from analytics.plan import Baseline, Rule
from analytics.stats.confidence_sequence import SequencePlan, difference_sequence
from analytics.stats.group_sequential import equal_looks
from analytics.stats.means import z_interval
from analytics.stats.moments import Marginal
from analytics.stats.noninferiority import noninferior_relative, noninferior_sequence
from analytics.stats.overrun import SpendingPlan, monitored_interval, monitoring_bounds

pytestmark = pytest.mark.calibration

PATHS, LOOKS, MEAN, VARIANCE = 4_000, 28, 5.0, 9.0


def arms(sized, *, treatment_mean: float, looks: int, seed: int) -> tuple[Marginal, Marginal]:
    """Moments at equal looks of PATHS experiments of normal values, (paths, looks)."""
    rng = np.random.default_rng(seed)
    found = []
    for units, mean in zip(sized.units, (MEAN, treatment_mean), strict=True):
        step = units / looks
        noise = rng.standard_normal((PATHS, looks)).cumsum(axis=1) * np.sqrt(VARIANCE * step)
        n = np.broadcast_to(step * np.arange(1.0, looks + 1), noise.shape)
        found.append(Marginal(n, mean + noise / n, VARIANCE * (n - 1)))
    return found[0], found[1]


@pytest.mark.parametrize("successes", [1, 2])
@pytest.mark.parametrize("design", planning.DESIGNS)
def test_a_success_metric_reaches_its_planned_power(design, successes):
    rule = Rule(successes=successes, guardrails=1, looks=LOOKS)
    baseline = Baseline("m", "mean", MEAN, VARIANCE)
    sized = planning.size(baseline, "success", 0.04, rule, design)
    looks = 1 if design == "once" else LOOKS
    control, treatment = arms(sized, treatment_mean=MEAN * 1.04, looks=looks, seed=1)
    if design == "once":
        held = z_interval(control, treatment, alpha=sized.alpha).excludes
    elif design == "always":
        plan = SequencePlan(float(sized.total), rule.alpha, burn_in=2)
        held = difference_sequence(control, treatment, plan).p <= sized.alpha
    else:
        bounds = monitoring_bounds(equal_looks(LOOKS), SpendingPlan(sized.alpha))
        held = np.stack(
            [
                monitored_interval(night(control, k), night(treatment, k), bounds, look=k).excludes
                for k in range(LOOKS)
            ],
            axis=1,
        )
    assert held.any(axis=1).mean() == pytest.approx(sized.power, abs=0.02)


@pytest.mark.parametrize("design", ["once", "always"])
@pytest.mark.parametrize("higher", [True, False])
def test_a_guardrail_reaches_its_planned_power(design, higher):
    rule = Rule(guardrails=2, looks=LOOKS)
    baseline = Baseline("m", "mean", MEAN, VARIANCE, higher)
    sized = planning.size(baseline, "guardrail", 0.05, rule, design)
    looks = 1 if design == "once" else LOOKS
    control, treatment = arms(sized, treatment_mean=MEAN, looks=looks, seed=2)
    preferred = "increase" if higher else "decrease"
    plan = SequencePlan(float(sized.total), sized.alpha, burn_in=2)
    held = (
        noninferior_relative(control, treatment, 0.05, alpha=sized.alpha, preferred=preferred)
        if design == "once"
        else noninferior_sequence(control, treatment, 0.05, plan, preferred=preferred)
    ).non_inferior
    assert held.any(axis=1).mean() == pytest.approx(sized.power, abs=0.02)


@pytest.mark.parametrize("higher", [True, False])
def test_a_guardrail_looked_at_in_groups_reaches_its_planned_power(higher):
    rule = Rule(guardrails=2, looks=LOOKS)
    baseline = Baseline("m", "mean", MEAN, VARIANCE, higher)
    sized = planning.size(baseline, "guardrail", 0.05, rule, "group-sequential")
    control, treatment = arms(sized, treatment_mean=MEAN, looks=LOOKS, seed=3)
    allowed = control.scaled(0.95 if higher else 1.05)
    side = "greater" if higher else "less"
    bounds = monitoring_bounds(equal_looks(LOOKS), SpendingPlan(sized.alpha, alternative=side))
    held = np.stack(
        [
            monitored_interval(night(allowed, k), night(treatment, k), bounds, look=k).excludes
            for k in range(LOOKS)
        ],
        axis=1,
    )
    assert held.any(axis=1).mean() == pytest.approx(sized.power, abs=0.02)


def night(arm: Marginal, k: int) -> Marginal:
    return Marginal(arm.n[:, k], arm.mean[:, k], arm.m2[:, k])
