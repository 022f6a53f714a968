"""A report's own SQL, run on the file it was made from and held against what the report says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from analytics.compare import compare, margin_tests
from analytics.experiments import ALPHA
from analytics.fold import plan_fold
from analytics.outcomes import sequence_plan
from analytics.stats.means import mean_interval, welch_interval
from analytics.stats.moments import Marginal, Moments
from analytics.stats.ratios import ratio
from analytics.stats.srm import sequential_srm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from duckdb import DuckDBPyConnection

    from analytics.catalog import Catalog, Experiment, Metric
    from analytics.compare import Compared
    from analytics.results import Comparison, ExperimentResult, JudgeArm, JudgeView, Report

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
        yield from _looks(result, ours["first-days"])
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


def _looks(result: ExperimentResult, rows: list[Row]) -> Iterator[Held]:
    """The sequential test of the sizes, from the units of each first day added up."""
    told = result.sample_ratio
    if told is None:
        return
    ours = [row for row in rows if row["unit_type"] == result.unit]
    days = sorted({row["first_day"] for row in ours if row["variant_id"] in told.expected})
    looks = [
        [
            sum(r["units"] for r in ours if r["variant_id"] == name and r["first_day"] <= day)
            for name in told.expected
        ]
        for day in days
    ]
    shares = list(told.expected.values())
    p = float(sequential_srm(looks, shares, alpha=told.threshold).p[-1])
    yield f"{result.id} looks", _is_near(p, told.p_every_look), True


def _judges(result: ExperimentResult, ours: Asked) -> Iterator[Held]:
    keys = ("judge_id", "dimension", "evaluator_epoch", "variant_id")
    by_key = {tuple(row[key] for key in keys): row for row in ours["judges"]}
    views = [view for verdict in result.verdicts for view in verdict.judges]
    for view in views:
        yield from _prefers(result, view, by_key)
    for view, arm in [(one, arm) for one in views for arm in (one.control, one.treatment)]:
        what = f"{result.id} {view.judge} {view.epoch} {arm.variant}"
        key = (view.judge, view.dimension, view.epoch, arm.variant)
        row = by_key.get(key, {"units": 0, "scored": 0, "errors": 0, "mean": None})
        counts = (row["units"], row["scored"], row["errors"])
        yield what, counts, (arm.units, arm.scored, arm.errors)
        if arm.mean is not None:
            yield what, _is_near(row["mean"], arm.mean), True
            interval = mean_interval(_marginal(row), alpha=ALPHA)
            ends = _is_near(interval.low, arm.low) and _is_near(interval.high, arm.high)
            yield f"{what} ends", ends, True


def _prefers(
    result: ExperimentResult, view: JudgeView, by_key: dict[tuple[str, ...], Row]
) -> Iterator[Held]:
    """A judge's difference of two variants, from the moments that its query gives."""
    if view.difference is None:
        return

    def marginal(arm: JudgeArm) -> Marginal:
        return _marginal(by_key[view.judge, view.dimension, view.epoch, arm.variant])

    mine = welch_interval(marginal(view.control), marginal(view.treatment), alpha=ALPHA)
    told = view.difference
    for end in (*ENDS, "p"):
        what = f"{result.id} {view.judge} {view.epoch} {end}"
        yield what, _is_near(getattr(mine, end), getattr(told, end)), True


def _marginal(row: Row) -> Marginal:
    """A judge's weighted mean over units, from its row."""
    both = row["cov_score_weight"]
    m2 = np.asarray([[row["var_score"], both], [both, row["var_weight"]]]) * (row["units"] - 1)
    mean = np.asarray([row["score_mean"], row["weight_mean"]])
    return ratio(Moments(np.asarray(float(row["units"])), mean, m2))


def _is_near(mine: Any, told: float | None) -> bool:
    """Equal but for rounding, also that of a small difference of larger numbers."""
    return told is not None and bool(np.isclose(float(mine), told, rtol=1e-7, atol=CLOSE))


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
    if metric.days.end is None:
        return
    rows = _by_variant(result, ours["units"])
    both = [rows[arm.variant] for arm in (one.control, one.treatment) if arm.variant in rows]
    names = [
        f"over_{age}_days" for age in (metric.days.end, metric.days.end + metric.lateness_days)
    ]
    closed, settled = (sum(row[name] for row in both) for name in names)
    counts = (closed if one.waits else sum(row["units"] for row in both), settled)
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
    yield from _margin(f"{result.id} {one.metric}", one, found, plan)


def _margin(what: str, one: Comparison, found: Compared, plan: Experiment) -> Iterator[Held]:
    """A guardrail's margin, made again from the adjusted arms."""
    if one.margin is None:
        return
    is_up = one.direction == "increase"
    tests = margin_tests(
        found.adjusted_arms, one.margin.margin, higher_is_better=is_up, plan=sequence_plan(plan)
    )
    worst = tests.within.interval.low if is_up else tests.within.interval.high
    told = (one.margin.bound, one.margin.p, one.margin.p_breach)
    for mine, theirs in zip((worst, tests.within.p, tests.breached.p), told, strict=True):
        is_same = not np.isfinite(mine[0]) if theirs is None else _is_near(mine[0], theirs)
        yield f"{what} margin: {mine}, {theirs}", is_same, True


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
