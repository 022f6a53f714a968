"""The one transaction of a flush: facts, changed rows, counters and the offsets they cover."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from streams.warehouse.connect import frame, transaction
from streams.warehouse.layout import FACT_TABLES, TABLES, Table
from streams.warehouse.state import HASH

if TYPE_CHECKING:
    from collections.abc import Mapping

    from duckdb import DuckDBPyConnection

    from streams.engine.apply import Changes
    from streams.events.topics import Topic


@dataclass(frozen=True, slots=True)
class Books:
    """What is written beside the events: `topic_shard` and dead letter rows, whole.

    erased: events of erased users, of which only the id is kept, so that a second one is known.
    """

    topic_shards: pl.DataFrame
    dead_letters: pl.DataFrame
    dead_letter_counts: pl.DataFrame
    erased: Mapping[Topic, pl.DataFrame] = field(default_factory=dict)


def write(
    con: DuckDBPyConnection,
    accepted: Mapping[Topic, pl.DataFrame],
    changes: Changes,
    books: Books,
) -> None:
    """Everything of one flush or nothing of it."""
    with transaction(con):
        for topic, rows in accepted.items():
            append(con, TABLES[FACT_TABLES[topic]], rows)
            _remember(con, topic, rows)
        for topic, rows in books.erased.items():
            _remember(con, topic, rows)
        replace(con, TABLES["generation"], changes.generations)
        replace(con, TABLES["generation_score"], changes.scores)
        replace(con, TABLES["shard_watermark"], changes.watermarks)
        add(con, TABLES["window_sum"], changes.windows)
        add(con, TABLES["window_score_sum"], changes.window_scores)
        add(con, TABLES["unit_day_sum"], changes.unit_days)
        replace(con, TABLES["dead_letter"], books.dead_letters)
        replace(con, TABLES["dead_letter_count"], books.dead_letter_counts)
        replace(con, TABLES["topic_shard"], books.topic_shards)


def append(con: DuckDBPyConnection, table: Table, rows: pl.DataFrame) -> None:
    """Put rows behind those that are there."""
    if rows.is_empty():
        return
    con.register("appended", rows.select(list(table.columns)))
    con.execute(f"INSERT INTO {table.name} BY NAME FROM appended")
    con.unregister("appended")


def replace(con: DuckDBPyConnection, table: Table, rows: pl.DataFrame) -> None:
    """Put rows in the place of those with the same key. Twice is the same as once."""
    if rows.is_empty():
        return
    assert not rows.select(table.key).is_duplicated().any(), "no primary key: uniqueness is ours"
    con.register("replacement", rows.select(list(table.columns)))
    con.execute(f"DELETE FROM {table.name} t USING replacement r WHERE {_same_key(table)}")
    con.execute(f"INSERT INTO {table.name} BY NAME FROM replacement")
    con.unregister("replacement")


def add(con: DuckDBPyConnection, table: Table, differences: pl.DataFrame) -> None:
    """Add differences to the rows of the same key; a row whose sums are all 0 is no row.

    The new rows are whole values, made of old ones inside the transaction that also moves the
    offsets, so no difference is ever added twice.
    """
    if differences.is_empty():
        return
    rows = differences.select(list(table.columns))
    con.register("difference", rows)
    old = frame(
        con,
        f"SELECT t.* FROM {table.name} t SEMI JOIN difference r ON {_same_key(table)}",
        rows.schema,
    )
    if old.height:  # a row that is new needs neither the sum nor the delete
        con.execute(f"DELETE FROM {table.name} t USING difference r WHERE {_same_key(table)}")
        both = pl.concat([old, rows])
        rows = both.group_by(table.key).agg(pl.col(table.counted).sum())
    con.unregister("difference")
    append(con, table, rows.filter(pl.any_horizontal(pl.col(table.counted) != 0)))


def _same_key(table: Table) -> str:
    return " AND ".join(f't."{name}" = r."{name}"' for name in table.key)


def _remember(con: DuckDBPyConnection, topic: Topic, rows: pl.DataFrame) -> None:
    if rows.is_empty():
        return
    con.register("remembered", rows.select("shard", "source", "event_id"))
    con.execute(f"INSERT INTO seen_event SELECT shard, {HASH.format(topic=topic)} FROM remembered")
    con.unregister("remembered")
