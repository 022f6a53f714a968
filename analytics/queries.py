"""The SQL behind a report's numbers: what to paste into `listenback query` to get each one.

Counts, means and shares come out as the report has them. An interval does not come out of SQL: a
query gives the means and (co)variances per variant that go into it, and names the functions that
turn them into it. The texts hold no parameters, and nothing that a shell reads inside "...".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from analytics.agreement import PAIRS
from analytics.fold import plan_fold
from analytics.read import DEAD_LETTERS, GENERATIONS, PROGRESS, TOPICS
from analytics.scores import SCORED_UNITS_MIN
from analytics.segments import SEGMENTS_MAX, VALUES

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Container, Iterable, Iterator, Mapping

    from analytics.catalog import Catalog, Experiment, Metric
from analytics.fold import MetricColumns, Span

SUMMED: Final = re.compile(r"\bs(\d+)\b")
"""A fold's name for a span's sum."""
ONE_VARIANT: Final = "HAVING min(variant_id) = max(variant_id)"
JUDGED: Final = ("units", "scored", "errors", "mean")
BOTH_ARMS: Final = "summed over the control and the treatment"
RAW: Final[Mapping[str, tuple[str, ...]]] = {
    "mean": ("means.welch_interval",),
    "proportion": ("proportions.mee_interval",),
    "ratio": ("ratios.ratio", "means.welch_interval"),
}
"""By the kind of a metric: what turns moments into its single-look interval, in analytics.stats."""
SHARES: Final = ("proportions.pooled_z_test", "proportions.unpooled_interval")
ADJUSTED: Final[Mapping[str, tuple[str, ...]]] = {
    "mean": ("cuped.cuped",),
    "proportion": ("cuped.cuped", "means.welch_interval"),
    "ratio": ("cuped.cuped_ratio",),
}
"""What makes the numbers after CUPED, beyond what the kind needs anyway."""
ALWAYS: Final = (
    *("confidence_sequence.difference_sequence", "confidence_sequence.relative_sequence"),
    "noninferiority.noninferior_sequence",
)
"""What holds at every look; the last one is a guardrail's margin."""
SHELL: Final = re.compile(r"""["$`!\\]""")
"""What a shell reads inside "..."."""


@dataclass(frozen=True, slots=True)
class Query:
    """One question. id: a metric's own id, or a word.

    gives: column -> what it is in report.json. functions: what makes the intervals from it, by the
    module that holds each; empty where the columns are the numbers.
    """

    id: str
    title: str
    gives: Mapping[str, str]
    functions: tuple[str, ...]
    sql: str


def queries(
    catalog: Catalog, as_of: dt.date | None, experiments: Container[str]
) -> tuple[Query, ...]:
    """Every query of a night: who was met, metrics, segments, what judges said, the data.

    as_of: the day that the night's data is in the middle of; None where there is none.
    experiments: the ids of those that the report is about.
    """
    metrics = tuple(catalog.metrics.values())
    if as_of is None:
        return _DATA
    return (
        _units(metrics, as_of),
        _first_days(as_of),
        *(metric_query(one, as_of) for one in metrics),
        *_segments(catalog, as_of, experiments),
        _judges(as_of),
        *_DATA,
    )


def _functions(metric: Metric) -> tuple[str, ...]:
    """What makes a comparison's numbers of this metric's moments."""
    kind = metric.kind
    shares = SHARES if kind == "proportion" else ()
    (columns,) = plan_fold((metric,)).metrics
    adjusted = ADJUSTED[kind] if columns.covariate else ()
    return (*RAW[kind], *shares, "relative.fieller_interval", *adjusted, *ALWAYS)


def _segments(catalog: Catalog, as_of: dt.date, experiments: Container[str]) -> Iterator[Query]:
    """Of each experiment its first success metric, per segment."""
    for plan in [one for one in catalog.experiments.values() if one.id in experiments]:
        for name in plan.metrics.successes[:1]:
            metric = catalog.metrics[name]
            yield from (_segment(plan, metric, dimension, as_of) for dimension in plan.segments)


