"""The primary metric inside segments: a look around, never a verdict.

A unit's segment is fixed before its outcome: the surface of its first exposure, or how much the
user had listened in the two weeks before.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from analytics.cells import Units, read_cells
from analytics.fold import UNIT_DAYS, UNIT_TABLE
from analytics.outcomes import Observed, Part, compare_all
from analytics.results import Segment
from analytics.stats.multiplicity import adjusted_p

if TYPE_CHECKING:
    from collections.abc import Mapping

    from duckdb import DuckDBPyConnection

    from analytics.catalog import Experiment
    from analytics.fold import MetricColumns
    from analytics.outcomes import ByClass

SEGMENTS_MAX = 12
"""Values of one dimension that are looked at, the largest first."""
VALUES: Mapping[str, str] = {
    "surface": """
        SELECT experiment_id, unit_type, unit_id,
            coalesce(min_by(surface, (event_time_us, surface)), 'unknown') AS value
        FROM exposure WHERE experiment_id = $experiment GROUP BY ALL""",
    "past_listening": """
        SELECT u.experiment_id, u.unit_type, u.unit_id,
            CASE WHEN coalesce(sum(d.starts_n), 0) = 0 THEN 'none'
                WHEN sum(d.starts_n) < 10 THEN '1 to 9 plays' ELSE '10 plays or more' END AS value
        FROM {units} u LEFT JOIN {days} d ON d.experiment_id = '' AND d.unit_type = u.unit_type
            AND d.unit_id = u.unit_id AND d.day < u.first_day AND d.day >= u.first_day - 14
        WHERE u.experiment_id = $experiment GROUP BY ALL""",
}
"""What says in which segment a unit is; known before the outcome. units, days: where to look."""


def read_segments(
    con: DuckDBPyConnection, observed: Observed, columns: MetricColumns
) -> tuple[Segment, ...]:
    """The metric per segment and treatment, p adjusted over all of them by Holm."""
    found: list[Segment] = []
    for dimension in observed.plan.segments:
        cells = _cells(con, observed.plan, dimension, columns)
        sizes = {value: _size(variants) for value, variants in cells.items()}
        largest = sorted(sizes, key=lambda value: (-sizes[value], value))[:SEGMENTS_MAX]
        for value in largest:
            inside = Observed(observed.plan, cells[value], observed.with_past)
            part = {columns.metric.id: Part("exploratory", None)}
            found += [
                Segment(
                    dimension,
                    value,
                    one.treatment.variant,
                    one.control,
                    one.treatment,
                    one.raw,
                    None,
                )
                for one in compare_all(inside, (columns,), part)
            ]
    return _adjusted(found)


def _cells(
    con: DuckDBPyConnection, plan: Experiment, dimension: str, columns: MetricColumns
) -> dict[str, dict[str, ByClass]]:
    """By value, variant and age class."""
    values = VALUES[dimension].format(units=UNIT_TABLE, days=UNIT_DAYS)
    units = Units(
        f"(SELECT * FROM {UNIT_TABLE} JOIN ({values}) USING (experiment_id, unit_type, unit_id))",
        "experiment_id = $experiment AND unit_type = $unit AND NOT is_multiple",
        {"experiment": plan.id, "unit": plan.unit},
    )
    group = ("value", "variant_id", "age_class")
    cells: dict[str, dict[str, ByClass]] = {}
    for key, cell in read_cells(con, units, group=group, vectors=[columns.names]).items():
        value, variant, age = key
        cells.setdefault(value, {}).setdefault(variant, {})[age] = cell
    return cells


def _size(variants: dict[str, ByClass]) -> int:
    return sum(cell.n for by_class in variants.values() for cell in by_class.values())


def _adjusted(found: list[Segment]) -> tuple[Segment, ...]:
    p = [one.raw.p if one.raw and one.raw.p is not None else np.nan for one in found]
    if not p:
        return ()
    holm = adjusted_p(p, "holm")
    return tuple(
        dataclasses.replace(one, p_adjusted=float(value) if np.isfinite(value) else None)
        for one, value in zip(found, holm, strict=True)
    )
