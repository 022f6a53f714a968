"""One experiment's metrics: from cells of units to comparisons that can be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analytics import words
from analytics.catalog.shape import Words
from analytics.cells import moments_of
from analytics.compare import Arms, Compared, Pair, compare_pairs, margin_tests
from analytics.results import Arm, Comparison, Estimate, Margin, Maturity, Shares, finite
from analytics.stats.confidence_sequence import SequencePlan
from analytics.stats.moments import Marginal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analytics.catalog import Experiment, Metric
    from analytics.cells import Cell
    from analytics.fold import MetricColumns
    from analytics.results import Standing
    from analytics.stats.interval import Interval
    from analytics.stats.moments import Moments

N_STAR = 5_000
"""Where always-valid intervals are tightest when no size was planned, units of both arms."""

ByClass = dict[int, "Cell"]


@dataclass(frozen=True, slots=True)
class Part:
    """What a metric is for in this experiment."""

    role: str
    margin: float | None


@dataclass(frozen=True, slots=True)
class Observed:
    """An experiment's units: cells by variant and age class; of how many the past is known."""

    plan: Experiment
    cells: Mapping[str, ByClass]
    with_past: int

    def units(self, variant: str, least_class: int = 0) -> int:
        """Units of a variant from an age class on."""
        return sum(cell.n for age, cell in self._of(variant).items() if age >= least_class)

    def closed(self, variant: str, columns: MetricColumns) -> Moments:
        """The moments of the units whose window is over."""
        return moments_of(self.closed_cells(variant, columns), columns.names, columns.scales)

    def closed_cells(self, variant: str, columns: MetricColumns) -> list[Cell]:
        """The cells of those units."""
        return [c for age, c in self._of(variant).items() if age >= columns.closed_class]

    def _of(self, variant: str) -> ByClass:
        return self.cells.get(variant, {})


@dataclass(frozen=True, eq=False, slots=True)
class _Task:
    """One metric, one treatment, with the moments of both arms."""

    columns: MetricColumns
    treatment: str
    control_moments: Moments
    treatment_moments: Moments


def parts_of(plan: Experiment, metrics: Mapping[str, Metric], *, declared: bool) -> dict[str, Part]:
    """What each metric decides; without a definition, what the catalogue says it usually does."""
    if not declared:
        return {name: Part(metric.role, metric.margin) for name, metric in metrics.items()}
    parts = {name: Part("secondary", metric.margin) for name, metric in metrics.items()}
    roles = plan.metrics
    parts |= {name: Part("deterioration", None) for name in roles.deterioration}
    for guardrail in roles.guardrail:
        margin = guardrail.margin or metrics[guardrail.metric].margin
        parts[guardrail.metric] = Part("guardrail", margin)
    return parts | {name: Part("success", None) for name in roles.successes}


def sequence_plan(plan: Experiment) -> SequencePlan:
    """Always-valid intervals at the experiment's error rate, tightest at its planned size."""
    return SequencePlan(n_star=float(plan.planned.units or N_STAR), alpha=plan.alpha)


def compare_all(
    observed: Observed, columns: Sequence[MetricColumns], parts: Mapping[str, Part]
) -> tuple[Comparison, ...]:
    """Every metric for every treatment, in the order of the catalogue, treatments as planned."""
    plan = observed.plan
    tasks = [
        _Task(one, variant, observed.closed(plan.control, one), observed.closed(variant, one))
        for one in columns
        for variant in plan.treatments
    ]
    pairs = [
        Pair(
            task.columns.metric.kind,
            task.control_moments,
            task.treatment_moments,
            len(task.columns.covariate),
        )
        for task in tasks
    ]
    found = compare_pairs(pairs, plan=sequence_plan(plan))
    return tuple(
        _comparison(observed, task, parts[task.columns.metric.id], compared, place)
        for task, (compared, place) in zip(tasks, found, strict=True)
    )


def _comparison(
    observed: Observed, task: _Task, part: Part, compared: Compared, place: int
) -> Comparison:
    metric, plan = task.columns.metric, observed.plan
    reason = _why_not(observed, task, compared, place)
    left = finite(compared.variance_left[place])
    is_adjusted = bool(task.columns.covariate) and left is not None and left != 1

    def shown(interval: Interval) -> Estimate | None:
        return None if reason else estimate_of(interval, place)

    always, raw = shown(compared.always_valid), shown(compared.raw)
    margin = None if reason else _margin(compared, place, metric, part, sequence_plan(plan))
    return Comparison(
        metric=metric.id,
        title=metric.title,
        kind=metric.kind,
        role=part.role,
        direction=metric.direction,
        days=metric.days.label,
        unit=metric.unit,
        definition=metric.definition_hash,
        control=_arm(plan.control, compared.arms.control, place),
        treatment=_arm(task.treatment, compared.arms.treatment, place),
        reason=reason,
        raw=raw,
        relative=shown(compared.relative),
        adjusted=shown(compared.adjusted) if is_adjusted else None,
        adjusted_relative=shown(compared.adjusted_relative) if is_adjusted else None,
        variance_left=left if is_adjusted else None,
        always_valid=always,
        always_valid_relative=shown(compared.always_valid_relative),
        shares=_shares(compared, place),
        margin=margin,
        maturity=_maturity(observed, task),
        standing=_standing(metric, always, margin),
        sentence=_sentence(metric, plan.unit, always, raw, reason),
        waits=metric.days.waits,
    )


