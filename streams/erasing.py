"""Forgetting users in an open warehouse file: facts, what was derived from them, dead letters.

What is derived is moved by a difference, as a flush moves it: the generations that the users
touched are joined anew with and without them, in two small warehouses in memory, and the sums are
changed by what lies between the two. That uses nothing but the flush itself, so it is right if the
flush is.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb
import polars as pl

from streams.engine import books
from streams.events.contracts import CONTRACTS
from streams.events.source import SOURCE
from streams.events.topics import JOINED_TOPICS, Topic
from streams.flush import Arrived, commit
from streams.warehouse import archive, archiving, compact, erasures, writer
from streams.warehouse.connect import first_row, frame, transaction
from streams.warehouse.layout import FACT_TABLES, HASH, TABLES
from streams.warehouse.migrate import make_bare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from duckdb import DuckDBPyConnection

    from streams.engine.rules import Rules
    from streams.warehouse.erasures import Request
    from streams.warehouse.layout import Table

Facts = dict[Topic, pl.DataFrame]
FOUND_BY_PAIR = ("exposure_first", "orphan", "pair_activity")
"""Tables by which a flush finds what a listener did with a generation."""
FACTS_MAX = 200_000
"""Facts joined at once where a whole file is joined anew."""
LETTERS_MAX = 1_000
"""Dead letters looked through at once: a row may hold a megabyte."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What forgetting changes in a file.

    facts: the events that go. sums: differences by table. found: by table of FOUND_BY_PAIR the rows
    of the generations that were touched, as they are and as they will be. letters: ids of dead
    letters that lose their bytes.
    """

    facts: Mapping[Topic, pl.DataFrame]
    sums: Mapping[str, pl.DataFrame]
    found: Mapping[str, tuple[pl.DataFrame, pl.DataFrame]]
    letters: pl.DataFrame

    @property
    def rows_n(self) -> dict[str, int]:
        """Rows that go or change, by table; tables without any are left out."""
        counts = {FACT_TABLES[topic]: rows.height for topic, rows in self.facts.items()}
        counts |= {table: rows.height for table, rows in self.sums.items()}
        counts |= {table: rows[0].height for table, rows in self.found.items()}
        counts["dead_letter"] = self.letters.height
        return {table: rows_n for table, rows_n in counts.items() if rows_n}


def erase(con: DuckDBPyConnection, requests: Iterable[Request], rules: Rules) -> Plan:
    """Forget the users of these requests, and of all that the file knows of; in one transaction.

    Twice is the same as once. What came from elsewhere meanwhile (a shard) is found, too.
    """
    with transaction(con):
        erasures.remember(con, requests)
        done = plan(con, erasures.known(con), rules)
        _carry_out(con, done)
    return done


def plan(con: DuckDBPyConnection, whom: pl.DataFrame, rules: Rules) -> Plan:
    """What forgetting these users (erasures.KNOWN) would change. Only reads."""
    if whom.is_empty():  # as in nearly every shard that moves
        return Plan({}, {}, {}, pl.DataFrame(schema={"dlq_id": pl.String}))
    letters = _letters(con, whom)
    keys = erasures.facts_keys(con, whom)
    con.register("erased_key", keys)
    try:
        gone = {
            topic: _facts(con, topic, erasures.fact_condition(topic)) for topic in JOINED_TOPICS
        }
        before = _near(con, gone)
    finally:
        con.unregister("erased_key")
    if not sum(rows.height for rows in gone.values()):
        return Plan({}, {}, {}, letters)
    after = {
        topic: rows.join(gone[topic], on=["shard", "source", "event_id"], how="anti")
        for topic, rows in before.items()
    }
    with _joined(before, rules) as old, _joined(after, rules) as new:
        sums = {
            table.name: _difference(table, _rows(old, table), _rows(new, table))
            for table in TABLES.values()
            if table.counted
        }
        found = {
            name: (_rows(old, TABLES[name]), _rows(new, TABLES[name])) for name in FOUND_BY_PAIR
        }
        return Plan(gone, sums, found, letters)


def _facts(
    con: DuckDBPyConnection, topic: Topic, condition: str, place: str | None = None
) -> pl.DataFrame:
    """Facts of the file and its archive, or of another place; a condition on a row `t`."""
    schema = pl.Schema({**SOURCE, **CONTRACTS[topic].schema})
    names = ", ".join(f't."{name}"' for name in schema)
    rows = place or FACT_TABLES[topic]
    return frame(con, f"SELECT {names} FROM {rows} t WHERE {condition}", schema)


def _near(con: DuckDBPyConnection, gone: Mapping[Topic, pl.DataFrame]) -> Facts:
    """The facts that go, and all others of the generations they belong to."""
    touched = pl.concat([rows.select("shard", "generation_id") for rows in gone.values()])
    con.register("near_generation", touched.drop_nulls().unique())
    try:
        near = (
            "EXISTS (SELECT 1 FROM near_generation r "
            "WHERE r.shard = t.shard AND r.generation_id = t.generation_id)"
        )
        return {
            topic: _facts(con, topic, f"{near} OR {erasures.fact_condition(topic)}")
            for topic in JOINED_TOPICS
        }
    finally:
        con.unregister("near_generation")


def join_facts(
    source: DuckDBPyConnection,
    target: DuckDBPyConnection,
    rules: Rules,
    advance: Callable[[int], None] = lambda _: None,
) -> int:
    """Join all facts of a file and its archive anew, into an empty one; how many there were.

    FACTS_MAX at a time; `advance` is told of each.
    """
    facts_n = 0
    for topic, view in FACT_TABLES.items():
        for place in (TABLES[view].name, *archive.batches(source, view, rows_max=FACTS_MAX)):
            total = first_row(source, f"SELECT count(*) FROM {place}")
            for start in range(0, total[0] if total else 0, FACTS_MAX):
                rows = _facts(source, topic, f"true LIMIT {FACTS_MAX} OFFSET {start}", place)
                commit(target, _arrived({topic: rows}), rules)
                facts_n += rows.height
                advance(rows.height)
    return facts_n


@contextlib.contextmanager
def _joined(facts: Facts, rules: Rules) -> Iterator[DuckDBPyConnection]:
    """A warehouse in memory of these facts alone."""
    con = duckdb.connect(":memory:")
    try:
        make_bare(con)
        commit(con, _arrived(facts), rules)
        yield con
    finally:
        con.close()


def _arrived(facts: Facts) -> Arrived:
    """Facts as a flush gets them."""
    read = [
        rows.group_by("shard").agg(
            topic=pl.lit(topic.value),
            next_offset=pl.col("offset").max() + 1,
            read_n=pl.len().cast(pl.Int64),
            record_time_us_max=pl.col("record_time_us").max(),
        )
        for topic, rows in facts.items()
    ]
    whole = pl.concat([one.select(books.READ.names()).cast(books.READ) for one in read])
    return Arrived({topic: [rows] for topic, rows in facts.items()}, {}, whole)


def _rows(con: DuckDBPyConnection, table: Table) -> pl.DataFrame:
    names = ", ".join(
        f'"{name}"::VARCHAR AS "{name}"' if kind == HASH else f'"{name}"'
        for name, kind in table.columns.items()
    )
    return frame(con, f"SELECT {names} FROM {table.name}")


def _difference(table: Table, old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    """What turns the old sums into the new ones."""
    negative = old.with_columns(pl.col(name).neg() for name in table.counted)
    both = pl.concat([negative, new]).group_by(table.key).agg(pl.col(table.counted).sum())
    return both.filter(pl.any_horizontal(pl.col(table.counted) != 0))


def _letters(con: DuckDBPyConnection, whom: pl.DataFrame) -> pl.DataFrame:
    """dlq_id of the dead letters that name one of these users."""
    ids = [pl.DataFrame(schema={"dlq_id": pl.String})]
    places = con.execute("SELECT dlq_id FROM dead_letter WHERE is_whole ORDER BY dlq_id").fetchall()
    for start in range(0, len(places), LETTERS_MAX):
        con.register(
            "looked_at", pl.DataFrame(places[start : start + LETTERS_MAX], ["dlq_id"], orient="row")
        )
        rows = frame(
            con,
            "SELECT t.dlq_id, t.key, t.value, t.headers, t.record_time_us "
            "FROM dead_letter t SEMI JOIN looked_at r ON r.dlq_id = t.dlq_id",
        )
        con.unregister("looked_at")
        ids.append(rows.filter(erasures.named_in(con, rows, whom)).select("dlq_id"))
    return pl.concat(ids)


def _carry_out(con: DuckDBPyConnection, done: Plan) -> None:
    """Inside the caller's transaction."""
    for topic, rows in done.facts.items():
        _delete(con, TABLES[FACT_TABLES[topic]], rows)
        archiving.forget(con, FACT_TABLES[topic], rows)
    for name, differences in done.sums.items():
        writer.append(con, TABLES[name], differences)
        for shard in differences["shard"].unique().sort():  # else rows of 0 would name the user
            compact.fold_within(con, name, shard)
    for name, (before, after) in done.found.items():
        _delete(con, TABLES[name], before, ("pair_hash",))
        writer.append(con, TABLES[name], after)
    if done.facts:
        booked = books.erased_later(frame(con, "FROM topic_shard", books.BOOKS), done.facts)
        writer.replace(con, TABLES["topic_shard"], booked)
    if done.rows_n:
        con.execute("UPDATE erasure SET is_scrubbed = false")
    con.register("redacted", done.letters)
    nothing = ", ".join(f"{name} = NULL" for name in erasures.RAW)
    con.execute(
        f"UPDATE dead_letter SET {nothing}, is_whole = false "
        "WHERE dlq_id IN (SELECT dlq_id FROM redacted)"
    )
    con.unregister("redacted")


def _delete(
    con: DuckDBPyConnection, table: Table, rows: pl.DataFrame, key: tuple[str, ...] = ()
) -> None:
    """Delete the rows with the keys of these."""
    if rows.is_empty():
        return
    key = key or table.key
    same = " AND ".join(f't."{name}" = r."{name}"::{table.columns[name]}' for name in key)
    con.register("gone", rows.select(key).unique())
    con.execute(f"DELETE FROM {table.name} t USING gone r WHERE {same}")
    con.unregister("gone")
