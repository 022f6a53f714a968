"""What a person is told when the disk under a file gives out."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import duckdb

from streams.errors import TransientError

if TYPE_CHECKING:
    from pathlib import Path

FULL = tuple(os.strerror(code) for code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG))


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
