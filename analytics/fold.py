"""Days to units: one row per unit of randomisation, one integer column per value a metric needs.

Second moments of a unit's running total do not add up over days, so days are folded first. Every
column stays an integer (divisors are applied to the moments), which makes all later sums exact
and independent of threads and row order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from analytics.catalog.expression import Expression
from streams.events.measures import EXPOSURE_NAMES, MEASURE_NAMES

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Sequence

    from duckdb import DuckDBPyConnection

    from analytics.catalog import Metric

UNIT_TABLE = "folded_unit"
UNIT_DAYS = "unit_day_sum"
"""The rows under the view `unit_day`, some per key: sums of sums are sums, and the view would add
them up by key first, with every column: eight times the work, measured on 3 million rows. What
tests a day's sum is the exception: see `_rows`."""
STARTS = Expression(((1, "starts_n"),))
_OF_USER = """d.unit_id = met.unit_id AND d.unit_type = met.unit_type
        AND met.unit_type = 'user' AND d.experiment_id = ''"""
_IS_THERE = " OR ".join(f"sum(d.{name}) <> 0" for name in MEASURE_NAMES)
"""Of a day's parts: whether `unit_day` has the day; one whose every sum is 0 is as if never."""
_ACTIVITY = {"exposed": "exposed", "whole": "all"}
_COMPARISON = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<=", "eq": "="}


@dataclass(frozen=True, slots=True)
class Span:
    """An expression summed over days since the first exposure, [start, end); end None: all.

    Negative days lie before the first exposure and always mean all that the user did.
    """

    expression: Expression
    activity: str
    start: int
    end: int | None

    @property
    def day_filter(self) -> str:
        """The days as a SQL condition on `age`, days since the first exposure."""
        after = f"age >= {self.start}"
        return after if self.end is None else f"{after} AND age < {self.end}"


@dataclass(frozen=True, slots=True)
class MetricColumns:
    """Where a metric's values stand in the folded table.

    outcome: one column, or numerator and denominator. covariate: what the same sums were before
    the first exposure; empty without variance reduction. scales: what each column is divided by,
    outcome first. closed_class, settled_class: least age class in which a unit's window is over,
    and in which late events are no longer expected; None for never.
    """

    metric: Metric
    outcome: tuple[str, ...]
    covariate: tuple[str, ...]
    scales: tuple[float, ...]
    closed_class: int
    settled_class: int | None

    @property
    def names(self) -> tuple[str, ...]:
        """Outcome and covariate columns."""
        return (*self.outcome, *self.covariate)


@dataclass(frozen=True, slots=True)
class FoldPlan:
    """Which sums to take (spans), how columns come from them (values), which ages matter (bounds).

    bounds: ages in days, ascending; a unit's age class is the number of bounds that it has reached.
    """

    spans: tuple[Span, ...]
    values: dict[str, str]
    metrics: tuple[MetricColumns, ...]
    bounds: tuple[int, ...]


def plan_fold(metrics: Iterable[Metric]) -> FoldPlan:
    """What must be summed for these metrics, each sum once."""
    metrics = tuple(metrics)
    bounds = tuple(sorted({age for metric in metrics for age in _ages(metric)}))
    spans: dict[Span, str] = {}
    values: dict[str, str] = {}
    columns = []
    for metric in metrics:
        outcome = [_column(metric, span, spans, values) for span in _outcome(metric)]
        covariate = [_column(metric, span, spans, values) for span in _covariate(metric)]
        days = metric.days
        ages = _ages(metric)
        columns.append(
            MetricColumns(
                metric,
                tuple(outcome),
                tuple(covariate),
                tuple(_scale(metric, span) for span in (*_outcome(metric), *_covariate(metric))),
                closed_class=bounds.index(ages[0]) + 1 if days.waits else 0,
                settled_class=bounds.index(ages[1]) + 1 if ages else None,
            )
        )
    return FoldPlan(tuple(spans), values, tuple(columns), bounds)


def fold_units(con: DuckDBPyConnection, plan: FoldPlan, *, as_of: dt.date, source: str) -> None:
    """Make the temporary table `folded_unit` from `unit_day`.

    Columns: experiment_id, unit_type, unit_id, variant_id, is_multiple (met several variants),
    first_day, age (whole days since then that are over), age_class, and the plan's values.
    Days after `as_of` do not count; `as_of` itself is not over. source: `unit_day`, or any rows
    that add up to it.
    """
    con.execute(_fold_sql(plan, source), {"as_of": as_of})


