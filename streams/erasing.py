"""Forgetting users in an open warehouse file: facts, what was derived from them, dead letters.

What is derived is moved by a difference, as a flush moves it: the pairs of a generation and a user
are joined anew with and without what goes, some at a time, in two small warehouses in memory, and
the sums are changed by what lies between the two. That uses nothing but the flush itself, so it is
right if the flush is.
"""

from __future__ import annotations

import contextlib
from collections import Counter
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
"""Facts joined at once, and what one pair of a generation and a listener has beyond them."""
LETTERS_MAX = 1_000
"""Dead letters looked through at once: a row may hold a megabyte."""
PAIR = "t.shard = r.shard AND t.generation_id IS NOT DISTINCT FROM r.generation_id"
TOUCHED_PAIR = """
CREATE OR REPLACE TEMP TABLE erased_pair AS
WITH gone AS (SELECT DISTINCT * FROM ({gone})),
own AS (
    SELECT t.*, count(*) AS facts_n FROM ({own}) t SEMI JOIN gone r
    ON {pair} AND t.person IS NOT DISTINCT FROM r.person GROUP BY ALL
),
beside AS (
    SELECT t.shard, t.generation_id, count(*) AS facts_n FROM ({beside}) t SEMI JOIN gone r
    ON {pair} GROUP BY ALL
)
SELECT own.shard, own.generation_id, own.person, (
    sum(own.facts_n + coalesce(beside.facts_n, 0)) OVER (
        ORDER BY own.shard, own.generation_id, own.person ROWS UNBOUNDED PRECEDING
    ) // {facts_max}
)::BIGINT AS page
FROM own LEFT JOIN beside USING (shard, generation_id)
"""
"""The pairs of a generation and a person who is erased, in pages of so many facts."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What forgetting changes in a file, or in the part of it that a page of pairs touches.

    facts: the events that go. sums: differences by table. found: by table of FOUND_BY_PAIR the rows
    of the pairs that were touched, as they are and as they will be.
    """

    facts: Mapping[Topic, pl.DataFrame]
    sums: Mapping[str, pl.DataFrame]
    found: Mapping[str, tuple[pl.DataFrame, pl.DataFrame]]

    @property
    def rows_n(self) -> dict[str, int]:
        """Rows that go or change, by table; tables without any are left out."""
        counts = {FACT_TABLES[topic]: rows.height for topic, rows in self.facts.items()}
        counts |= {table: rows.height for table, rows in self.sums.items()}
        counts |= {table: rows[0].height for table, rows in self.found.items()}
        return {table: rows_n for table, rows_n in counts.items() if rows_n}


@dataclass(frozen=True, slots=True)
class Done:
    """Rows that go or change, by table; a sum that several pages change counts in each."""

    rows_n: Mapping[str, int]


def erase(con: DuckDBPyConnection, requests: Iterable[Request], rules: Rules) -> Done:
    """Forget the users of these requests, and of all that the file knows of; in one transaction.

    Twice is the same as once. What came from elsewhere meanwhile (a shard) is found, too. Held at
    once: FACTS_MAX facts or LETTERS_MAX dead letters, and the keys of those who are forgotten.
    """
    rows_n: Counter[str] = Counter()
    with transaction(con):
        erasures.remember(con, requests)
        whom = erasures.known(con)
        for letters in _letters(con, whom):
            _redact(con, letters)
            rows_n["dead_letter"] += letters.height
        moved: set[tuple[str, int]] = set()
        for page in _pages(con, whom, rules):
            _carry_out(con, page)
            moved |= {(name, n) for name, rows in page.sums.items() for n in rows["shard"]}
            rows_n.update(page.rows_n)
        for name, shard in sorted(moved):  # else rows of 0 would name the user
            compact.fold_within(con, name, shard)
        if +rows_n:
            con.execute("UPDATE erasure SET is_scrubbed = false")
    return Done(dict(+rows_n))


def plan(con: DuckDBPyConnection, whom: pl.DataFrame, rules: Rules) -> Done:
    """What forgetting these users (erasures.KNOWN) would change. Only reads."""
    rows_n: Counter[str] = Counter()
    rows_n["dead_letter"] = sum(letters.height for letters in _letters(con, whom))
    for page in _pages(con, whom, rules):
        rows_n.update(page.rows_n)
    return Done(dict(+rows_n))


def _pages(con: DuckDBPyConnection, whom: pl.DataFrame, rules: Rules) -> Iterator[Plan]:
    """What forgetting changes, page by page; a page may be carried out before the next is asked."""
    keys = None if whom.is_empty() else erasures.facts_keys(con, whom)
    if keys is None or keys.is_empty():  # as in nearly every shard that moves
        return
    con.register("erased_key", keys)
    try:
        con.execute(_touched_pairs())
    finally:
        con.unregister("erased_key")
    try:
        pages = con.execute("SELECT DISTINCT page FROM erased_pair ORDER BY page").fetchall()
        for (page,) in pages:
            yield _planned(_near(con, page), keys, rules)
    finally:
        con.execute("DROP TABLE IF EXISTS erased_pair")  # it names users


