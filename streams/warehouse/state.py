"""Reads of the worker's own file: just the rows that a flush touches.

Rows are found by 128-bit hashes of their ids, which are stable over versions of DuckDB and polars
(unlike their own hash functions) and so long that two ids never share one. A scan reads 16 bytes a
row that way, however long the ids; what it finds is then fetched by its place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from streams.engine import activity, columns, watermark
from streams.engine.apply import Stored
from streams.engine.windows import base_us
from streams.warehouse import archive
from streams.warehouse.connect import first_row, frame
from streams.warehouse.layout import TABLES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from duckdb import DuckDBPyConnection

    from streams.engine.apply import New
    from streams.engine.join import Meetings
    from streams.engine.rules import Rules
    from streams.events.topics import Topic

EVENT_HASH = "md5_number(concat(topic, ':', length(source), ':', source, event_id))"
GENERATION_HASH = "md5_number(concat(shard, ':', generation_id))"
PAIR_HASH = "md5_number(concat(shard, ':', length(generation_id), ':', generation_id, user_key))"
ARRIVED_EVENT = f"""
CREATE OR REPLACE TEMP TABLE arrived_event AS
SELECT topic, shard, "offset", {EVENT_HASH} AS event_hash FROM arriving
"""
REPEATED = """
SELECT r.topic, r.shard, r."offset" FROM arrived_event r
SEMI JOIN seen_event t ON t.shard = r.shard AND t.event_hash = r.event_hash
UNION
SELECT r.topic, r.shard, r."offset" FROM arrived_event r JOIN (
    SELECT shard, event_hash, min("offset") AS first_offset FROM arrived_event
    GROUP BY shard, event_hash HAVING count(*) > 1
) f ON f.shard = r.shard AND f.event_hash = r.event_hash WHERE r."offset" > f.first_offset
"""
WITHOUT_REPEATED = """
DELETE FROM arrived_event t USING arriving r
WHERE t.topic = r.topic AND t.shard = r.shard AND t."offset" = r."offset"
"""
TOUCHED_PAIR = f"""
CREATE OR REPLACE TEMP TABLE touched_pair AS
SELECT shard, generation_id, user_key, {PAIR_HASH} AS pair_hash,
    min(activity_us) AS first_us, max(activity_us) AS last_us
FROM arriving GROUP BY ALL
"""
TOUCHED_GENERATION = f"""
CREATE OR REPLACE TEMP TABLE touched_generation AS
SELECT shard, generation_id, {GENERATION_HASH} AS generation_hash, bool_or(is_scored) AS is_scored
FROM arriving GROUP BY ALL
"""
TOUCHED_TABLES = ("arrived_event", "touched_pair", "touched_generation", "met_anew")
FIRSTS = """
WITH hit AS MATERIALIZED (
    SELECT t.rowid AS place, r.generation_id, r.user_key
    FROM exposure_first t JOIN touched_pair r USING (pair_hash)
)
SELECT t.*, hit.generation_id, hit.user_key FROM exposure_first t JOIN hit ON t.rowid = hit.place
"""
SHOWN = """
WITH hit AS MATERIALIZED (
    SELECT t.rowid AS place, r.generation_id
    FROM exposure_first t JOIN touched_generation r USING (generation_hash) WHERE r.is_scored
)
SELECT t.shard, hit.generation_id, t.experiment_id, t.variant_id, t.surface,
    t.event_time_us - (t.event_time_us % {base_us} + {base_us}) % {base_us} AS base_us,
    count(*) AS pairs_n