def _segment(plan: Experiment, metric: Metric, dimension: str, as_of: dt.date) -> Query:
    values = VALUES[dimension].format(units="met", days="unit_day").strip()
    where = f"experiments[id={plan.id}].segments[dimension={dimension}]"
    return Query(
        f"segments/{plan.id}/{dimension}",
        f"{plan.title or plan.id}: {metric.title}, by {dimension.replace('_', ' ')}",
        {
            "segment": f"{where}.value; there the {SEGMENTS_MAX} largest, here all",
            "n": f"{where}.control.n and .arm.n",
            "value": f"{where}.control.value and .arm.value",
        },
        (*RAW[metric.kind], "multiplicity.adjusted_p"),
        _sql(metric, as_of, segments=values.replace("$experiment", _text(plan.id))),
    )


def _text(text: str) -> str:
    """A text in SQL, without any character that a shell reads: `'a' || chr(36) || 'b'`."""
    quoted = "'" + text.replace("'", "''") + "'"
    return "(" + SHELL.sub(lambda found: f"' || chr({ord(found.group())}) || '", quoted) + ")"


def metric_query(metric: Metric, as_of: dt.date) -> Query:
    """A row per experiment and variant: n, the value, and the (co)variances over units."""
    where = f"experiments[].comparisons[metric={metric.id}]"
    return Query(
        metric.id,
        metric.title,
        {
            "n": f"{where}.control.n and .treatment.n",
            "value": f"{where}.control.value and .treatment.value",
        },
        _functions(metric),
        _sql(metric, as_of),
    )


def _sql(metric: Metric, as_of: dt.date, *, segments: str = "") -> str:
    """A metric's moments; with `segments`, the SQL that says a unit's, per segment too."""
    plan = plan_fold((metric,))
    (columns,) = plan.metrics
    names = _names(columns)
    sums = {f"s{index}": _sum(span) for index, span in enumerate(plan.spans)}
    given = dict(zip(columns.names, names, strict=True))
    values = ",\n".join(
        f"        {SUMMED.sub(lambda found: sums[found.group()], plan.values[column])} AS {name}"
        for column, name in given.items()
    )
    scales = dict(zip(names, columns.scales, strict=True))
    waits = f"\n    WHERE {_day(as_of)} - met.first_day >= {metric.days.end}"
    of_segment = f"), segment AS (\n        {segments}\n" if segments else ""
    key = "segment.value AS segment, " if segments else ""
    joined = (
        "met JOIN segment USING (experiment_id, unit_type, unit_id)\n    " if segments else "met "
    )
    return f"""\
WITH met AS (
{_met(as_of, "min(variant_id) AS variant_id", ONE_VARIANT)}
{of_segment}), unit AS (
    SELECT met.experiment_id, met.unit_type, met.variant_id, {key}met.unit_id,
{values}
    FROM {joined}LEFT JOIN unit_day d ON d.unit_type = met.unit_type AND d.unit_id = met.unit_id
        AND d.experiment_id IN (met.experiment_id, '') AND d.day <= {_day(as_of)}\
{waits if metric.days.waits else ""}
    GROUP BY ALL
)
SELECT experiment_id, unit_type, variant_id, {"segment, " if segments else ""}count(*) AS n,
{_moments(metric, names, scales)}
FROM unit GROUP BY ALL ORDER BY ALL"""


def _names(columns: MetricColumns) -> list[str]:
    """What the columns of one unit are called: outcome first, then the same before."""
    outcome = ["numerator", "denominator"] if len(columns.outcome) > 1 else ["value"]
    return [*outcome, *(f"{name}_before" for name in outcome[: len(columns.covariate)])]


