"""Means and variances for planning, from what the warehouse has seen of a control."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analytics.cells import Units, moments_of, read_cells
from analytics.fold import UNIT_DAYS, UNIT_TABLE, fold_units, plan_fold
from analytics.plan import Baseline
from analytics.read import check_warehouse, data_day, seen_experiments
from analytics.stats.cuped import cuped, cuped_ratio
from analytics.stats.ratios import ratio
from streams.errors import UntrustworthyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from duckdb import DuckDBPyConnection

    from analytics.catalog import Catalog, Metric
    from analytics.fold import MetricColumns
    from analytics.read import Seen
    from analytics.stats.moments import Moments

UNITS_MIN = 30
"""Fewer units say too little about a variance."""


@dataclass(frozen=True, slots=True)
class Known:
    """Baselines by metric id, and how many new units of that experiment came per day."""

    baselines: dict[str, Baseline]
    units_per_day: float


def read_baselines(
    con: DuckDBPyConnection,
    catalog: Catalog,
    metrics: Sequence[Metric],
    *,
    experiment: str | None,
    where: str,
) -> Known:
    """What the control of an experiment says; without one, that of the experiment with most units.

    Raises: UntrustworthyError where no experiment has units whose window is over, or fewer than
        UNITS_MIN of them, or all with one value.
    """
    check_warehouse(con, where)
    as_of = data_day(con)
    fold = plan_fold(metrics)
    if as_of is not None:
        fold_units(con, fold, as_of=as_of, source=UNIT_DAYS)
    seen = seen_experiments(con, UNIT_TABLE) if as_of is not None else ()
    chosen = _chosen(seen, experiment)
    if chosen is None:
        raise UntrustworthyError(
            f"nobody met a variant of {experiment or 'any experiment'} yet.",
            where=where,
            todo="Give --mean and --sd, or --rate, instead of --from-warehouse.",
        )
    ours = [one for one in seen if one.experiment_id == chosen.experiment_id]
    plan = catalog.experiments.get(chosen.experiment_id)
    named = plan.control if plan else chosen.variant_id
    units = Units(
        UNIT_TABLE,
        "experiment_id = $experiment AND unit_type = $unit AND variant_id = $variant"
        " AND NOT is_multiple",
        {"experiment": chosen.experiment_id, "unit": chosen.unit_type, "variant": named},
    )
    vectors = [columns.names for columns in fold.metrics]
    cells = read_cells(con, units, group=("age_class",), vectors=vectors)
    source = f"{named} of {chosen.experiment_id}, as of {as_of}"
    found = {}
    for columns in fold.metrics:
        closed = [cell for (age,), cell in cells.items() if age >= columns.closed_class]
        moments = moments_of(closed, columns.names, columns.scales)
        found[columns.metric.id] = _baseline(columns, moments, source, where)
    days = (max(o.last_day for o in ours) - min(o.first_day for o in ours)).days + 1
    return Known(found, sum(one.units for one in ours) / days)


def _chosen(seen: Sequence[Seen], experiment: str | None) -> Seen | None:
    """The largest variant of the experiment asked for; of all where it has no units."""
    ours = [one for one in seen if one.experiment_id == experiment] or list(seen)
    return max(ours, key=lambda one: one.units, default=None)


def _baseline(columns: MetricColumns, moments: Moments, source: str, where: str) -> Baseline:
    metric, n = columns.metric, int(moments.n)
    adjust = cuped_ratio if metric.kind == "ratio" else cuped
    if n >= UNITS_MIN:
        arm = ratio(moments) if metric.kind == "ratio" else moments.at(0)
        mean, variance = float(arm.mean), float(arm.var)
        left = float(adjust(moments).variance_left) if columns.covariate else 1.0
        if np.isfinite(variance) and variance > 0 and mean != 0:
            higher = metric.higher_is_better
            return Baseline(
                metric.key, metric.kind, mean, variance, higher, min(left, 1.0), n, source
            )
    raise UntrustworthyError(
        f"{metric.key} cannot be planned from {n:,} units of {source}"
        f" whose {metric.days.label} are over (at least {UNITS_MIN}, not all alike, mean not 0).",
        where=where,
        todo="Wait, or give --mean and --sd, or --rate.",
    )
