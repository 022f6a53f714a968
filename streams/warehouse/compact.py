"""Folding appended differences into one row a key, a slice at a time, so that readers add up less.

A flush appends differences and leaves what is there alone. When the differences of a table and
shard outnumber what the last look left of it, one slice is looked at: where folding would take
enough rows away, it is folded, in a transaction of its own, else it is left until it has doubled
again. So a row is rewritten at most about as often as its slice doubles. Sums stay what they are,
whenever it happens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.warehouse.connect import first_row, transaction
from streams.warehouse.layout import TABLES

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ROWS_MIN = 200_000
"""Fewer differences than this are added up by readers at no cost worth a thought."""
GAIN_MIN = 0.2
"""The share of rows that must go by it: folding rewrites all of them, and at the density of a large
service nearly every play is a day of its own."""
FOLDED_TABLES = tuple(name for name, table in TABLES.items() if table.counted)
SLICES = " UNION ALL ".join(
    f"SELECT '{name}' AS table_name, shard, count(*) AS rows_n FROM {name} GROUP BY shard"
    for name in FOLDED_TABLES
)
MOST_OVERDUE = f"""
SELECT s.table_name, s.shard, s.rows_n FROM ({SLICES}) s
LEFT JOIN folded_slice f USING (table_name, shard)
WHERE s.rows_n >= 2 * coalesce(f.folded_n, 0) + {{rows_min}}
ORDER BY s.rows_n - 2 * coalesce(f.folded_n, 0) DESC, 1, 2 LIMIT 1
"""


def fold_if_due(con: DuckDBPyConnection, *, rows_min: int = ROWS_MIN) -> bool:
    """Fold the slice that is most overdue, or leave it; whether there was one."""
    due = first_row(con, MOST_OVERDUE.format(rows_min=rows_min))
    if due is not None:
        table_name, shard, rows_n = due
        keys_n = _keys_n(con, table_name, shard)
        if keys_n <= (1 - GAIN_MIN) * rows_n:
            fold(con, table_name, shard)
        else:
            with transaction(con):
                _note(con, table_name, shard, rows_n)
    return due is not None


def _keys_n(con: DuckDBPyConnection, table_name: str, shard: int) -> int:
    """About how many rows folding would leave; reads the key alone."""
    key = ", ".join(f'"{name}"' for name in TABLES[table_name].key)
    row = first_row(
        con,
        f"SELECT approx_count_distinct(hash({key})) FROM {table_name} WHERE shard = {shard:d}",
    )
    return row[0] if row is not None else 0


def fold(con: DuckDBPyConnection, table_name: str, shard: int) -> None:
    """Fold a slice in a transaction of its own."""
    with transaction(con):
        fold_within(con, table_name, shard)


def fold_within(con: DuckDBPyConnection, table_name: str, shard: int) -> None:
    """Put one row a key in the place of a shard's differences; what adds up to 0 goes.

    Inside the caller's transaction.
    """
    table = TABLES[table_name]
    key = ", ".join(f'"{name}"' for name in table.key)
    sums = ", ".join(f'sum("{name}")::BIGINT AS "{name}"' for name in table.counted)
    some = " OR ".join(f'sum("{name}") <> 0' for name in table.counted)
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE folded AS SELECT {key}, {sums} FROM {table_name} "
        f"WHERE shard = {shard:d} GROUP BY {key} HAVING {some}"
    )
    con.execute(f"DELETE FROM {table_name} WHERE shard = {shard:d}")
    con.execute(f"INSERT INTO {table_name} BY NAME FROM folded")
    row = first_row(con, "SELECT count(*) FROM folded")
    _note(con, table_name, shard, row[0] if row is not None else 0)
    con.execute("DROP TABLE folded")


def _note(con: DuckDBPyConnection, table_name: str, shard: int, rows_n: int) -> None:
    """Remember how many rows there are, to know when there are twice as many."""
    con.execute("DELETE FROM folded_slice WHERE table_name = ? AND shard = ?", [table_name, shard])
    con.execute("INSERT INTO folded_slice VALUES (?, ?, ?)", [table_name, shard, rows_n])