def _sum(span: Span) -> str:
    """A unit's sum over the days of a span, 0 where there is no row."""
    whose = "= ''" if span.activity == "all" else "<> ''"
    days = f">= {span.start}" if span.end is None else f"BETWEEN {span.start} AND {span.end - 1}"
    value = span.expression.sql("d")
    if span.expression.test is None and len(span.expression.terms) == 1:
        value = value[1:-1]
    return (
        f"coalesce(sum({value}) FILTER (\n"
        f"            d.experiment_id {whose} AND d.day - met.first_day {days}), 0)"
    )


def _moments(metric: Metric, names: list[str], scales: Mapping[str, float]) -> str:
    """Means in the metric's unit, then variances and covariances over units."""
    means = [f"    sum({one}) / count(*){_over(scales[one])} AS {_mean(one)}" for one in names]
    if metric.kind == "ratio":
        means.append("    numerator_mean / nullif(denominator_mean, 0) AS value")
    pairs = [(a, b) for place, a in enumerate(names) for b in names[place:]]
    spread = [
        f"    covar_samp({a}, {b}){_over(scales[a] * scales[b])} AS cov_{a}_{b}"
        if a != b
        else f"    var_samp({a}){_over(scales[a] * scales[a])} AS var_{a}"
        for a, b in pairs
    ]
    return ",\n".join([*means, *spread])


def _mean(name: str) -> str:
    return name if name == "value" else f"{name}_mean"


def _over(scale: float) -> str:
    return "" if scale == 1 else f" / {scale:.17g}::DOUBLE"


def _day(day: dt.date) -> str:
    return f"DATE '{day.isoformat()}'"


def _met(as_of: dt.date, variant: str, having: str = "") -> str:
    """Who met a variant of an experiment, which, and on which day first."""
    return f"""\
    SELECT experiment_id, unit_type, unit_id, {variant}, min(day) AS first_day
    FROM unit_day
    WHERE experiment_id <> '' AND exposures_n > 0 AND day <= {_day(as_of)}
    GROUP BY ALL{" " + having if having else ""}"""


def _units(metrics: Iterable[Metric], as_of: dt.date) -> Query:
    """How many units each variant has, and of how many each window is over, or settled."""
    ages = {
        age
        for one in metrics
        if one.days.end is not None
        for age in (one.days.end, one.days.end + one.lateness_days)
    }
    over = "".join(
        f",\n    count(*) FILTER (NOT is_several AND {_day(as_of)} - first_day >= {age})"
        f" AS over_{age}_days"
        for age in sorted(ages)
    )
    variant = (
        "min(variant_id) AS variant_id,\n        min(variant_id) <> max(variant_id) AS is_several"
    )
    sql = f"""\
WITH met AS (
{_met(as_of, variant)}
)
SELECT experiment_id, unit_type, variant_id, count(*) FILTER (NOT is_several) AS units,
    count(*) FILTER (is_several) AS several, min(first_day) AS first_day,
    max(first_day) AS last_day{over}
FROM met GROUP BY ALL ORDER BY ALL"""
    gives = {
        "units": "experiments[].units and .sample_ratio.observed",
        "several": "experiments[].multiple.n, over all variants",
        "first_day": "experiments[].first_day, of all variants",
        "last_day": "experiments[].last_day, of all variants",
    }
    if over:
        gives["over_N_days"] = (
            "comparisons[].maturity.closed (N: the end of a window that waits for its end; where"
            " `waits` is false closed is all units) and .settled (N: the end and the metric's"
            f" lateness), {BOTH_ARMS}"
        )
    return Query("units", "Who met which variant", gives, ("srm.srm_chi2",), sql)