def _why_not(observed: Observed, task: _Task, compared: Compared, place: int) -> str:
    """Why there is no interval; '' where there is one."""
    plan, metric = observed.plan, task.columns.metric
    both = (plan.control, task.treatment)
    least = task.columns.closed_class
    unmet = [variant for variant in both if not observed.units(variant)]
    waiting = [variant for variant in both if not observed.units(variant, least)]
    enough = bool(compared.raw.enough[place])
    nothing_below = metric.kind == "ratio" and not np.isfinite(compared.raw.estimate[place])
    few = min(compared.arms.control.n[place], compared.arms.treatment.n[place]) < 2
    reasons = (
        (
            metric.entity == "user" and plan.unit != "user",
            f"is about users, and this experiment randomises by {plan.unit}",
        ),
        (unmet, f"nobody has met {' or '.join(unmet)}"),
        (waiting, f"{metric.days.label} are over for no unit of {' or '.join(waiting)}"),
        (
            metric.activity == "all" and not observed.with_past,
            "no unit of this experiment occurs among the users' days",
        ),
        (not enough and few, "one unit says nothing of how units differ"),
        (not enough and nothing_below, "there is nothing to divide by in one of the variants"),
        (not enough, "every unit has the same value"),
    )
    return next((reason for applies, reason in reasons if applies), "")


def estimate_of(interval: Interval, place: int) -> Estimate | None:
    """One comparison's numbers; None where there are not enough data."""
    if not np.isfinite(interval.p[place]):
        return None
    return Estimate(
        interval.method,
        finite(interval.estimate[place]),
        finite(interval.low[place]),
        finite(interval.high[place]),
        finite(interval.se[place]),
        finite(interval.p[place]),
        1 - interval.alpha,
    )


def _arm(variant: str, marginal: Marginal, place: int) -> Arm:
    n = int(marginal.n[place])
    return Arm(variant, n, finite(marginal.mean[place]) if n else None)


def _shares(compared: Compared, place: int) -> Shares | None:
    shares = compared.shares
    if shares is None:
        return None
    counts = [
        (int(side.x[place]), int(side.n[place])) for side in (shares.control, shares.treatment)
    ]
    return Shares(
        control=counts[0],
        treatment=counts[1],
        z_pooled=finite(shares.pooled.statistic[place]),
        p_pooled=finite(shares.pooled.p[place]),
        se_unpooled=finite(shares.unpooled.se[place]),
        ci95_unpooled=(finite(shares.unpooled.low[place]), finite(shares.unpooled.high[place])),
    )


def _margin(
    compared: Compared, place: int, metric: Metric, part: Part, plan: SequencePlan
) -> Margin | None:
    if part.role != "guardrail" or part.margin is None:
        return None
    arms = Arms(
        *(
            Marginal(arm.n[place], arm.mean[place], arm.m2[place])
            for arm in (compared.adjusted_arms.control, compared.adjusted_arms.treatment)
        )
    )
    tests = margin_tests(arms, part.margin, higher_is_better=metric.higher_is_better, plan=plan)
    within, p_breach = tests.within, finite(tests.breached.p)
    worst = within.interval.low if metric.higher_is_better else within.interval.high
    return Margin(
        margin=part.margin,
        bound=finite(worst),
        p=finite(within.p),
        p_breach=p_breach,
        alpha=plan.alpha,
        within=bool(within.non_inferior),
        breached=p_breach is not None and p_breach <= plan.alpha and bool(arms.control.mean > 0),
    )


def _maturity(observed: Observed, task: _Task) -> Maturity:
    both = (observed.plan.control, task.treatment)
    columns = task.columns
    settled_class = columns.settled_class
    units = sum(observed.units(variant) for variant in both)
    closed = sum(observed.units(variant, columns.closed_class) for variant in both)
    settled = 0
    if settled_class is not None:
        settled = sum(observed.units(variant, settled_class) for variant in both)
    share = closed / units if units else None
    return Maturity(units, closed, settled, share, provisional=settled < units)


def _standing(metric: Metric, always: Estimate | None, margin: Margin | None) -> Standing:
    """What the always-valid interval says; for a guardrail, what its margin does."""
    if always is None or always.low is None or always.high is None:
        return "not enough data"
    if margin is not None:
        if margin.within:
            return "within margin"
        return "beyond margin" if margin.breached else "margin undecided"
    if always.low <= 0 <= always.high:
        return "no clear difference"
    return "better" if (always.low > 0) == metric.higher_is_better else "worse"


def _sentence(
    metric: Metric, unit: str, always: Estimate | None, raw: Estimate | None, reason: str
) -> str:
    said = metric.words or Words(count=metric.title.lower(), of=unit)
    if always is not None and always.low is not None:
        return words.difference(said, always)
    if raw is not None and raw.low is not None:
        early = words.difference(said, raw)
        return f"{early}; too few units for a verdict that holds every night"
    return f"not enough data: {reason}" if reason else "not enough data"