def _touched_pairs() -> str:
    """SQL that leaves the pairs of the registered keys in `erased_pair`."""
    place = "SELECT t.shard, t.generation_id{} FROM {} t"
    own = {
        topic: place.format(f", t.{persons[0]} AS person", FACT_TABLES[topic])
        for topic in JOINED_TOPICS
        if (persons := erasures.persons_of(topic))
    }
    beside = [place.format("", FACT_TABLES[topic]) for topic in JOINED_TOPICS if topic not in own]
    gone = [f"{sql} WHERE {erasures.fact_condition(topic)}" for topic, sql in own.items()]
    union = " UNION ALL ".join
    parts = {"gone": union(gone), "own": union(own.values()), "beside": union(beside)}
    return TOUCHED_PAIR.format(**parts, pair=PAIR, facts_max=FACTS_MAX)


def _near(con: DuckDBPyConnection, page: int) -> Facts:
    """All facts of a page's pairs, and of their generations those that name no person.

    A generation is joined pair by pair, so what others did with it moves nothing here.
    """
    pairs = f"SEMI JOIN (FROM erased_pair WHERE page = {page:d}) r ON {PAIR}"
    found = {}
    for topic in JOINED_TOPICS:
        persons = erasures.persons_of(topic)
        own = f" AND t.{persons[0]} IS NOT DISTINCT FROM r.person" if persons else ""
        found[topic] = _facts(con, topic, pairs + own)
    return found


def _planned(before: Facts, keys: pl.DataFrame, rules: Rules) -> Plan:
    """What changes when the events of these users (erasures.KEYS) leave these facts."""
    hits = {topic: erasures.is_erased(topic, rows, keys) for topic, rows in before.items()}
    gone = {topic: rows.filter(hits[topic]) for topic, rows in before.items()}
    after = {topic: rows.filter(~hits[topic]) for topic, rows in before.items()}
    with _joined(before, rules) as old, _joined(after, rules) as new:
        sums = {
            table.name: _difference(table, _rows(old, table), _rows(new, table))
            for table in TABLES.values()
            if table.counted
        }
        found = {
            name: (_rows(old, TABLES[name]), _rows(new, TABLES[name])) for name in FOUND_BY_PAIR
        }
    return Plan(gone, sums, found)


def _facts(
    con: DuckDBPyConnection, topic: Topic, narrowed: str, place: str | None = None
) -> pl.DataFrame:
    """Facts of the file and its archive, or of another place; SQL that narrows rows `t`."""
    schema = pl.Schema({**SOURCE, **CONTRACTS[topic].schema})
    names = ", ".join(f't."{name}"' for name in schema)
    rows = place or FACT_TABLES[topic]
    return frame(con, f"SELECT {names} FROM {rows} t {narrowed}", schema)


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
                rows = _facts(source, topic, f"LIMIT {FACTS_MAX} OFFSET {start}", place)
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


def _letters(con: DuckDBPyConnection, whom: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """dlq_id of the dead letters that name one of these users, some at a time."""
    last = first_row(con, "SELECT max(rowid) FROM dead_letter WHERE is_whole")
    ends = 0 if whom.is_empty() or last is None or last[0] is None else last[0] + 1
    for start in range(0, ends, LETTERS_MAX):
        rows = frame(
            con,
            "SELECT dlq_id, key, value, headers, record_time_us FROM dead_letter "
            f"WHERE is_whole AND rowid >= {start} AND rowid < {start + LETTERS_MAX}",
        )
        if rows.height:
            yield rows.filter(erasures.named_in(con, rows, whom)).select("dlq_id")


def _redact(con: DuckDBPyConnection, letters: pl.DataFrame) -> None:
    """Take the bytes of these dead letters. Inside the caller's transaction."""
    if letters.is_empty():
        return
    con.register("redacted", letters)
    nothing = ", ".join(f"{name} = NULL" for name in erasures.RAW)
    con.execute(
        f"UPDATE dead_letter SET {nothing}, is_whole = false "
        "WHERE dlq_id IN (SELECT dlq_id FROM redacted)"
    )
    con.unregister("redacted")


def _carry_out(con: DuckDBPyConnection, done: Plan) -> None:
    """Inside the caller's transaction."""
    for topic, rows in done.facts.items():
        _delete(con, TABLES[FACT_TABLES[topic]], rows)
        archiving.forget(con, FACT_TABLES[topic], rows)
    for name, differences in done.sums.items():
        writer.append(con, TABLES[name], differences)
    for name, (before, after) in done.found.items():
        _delete(con, TABLES[name], before, ("pair_hash",))
        writer.append(con, TABLES[name], after)
    booked = books.erased_later(frame(con, "FROM topic_shard", books.BOOKS), done.facts)
    writer.replace(con, TABLES["topic_shard"], booked)


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
