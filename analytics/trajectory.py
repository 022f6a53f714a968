"""What each earlier night would have said, from tonight's warehouse: why a verdict stays.

A unit whose window is over does not change any more, so the units that counted on a night are those
old enough by then. One scan by age gives the moments of every night, and the rule is asked night
for night: the first night that decided, decided. Open windows are not in here: what a unit had so
far on an earlier night is not kept.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analytics.cells import Units, read_cells
from analytics.compare import compare, margin_tests
from analytics.decide import Evidence, settle
from analytics.fold import UNIT_TABLE
from analytics.outcomes import sequence_plan
from analytics.stats.moments import Moments

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from duckdb import DuckDBPyConnection

    from analytics.catalog import Experiment, Metric
    from analytics.cells import Cell
    from analytics.compare import Compared
    from analytics.decide import Settled
    from analytics.fold import MetricColumns
    from analytics.outcomes import Part
    from analytics.results import Comparison, Standing
    from analytics.stats.checks import BoolArray, FloatArray

DECIDING = frozenset({"success", "guardrail", "deterioration"})


@dataclass(frozen=True, eq=False, slots=True)
class Aged:
    """Cells of one variant by age in days, as sums over all units of an age or older."""

    n: FloatArray
    sums: FloatArray
    products: FloatArray
    shift: FloatArray

    @classmethod
    def of(cls, cells: Mapping[int, Cell], names: Sequence[str], oldest: int) -> Aged:
        """From the cells of each age; ages without units hold zeros."""
        n = np.zeros(oldest + 2)
        sums = np.zeros((oldest + 2, len(names)))
        products = np.zeros((oldest + 2, len(names), len(names)))
        shift = np.zeros(len(names))
        for age, cell in cells.items():
            n[age] = cell.n
            shift = np.asarray([float(cell.shift[name]) for name in names])
            sums[age] = [float(cell.sums[name]) for name in names]
            products[age] = [
                [float(cell.products[min(a, b), max(a, b)]) for b in names] for a in names
            ]
        return cls(_older(n), _older(sums), _older(products), shift)

    def closed(self, ages: FloatArray, scales: Sequence[float]) -> Moments:
        """Moments of the units of at least each of these ages, one cell an age."""
        at = np.minimum(ages, len(self.n) - 1).astype(int)
        n, sums = self.n[at], self.sums[at]
        safe = np.maximum(n, 1.0)[:, None]
        scale = np.asarray(scales, dtype=np.float64)
        mean = np.where(n[:, None] > 0, (self.shift + sums / safe) / scale, 0.0)
        apart = self.products[at] - sums[:, :, None] * sums[:, None, :] / safe[:, :, None]
        return Moments(n, mean, apart / np.outer(scale, scale))


def _older(by_age: FloatArray) -> FloatArray:
    """Sums over all ages from each on."""
    return np.flip(np.cumsum(np.flip(by_age, 0), axis=0), 0)


def settled_verdicts(  # noqa: PLR0913 - one experiment's night
    con: DuckDBPyConnection,
    plan: Experiment,
    columns: Sequence[MetricColumns],
    parts: Mapping[str, Part],
    comparisons: Sequence[Comparison],
    *,
    as_of: dt.date,
) -> dict[str, Settled]:
    """By treatment, what an earlier night decided; nothing where a binding window is open."""
    deciding = [one for one in columns if parts[one.metric.id].role in DECIDING]
    binding = [one for one in deciding if parts[one.metric.id].role != "deterioration"]
    closed = [one for one in deciding if one.metric.days.waits]
    if not binding or not all(one.metric.days.waits for one in binding):
        return {}
    cells = _cells(con, plan, closed)
    oldest = max((age for by_age in cells.values() for age in by_age), default=0)
    ago = np.arange(float(oldest), 0, -1)
    if not len(ago):
        return {}
    dates = [as_of - dt.timedelta(days=int(days)) for days in ago]
    why = {(one.metric, one.treatment.variant): one.reason for one in comparisons}
    found = {}
    for treatment in plan.treatments:
        by_metric = []
        for one in closed:
            name = one.metric.id
            asked = (treatment, ago, oldest, why[name, treatment])
            by_metric.append(_evidence(plan, one, parts[name], cells, *asked))
        nights = [list(night) for night in zip(*by_metric, strict=True)]
        decided = settle(plan, list(zip(dates, nights, strict=True)))
        if decided is not None:
            found[treatment] = decided
    return found


def _cells(
    con: DuckDBPyConnection, plan: Experiment, columns: Sequence[MetricColumns]
) -> dict[str, dict[int, Cell]]:
    """By variant and age in days."""
    units = Units(
        UNIT_TABLE,
        "experiment_id = $experiment AND unit_type = $unit AND NOT is_multiple",
        {"experiment": plan.id, "unit": plan.unit},
    )
    found: dict[str, dict[int, Cell]] = {}
    vectors = [one.names for one in columns]
    for (variant, age), cell in read_cells(
        con, units, group=("variant_id", "age"), vectors=vectors
    ).items():
        found.setdefault(variant, {})[age] = cell
    return found


def _evidence(  # noqa: PLR0913, PLR0917 - one metric of one treatment over all nights
    plan: Experiment,
    columns: MetricColumns,
    part: Part,
    cells: Mapping[str, Mapping[int, Cell]],
    treatment: str,
    ago: FloatArray,
    oldest: int,
    why_not: str,
) -> list[Evidence]:
    """One metric's evidence on every night, the oldest first."""
    metric = columns.metric
    assert metric.days.end is not None, "a closed window ends"
    ages = ago + metric.days.end
    control, treated = (
        Aged.of(cells.get(name, {}), columns.names, oldest).closed(ages, columns.scales)
        for name in (plan.control, treatment)
    )
    covariates_n = len(columns.covariate)
    found = compare(
        metric.kind, control, treated, plan=sequence_plan(plan), covariates_n=covariates_n
    )
    good = (found.always_valid.estimate > 0) == metric.higher_is_better
    margin = part.margin if part.role == "guardrail" else None
    standings = _standings(found, good) if margin is None else _against(found, margin, metric, plan)
    p = np.nan_to_num(found.always_valid.p, nan=1.0)
    return [
        Evidence(
            metric.title,
            part.role,
            "not enough data" if why_not else standing,
            float(value),
            bool(is_good),
            why_not,
            margin,
        )
        for standing, value, is_good in zip(standings, p, good, strict=True)
    ]


def _against(found: Compared, margin: float, metric: Metric, plan: Experiment) -> list[Standing]:
    """How a guardrail stands on every night, as tonight's report says it."""
    arms = found.adjusted_arms
    tests = margin_tests(
        arms, margin, higher_is_better=metric.higher_is_better, plan=sequence_plan(plan)
    )
    breached = np.nan_to_num(tests.breached.p, nan=1.0) <= plan.alpha
    breached &= arms.control.mean > 0
    seen = zip(found.always_valid.enough, tests.within.non_inferior, breached, strict=True)
    return [_within(ok=ok, bad=bad) if enough else "not enough data" for enough, ok, bad in seen]


def _standings(found: Compared, good: BoolArray) -> list[Standing]:
    told: list[Standing] = []
    always = found.always_valid
    for clear, known, is_good in zip(always.excludes, always.enough, good, strict=True):
        if not known:
            told.append("not enough data")
        elif not clear:
            told.append("no clear difference")
        else:
            told.append("better" if is_good else "worse")
    return told


def _within(*, ok: bool, bad: bool) -> Standing:
    if ok:
        return "within margin"
    return "beyond margin" if bad else "margin undecided"
