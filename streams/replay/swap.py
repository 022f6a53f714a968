"""Putting a rebuilt warehouse in the place of the live one.

Both folders change by one rename each, the published files first: whoever starts between the two
finds the old state whole, and swapping again goes on. The old folders are kept beside.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from streams.clock import now_us
from streams.errors import ConfigError, TransientError
from streams.replay.rebuild import clear, publish_again, shadow_settings
from streams.warehouse import archive
from streams.warehouse.connect import archive_of, hold

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from streams.settings import Settings


def swap(settings: Settings) -> Path:
    """Let the rebuilt warehouse be the live one; returns the folder that keeps the old one.

    Raises:
        TransientError: a worker runs here.
        ConfigError: there is no rebuilt warehouse.
    """
    shadow = shadow_settings(settings)
    live, shadowed = settings.warehouse_file, shadow.warehouse_file
    if not shadow.worker_file.is_file():
        raise ConfigError(
            "there is no rebuilt warehouse here.",
            where=str(shadow.data_dir),
            todo="Make one: listenback replay",
        )
    if not shadow.warehouse_file.is_file():  # a swap was cut short after its first rename
        _link_parts(_parts_below(archive_of(live)), archive_of(live), archive_of(shadowed))
        publish_again(shadow)
    kept = settings.data_dir / f"replaced-{now_us()}"
    with nobody_writes(settings), nobody_writes(shadow):
        kept.mkdir(parents=True)
        for night in settings.pinned_warehouses():  # they go on naming the parts of their time
            _link_parts(archive.files_of(night), archive_of(live), archive_of(shadowed))
        for old, new in (
            (settings.published_dir, shadow.published_dir),
            (settings.worker_file.parent, shadow.worker_file.parent),
        ):
            if old.exists():
                old.rename(kept / old.name)
            new.rename(old)
        _durable(settings.data_dir)
    clear(settings)
    return kept


@contextlib.contextmanager
def nobody_writes(settings: Settings) -> Iterator[None]:
    """Hold every worker's file of a data directory, so that no worker can start meanwhile.

    Raises:
        TransientError: a worker has its file open.
    """
    with contextlib.ExitStack() as held:
        for path in sorted(settings.worker_file.parent.glob("*.duckdb")):
            try:
                held.enter_context(hold(path))
            except TransientError as error:
                raise TransientError(
                    "a worker runs here.",
                    where=str(path),
                    done="Nothing was changed.",
                    todo="Stop all workers of this data directory (SIGTERM), then run this again.",
                ) from error
        yield


def _parts_below(folder: Path) -> Iterator[str]:
    """The parts below an archive's folder, by their names in a file."""
    return (str(path.relative_to(folder)) for path in sorted(folder.rglob("*.parquet")))


def _link_parts(files: Iterable[str], source: Path, target: Path) -> None:
    """Let parts be in another archive, too; their names are hashes of what they hold."""
    for file in files:
        if (source / file).is_file() and not (target / file).exists():
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            os.link(source / file, target / file)


def _durable(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
