"""Numbered migrations, each applied with its record in one transaction."""

from __future__ import annotations

import importlib.resources
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb

from streams.clock import now_us
from streams.errors import IntegrityError
from streams.warehouse.connect import first_row, transaction

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

HISTORY = """
CREATE TABLE IF NOT EXISTS schema_history (
    version INTEGER, name VARCHAR, applied_at TIMESTAMP
);
COMMENT ON TABLE schema_history IS 'migrations applied to this file';
COMMENT ON COLUMN schema_history.version IS 'number of the migration';
COMMENT ON COLUMN schema_history.name IS 'file of the migration';
COMMENT ON COLUMN schema_history.applied_at IS 'when it was applied, UTC';
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """A numbered SQL file."""

    version: int
    name: str
    sql: str


def migrations() -> list[Migration]:
    """The migrations this code knows, in order; numbers run from 1 without holes."""
    folder = importlib.resources.files("streams.warehouse") / "migrations"
    files = sorted(file.name for file in folder.iterdir() if file.name.endswith(".sql"))
    known = [
        Migration(int(name.partition("_")[0]), name, (folder / name).read_text("utf-8"))
        for name in files
    ]
    assert [migration.version for migration in known] == list(range(1, len(known) + 1))
    return known


def newest_version() -> int:
    """The schema version that this code writes and reads."""
    return migrations()[-1].version


def version_of(con: DuckDBPyConnection) -> int:
    """The schema version of the open file; 0 for a file without a history of ours."""
    try:
        row = first_row(con, "SELECT coalesce(max(version), 0)::INTEGER FROM schema_history")
    except (duckdb.CatalogException, duckdb.BinderException, duckdb.ConversionException):
        return 0  # asking the catalogue first costs several ms an open
    assert row is not None
    return int(row[0])


def check_version(found: int, where: str) -> None:
    """Refuse a file that newer code has written.

    Raises:
        IntegrityError: the file's schema is newer than this code.
    """
    newest = newest_version()
    if found > newest:
        raise IntegrityError(
            f"schema version {found} is newer than this listenback knows ({newest}).",
            where=where,
            done="Nothing was changed.",
            todo="Install the listenback that wrote it, or a newer one.",
        )


def make_bare(con: DuckDBPyConnection) -> None:
    """The newest tables in a database in memory, for a moment: without comments and history."""
    for migration in migrations():
        lines = migration.sql.splitlines()
        con.execute("\n".join(line for line in lines if not line.startswith("COMMENT ON ")))


def check_current(con: DuckDBPyConnection, where: str) -> None:
    """Refuse a file that older or newer code has written: its tables are not ours.

    Raises:
        IntegrityError: the file's schema is not this code's.
    """
    found, newest = version_of(con), newest_version()
    check_version(found, where)
    if found < newest:
        raise IntegrityError(
            f"schema version {found} is older than this listenback reads ({newest}).",
            where=where,
            done="Nothing was done.",
            todo="Let a worker of this listenback publish it again; a file that was kept (a pinned "
            "night) is read by the listenback that made it, or by `listenback query`.",
        )


def migrate(con: DuckDBPyConnection, where: str) -> None:
    """Bring the open file to the newest schema.

    Raises:
        IntegrityError: the file's schema is newer than this code.
    """
    found = version_of(con)
    check_version(found, where)
    due = [migration for migration in migrations() if migration.version > found]
    for migration in due:
        with transaction(con):
            con.execute(HISTORY)
            con.execute(migration.sql)
            con.execute(
                "INSERT INTO schema_history VALUES (?, ?, make_timestamp(?))",
                [migration.version, migration.name, now_us()],
            )
    if due:  # WAL replay of DDL has had bugs; a checkpoint leaves none to replay
        con.execute("CHECKPOINT")
