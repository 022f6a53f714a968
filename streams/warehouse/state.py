"""Reads of the worker's own file: just the rows that a flush touches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from streams.engine import activity, columns, watermark
from streams.engine.apply import Stored
from streams.warehouse.connect import frame

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from streams.engine.apply import Touched
    from streams.events.topics import Topic

HASH = "md5_number(concat('{topic}:', length(source), ':', source, event_id))"
"""128-bit id of an event: stable over versions of DuckDB and polars, unlike their own hashes."""
KEY = "t.shard = r.shard AND t.generation_id = r.generation_id"


def seen(con: DuckDBPyConnection, topic: Topic, rows: pl.DataFrame) -> pl.DataFrame:
    """shard, source, event_id of those rows whose id the warehouse already holds."""
    con.register("arriving", rows.select("shard", "source", "event_id"))
    try:
        return frame(
            con,
            "SELECT r.shard, r.source, r.event_id FROM arriving r SEMI JOIN seen_event t "
            f"ON t.shard = r.shard AND t.event_hash = {HASH.format(topic=topic)}",
        )
    finally:
        con.unregister("arriving")


def stored(con: DuckDBPyConnection, touched: Touched) -> Stored:
    """The touched rows as they are before the flush."""
    generations = _touched_rows(
        con, touched.generation_ids, "generation", columns.GENERATION.names()
    )
    known = generations.filter(pl.col("first_exposure_us").is_not_null())
    active = generations.filter(pl.col("first_activity_us").is_not_null())
    scored = generations.filter((pl.col("scores_n") + pl.col("score_errors_n")) > 0)
    key = ["shard", "generation_id"]
    return Stored(
        exposures=_exposures(con, known.select(key)),
        activity=_activity(con, active.join(touched.newly_exposed, on=key, how="semi")),
        scores=_touched_rows(
            con,
            scored.join(touched.newly_scored, on=key, how="semi").select(key),
            "generation_score",
            columns.SCORE.names(),
        ).cast(columns.SCORE),
        generations=generations.cast(columns.GENERATION),
        watermarks=frame(con, "FROM shard_watermark", watermark.SEEN),
    )


def _touched_rows(
    con: DuckDBPyConnection, ids: pl.DataFrame, table: str, names: list[str], extra: str = "true"
) -> pl.DataFrame:
    con.register("touched", ids)
    wanted = ", ".join(f't."{name}"' for name in names)
    try:
        return frame(
            con, f"SELECT {wanted} FROM {table} t SEMI JOIN touched r ON {KEY} WHERE {extra}"
        )
    finally:
        con.unregister("touched")


def _exposures(con: DuckDBPyConnection, ids: pl.DataFrame) -> pl.DataFrame:
    if ids.is_empty():
        return pl.DataFrame(schema=columns.EXPOSURE)
    names = [*columns.EXPOSURE.names()[:12], "artist_consent", "gen_latency_ms"]
    return activity.of_exposures(_touched_rows(con, ids, "exposure", names))


def _activity(con: DuckDBPyConnection, active: pl.DataFrame) -> pl.DataFrame:
    """All activity of generations; the range of its times lets DuckDB skip most row groups."""
    if active.is_empty():
        return pl.DataFrame(schema=columns.ACTIVITY)
    low, high = active.select(
        pl.col("first_activity_us").min(), pl.col("last_activity_us").max()
    ).row(0)
    ids = active.select("shard", "generation_id")
    within = f"t.event_time_us BETWEEN {low} AND {high}"
    common = ["shard", "generation_id", "user_key", "event_time_us", "record_time_us"]
    listen = ["ms_played", "ms_content_unique", "track_duration_ms", "reason_end"]
    flags = ["offline", "incognito", "is_organic"]
    return pl.concat(
        [
            activity.of_listens(
                _touched_rows(con, ids, "listen", [*common, *listen, *flags], within)
            ),
            activity.of_feedback(
                _touched_rows(con, ids, "feedback", [*common, "action", "value"], within)
            ),
        ]
    )
