"""`results.duckdb` as a file: whole or as it was, and untouched where the night said the same."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import duckdb

from analytics.report.results_file import TABLES, keep
from streams.by_rename import coming_name, or_config_error
from streams.errors import ConfigError, IntegrityError
from streams.warehouse.connect import open_writable

if TYPE_CHECKING:
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from analytics.results import Report

NAME = "results.duckdb"


def keep_results(report: Report, folder: Path) -> Path:
    """Put the report's results into the folder's results file; those of other nights stay.

    Raises:
        ConfigError: the folder cannot be written.
        IntegrityError: the file there is no results file, or one of another listenback.
    """
    path = folder / NAME
    coming = coming_name(path)
    with or_config_error(
        "the results cannot be written",
        where=path,
        done="The report is written; the results are as they were.",
        todo="Make the folder writable, then give the same command again.",
    ):
        folder.mkdir(parents=True, exist_ok=True)
        coming.unlink(missing_ok=True)
        if path.is_file():
            shutil.copyfile(path, coming)
        try:
            if _kept(report, coming):
                coming.replace(path)
        finally:
            coming.unlink(missing_ok=True)
    return path


def _kept(report: Report, coming: Path) -> bool:
    try:
        con = open_writable(coming, memory="500MB", threads_n=1)
        try:
            _check_columns(con, coming.with_name(NAME))
            is_new = keep(con, report)
            con.execute("CHECKPOINT")
            return is_new
        finally:
            con.close()
    except (duckdb.Error, ConfigError) as error:
        raise IntegrityError(
            f"the results of earlier nights cannot be read: {str(error).splitlines()[0]}",
            where=str(coming.with_name(NAME)),
            done="The report is written; that file is as it was.",
            todo="Move the file away; the same command then begins a new one.",
        ) from error


def _check_columns(con: DuckDBPyConnection, path: Path) -> None:
    """The file has no number of a schema: its columns are those of this code, or it is refused."""
    rows = con.execute("SELECT table_name, column_name FROM duckdb_columns()").fetchall()
    for table in TABLES:
        there = {column for name, column in rows if name == table.name}
        apart = sorted(there ^ set(table.columns))
        if there and apart:
            raise IntegrityError(
                f"another listenback made this file: {table.name} differs in {', '.join(apart)}.",
                where=str(path),
                done="The report is written; that file is as it was.",
                todo="Use the listenback that made it, or move the file away: the same command "
                "then begins a new one.",
            )
