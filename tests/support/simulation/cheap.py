"""Files opened for a fraction of what a process pays, because a simulated life opens twenty.

A DuckDB of its own for each look into a published file costs 20 ms, the empty tables of a merged
one 250 ms. Here one DuckDB looks into them all, and a merged file begins as a copy of an empty one.
"""

from __future__ import annotations

import contextlib
import itertools
import shutil
from functools import cache
from typing import TYPE_CHECKING, Any
from unittest import mock

import duckdb

from streams.warehouse import publish, restore
from streams.warehouse.connect import open_writable
from streams.warehouse.migrate import migrate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NUMBERS = itertools.count()


@contextlib.contextmanager
def cheap_files(folder: Path) -> Iterator[None]:
    """While this lasts, published files are attached, and merged ones begin with their tables."""
    blank = _blank(folder)

    def copied(path: Path, *, memory: str, threads_n: int) -> Any:
        shutil.copyfile(blank, path)
        return open_writable(path, memory=memory, threads_n=threads_n)

    with (
        mock.patch.object(restore, "open_readable", Attached),
        mock.patch.object(publish, "open_readable", Attached),
        mock.patch.object(publish, "open_writable", copied),
    ):
        yield


class Attached:
    """A published file, read-only, in the place of a connection of its own."""

    def __init__(self, path: Path) -> None:
        self._name = f"published_{next(NUMBERS)}"
        self._con = _reader().cursor()
        self._con.execute(f"ATTACH '{path}' AS {self._name} (READ_ONLY)")
        self._con.execute(f"USE {self._name}")

    def execute(self, sql: str) -> duckdb.DuckDBPyConnection:
        return self._con.execute(sql)

    def close(self) -> None:
        self._con.execute("USE memory")
        self._con.execute(f"DETACH {self._name}")
        self._con.close()


@cache
def _reader() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(":memory:", config={"threads": 1})


@cache
def _blank(folder: Path) -> Path:
    """A warehouse without rows and rules, as a merge begins with."""
    path = folder / "blank.duckdb"
    con = open_writable(path, memory="500MB", threads_n=1)
    migrate(con, str(path))
    con.execute("CHECKPOINT")
    con.close()
    return path
