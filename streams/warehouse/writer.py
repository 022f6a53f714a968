"""The one transaction of a flush: facts, changed rows, counters and the offsets they cover."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streams.warehouse.connect import transaction
from streams.warehouse.layout import FACT_TABLES, TABLES, Table
from streams.warehouse.state import GENERATION_HASH, PAIR_HASH

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl
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
        if any(rows.height for rows in (*accepted.values(), *books.erased.values())):
            con.execute("INSERT INTO seen_event SELECT shard, event_hash FROM arrived_event")
        _meet(con, changes)
        _score(con, changes)
        for name, differences in (
            ("window_sum", changes.windows),
            ("window_score_sum", changes.window_scores),
            ("unit_day_sum", changes.unit_days),
        ):
            append(con, TABLES[name], differences)  # readers add them up; see compaction
        replace(con, TABLES["shard_watermark"], changes.watermarks)
        replace(con, TABLES["dead_letter"], books.dead_letters)
        replace(con, TABLES["dead_letter_count"], books.dead_letter_counts)
        replace(con, TABLES["topic_shard"], books.topic_shards)


def append(con: DuckDBPyConnection, table: Table, rows: pl.DataFrame, **computed: str) -> None:
    """Put rows behind those that are there; `computed` columns are SQL over the row's others."""
    if rows.is_empty():
        return
    names = [f'"{name}"' for name in table.columns if name not in computed]
    values = ", ".join([*names, *(f"{sql} AS {name}" for name, sql in computed.items())])
    con.register("appended", rows)
    con.execute(f"INSERT INTO {table.name} BY NAME SELECT {values} FROM appended")
    con.unregister("appended")


def replace(con: DuckDBPyConnection, table: Table, rows: pl.DataFrame) -> None:
    """Put rows in the place of those with the same key. Twice is the same as once."""
    if rows.is_empty():
        return
    assert not rows.select(table.key).is_duplicated().any(), "no primary key: uniqueness is ours"
    remove(con, table, rows, *table.key)
    append(con, table, rows)


def remove(
    con: DuckDBPyConnection, table: Table, rows: pl.DataFrame, *key: str, **computed: str
) -> None:
    """Delete what has the key of one of the rows; `computed` as for `append`."""
    if rows.is_empty():
        return
    more = "".join(f", {sql} AS {name}" for name, sql in computed.items())
    same_key = " AND ".join(f't."{name}" = r."{name}"' for name in key)
    con.register("removed", rows)
    con.execute(
        f"DELETE FROM {table.name} t USING (SELECT *{more} FROM removed) r WHERE {same_key}"
    )
    con.unregister("removed")


def _meet(con: DuckDBPyConnection, changes: Changes) -> None:
    """Who met whom first, who waits, and when the touched pairs did something."""
    firsts, orphans = TABLES["exposure_first"], TABLES["orphan"]
    key = ("pair_hash", "experiment_id")
    remove(con, firsts, changes.removed_firsts, *key, pair_hash=PAIR_HASH)
    hashes = {"generation_hash": GENERATION_HASH, "pair_hash": PAIR_HASH}
    append(con, firsts, changes.added_firsts, **hashes)
    remove(con, orphans, changes.met, "pair_hash", pair_hash=PAIR_HASH)
    append(con, orphans, changes.waiting, pair_hash=PAIR_HASH)
    con.execute(
        "INSERT INTO pair_activity SELECT shard, pair_hash, first_us, last_us FROM touched_pair "
        "WHERE first_us IS NOT NULL"
    )


def _score(con: DuckDBPyConnection, changes: Changes) -> None:
    table = TABLES["generation_score"]
    own = {"generation_hash": GENERATION_HASH}
    by = ("generation_hash", "dimension", "evaluator_epoch")
    remove(con, table, changes.replaced_scores, *by, **own)
    append(con, table, changes.scores, **own)
