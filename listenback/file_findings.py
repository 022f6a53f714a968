"""What `listenback doctor` says of room for the next snapshot and of nights that were missed."""

from __future__ import annotations

import datetime as dt
import shutil
from typing import TYPE_CHECKING

from listenback.finding import Finding
from streams.clock import now_us
from streams.warehouse import copying, night_outcome
from streams.warehouse import nights as pinned
from streams.warehouse.publish import WORKER_GLOB

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from streams.settings import Settings

GIB = 1 << 30
COPIES_N = 2
"""Publishing copies a worker's file, and the merged warehouse is built beside the old one."""
DAY_US = 86_400_000_000


def nearest_folder(path: Path) -> Path:
    """The path itself, or the folder above it that is there."""
    return next(one for one in (path, *path.parents) if one.exists())


def room(settings: Settings) -> Finding:
    """Whether the next snapshot of the largest worker's file has room beside the old ones."""
    sizes = {path: _bytes(path) for path in settings.worker_file.parent.glob(WORKER_GLOB)}
    if not sizes:
        return Finding("room", "ok", "no worker has a file yet")
    largest = max(sizes, key=lambda path: sizes[path])
    free_bytes = shutil.disk_usage(nearest_folder(settings.published_dir)).free
    needed_bytes = COPIES_N * sizes[largest]
    if sizes[largest] >= copying.COPY_BEHIND_BYTES_MIN:
        needed_bytes = max(needed_bytes, copying.needed_bytes(sizes[largest]))
    says = (
        f"publishing {largest.name} needs {needed_bytes / GIB:,.2f} GiB in "
        f"{settings.published_dir}, {free_bytes / GIB:,.2f} GiB are free"
    )
    if free_bytes < needed_bytes:
        todo = (
            "Make room there, or keep fewer nights (nights_keep_n) or snapshots (publish_keep_n)."
        )
        return Finding("room", "warn", says, todo)
    return Finding("room", "ok", says)


def _bytes(path: Path) -> int:
    """What a DuckDB file holds, with what is not yet in it but in its log."""
    log = path.with_name(f"{path.name}.wal")
    return path.stat().st_size + (log.stat().st_size if log.exists() else 0)


def nights(settings: Settings) -> Finding:
    """Whether last night's report was made, as far as the last try and pinned nights tell."""
    tried = night_outcome.last(settings.nights_dir)
    if tried is not None and not tried.is_made:
        return Finding(
            "nights",
            "warn",
            f"the last try at a report, of the night of {tried.date}, failed",
            "`listenback nightly` says why, or makes it.",
        )
    today = dt.date(1970, 1, 1) + dt.timedelta(now_us() // DAY_US)
    return of_nights(pinned.dates(settings.nights_dir), today=today)


def of_nights(kept: Sequence[dt.date], *, today: dt.date) -> Finding:
    """The finding on the pinned nights, oldest first, on this day (UTC)."""
    if not kept:
        return Finding("nights", "ok", "none is pinned; `listenback nightly` makes a report")
    missed_n = (today - kept[-1]).days - 1
    says = f"{len(kept)} pinned, the last of {kept[-1]}"
    if missed_n > 0:
        return Finding(
            "nights",
            "warn",
            f"{says}; yesterday's is missing ({missed_n} in all)",
            "Look at the log and exit code of what runs `listenback nightly` or `schedule`; the "
            "next night covers the events of those missed.",
        )
    return Finding("nights", "ok", says)
