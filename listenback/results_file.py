"""`results.duckdb` as a file: whole or as it was, and untouched where the night said the same."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import duckdb

from analytics.report.results_file import keep
from streams.errors import ConfigError, IntegrityError
from streams.warehouse.connect import open_writable

if TYPE_CHECKING:
    from pathlib import Path

    from analytics.results import Report

NAME = "results.duckdb"


def keep_results(report: Report, folder: Path) -> Path:
    """Put the report's results into the folder's results file; those of other nights stay.

    Raises:
        ConfigError: the folder cannot be written.
        IntegrityError: the file there is no results file.
    """
    path, coming = folder / NAME, folder / f".{NAME}.coming"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        coming.unlink(missing_ok=True)
        if path.is_file():
            shutil.copyfile(path, coming)
        try:
            if _kept(report, coming):
                coming.replace(path)
        finally:
            coming.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(
            f"the results cannot be written: {error.strerror}.",
            where=str(path),
            done="The report is written; the results are as they were.",
            todo="Make the folder writable, then give the same command again.",
        ) from error
    return path


def _kept(report: Report, coming: Path) -> bool:
    try:
        con = open_writable(coming, memory="500MB", threads_n=1)
        try:
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