def _first_days(as_of: dt.date) -> Query:
    """How many units met each variant first on each day: added up, the looks at the sizes."""
    sql = f"""\
WITH met AS (
{_met(as_of, "min(variant_id) AS variant_id", ONE_VARIANT)}
)
SELECT experiment_id, unit_type, first_day, variant_id, count(*) AS units
FROM met GROUP BY ALL ORDER BY ALL"""
    what = "what experiments[].sample_ratio.p_every_look is made of: added up from day to day"
    return Query(
        "first-days",
        "Who met which variant, by first day",
        {"units": what},
        ("srm.sequential_srm",),
        sql,
    )


def _judges(as_of: dt.date) -> Query:
    """What each judge said of each variant, weighted by 1 / sampling probability."""
    sql = f"""\
WITH unit AS (
{_met(as_of, "min(variant_id) AS variant_id", ONE_VARIANT)}
), met AS (
    SELECT e.experiment_id, unit.variant_id, e.generation_id, e.unit_type, e.unit_id
    FROM exposure e JOIN unit USING (experiment_id, unit_type, unit_id)
    QUALIFY row_number() OVER (PARTITION BY e.experiment_id, e.generation_id
        ORDER BY e.event_time_us, e.source, e.event_id) = 1
), scored AS (
    SELECT m.experiment_id, m.variant_id, s.judge_id, s.dimension, s.evaluator_epoch,
        m.unit_type, m.unit_id, count(s.score_value) AS scores_n, sum(s.errors_n) AS errors_n,
        sum(s.score_value / s.sampling_prob) AS score,
        sum(1 / s.sampling_prob) FILTER (s.score_value IS NOT NULL) AS weight
    FROM met m JOIN generation_score s USING (generation_id) GROUP BY ALL
)
SELECT experiment_id, variant_id, judge_id, dimension, evaluator_epoch,
    count(*) FILTER (scores_n > 0) AS units, sum(scores_n)::BIGINT AS scored,
    sum(errors_n)::BIGINT AS errors, sum(score) / sum(weight) AS mean,
    avg(score) AS score_mean, avg(weight) AS weight_mean, var_samp(score) AS var_score,
    var_samp(weight) AS var_weight, covar_samp(score, weight) AS cov_score_weight
FROM scored GROUP BY ALL ORDER BY ALL"""
    where = "experiments[].verdicts[].judges[]"
    gives = {name: f"{where}.control.{name} and .treatment.{name}" for name in JUDGED}
    gives["mean"] += f"; there none of fewer than {SCORED_UNITS_MIN} units"
    return Query(
        "judges",
        "What judges said of each variant",
        gives,
        ("ratios.ratio", "means.mean_interval", "means.welch_interval"),
        sql,
    )


_DATA: Final = (
    Query(
        "agreement",
        "Pairs that a person decided, and what judges said of them",
        {
            "higher_agreed": "agreement[].agreed, where a higher score is better; where a lower one"
            " is, decided less it",
            "decided": "agreement[].total",
            "ties": "agreement[].ties",
            "unscored": "agreement[].unscored",
        },
        ("proportions.wilson_limits",),
        PAIRS,
    ),
    Query(
        "balance",
        "Balance of every topic",
        {
            "read_n": "trust.topics[].read",
            "accepted_n": "trust.topics[].accepted",
            "duplicate_n": "trust.topics[].duplicate",
            "dead_lettered_n": "trust.topics[].dead_lettered",
            "late_n": "trust.topics[].late",
            "unknown_enum_n": "trust.topics[].unknown_enum",
            "is_balanced": "trust.topics[].balanced",
        },
        (),
        TOPICS,
    ),
    Query("refused", "Refused messages", {"n": "trust.dead_letters[].n"}, (), DEAD_LETTERS),
    Query(
        "waiting",
        "Generations, and those that wait for their exposure",
        {"generations": "trust.generations", "orphans": "trust.orphans"},
        (),
        GENERATIONS,
    ),
    Query(
        "progress",
        "How far the events have come",
        {
            "watermark": "trust.watermark",
            "slowest_shard_behind_s": "trust.slowest_shard_behind_s",
        },
        (),
        PROGRESS,
    ),
)
