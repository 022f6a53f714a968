"""Published warehouses made by hand: the real schema, rows as a test wants them."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import polars as pl

from streams.warehouse.connect import open_readable, open_writable
from streams.warehouse.layout import TABLES
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
        self._con.execute("INSERT INTO rules VALUES ([86400], 0, ?)", [30 * DAY_US])

    def insert(self, table: str, rows: Iterable[Mapping[str, Any]] | pl.DataFrame) -> None:
        """Rows by column name; what is not named is null, sums are 0, the shard is 0."""
        frame = rows if isinstance(rows, pl.DataFrame) else pl.DataFrame(list(rows))
        if frame.is_empty():
            return
        filled = {"shard": 0} if "shard" not in frame.columns else {}
        if table == "unit_day_sum":
            filled |= {name: 0 for name in SUMS if name not in frame.columns}
        frame = frame.with_columns(**{name: pl.lit(value) for name, value in filled.items()})
        self._con.register("rows_to_insert", frame)
        self._con.execute(f"INSERT INTO {table} BY NAME FROM rows_to_insert")
        self._con.unregister("rows_to_insert")

    def unit_days(self, rows: Iterable[Mapping[str, Any]] | pl.DataFrame) -> None:
        """Rows of unit_day; `day` as an integer counts from DAY_0; nulls become 0."""
        frame = rows if isinstance(rows, pl.DataFrame) else pl.DataFrame(list(rows))
        defaults = {"experiment_id": "e", "unit_type": "user", "day": 0}
        absent = {name: pl.lit(value) for name, value in defaults.items() if name not in frame}
        frame = frame.with_columns(**absent)
        if frame.schema["day"].is_integer():
            day = pl.lit(DAY_0) + pl.duration(days=pl.col("day"))
            frame = frame.with_columns(day.cast(pl.Date).alias("day"))
        sums = [name for name in SUMS if name in frame.columns]
        self.insert("unit_day_sum", frame.with_columns(pl.col(sums).fill_null(0)))

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
