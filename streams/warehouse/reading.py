"""Opening published warehouses as commands do: of this code's schema, or refused in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.errors import ConfigError
from streams.warehouse.connect import open_readable
from streams.warehouse.migrate import check_current, check_version, newest_version, version_of

if TYPE_CHECKING:
    from pathlib import Path

    from duckdb import DuckDBPyConnection


def open_warehouse(path: Path) -> DuckDBPyConnection:
    """Open a published warehouse, read-only, for SQL that knows its tables.

    Raises:
        ConfigError: the file is not there, is no DuckDB file or no warehouse.
        IntegrityError: an older or a newer listenback made it, so its tables are not ours.
        TransientError: somebody has it open for writing.
    """
    con = open_readable(path)
    try:
        _check_ours(con, path)
        check_current(con, str(path))
    except BaseException:
        con.close()
        raise
    return con


def open_for_questions(path: Path) -> tuple[DuckDBPyConnection, str]:
    """Open a DuckDB file for SQL that a person wrote; what they should know of it, or nothing.

    A file of an older schema is whole in itself: it is read, and its age is told. One without a
    schema of ours (results.duckdb, a file of somebody's own) is read, too.

    Raises:
        ConfigError: the file is not there or is no DuckDB file.
        IntegrityError: a newer listenback made it: what its columns mean is not known here.
        TransientError: somebody has it open for writing.
    """
    con = open_readable(path)
    try:
        found = version_of(con)
        check_version(found, str(path))
        newest = newest_version()
    except BaseException:
        con.close()
        raise
    if not found or found == newest:
        return con, ""
    return con, f"{path}: schema version {found}; the documentation here is of version {newest}"


def _check_ours(con: DuckDBPyConnection, path: Path) -> None:
    if not version_of(con):
        raise ConfigError(
            "this is no listenback warehouse: no migration was ever applied to it.",
            where=str(path),
            done="Nothing was read.",
            todo="Name a published warehouse.duckdb with --warehouse or --data-dir.",
        )
