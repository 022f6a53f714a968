"""Copying a worker's file while it goes on committing.

Between two checkpoints DuckDB leaves every block alone that the last one named: rows go to its log,
and full row groups of a large transaction to blocks that nobody names yet. So a copy made meanwhile
is the file as of that checkpoint, whatever is committed, as long as no checkpoint comes between. A
copy without the log beside it shows nothing of what came later.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import threading
from typing import TYPE_CHECKING

from streams.clock import monotonic_ms
from streams.warehouse.connect import LOG_BYTES_MAX

if TYPE_CHECKING:
    from io import FileIO
    from pathlib import Path

    from duckdb import DuckDBPyConnection

COPY_BEHIND_BYTES_MIN = 64 << 20
"""A larger file is copied behind later commits; the call that finds it copied publishes it."""
CHUNK_BYTES = 64 << 20
CANNOT_IN_KERNEL = {errno.ENOSYS, errno.EXDEV, errno.EOPNOTSUPP, errno.EINVAL, errno.EPERM}
LOG_BYTES_MEANWHILE = 1 << 40
"""No log gets so large while a file is copied, so that none forces a checkpoint."""


class AbandonedError(Exception):
    """Nobody wants the copy any more."""


class Copy:
    """One copy under way, in a thread of its own; no checkpoint may be made before its end."""

    def __init__(self, con: DuckDBPyConnection, source: Path, target: Path) -> None:
        """Begin to copy the file that `con` has open, which was checkpointed just now."""
        self._con = con
        self.target = target
        self.took_ms = 0.0
        self._is_unwanted = threading.Event()
        self._failure: BaseException | None = None
        allow_log(con, LOG_BYTES_MEANWHILE)
        self._thread = threading.Thread(target=self._run, args=(source,), name="copy", daemon=True)
        self._thread.start()

    @property
    def is_under_way(self) -> bool:
        """Whether there is more to copy."""
        return self._thread.is_alive()

    def end(self) -> None:
        """Wait for the end. Raises OSError: there is no copy, for want of room or of a right."""
        self._thread.join()
        allow_log(self._con, LOG_BYTES_MAX)
        if self._failure is not None:
            raise self._failure

    def abandon(self) -> None:
        """End it, and leave nothing of it; no matter whether it had ended."""
        self._is_unwanted.set()
        self._thread.join()
        self._remove()
        allow_log(self._con, LOG_BYTES_MAX)

    def _remove(self) -> None:
        with contextlib.suppress(OSError):  # what cannot be removed now is by the next snapshot
            self.target.unlink(missing_ok=True)

    def _run(self, source: Path) -> None:
        started_ms = monotonic_ms()
        try:
            copy(source, self.target, self._is_unwanted)
        except BaseException as error:  # noqa: BLE001 - raised by `end`, in the sink's thread
            self._failure = error
            self._remove()  # half a copy would hold the space that the log needs
        self.took_ms = monotonic_ms() - started_ms


def needed_bytes(size: int) -> int:
    """What must be free to copy a file of `size` bytes: it, and the log of those who go on."""
    return size + LOG_BYTES_MAX


def check_room(source: Path, folder: Path) -> None:
    """Raise OSError where a copy would leave no room for the log beside it."""
    if shutil.disk_usage(folder).free < needed_bytes(source.stat().st_size):
        raise OSError(errno.ENOSPC, "no room for a copy and the log beside it", str(folder))


def copy(source: Path, target: Path, is_unwanted: threading.Event) -> None:
    """Copy the bytes and make them durable. Raises OSError, AbandonedError."""
    with source.open("rb", buffering=0) as of, target.open("wb", buffering=0) as to:
        size = os.fstat(of.fileno()).st_size
        while _copied_some(of, to):
            if is_unwanted.is_set():
                raise AbandonedError
        if to.tell() < size:
            raise OSError(errno.EIO, "the copy is shorter than the file", str(target))
        os.fsync(to.fileno())


def _copied_some(of: FileIO, to: FileIO) -> int:
    """How many bytes, 0 at the end. In the kernel where it can, which takes a sixth of the time."""
    if hasattr(os, "copy_file_range"):
        try:
            return os.copy_file_range(of.fileno(), to.fileno(), CHUNK_BYTES)
        except OSError as error:
            if error.errno not in CANNOT_IN_KERNEL:
                raise
    rest = memoryview(of.read(CHUNK_BYTES) or b"")
    read_n = len(rest)
    while rest:
        rest = rest[to.write(rest) :]
    return read_n


def allow_log(con: DuckDBPyConnection, bytes_max: int) -> None:
    """Let the log grow so far before it forces a checkpoint."""
    con.execute(f"SET wal_autocheckpoint = '{bytes_max}B'")
