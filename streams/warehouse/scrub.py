"""Writing a file anew: DuckDB keeps the bytes of deleted rows in the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.warehouse import archive
from streams.warehouse.connect import first_row, open_writable
from streams.warehouse.migrate import migrate
from streams.warehouse.publish import place

if TYPE_CHECKING:
    from pathlib import Path

    from duckdb import DuckDBPyConnection

OWN = "schema_history"
"""Written by the migrations of the new file."""


def is_due(con: DuckDBPyConnection) -> bool:
    """Whether the open file may still hold bytes of somebody it has forgotten."""
    row = first_row(con, "SELECT count(*) FROM erasure WHERE NOT is_scrubbed")
    return row is not None and row[0] > 0


def scrub(path: Path, *, memory: str) -> None:
    """Copy all rows of a closed file into a new one and rename that to its name.

    A crash leaves the old file, and a hidden one that the next call removes.
    """
    coming = path.with_name(f".{path.name}.scrubbed")
    coming.unlink(missing_ok=True)
    con = open_writable(coming, memory=memory, threads_n=1)
    try:
        migrate(con, str(coming))
        _copy(con, path)
        if not archive.is_empty(con):
            archive.show(con)
        con.execute("UPDATE erasure SET is_scrubbed = true")
        con.execute("CHECKPOINT")
    finally:
        con.close()
    place(coming, path, keep_n=1)


def _copy(con: DuckDBPyConnection, path: Path) -> None:
    """All rows of all tables that both files have; opening the old one plays its log first."""
    literal = str(path).replace("'", "''")
    con.execute(f"ATTACH '{literal}' AS unclean")
    con.execute("CHECKPOINT unclean")
    names = con.execute(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = current_database() "
        "AND NOT temporary AND table_name <> ? ORDER BY ALL",
        [OWN],
    ).fetchall()
    for (name,) in names:
        con.execute(f"INSERT INTO {name} BY NAME SELECT * FROM unclean.{name}")
    con.execute("DETACH unclean")
