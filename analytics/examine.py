"""The health checks of one experiment, from the cells that its comparisons use."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analytics.catalog.metric import Days
from analytics.cells import moments_of
from analytics.fold import plan_fold
from analytics.health import covariate_imbalance, missing_days, novelty, pre_period_bias
from analytics.trajectory import DECIDING

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping, Sequence

    from analytics.catalog import Experiment, Metric
    from analytics.fold import FoldPlan, MetricColumns
    from analytics.outcomes import Observed, Part
    from analytics.results import Health
    from analytics.stats.moments import Moments

EARLY_SHARE = 3
"""The first third of a window is its early part, the rest the late one."""


@dataclass(frozen=True, slots=True)
class Halves:
    """Where a metric's early and late values stand in the folded table; how many days each has."""

    early: MetricColumns
    late: MetricColumns
    days: tuple[int, int]

    @property
    def names(self) -> tuple[str, ...]:
        """Early outcome columns, then late ones."""
        return (*self.early.outcome, *self.late.outcome)


def plan_night(
    metrics: Mapping[str, Metric], experiments: Iterable[Experiment]
) -> tuple[FoldPlan, dict[str, Halves]]:
    """The fold of all metrics, and of the parts of those that are some experiment's primary."""
    primaries = dict.fromkeys(name for one in experiments for name in one.metrics.successes[:1])
    split = {name: _split(metrics[name]) for name in primaries if _has_parts(metrics[name])}
    parts = [part for both in split.values() for part in both]
    fold = plan_fold([*metrics.values(), *parts])
    by_id = {one.metric.id: one for one in fold.metrics}
    halves = {}
    for name, (early, late) in split.items():
        days = tuple((part.days.end or 0) - part.days.start for part in (early, late))
        halves[name] = Halves(by_id[early.id], by_id[late.id], (days[0], days[1]))
    kept = tuple(one for one in fold.metrics if one.metric.id in metrics)
    return dataclasses.replace(fold, metrics=kept), halves


def experiment_health(
    observed: Observed,
    columns: Sequence[MetricColumns],
    parts: Mapping[str, Part],
    halves: Mapping[str, Halves],
    new_units: Mapping[dt.date, int],
) -> tuple[Health, ...]:
    """Every check of every treatment; the primary metric's past, all deciding metrics' pasts."""
    plan = observed.plan
    primary = next(iter(plan.metrics.successes), "")
    deciding = [one for one in columns if parts[one.metric.id].role in DECIDING and one.covariate]
    found = [missing_days(new_units)]
    for treatment in plan.treatments:
        arms = {
            one.metric.id: (observed.closed(plan.control, one), observed.closed(treatment, one))
            for one in deciding
        }
        for one in deciding:
            if one.metric.id == primary:
                kind, name = one.metric.kind, f"'{one.metric.title}'"
                control, treated = arms[primary]
                found.append(
                    pre_period_bias(control, treated, kind=kind, name=name, variant=treatment)
                )
        pairs = {one.metric.title: (*arms[one.metric.id], one.metric.kind) for one in deciding}
        if pairs:
            found.append(covariate_imbalance(pairs, variant=treatment))
        if primary in halves:
            column = next(one for one in columns if one.metric.id == primary)
            found.append(_novelty(observed, column, halves[primary], treatment))
    return tuple(found)


def _novelty(observed: Observed, column: MetricColumns, halves: Halves, treatment: str) -> Health:
    """Over the units whose whole window is over."""
    both = (observed.plan.control, treatment)
    scales = (*halves.early.scales, *halves.late.scales)

    def moments(variant: str, names: tuple[str, ...], scale: tuple[float, ...]) -> Moments:
        return moments_of(observed.closed_cells(variant, column), names, scale)

    def pair(names: tuple[str, ...], scale: tuple[float, ...]) -> tuple[Moments, Moments]:
        return moments(both[0], names, scale), moments(both[1], names, scale)

    return novelty(
        pair(halves.early.outcome, halves.early.scales),
        pair(halves.late.outcome, halves.late.scales),
        pair(halves.names, scales),
        kind=column.metric.kind,
        days=halves.days,
        variant=treatment,
    )


def _has_parts(metric: Metric) -> bool:
    """A sum over two closed days or more, which adds up over its parts."""
    days = metric.days
    plain = metric.threshold is None and metric.cap is None
    return plain and days.waits and days.end is not None and days.end - days.start >= 2


def _split(metric: Metric) -> tuple[Metric, Metric]:
    """The same metric over its first days and over the rest, without covariates."""
    start, end = metric.days.start, metric.days.end
    assert end is not None, "it has parts"
    middle = start + max(1, (end - start) // EARLY_SHARE)
    early = dataclasses.replace(
        metric, id=f"{metric.id}#early", days=Days(start, middle, waits=True), covariate_days=0
    )
    late = dataclasses.replace(early, id=f"{metric.id}#late", days=Days(middle, end, waits=True))
    return early, late
