"""The content hash: one number for all that a warehouse file says, however it says it.

A row is a text: its columns in order, each value with its length, so that no two rows have one
text. Its number is the MD5 of that text. A table's number is the sum of its rows' numbers modulo
2^128, which no order, file, cut or compaction changes, and which a doubled row does change (an
exclusive or would cancel it). docs/replay-and-erasure.md defines it for readers.

It guards against errors, not against forgers: whoever may write the file can make sums meet.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streams.warehouse.layout import TABLES
from streams.warehouse.ruling import stored_rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from duckdb import DuckDBPyConnection

    from streams.warehouse.layout import Table

MODULUS = 1 << 128
STATE_TABLES = frozenset(
    {
        *("seen_event", "exposure_first", "orphan", "pair_activity", "folded_slice"),
        "archive_part",
    }
)
"""How the writer finds what it needs again: all of it follows from the facts, or is no content.
Where facts lie is none either: those in Parquet parts count as those in the file."""
CONTENT_TABLES = tuple(sorted(set(TABLES) - STATE_TABLES))
LEFT_OUT: Mapping[str, frozenset[str]] = {
    "dead_letter": frozenset({"forwarded"}),
    "generation_score": frozenset({"generation_hash"}),
}
"""Columns that are no content: what has been done with a dead letter since; a hash of another."""
SIZED = "coalesce(strlen({0}) || ':' || {0}, '~')"
"""SQL: text behind the number of its bytes, so that what follows cannot be taken for it."""
TEXTS: Mapping[str, str] = {
    **dict.fromkeys(("INTEGER", "BIGINT"), "coalesce({0}::VARCHAR, '~'), ';'"),
    "BOOLEAN": "coalesce({0}::INTEGER::VARCHAR, '~'), ';'",
    "DATE": "coalesce(({0} - DATE '1970-01-01')::VARCHAR, '~'), ';'",
    "DOUBLE": "coalesce(printf('%.17g', {0} + 0.0::DOUBLE), '~'), ';'",
    "BLOB": "coalesce(hex({0}), '~'), ';'",
    "VARCHAR[]": "coalesce(len({0}) || '[' || array_to_string("
    f"list_transform({{0}}, lambda one: {SIZED.format('one')}), ''), '~'), ';'",
    "VARCHAR": SIZED,
}
"""SQL by type: the text of a column; `~` where there is no value. A DOUBLE has 17 digits, which say
it exactly and do not depend on how a DuckDB prints numbers; 0 and -0 are one value."""


@dataclass(frozen=True, slots=True, order=True)
class Part:
    """What a table says of a shard: how many rows, and the sum of their numbers."""

    table: str
    shard: int
    rows_n: int
    number: int

    @property
    def hash(self) -> str:
        """The number as 32 hexadecimal digits."""
        return f"{self.number:032x}"


@dataclass(frozen=True, slots=True)
class Content:
    """The parts of a file in order of table and shard; a part without rows is not there."""

    parts: tuple[Part, ...]
    rules: str

    @property
    def hash(self) -> str:
        """32 hexadecimal digits over the rules and all parts."""
        lines = [f"{part.table} {part.shard} {part.rows_n} {part.hash}" for part in self.parts]
        return hashlib.sha256("\n".join([self.rules, *lines]).encode()).hexdigest()[:32]

    def tables(self) -> tuple[Part, ...]:
        """One part a table, all shards together; the shard is -1."""
        names = sorted({part.table for part in self.parts})
        return tuple(_summed(name, (p for p in self.parts if p.table == name)) for name in names)

    def of_shards(self, shards: Iterable[int]) -> Content:
        """The parts of these shards alone."""
        wanted = frozenset(shards)
        return Content(tuple(part for part in self.parts if part.shard in wanted), self.rules)

    def without(self, tables: Iterable[str]) -> Content:
        """Without the parts of these tables."""
        unwanted = frozenset(tables)
        return Content(tuple(p for p in self.parts if p.table not in unwanted), self.rules)

    def differences(self, other: Content) -> tuple[tuple[str, int], ...]:
        """Table and shard of each part that is not the same in both; `rules` has no shard: -1."""
        ours, theirs = set(self.parts), set(other.parts)
        rules = {("rules", -1)} if self.rules != other.rules else set()
        return tuple(sorted(rules | {(part.table, part.shard) for part in ours ^ theirs}))


def content_of(
    con: DuckDBPyConnection, *, tables: Iterable[str] = CONTENT_TABLES, catalog: str = ""
) -> Content:
    """Hash an open file. Reads every row once.

    tables: these tables alone.
    catalog: the name of an attached file; empty: the one in use.
    """
    prefix = f"{catalog}." if catalog else ""
    names = sorted(tables)
    found = [
        _part(name, *row) for name in names for row in _asked(con, _sums(TABLES[name], prefix))
    ]
    found += [part for part in _archived(con, prefix) if part.table in names]
    places = sorted({(part.table, part.shard) for part in found})
    parts = [
        _summed(table, [one for one in found if (one.table, one.shard) == (table, shard)], shard)
        for table, shard in places
    ]
    rules = stored_rules(con, catalog=catalog) or {}
    return Content(tuple(parts), " ".join(f"{name}={rules[name]}" for name in sorted(rules)))


def rows_numbers(con: DuckDBPyConnection, table: Table, *rows: str) -> list[tuple[int, int]]:
    """Of each of these, how many rows of a table's columns there are, and the sum of their numbers.

    rows: SQL of rows; they are asked for in one query, because planning it costs most for few rows.
    """
    names = ", ".join(f'"{name}"' for name in columns_of(table))
    each = [f"SELECT {at} AS source_n, {names} FROM {one}" for at, one in enumerate(rows)]
    sums = _sums_over(table, f"({' UNION ALL '.join(each)})", by="source_n")
    parts = {at: _part(table.shown_as, at, *row) for at, *row in _asked(con, sums)}
    found = [_summed(table.shown_as, filter(None, [parts.get(at)])) for at in range(len(rows))]
    return [(one.rows_n, one.number) for one in found]


def _asked(con: DuckDBPyConnection, sql: str) -> list[tuple[int, int, int, int]]:
    return con.execute(sql).fetchall()


def _part(table: str, shard: int, rows_n: int, low: int, high: int) -> Part:
    return Part(table, shard, rows_n, (high * (1 << 64) + low) % MODULUS)


def _archived(con: DuckDBPyConnection, prefix: str) -> list[Part]:
    """What lies in Parquet parts, as it was summed when it was moved there."""
    sql = f"SELECT table_name, shard, part_rows_n, rows_number FROM {prefix}archive_part"
    return [
        Part(table, shard, rows_n, int(number, 16))
        for table, shard, rows_n, number in con.execute(sql).fetchall()
    ]


def columns_of(table: Table) -> dict[str, str]:
    """The columns of a table that are content, with their SQL types."""
    left_out = LEFT_OUT.get(table.name, frozenset())
    return {name: kind for name, kind in table.columns.items() if name not in left_out}


def _sums(table: Table, prefix: str) -> str:
    """SQL: per shard the number of rows and the sums of the halves of their numbers.

    DuckDB reads an MD5 with its lowest byte first: `upper` is the low half of the number.
    """
    return _sums_over(table, _rows(table, prefix))


def _sums_over(table: Table, rows: str, by: str = "shard") -> str:
    text = ", ".join(_text(name, kind) for name, kind in columns_of(table).items())
    return (
        f"SELECT {by}, count(*), sum(md5_number_upper(row_text)), sum(md5_number_lower(row_text)) "
        f"FROM (SELECT {by}, concat({text}) AS row_text FROM {rows}) GROUP BY {by} ORDER BY {by}"
    )


def _rows(table: Table, prefix: str) -> str:
    """The rows; of sums one a key and none that is all 0, however many differences they lie in."""
    if not table.counted:
        return f"{prefix}{table.name}"
    key = ", ".join(f'"{name}"' for name in table.key)
    sums = ", ".join(f'sum("{name}") AS "{name}"' for name in table.counted)
    some = " OR ".join(f'sum("{name}") <> 0' for name in table.counted)
    return f"(SELECT {key}, {sums} FROM {prefix}{table.name} GROUP BY {key} HAVING {some})"


def _text(name: str, kind: str) -> str:
    """SQL: a value as text that no other value of its column has."""
    return TEXTS[kind].format(f'"{name}"')


def _summed(table: str, parts: Iterable[Part], shard: int = -1) -> Part:
    own = list(parts)
    number = sum(part.number for part in own) % MODULUS
    return Part(table, shard, sum(part.rows_n for part in own), number)
