"""What a person is told when the disk under a file gives out, or a file is not what it was."""

from __future__ import annotations

import errno
import os
import re
from typing import TYPE_CHECKING

import duckdb

from streams.errors import IntegrityError, TransientError

if TYPE_CHECKING:
    from pathlib import Path

FULL = tuple(os.strerror(code) for code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG))

DAMAGED = ("Corrupt database file", "Could not read enough bytes")
DAMAGED_PART = ("No files found that match", "to be a Parquet file", "No magic bytes found")
PART = re.compile(r"/shard=\d+/\w+/day=[\d-]+/part-[0-9a-f]{32}\.parquet$")
"""Where a part lies below an archive (a copied file reads those of another folder than its own).
What lies elsewhere is a file that a person named in SQL of their own."""
OF_THE_ASKER = (duckdb.ProgrammingError, duckdb.DataError)
"""What DuckDB raises for a mistake in SQL, with text of it; never for a block it cannot read."""


def damage(error: BaseException, path: Path | None = None) -> IntegrityError | None:
    """The error in words if a file is cut, overwritten or gone that was whole once; else None.

    DuckDB says so at the first block that is read, which may be long after the file was opened.
    path: of the file, where the caller knows it; DuckDB does not always say.
    """
    told = str(error).partition("\n")[0].rstrip(".")
    if not isinstance(error, duckdb.Error):
        return None
    quoted = re.search(r"""(["'])(/.+)\1""", told)
    named = quoted[2] if quoted else ""
    where = str(path or named)
    if not isinstance(error, OF_THE_ASKER) and any(words in told for words in DAMAGED):
        return IntegrityError(
            f"the file is damaged ({told}).",
            where=where,
            done="Nothing was made of it.",
            todo="Let a worker (with several: `listenback publish`) publish it again, or name an "
            "earlier snapshot (warehouse.duckdb.1) with --warehouse; of a damaged night remove the "
            "folder.",
        )
    if PART.search(named) and any(words in told for words in DAMAGED_PART):
        return IntegrityError(
            f"an archived part is not as it was ({told}).",
            where=where,
            done="Nothing was made of what is left.",
            todo="Put `archive` back beside the file, from a backup.",
        )
    return None


def disk_trouble(error: BaseException, path: Path) -> TransientError | None:
    """The error in words if the disk is full (or a quota, or a file's limit); else None.

    DuckDB says it in a text of its own, Python by a number.
    """
    told = str(error)
    if not isinstance(error, (duckdb.Error, OSError)) or not any(word in told for word in FULL):
        return None
    return TransientError(
        f"the disk takes no more ({told.splitlines()[0]}).",
        where=str(path),
        done="Nothing of the last flush was kept, and nothing of it was acknowledged.",
        todo="Make room, then start the worker again: it reads on where it stopped.",
    )
