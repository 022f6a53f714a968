"""A report's own SQL, run on the file it was made from and held against what the report says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from analytics.compare import compare
from analytics.fold import plan_fold
from analytics.outcomes import sequence_plan
from analytics.stats.moments import Moments

if TYPE_CHECKING:
    from collections.abc import Iterator

    from duckdb import DuckDBPyConnection

    from analytics.catalog import Catalog, Metric
    from analytics.results import Comparison, ExperimentResult, Report

Row = dict[str, Any]
Asked = dict[str, list[Row]]
Held = tuple[str, Any, Any]
CLOSE = 1e-9
KINDS = (
    *("raw", "relative", "adjusted", "adjusted_relative"),
    *("always_valid", "always_valid_relative"),
)
ENDS = ("estimate", "low", "high", "se")
BALANCE = ("read", "accepted", "duplicate", "dead_lettered", "late", "unknown_enum", "balanced")


def columns_and_rows(con: DuckDBPyConnection, report: Report) -> dict[str, tuple[list[str], Asked]]:
    """By query its columns and its rows."""
    found: dict[str, Any] = {}
    for one in report.queries:
        con.execute(one.sql)
        names = [column[0] for column in con.description or ()]
        found[one.id] = names, [dict(zip(names, row, strict=True)) for row in con.fetchall()]
    return found


def held(report: Report, asked: Asked, catalog: Catalog) -> Iterator[Held]:
    """What is compared, what the SQL says, what the report says.

    asked: the rows of each query. Intervals: by how many standard errors they differ, as a bool.
    """
    yield from _data(report, asked)
    for result in report.experiments:
        ours = {
            name: [row for row in rows if row.get("experiment_id") == result.id]
            for name, rows in asked.items()
        }
        yield from _sizes(result, ours)
        yield from _judges(result, ours)
        yield from _segments(result, asked)
        for one in result.comparisons:
            yield from _arms(result, one, ours)
            yield from _maturity(result, one, ours, catalog.metrics[one.metric])
            yield from _intervals(result, one, ours, catalog)


def _data(report: Report, asked: Asked) -> Iterator[Held]:
    trust = report.trust
    told = [(one.topic, *(getattr(one, name) for name in BALANCE)) for one in trust.topics]
    yield "balance", [tuple(row.values()) for row in asked["balance"]], told
    letters = [(one.topic, one.error_class, one.n) for one in trust.dead_letters]
    yield "refused", [tuple(row.values()) for row in asked["refused"]], letters
    (waiting,), (progress,) = asked["waiting"], asked["progress"]
    yield "waiting", tuple(waiting.values()), (trust.generations, trust.orphans)
    known = (trust.watermark, trust.slowest_shard_behind_s)
    yield "progress", tuple(progress.values()), known
    yield "pairs", len(asked["agreement"]), len(report.agreement)
    for row, one in zip(asked["agreement"], report.agreement, strict=True):
        counts = tuple(row[name] for name in ("higher_agreed", "decided", "ties", "unscored"))
        yield "pairs", counts, (one.agreed, one.total, one.ties, one.unscored)


def _sizes(result: ExperimentResult, ours: Asked) -> Iterator[Held]:
    rows = [row for row in ours["units"] if row["unit_type"] == result.unit]
    units = {row["variant_id"]: row["units"] for row in rows}
    yield result.id, {name: units.get(name, 0) for name in result.units}, dict(result.units)
    yield result.id, sum(row["several"] for row in rows), result.multiple.n
    first = min((row["first_day"].isoformat() for row in rows), default=None)
    last = max((row["last_day"].isoformat() for row in rows), default=None)
    yield result.id, (first, last), (result.first_day, result.last_day)


def _judges(result: ExperimentResult, ours: Asked) -> Iterator[Held]:
    keys = ("judge_id", "dimension", "evaluator_epoch", "variant_id")
    by_key = {tuple(row[key] for key in keys): row for row in ours["judges"]}
    views = [view for verdict in result.verdicts for view in verdict.judges]
    for view, arm in [(one, arm) for one in views for arm in (one.control, one.treatment)]:
        what = f"{result.id} {view.judge} {view.epoch} {arm.variant}"
        key = (view.judge, view.dimension, view.epoch, arm.variant)
        row = by_key.get(key, {"units": 0, "scored": 0, "errors": 0, "mean": None})
        counts = (row["units"], row["scored"], row["errors"])
        yield what, counts, (arm.units, arm.scored, arm.errors)
        if arm.mean is not None:
            yield what, bool(np.isclose(row["mean"], arm.mean, rtol=CLOSE, atol=0)), True


def _segments(result: ExperimentResult, asked: Asked) -> Iterator[Held]:
    for one in result.segments:
        rows = asked[f"segments/{result.id}/{one.dimension}"]
        for arm in (one.control, one.arm):
            key = (result.unit, arm.variant, one.value)
            found = [
                (row["n"], row["value"])
                for row in rows
                if (row["unit_type"], row["variant_id"], row["segment"]) == key
            ]
            what = f"{result.id} {one.dimension} {one.value} {arm.variant}"
            yield what, found or [(0, None)], [(arm.n, arm.value)]


def _arms(result: ExperimentResult, one: Comparison, ours: Asked) -> Iterator[Held]:
    rows = _by_variant(result, ours[one.metric])
    for arm in (one.control, one.treatment):
        row = rows.get(arm.variant, {"n": 0, "value": None})
        what = f"{result.id} {one.metric} {arm.variant}"
        yield what, (row["n"], row["value"]), (arm.n, arm.value)


def _maturity(
    result: ExperimentResult, one: Comparison, ours: Asked, metric: Metric
) -> Iterator[Held]:
    if not metric.days.waits or metric.days.end is None:
        return
    rows = _by_variant(result, ours["units"])
    both = [rows[arm.variant] for arm in (one.control, one.treatment) if arm.variant in rows]
    names = [
        f"over_{age}_days" for age in (metric.days.end, metric.days.end + metric.lateness_days)
    ]
    counts = tuple(sum(row[name] for row in both) for name in names)
    yield f"{result.id} {one.metric}", counts, (one.maturity.closed, one.maturity.settled)


def _intervals(
    result: ExperimentResult, one: Comparison, ours: Asked, catalog: Catalog
) -> Iterator[Held]:
    """Every interval of a comparison, made again from the moments that its query gives."""
    if one.raw is None:
        return
    metric, plan = catalog.metrics[one.metric], catalog.experiments[result.id]
    covariates_n = len(plan_fold((metric,)).metrics[0].covariate)
    rows = _by_variant(result, ours[one.metric])
    arms = [
        _moments(rows[arm.variant], metric, covariates_n) for arm in (one.control, one.treatment)
    ]
    found = compare(metric.kind, *arms, plan=sequence_plan(plan), covariates_n=covariates_n)
    for kind in KINDS:
        told = getattr(one, kind)
        if told is None:
            continue
        mine = np.asarray([getattr(getattr(found, kind), end)[0] for end in ENDS], dtype=float)
        theirs = np.asarray([getattr(told, end) for end in ENDS], dtype=float)
        both = np.isfinite(mine) | np.isfinite(theirs)  # an end that is open is None in the report
        apart = np.abs(mine[both] - theirs[both]) / (told.se or 1.0)
        what = f"{result.id} {one.metric} {one.treatment.variant} {kind}: {mine}, {theirs}"
        yield what, bool(np.all(apart <= CLOSE)), True


def _by_variant(result: ExperimentResult, rows: list[Row]) -> dict[str, Row]:
    return {row["variant_id"]: row for row in rows if row["unit_type"] == result.unit}


def _moments(row: Row, metric: Metric, covariates_n: int) -> Moments:
    """The moments of one arm, from the row of its metric's query."""
    outcome = ["numerator", "denominator"] if metric.kind == "ratio" else ["value"]
    names = [*outcome, *(f"{name}_before" for name in outcome[:covariates_n])]
    mean = [row[name if name == "value" else f"{name}_mean"] for name in names]

    def spread(a: str, b: str) -> float:
        if a == b:
            return float(row[f"var_{a}"])
        return float(row[f"cov_{a}_{b}"] if f"cov_{a}_{b}" in row else row[f"cov_{b}_{a}"])

    m2 = np.asarray([[spread(a, b) for b in names] for a in names]) * (row["n"] - 1)
    return Moments(np.asarray([float(row["n"])]), np.asarray([mean]), m2[None])