FROM exposure_first t JOIN hit ON t.rowid = hit.place GROUP BY ALL
"""
SCORES = """
WITH hit AS MATERIALIZED (
    SELECT t.rowid AS place FROM generation_score t JOIN touched_generation USING (generation_hash)
)
SELECT t.* FROM generation_score t JOIN hit ON t.rowid = hit.place
"""
MET_NOW = f"""
SELECT t.* FROM orphan t SEMI JOIN (SELECT {PAIR_HASH} AS pair_hash FROM arriving) USING (pair_hash)
"""
MET_ANEW = f"""
CREATE OR REPLACE TEMP TABLE met_anew AS
SELECT r.*, min(t.first_us) AS first_us, max(t.last_us) AS last_us
FROM pair_activity t JOIN (SELECT *, {PAIR_HASH} AS pair_hash FROM arriving) r USING (pair_hash)
GROUP BY ALL
"""
FACTS = """
SELECT {columns} FROM {table} t SEMI JOIN met_anew r
ON t.shard = r.shard AND t.generation_id = r.generation_id AND t.user_key = r.user_key
WHERE t.event_time_us BETWEEN {low} AND {high}
"""


def repeated(
    con: DuckDBPyConnection, events: Mapping[Topic, pl.DataFrame]
) -> dict[Topic, pl.DataFrame]:
    """Shard and offset of the events whose id is not new: stored, or of a smaller offset here.

    All topics in one look, which reads every id that was seen. Leaves `arrived_event`: the hashes
    of the others, for `seen_event`.
    """
    ids = [
        rows.select(pl.lit(str(topic)).alias("topic"), "shard", "offset", "source", "event_id")
        for topic, rows in events.items()
    ]
    _run(con, pl.concat(ids), ARRIVED_EVENT)
    found = frame(con, REPEATED)
    if found.height:
        _run(con, found, WITHOUT_REPEATED)
    return {topic: found.filter(topic=str(topic)).drop("topic") for topic in events}


def firsts(con: DuckDBPyConnection, new: New) -> pl.DataFrame:
    """FIRST rows of the pairs that new exposures, listens and feedback touch.

    Leaves `touched_pair`: the pairs with their hash, and when their new activity happened.
    """
    pair = ("shard", "generation_id", "user_key")
    never = pl.lit(None, pl.Int64).alias("activity_us")
    happened = pl.col("event_time_us").alias("activity_us")
    arriving = [
        new.exposures.select(*pair, never),
        *(rows.select(*pair, happened) for rows in (new.listens, new.feedback)),
    ]
    _run(con, pl.concat(arriving).drop_nulls("generation_id"), TOUCHED_PAIR)
    return frame(con, FIRSTS, columns.FIRST)


def stored(con: DuckDBPyConnection, new: New, meetings: Meetings, rules: Rules) -> Stored:
    """The other touched rows as they are before the flush."""
    generation = ("shard", "generation_id")
    arriving = [
        rows.select(*generation, pl.lit(is_scored).alias("is_scored"))
        for rows, is_scored in ((meetings.added, False), (new.scores, True))
    ]
    _run(con, pl.concat(arriving), TOUCHED_GENERATION)
    return Stored(
        earlier=_earlier(con, meetings),
        scores=frame(con, SCORES, columns.SCORE),
        shown=frame(con, SHOWN.format(base_us=base_us(rules)), columns.SHOWN),
        watermarks=frame(con, "FROM shard_watermark", watermark.SEEN),
    )


def forget_touched(con: DuckDBPyConnection) -> None:
    """Drop what was left for the writer: it names users, and a flush is over."""
    for table in TOUCHED_TABLES:
        con.execute(f"DROP TABLE IF EXISTS {table}")


def _run(con: DuckDBPyConnection, arriving: pl.DataFrame, sql: str) -> None:
    con.register("arriving", arriving)
    try:
        con.execute(sql)
    finally:
        con.unregister("arriving")


def _earlier(con: DuckDBPyConnection, meetings: Meetings) -> pl.DataFrame:
    """What the pairs of new firsts did before: it waited, or it belonged to another exposure."""
    parts = [columns.NO_ACTIVITY]
    met_now, met_anew = meetings.met_now(), meetings.met_anew()
    if met_now.height:
        con.register("arriving", met_now)
        try:
            parts.append(frame(con, MET_NOW, columns.ACTIVITY))
        finally:
            con.unregister("arriving")
    if met_anew.height:
        _run(con, met_anew, MET_ANEW)
        parts += _facts(con)
    return pl.concat(parts)


def _facts(con: DuckDBPyConnection) -> list[pl.DataFrame]:
    """All activity of the pairs in met_anew; its times let DuckDB skip most row groups."""
    row = first_row(con, "SELECT min(first_us), max(last_us), list(DISTINCT shard) FROM met_anew")
    if row is None or row[0] is None:
        return []
    low, high, shards = row
    common = ("shard", "generation_id", "user_key", "event_time_us", "record_time_us")
    listen = ("ms_played", "ms_content_unique", "track_duration_ms", "reason_end")
    flags = ("offline", "incognito", "is_organic")
    wanted = {
        "listen": (activity.of_listens, (*common, *listen, *flags)),
        "feedback": (activity.of_feedback, (*common, "action", "value")),
    }
    found = []
    for table, (as_rows, names) in wanted.items():
        named = ", ".join(f"t.{name}" for name in names)
        archived = archive.between(con, table, shards, low, high)
        for place in filter(None, (TABLES[table].name, archived)):
            rows = frame(con, FACTS.format(columns=named, table=place, low=low, high=high))
            found.append(activity.as_activity(as_rows(rows)))
    return found
