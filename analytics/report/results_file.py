"""`results.duckdb`: what every night's report said, as tables; a night given twice is there once.

Nothing is in it that is not in `report.json`, and nobody: it holds no rows of listeners.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from analytics.sql import one_row

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from duckdb import DuckDBPyConnection

    from analytics.results import Comparison, Estimate, ExperimentResult, Report

Row = dict[str, Any]
FRAMES: Final = {
    "VARCHAR": pl.String(),
    "VARCHAR[]": pl.List(pl.String()),
    "BIGINT": pl.Int64(),
    "DOUBLE": pl.Float64(),
    "BOOLEAN": pl.Boolean(),
    "DATE": pl.String(),
}
"""What a column is while it is a frame; DuckDB reads dates from ISO 8601."""


@dataclass(frozen=True, slots=True)
class ResultTable:
    """columns: name -> (type, what it is)."""

    name: str
    comment: str
    columns: Mapping[str, tuple[str, str]]


_NIGHT: Final = {"date": ("DATE", "the night, as the report is called")}
_WHAT: Final = {
    **_NIGHT,
    "experiment_id": ("VARCHAR", "experiment"),
    "treatment": ("VARCHAR", "variant that is held against the control"),
}
_INTERVAL: Final = {
    "method": ("VARCHAR", "how the interval was made"),
    "estimate": (
        "DOUBLE",
        "treatment less control; of relative kinds as a fraction of the control",
    ),
    "low": ("DOUBLE", "lower end, null: unbounded"),
    "high": ("DOUBLE", "upper end, null: unbounded"),
    "se": ("DOUBLE", "standard error of the estimate"),
    "p": ("DOUBLE", "of no difference"),
    "level": ("DOUBLE", "of the interval, 0.95 say"),
}
_INSTRUMENT: Final = {
    "judge_id": ("VARCHAR", "judge"),
    "dimension": ("VARCHAR", "what was judged"),
    "evaluator_epoch": (
        "VARCHAR",
        "rubric, prompt and model together; another one is another judge",
    ),
    "model": ("VARCHAR", "model that answered"),
    "state": ("VARCHAR", "of its trust certificate, '' without a trial"),
}
TABLES: Final = (
    ResultTable(
        "night",
        "a row per night: what the report was made from, and whether it can be trusted",
        {
            **_NIGHT,
            "as_of": ("DATE", "day that the data was in the middle of, null: no data"),
            "generated_at": ("VARCHAR", "ISO 8601, UTC"),
            "watermark": ("VARCHAR", "how far the events had come, ISO 8601, UTC"),
            "trust": ("VARCHAR", "good, look or bad"),
            "version": ("VARCHAR", "of listenback"),
            "catalog": ("VARCHAR", "hash of the metrics and experiments"),
            "report_schema": ("VARCHAR", "of report.json"),
            "headline": ("VARCHAR[]", "its sentences"),
        },
    ),
    ResultTable(
        "verdict",
        "a row per night, experiment and treatment: what to do",
        {
            **_WHAT,
            "control": ("VARCHAR", "variant that it is held against"),
            "state": (
                "VARCHAR",
                "ship, do not ship, iterate, keep running, not enough data, invalid",
            ),
            "sentence": ("VARCHAR", "why, in words, with the interval"),
            "reasons": ("VARCHAR[]", "what stands in the way"),
            "decided_on": ("DATE", "day of the first night that decided, null: tonight or none"),
            "listeners_prefer": ("VARCHAR", "variant that outcomes clearly favour, '' for none"),
        },
    ),
    ResultTable(
        "estimate",
        "a row per night, treatment, metric and kind of interval; never a number without its n",
        {
            **_WHAT,
            "metric": ("VARCHAR", "id in the catalogue"),
            "title": ("VARCHAR", "its name"),
            "role": ("VARCHAR", "success, guardrail, deterioration, secondary or quality"),
            "definition": ("VARCHAR", "hash of the metric's definition"),
            "kind": ("VARCHAR", "fixed, adjusted (after CUPED) or always (holds at every look)"),
            "is_relative": ("BOOLEAN", "as a fraction of the control, else in the metric's unit"),
            **_INTERVAL,
            "control_n": ("BIGINT", "units of the control that count"),
            "control_value": ("DOUBLE", "the control's mean, share or ratio"),
            "treatment_n": ("BIGINT", "units of the treatment that count"),
            "treatment_value": ("DOUBLE", "the treatment's mean, share or ratio"),
            "standing": ("VARCHAR", "what the interval says, of the kind that verdicts use"),
            "mature_share": ("DOUBLE", "share of the units whose window is over, 0 to 1"),
            "is_provisional": ("BOOLEAN", "whether late events may still change it"),
        },
    ),
    ResultTable(
        "judge_view",
        "a row per night, treatment and instrument: what it said beside listeners",
        {
            **_WHAT,
            **_INSTRUMENT,
            **_INTERVAL,
            "control_n": ("BIGINT", "units of the control with a score"),
            "control_value": ("DOUBLE", "its mean score, weighted by 1 / sampling probability"),
            "treatment_n": ("BIGINT", "units of the treatment with a score"),
            "treatment_value": ("DOUBLE", "its mean score"),
            "prefers": ("VARCHAR", "variant that it clearly prefers, '' for none"),
            "beside_listeners": ("VARCHAR", "agrees, contradicts, or '' where one of them is open"),
        },
    ),
    ResultTable(
        "judge_trust",
        "a row per night, instrument and surface: what it may be used for",
        {
            **_NIGHT,
            **_INSTRUMENT,
            "surface": ("VARCHAR", "where, '' for none named"),
            "use": ("VARCHAR", "to gate, to rank, or not"),
            "weight": ("BIGINT", "of its scores in a fused estimate: 0 or 1"),
            "reasons": ("VARCHAR[]", "why"),
            **{
                f"{name}{end}": ("DOUBLE", f"{words}{said}")
                for name, words in (
                    ("rank", "rank agreement with a person within variants"),
                    ("auc", "chance that a play that was kept scores higher"),
                )
                for end, said in (("", ""), ("_low", ", lower end"), ("_high", ", upper end"))
            },
        },
    ),
)
_KINDS: Final = (
    ("fixed", "raw", "relative"),
    ("adjusted", "adjusted", "adjusted_relative"),
    ("always", "always_valid", "always_valid_relative"),
)


def keep(con: DuckDBPyConnection, report: Report) -> bool:
    """Put the night in the place of what the file held of it; False where that was the same.

    con: a results file, open for writing, or an empty one. One transaction.
    """
    con.execute("BEGIN")
    try:
        is_new = [_put(con, table, report) for table in TABLES]
        con.execute("COMMIT")
    except BaseException:
        con.execute("ROLLBACK")
        raise
    return any(is_new)


def _put(con: DuckDBPyConnection, table: ResultTable, report: Report) -> bool:
    _make(con, table)
    schema = {name: FRAMES[kind] for name, (kind, _) in table.columns.items()}
    con.register("tonight", pl.DataFrame(list(_ROWS[table.name](report)), schema, orient="row"))
    typed = ", ".join(f'"{name}"::{kind} AS "{name}"' for name, (kind, _) in table.columns.items())
    new = f"SELECT {typed} FROM tonight"
    old = f"SELECT * FROM {table.name} WHERE date = ?"
    try:
        (apart,) = one_row(
            con,
            f"SELECT (SELECT count(*) FROM ({new} EXCEPT ALL {old.replace('?', '$date')}))"
            f" + (SELECT count(*) FROM ({old.replace('?', '$date')} EXCEPT ALL {new}))",
            {"date": report.date},
        )
        if apart:
            con.execute(f"DELETE FROM {table.name} WHERE date = ?", [report.date])
            con.execute(f"INSERT INTO {table.name} BY NAME {new}")
    finally:
        con.unregister("tonight")
    return bool(apart)


def _make(con: DuckDBPyConnection, table: ResultTable) -> None:
    """The table and its comments, where the file has none yet."""
    (there,) = one_row(
        con,
        "SELECT count(*) FROM duckdb_tables() WHERE table_name = $name",
        {"name": table.name},
    )
    if there:
        return
    columns = ", ".join(f'"{name}" {kind}' for name, (kind, _) in table.columns.items())
    con.execute(f"CREATE TABLE {table.name} ({columns})")
    con.execute(f"COMMENT ON TABLE {table.name} IS {_text(table.comment)}")
    for name, (_, words) in table.columns.items():
        con.execute(f'COMMENT ON COLUMN {table.name}."{name}" IS {_text(words)}')


def _text(words: str) -> str:
    return "'" + words.replace("'", "''") + "'"


def _nights(report: Report) -> Iterator[Row]:
    yield {
        "date": report.date,
        "as_of": report.as_of,
        "generated_at": report.generated_at,
        "watermark": report.trust.watermark,
        "trust": report.trust.level,
        "version": report.run.version,
        "catalog": report.run.catalog,
        "report_schema": report.schema,
        "headline": list(report.headline),
    }


def _verdicts(report: Report) -> Iterator[Row]:
    for result in report.experiments:
        for one in result.verdicts:
            yield {
                **_about(report, result, one.treatment),
                "control": result.control,
                "state": one.state,
                "sentence": one.sentence,
                "reasons": list(one.reasons),
                "decided_on": one.decided_on,
                "listeners_prefer": one.listeners_prefer,
            }


def _about(report: Report, result: ExperimentResult, treatment: str) -> Row:
    return {"date": report.date, "experiment_id": result.id, "treatment": treatment}


def _estimates(report: Report) -> Iterator[Row]:
    for result in report.experiments:
        for one in result.comparisons:
            for kind, *names in _KINDS:
                for name in names:
                    found: Estimate | None = getattr(one, name)
                    if found is not None:
                        row = _about(report, result, one.treatment.variant)
                        is_relative = name.endswith("relative")
                        yield row | _estimate(one, found, kind, is_relative=is_relative)


def _estimate(one: Comparison, found: Estimate, kind: str, *, is_relative: bool) -> Row:
    return {
        "metric": one.metric,
        "title": one.title,
        "role": one.role,
        "definition": one.definition,
        "kind": kind,
        "is_relative": is_relative,
        **_interval(found),
        "control_n": one.control.n,
        "control_value": one.control.value,
        "treatment_n": one.treatment.n,
        "treatment_value": one.treatment.value,
        "standing": one.standing,
        "mature_share": one.maturity.share,
        "is_provisional": one.maturity.provisional,
    }


def _interval(found: Estimate | None) -> Row:
    return {name: None if found is None else getattr(found, name) for name in _INTERVAL}


def _views(report: Report) -> Iterator[Row]:
    for result in report.experiments:
        for verdict in result.verdicts:
            for one in verdict.judges:
                yield {
                    **_about(report, result, verdict.treatment),
                    "judge_id": one.judge,
                    "dimension": one.dimension,
                    "evaluator_epoch": one.epoch,
                    "model": one.model,
                    "state": one.state,
                    **_interval(one.difference),
                    "control_n": one.control.units,
                    "control_value": one.control.mean,
                    "treatment_n": one.treatment.units,
                    "treatment_value": one.treatment.mean,
                    "prefers": one.prefers,
                    "beside_listeners": one.beside_listeners,
                }


def _trusts(report: Report) -> Iterator[Row]:
    for one in report.judges:
        yield {
            "date": report.date,
            "judge_id": one.judge,
            "dimension": one.dimension,
            "evaluator_epoch": one.epoch,
            "model": one.model,
            "state": one.state,
            "surface": one.surface,
            "use": one.use,
            "weight": one.weight,
            "reasons": list(one.reasons),
            **dict(zip(("rank", "rank_low", "rank_high"), one.rank, strict=True)),
            **dict(zip(("auc", "auc_low", "auc_high"), one.auc, strict=True)),
        }


_ROWS: Final = {
    "night": _nights,
    "verdict": _verdicts,
    "estimate": _estimates,
    "judge_view": _views,
    "judge_trust": _trusts,
}
