"""Opening DuckDB files: the worker's own for writing, published ones for reading."""

from __future__ import annotations

import contextlib
import fcntl
from typing import TYPE_CHECKING, Any

import duckdb

from streams.errors import ConfigError, IntegrityError, ListenbackError, TransientError
from streams.warehouse.trouble import damage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import IO

    import polars as pl
    from duckdb import DuckDBPyConnection

STORAGE_VERSION = "v1.5.0"
"""Files that DuckDB 1.5 and 2.0 both read."""
ROW_GROUP_ROWS = 16_384
"""DuckDB compresses full row groups of a transaction and writes them to their place at once; what
does not fill one goes to the log, and from there to its place at a checkpoint. A flush fills many
groups of this size and few of the usual 122,880."""
LOG_BYTES_MAX = 256 << 20
"""The log that forces a checkpoint between two of a publisher's; a restart reads it back."""
ARCHIVE_VARIABLE = "listenback_archive"
"""Variable of a connection: the folder that the archived parts of its file lie below."""
LOCKED = "Could not set lock"
"""What DuckDB says where another process holds a file."""
WAREHOUSE = "warehouse_file"
"""Catalogue name of an attached file; views name no catalogue, so any name serves."""


def open_writable(path: Path, *, memory: str, threads_n: int) -> DuckDBPyConnection:
    """Open or create a file for the one process that writes it.

    Raises:
        TransientError: another process holds the file.
        ConfigError: the path cannot be written or is no DuckDB file.
    """
    if "?" in str(path):
        raise ConfigError(
            "DuckDB cannot keep a file whose path holds a question mark.",
            where=str(path),
            todo="Name another folder with --data-dir.",
        )
    _make_folder(path.parent)
    con = duckdb.connect(":memory:", config={"threads": threads_n, "memory_limit": memory})
    try:
        con.execute(
            f"ATTACH '{literal(path)}' AS {WAREHOUSE} "
            f"(STORAGE_VERSION '{STORAGE_VERSION}', ROW_GROUP_SIZE {ROW_GROUP_ROWS})"
        )
    except duckdb.Error as error:
        con.close()
        raise _open_error(path, error) from error
    con.execute(f"USE {WAREHOUSE}")
    con.execute(f"SET wal_autocheckpoint = '{LOG_BYTES_MAX}B'")
    con.execute(f"SET temp_directory = '{literal(path)}.spill'")
    con.execute(f"SET VARIABLE {ARCHIVE_VARIABLE} = '{literal(archive_of(path))}'")
    return con


def archive_of(path: Path) -> Path:
    """The folder that belongs to a warehouse file: `archive` beside what is published.

    Workers' own files and pinned nights have their folders beside that of the published files.
    """
    for folder in (path.parent, path.parent.parent):
        if folder.name in {"workers", "nights"}:
            return folder.parent.absolute() / "published" / "archive"
    return path.parent.absolute() / "archive"


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"cannot make the folder: {error.strerror}.",
            where=str(folder),
            todo="Name a writable folder with --data-dir.",
        ) from error


def hold(path: Path) -> IO[str]:
    """Hold a file for this process alone, until the returned handle is closed or the process ends.

    DuckDB's own lock is not enough: it is a POSIX lock, and the system drops those when this
    process closes any handle of the file, as each copy for publishing does.

    Raises:
        TransientError: another process holds the file.
        ConfigError: its folder cannot be made, or not be written to.
    """
    _make_folder(path.parent)
    try:
        lock = path.with_name(f".{path.name}.lock").open("w")
    except OSError as error:
        raise ConfigError(
            f"no file can be made here: {error.strerror}.",
            where=str(path.parent),
            done="Nothing was opened.",
            todo="Name a writable folder with --data-dir, or change its owner.",
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise _held(path) from error
    return lock


def open_readable(path: Path) -> DuckDBPyConnection:
    """Open a published file read-only.

    Raises:
        ConfigError: the file is not there or is no DuckDB file.
        IntegrityError: it is damaged, or a newer DuckDB made it.
        TransientError: another process has it open for writing.
    """
    if not path.is_file():
        raise ConfigError(
            "there is no warehouse here.",
            where=str(path),
            todo="Run `listenback demo`, or a worker with the same --data-dir.",
        )
    try:
        con = duckdb.connect(str(path), read_only=True)
    except duckdb.Error as error:
        raise _open_error(path, error) from error
    folder = archive_of(path)
    if folder.is_dir():  # else where the views say: the file may have been copied from there
        con.execute(f"SET VARIABLE {ARCHIVE_VARIABLE} = '{literal(folder)}'")
    return con


@contextlib.contextmanager
def transaction(con: DuckDBPyConnection) -> Iterator[None]:
    """All or nothing: commit on leaving, roll back on any exception."""
    con.begin()
    try:
        yield
    except BaseException:
        with contextlib.suppress(duckdb.Error):  # a broken commit has rolled back already
            con.rollback()
        raise
    con.commit()


def first_row(con: DuckDBPyConnection, sql: str) -> tuple[Any, ...] | None:
    """The first row, the result read to its end: DuckDB 2 refuses other work before that."""
    rows: list[tuple[Any, ...]] = con.execute(sql).fetchall()
    return rows[0] if rows else None


def frame(con: DuckDBPyConnection, sql: str, schema: pl.Schema | None = None) -> pl.DataFrame:
    """A query's rows; with a schema, its columns in its types."""
    rows: pl.DataFrame = con.sql(sql).pl()
    if schema is None or rows.schema == schema:
        return rows
    return rows.select(schema.names()).cast(schema)


def literal(text: object) -> str:
    """A text or path as it stands between the quotes of SQL."""
    return str(text).replace("'", "''")


def _held(path: Path) -> TransientError:
    return TransientError(
        "another process holds this file.",
        where=str(path),
        todo="Give this worker its own --worker-id, or stop the other one.",
    )


def _open_error(path: Path, error: duckdb.Error) -> ListenbackError:
    text = str(error)
    if LOCKED in text:
        return _held(path)
    if damaged := damage(error, path):
        return damaged
    if "version" in text and "storage" in text.lower():
        return IntegrityError(
            f"a newer DuckDB wrote this file ({text.splitlines()[0]}).",
            where=str(path),
            todo="Upgrade duckdb.",
        )
    return ConfigError(
        f"cannot be opened as a DuckDB file: {text.splitlines()[0]}",
        where=str(path),
        done="It was left as it is.",
        todo="Name a published warehouse.duckdb; `listenback doctor` looks at the data dir's.",
    )
