"""Folding appended differences into one row a key, a slice at a time, so that readers add up less.

A flush appends differences and leaves what is there alone. When the differences of a table and
shard outnumber what the last folding left of it, one slice is folded, in a transaction of its own:
a row is rewritten about as often as its slice doubles. Sums stay what they are, whenever it
happens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.warehouse.connect import first_row, transaction
from streams.warehouse.layout import TABLES

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ROWS_MIN = 200_000
"""Fewer differences than this are added up by readers at no cost worth a thought."""
FOLDED_TABLES = tuple(name for name, table in TABLES.items() if table.counted)
SLICES = " UNION ALL ".join(
    f"SELECT '{name}' AS table_name, shard, count(*) AS rows_n FROM {name} GROUP BY shard"
    for name in FOLDED_TABLES
)
MOST_OVERDUE = f"""
SELECT s.table_name, s.shard FROM ({SLICES}) s
LEFT JOIN folded_slice f USING (table_name, shard)
WHERE s.rows_n >= 2 * coalesce(f.folded_n, 0) + {{rows_min}}
ORDER BY s.rows_n - 2 * coalesce(f.folded_n, 0) DESC, 1, 2 LIMIT 1
"""


def fold_if_due(con: DuckDBPyConnection, *, rows_min: int = ROWS_MIN) -> bool:
    """Fold the slice that is most overdue; whether there was one."""
    due = first_row(con, MOST_OVERDUE.format(rows_min=rows_min))
    if due is not None:
        fold(con, *due)
    return due is not None


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
    con.execute("DELETE FROM folded_slice WHERE table_name = ? AND shard = ?", [table_name, shard])
    con.execute("INSERT INTO folded_slice SELECT ?, ?, count(*) FROM folded", [table_name, shard])
    con.execute("DROP TABLE folded")
