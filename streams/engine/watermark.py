"""How far a shard has come in event time: a function of what it has seen, never of the clock."""

from __future__ import annotations

import polars as pl

SEEN = pl.Schema({"shard": pl.Int32, "event_time_us_max": pl.Int64})
"""One row a shard: the largest event time among its accepted events."""


def advanced(before: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """SEEN rows after more accepted events (shard, event_time_us). It never goes back."""
    new = events.select("shard", pl.col("event_time_us").alias("event_time_us_max"))
    rows = pl.concat([before.select(SEEN.names()), new])
    return rows.group_by("shard").agg(pl.col("event_time_us_max").max()).sort("shard")
