"""The archive as an open file knows it: which Parquet parts hold older rows of its facts.

Parts are immutable: their name is the hash of their bytes. The table `archive_part` is the one
record of what counts; it moves with its shard, and what it does not name is nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from streams.errors import IntegrityError
from streams.warehouse import fact_views
from streams.warehouse.connect import (
    ARCHIVE_VARIABLE,
    archive_of,
    first_row,
    literal,
    open_readable,
)
from streams.warehouse.layout import FACT_TABLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Missing:
    """A part that a file names and that is not there."""

    shard: int
    file: str


def folder_of(con: DuckDBPyConnection) -> Path:
    """The folder that the parts of an open file lie below."""
    row = first_row(
        con,
        f"SELECT getvariable('{ARCHIVE_VARIABLE}'), path FROM duckdb_databases() "
        "WHERE database_name = current_database()",
    )
    assert row is not None
    return archive_of(Path(row[1] or ".")) if row[0] is None else Path(row[0])


def shard_folder(shard: int) -> str:
    """The folder of a shard's parts, below that of all parts."""
    return f"shard={shard:02d}"


def files(con: DuckDBPyConnection, table: str | None = None) -> list[str]:
    """The parts of a view, or of all."""
    own = "true" if table is None else f"table_name = '{table}'"
    rows = con.execute(f"SELECT file FROM archive_part WHERE {own} ORDER BY file").fetchall()
    return [row[0] for row in rows]


def files_by_view(con: DuckDBPyConnection) -> dict[str, list[str]]:
    """The parts of each view that has any."""
    rows = con.execute(
        "SELECT table_name, list(file ORDER BY file) FROM archive_part GROUP BY ALL"
    ).fetchall()
    return dict(rows)


def files_of(path: Path) -> list[str]:
    """The parts that a closed file names; none where it has vanished."""
    if not path.is_file():
        return []
    con = open_readable(path)
    try:
        return files(con)
    finally:
        con.close()


def between(
    con: DuckDBPyConnection, table: str, shards: Sequence[int], low_us: int, high_us: int
) -> str | None:
    """SQL: the rows of the parts of these shards that may hold a time in [low_us, high_us]."""
    rows = con.execute(
        "SELECT file FROM archive_part WHERE table_name = ? AND shard IN (SELECT unnest(?)) "
        "AND first_us <= ? AND last_us >= ? ORDER BY file",
        [table, list(shards), high_us, low_us],
    ).fetchall()
    return read(con, [row[0] for row in rows]) if rows else None


def read(con: DuckDBPyConnection, parts: Sequence[str]) -> str:
    """SQL: the rows of these parts.

    Raises:
        IntegrityError: one is not there.
    """
    folder = folder_of(con)
    gone = [file for file in parts if not (folder / file).is_file()]
    if gone:
        raise lost(folder, gone)
    listed = ", ".join(f"'{literal(folder / file)}'" for file in parts)
    return f"read_parquet([{listed}], {fact_views.PLAIN})"


def batches(con: DuckDBPyConnection, table: str, *, rows_max: int) -> Iterator[str]:
    """SQL: all parts of a view, some at a time; of small ones as many as hold rows_max rows."""
    rows = con.execute(
        "SELECT file, part_rows_n FROM archive_part WHERE table_name = ? ORDER BY file", [table]
    ).fetchall()
    waiting: list[str] = []
    waiting_n = 0
    for file, rows_n in rows:
        if waiting and waiting_n + rows_n > rows_max:
            yield read(con, waiting)
            waiting, waiting_n = [], 0
        waiting, waiting_n = [*waiting, file], waiting_n + rows_n
    if waiting:
        yield read(con, waiting)


def missing(con: DuckDBPyConnection) -> list[Missing]:
    """The parts that the file names and that are not there."""
    rows = con.execute("SELECT shard, file FROM archive_part ORDER BY ALL").fetchall()
    if not rows:
        return []
    folder = folder_of(con)
    return [Missing(shard, file) for shard, file in rows if not (folder / file).is_file()]


def lost(folder: Path, gone: Sequence[str]) -> IntegrityError:
    """What a person is told of parts that are not there."""
    return IntegrityError(
        f"{len(gone)} archived parts are not there; the first: {gone[0]}.",
        where=str(folder),
        done="Nothing was changed; rows that lie there cannot be counted anew without them.",
        todo="Mount or restore the folder `archive` that belongs to these files; or let the shard "
        "be read again from Kafka, if it still holds all of it: remove the worker's file.",
    )


def show(con: DuckDBPyConnection, tables: Iterable[str] = tuple(FACT_TABLES.values())) -> None:
    """Let the views of these facts say what the file and its parts hold now.

    Raises:
        IntegrityError: a part is not there.
    """
    folder = folder_of(con)
    named = files_by_view(con)
    gone = sorted(one for part in named.values() for one in part if not (folder / one).is_file())
    if gone:
        raise lost(folder, gone)
    for table in tables:
        con.execute(fact_views.ddl(table, folder, named.get(table, ())))


def is_empty(con: DuckDBPyConnection) -> bool:
    """Whether nothing of this file is archived."""
    return first_row(con, "SELECT 1 FROM archive_part LIMIT 1") is None


def is_shown_elsewhere(con: DuckDBPyConnection) -> bool:
    """Whether a view names another folder than this one: the data directory was moved."""
    if is_empty(con):  # views name no part then, and to look into them costs several ms a start
        return False
    row = first_row(
        con,
        "SELECT count(*) FROM duckdb_views() WHERE database_name = current_database() "
        f"AND contains(sql, 'read_parquet') AND NOT contains(sql, '''{literal(folder_of(con))}''')",
    )
    return row is not None and row[0] > 0
