"""Published warehouses made by hand: the real schema, rows as a test wants them."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import polars as pl

from streams.warehouse.connect import open_readable, open_writable
from streams.warehouse.layout import FACT_TABLES, RECENT, TABLES
from streams.warehouse.migrate import migrate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from duckdb import DuckDBPyConnection

DAY_0 = dt.date(2026, 10, 1)
DAY_US = 86_400_000_000
SUMS = TABLES["unit_day_sum"].counted


def day_us(day: int, *, seconds: int = 0) -> int:
    """Microseconds UTC of a moment on DAY_0 + day."""
    since = (DAY_0 - dt.date(1970, 1, 1)).days + day
    return since * DAY_US + seconds * 1_000_000


class Published:
    """A warehouse file that is filled, then opened as readers do."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._con = open_writable(path, memory="500MB", threads_n=1)
        migrate(self._con, str(path))
        self._con.execute("INSERT INTO rules VALUES ([86400], 0, ?, 0, 0, 0, 0)", [30 * DAY_US])

    def insert(self, table: str, rows: Iterable[Mapping[str, Any]] | pl.DataFrame) -> None:
        """Rows by column name; what is not named is null, sums are 0, the shard is 0."""
        frame = _frame(rows)
        if frame.is_empty():
            return
        zeros = ("shard", *SUMS) if table == "unit_day_sum" else ("shard",)
        zeros = () if table == "erasure" else zeros  # it is a file's, not a shard's
        filled = {n: pl.col(n).fill_null(0) if n in frame else pl.lit(0) for n in zeros}
        frame = frame.with_columns(**filled)
        self._con.register("rows_to_insert", frame)
        kept_in = f"{table}{RECENT}" if table in FACT_TABLES.values() else table
        self._con.execute(f"INSERT INTO {kept_in} BY NAME FROM rows_to_insert")
        self._con.unregister("rows_to_insert")

    def unit_days(self, rows: Iterable[Mapping[str, Any]] | pl.DataFrame) -> None:
        """Rows of unit_day; `day` as an integer counts from DAY_0; nulls become 0."""
        frame = _frame(rows)
        defaults = {"experiment_id": "e", "unit_type": "user", "day": 0}
        given = {
            name: pl.col(name).fill_null(value) if name in frame else pl.lit(value)
            for name, value in defaults.items()
        }
        frame = frame.with_columns(**given)
        if frame.schema["day"].is_integer():
            day = pl.lit(DAY_0) + pl.duration(days=pl.col("day"))
            frame = frame.with_columns(day.cast(pl.Date).alias("day"))
        self.insert("unit_day_sum", frame)

    def reach(self, day: int) -> None:
        """Let the data have come to noon of DAY_0 + day: one shard, all topics balanced."""
        noon = day_us(day, seconds=43_200)
        self.insert("shard_watermark", [{"event_time_us_max": noon}])
        counts = {"read_n": 10, "accepted_n": 8, "duplicate_n": 1, "dead_lettered_n": 1}
        topics = ("exposures", "listens", "feedback", "judge-scores", "human-labels")
        rest = {"late_n": 0, "unknown_enum_n": 0, "next_offset": 10, "record_time_us_max": noon}
        self.insert("topic_shard", [{"topic": topic, **counts, **rest} for topic in topics])

    def open(self) -> DuckDBPyConnection:
        """Close for writing; open read-only."""
        self.close()
        return open_readable(self.path)

    def close(self) -> None:
        """Let readers in."""
        self._con.close()


def _frame(rows: Iterable[Mapping[str, Any]] | pl.DataFrame) -> pl.DataFrame:
    """Rows as a frame; a column may first appear in any row."""
    if isinstance(rows, pl.DataFrame):
        return rows
    return pl.DataFrame(list(rows), infer_schema_length=None)


CATALOG_HEAD = """
fact_tables:
  - name: factTables/exposed
    display_name: Exposed
    table: unit_day
    timestamp_column: day
    entities: [{entity: unit, column: unit_id}]
    measures:
      - {display_name: exposures, column: exposures_n}
      - {display_name: starts, column: starts_n}
      - {display_name: early_skips, column: early_skips_n}
      - {display_name: net_saves, column: saves_n - unsaves_n}
      - {display_name: plays, column: streams_30s_n}
      - {display_name: minutes, column: ms_played / 60000}
  - name: factTables/all
    display_name: All
    table: unit_day
    timestamp_column: day
    x-activity: all
    entities: [{entity: user, column: unit_id}]
    measures:
      - {display_name: starts, column: starts_n}
      - {display_name: active_days, column: starts_n > 0}
      - {display_name: still_days, column: starts_n < 1}
      - {display_name: no_starts, column: starts_n <= 0}
      - {display_name: all_days, column: starts_n >= 0}
measurements:
"""


def metric_yaml(
    name: str,
    body: str,
    *,
    window: str = "type: open",
    table: str = "exposed",
    direction: str = "increase",
    more: str = "",
) -> str:
    """One measurement with one metric of the same name."""
    entity = "user" if table == "all" else "unit"
    return f"""
  - name: measurements/{name}
    display_name: {name}
    fact_table: factTables/{table}
    entity: {entity}
    {body}
    metrics:
      - name: metrics/{name}
        display_name: {name}
        measurement_window: {{{window}}}
        preferred_direction: {direction}
        {more}
"""


def sum_of(measure: str) -> str:
    """A mean per unit."""
    return f"{{measure: {measure}, operation: sum}}"


def mean_body(measure: str, extra: str = "") -> str:
    """The body of a mean, or with a threshold of a proportion."""
    return f"measure: {measure}\n    operation: sum\n    {extra}"


def ratio_body(numerator: str, denominator: str) -> str:
    """The body of a ratio."""
    return f"numerator: {sum_of(numerator)}\n    denominator: {sum_of(denominator)}"


def config_of(folder: Path, metrics: Iterable[str], experiment: str = "") -> Path:
    """A configuration directory with these metrics and at most one experiment."""
    (folder / "metrics").mkdir(parents=True, exist_ok=True)
    (folder / "experiments").mkdir(exist_ok=True)
    (folder / "metrics" / "all.yaml").write_text(CATALOG_HEAD + "".join(metrics))
    if experiment:
        (folder / "experiments" / "one.yaml").write_text(experiment)
    return folder