def _fold_sql(plan: FoldPlan, source: str) -> str:
    names = {span: f"s{index}" for index, span in enumerate(plan.spans)}
    parts = {
        "exposed": f"FROM {source} d JOIN met USING (experiment_id, unit_type, unit_id)",
        "whole": f"FROM met JOIN {source} d ON {_OF_USER}",
    }
    folded = {}
    for part, joined in parts.items():
        ours = [span for span in plan.spans if span.activity == _ACTIVITY[part]]
        tested = [span for span in ours if span.expression.test]
        folded[part] = _rows([span for span in ours if span not in tested], names, joined)
        if tested:
            folded[f"{part}_day"] = _rows(tested, names, joined)
    tables = "".join(f", {part} AS ({sql})" for part, sql in folded.items())
    joins = "".join(f" LEFT JOIN {part} USING (unit_no)" for part in folded)
    values = "".join(f",\n    {sql} AS {name}" for name, sql in plan.values.items())
    age_class = " + ".join(f"(age >= {bound})::INTEGER" for bound in plan.bounds) or "0"
    sums = "".join(f", coalesce({name}, 0) AS {name}" for name in names.values())
    return f"""
CREATE OR REPLACE TEMP TABLE {UNIT_TABLE} AS
WITH met AS (
    SELECT row_number() OVER () AS unit_no, * FROM (
        SELECT experiment_id, unit_type, unit_id, min(variant_id) AS variant_id,
            min(variant_id) <> max(variant_id) AS is_multiple, min(day) AS first_day
        FROM (
            SELECT experiment_id, unit_type, unit_id, variant_id, day FROM {source}
            WHERE experiment_id <> '' AND day <= $as_of
            GROUP BY ALL HAVING sum(exposures_n) > 0)
        GROUP BY ALL)
){tables}
SELECT experiment_id, unit_type, unit_id, variant_id, is_multiple, has_past, first_day, age,
    {age_class} AS age_class{values}
FROM (SELECT met.*, whole.unit_no IS NOT NULL AS has_past,
        date_diff('day', first_day, $as_of::DATE) AS age{sums}
    FROM met{joins})
ORDER BY experiment_id
"""


def _rows(spans: Sequence[Span], names: dict[Span, str], joined: str) -> str:
    """The spans' sums per unit; where they test what a day's sum is, its parts are added up first.

    A sum of parts of a day is the day's sum, but a test of parts counts one day several times. A
    test that 0 passes must also leave out the days that late events have emptied.
    """
    age = "date_diff('day', met.first_day, d.day) AS age"
    rows = f"SELECT d.*, met.unit_no, {age} {joined} WHERE d.day <= $as_of"
    if any(span.expression.test for span in spans):
        columns = dict.fromkeys(name for span in spans for _, name in span.expression.terms)
        sums = ", ".join(f"sum(d.{name})::BIGINT AS {name}" for name in columns)
        rows = f"""SELECT met.unit_no, {age}, {sums} {joined}
        WHERE d.day <= $as_of GROUP BY met.unit_no, d.variant_id, age"""
        if any(span.expression.counts_nothing for span in spans):
            rows += f" HAVING {_IS_THERE}"
    return f"""
    SELECT unit_no{_sums(spans, names)}
    FROM ({rows})
    GROUP BY unit_no
"""


def _sums(spans: Sequence[Span], names: dict[Span, str]) -> str:
    return "".join(
        f",\n        sum({span.expression.sql()}) FILTER ({span.day_filter}) AS {names[span]}"
        for span in spans
    )


def _ages(metric: Metric) -> tuple[int, ...]:
    """The ages at which a unit's window is over, and settled; none for an open window."""
    end = metric.days.end
    return () if end is None else (end, end + metric.lateness_days)


def _outcome(metric: Metric) -> tuple[Span, ...]:
    parts = (metric.numerator, metric.denominator)
    days = metric.days
    return tuple(Span(part, metric.activity, days.start, days.end) for part in parts if part)


def _covariate(metric: Metric) -> tuple[Span, ...]:
    """The same sums before the first exposure, over all that the user did.

    Nothing was exposed then: a rate per exposure is held against the rate per start.
    """
    if not metric.covariate_days or _only_exposures(metric.numerator):
        return ()
    parts = [metric.numerator]
    if metric.denominator:
        by_exposure = _only_exposures(metric.denominator)
        parts.append(STARTS if by_exposure else metric.denominator)
    return tuple(Span(part, "all", -metric.covariate_days, 0) for part in parts)


def _only_exposures(expression: Expression) -> bool:
    return all(column in EXPOSURE_NAMES for _, column in expression.terms)


def _column(metric: Metric, span: Span, spans: dict[Span, str], values: dict[str, str]) -> str:
    """The column of a span with the metric's cap or threshold applied, made once."""
    name = spans.setdefault(span, f"s{len(spans)}")
    scale = span.expression.scale
    sql = name
    if metric.threshold:
        symbol = _COMPARISON[metric.threshold.direction]
        sql = f"({name} {symbol} {metric.threshold.value * scale:.17g})"
    elif metric.cap:
        if metric.cap.min is not None:
            sql = f"greatest({sql}, {round(metric.cap.min * scale)})"
        if metric.cap.max is not None:
            sql = f"least({sql}, {round(metric.cap.max * scale)})"
    sql = f"{sql}::BIGINT"
    for known, known_sql in values.items():
        if known_sql == sql:
            return known
    column = f"v{len(values)}"
    values[column] = sql
    return column


def _scale(metric: Metric, span: Span) -> float:
    return 1.0 if metric.threshold else span.expression.scale
