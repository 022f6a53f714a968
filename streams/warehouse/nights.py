"""Pinned nights: the file and the definitions that a night's report was made from, kept as it was.

Published files are never written to, only replaced by name, so that pinning one is a second name
for it. A night is there whole or not at all: its folder appears by rename.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import fcntl
import json
import os
import shutil
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from streams.by_rename import coming_name, or_config_error, write_whole
from streams.errors import ConfigError, IntegrityError, ListenbackError, TransientError
from streams.warehouse.reading import open_warehouse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCHEMA = "listenback.night/1"
WAREHOUSE = "warehouse.duckdb"
DEFINITIONS = "config"
MANIFEST = "night.json"


@dataclass(frozen=True, slots=True)
class Look:
    """Who looked at what day: all that a report says beside what is in the two folders.

    date: ISO 8601. looked_at_us: the wall clock, UTC microseconds. version: of listenback.
    last_date, last_verdicts: of the report before, where there is one: states by experiment and
    treatment, so that the page can say what has been revised. last: its numbers, for the same.
    """

    date: str
    looked_at_us: int
    command: str
    version: str
    last_date: str = ""
    last_verdicts: dict[str, dict[str, str]] = field(default_factory=dict)
    last: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Night:
    """A pinned night."""

    look: Look
    folder: Path

    @property
    def warehouse(self) -> Path:
        """The warehouse as it was."""
        return self.folder / WAREHOUSE

    @property
    def definitions(self) -> Path:
        """The metrics and experiments as they were."""
        return self.folder / DEFINITIONS


def pin(nights_dir: Path, look: Look, *, warehouse: Path, definitions: Path) -> Night:
    """Keep this warehouse and these definitions as the night's; a night that is pinned stays.

    Raises:
        ConfigError: there is no warehouse, or the folder cannot be written.
        IntegrityError: the warehouse is of another schema, or damaged: no report can be made of it.
    """
    folder = nights_dir / look.date
    if (folder / MANIFEST).is_file():
        return _read(folder)
    if not warehouse.is_file():
        raise ConfigError(
            "there is no warehouse to look at.",
            where=str(warehouse),
            done="No night was pinned.",
            todo="Let `listenback worker` (and with several of them `listenback publish`) run.",
        )
    with or_config_error(
        "the night cannot be pinned",
        where=nights_dir,
        done="Nothing was kept.",
        todo="Make room, or make the folder writable.",
    ):
        _keep(folder, look, warehouse, definitions)
    return Night(look, folder)


def _keep(folder: Path, look: Look, warehouse: Path, definitions: Path) -> None:
    """Make the night's folder under another name, then rename it."""
    coming = coming_name(folder)
    try:
        shutil.rmtree(coming, ignore_errors=True)
        coming.mkdir(parents=True)
        _second_name(warehouse, coming / WAREHOUSE)
        _check_readable(coming / WAREHOUSE, warehouse)
        for part in ("metrics", "experiments"):
            if (definitions / part).is_dir():
                shutil.copytree(definitions / part, coming / DEFINITIONS / part)
        said = {"schema": SCHEMA} | asdict(look)
        write_whole({coming / MANIFEST: (json.dumps(said, indent=2) + "\n").encode()})
        coming.rename(folder)
    finally:
        shutil.rmtree(coming, ignore_errors=True)


def find(nights_dir: Path, date: dt.date) -> Night:
    """The pinned night of a date.

    Raises:
        ConfigError: it was not pinned, or is gone; says which are there.
        IntegrityError: it is damaged.
    """
    folder = nights_dir / date.isoformat()
    if (folder / MANIFEST).is_file():
        return _read(folder)
    known = dates(nights_dir)
    there = f"There are {len(known)}, {known[0]} to {known[-1]}." if known else "There are none."
    near = min(known, key=lambda one: abs(one - date), default=None)
    raise ConfigError(
        f"no night of {date} is pinned. {there}",
        where=str(nights_dir),
        todo=f"The nearest: --as-of {near}" if near else "`listenback nightly` pins one.",
    )


def dates(nights_dir: Path) -> list[dt.date]:
    """The pinned nights, oldest first."""
    return sorted(
        dt.date.fromisoformat(path.parent.name)
        for path in nights_dir.glob(f"????-??-??/{MANIFEST}")
    )


def expire(nights_dir: Path, *, keep_n: int) -> list[dt.date]:
    """Remove all but the newest nights; returns what went. Reports made of them stay.

    Raises:
        TransientError: the folder cannot be written; the same call removes what is left.
    """
    gone = dates(nights_dir)[:-keep_n]
    try:
        for left in nights_dir.glob(".*.leaving"):  # by a process that died in the middle of it
            shutil.rmtree(left)
        for date in gone:
            leaving = nights_dir / f".{date}.leaving"
            (nights_dir / date.isoformat()).rename(leaving)
            shutil.rmtree(leaving)
    except OSError as error:
        raise TransientError(
            f"nights beyond nights_keep_n cannot be removed: {error.strerror}.",
            where=str(nights_dir),
            done="Tonight's report is made and kept.",
            todo="Make the folder writable, then give the same command again.",
        ) from error
    return gone


@contextlib.contextmanager
def alone(nights_dir: Path) -> Iterator[None]:
    """Hold the folder: one night is made at a time. The lock goes with the process.

    Raises:
        TransientError: another process holds it.
        ConfigError: the folder cannot be written.
    """
    with or_config_error(
        "nights cannot be kept here",
        where=nights_dir,
        done="No night was pinned.",
        todo="Make the folder writable, or name another with --data-dir.",
    ):
        nights_dir.mkdir(parents=True, exist_ok=True)
        lock = (nights_dir / ".lock").open("w")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise TransientError(
                "another process is making a night's report.",
                where=str(nights_dir),
                todo="Wait for it; the same command may then be given again.",
            ) from error
        yield


def _read(folder: Path) -> Night:
    path = folder / MANIFEST
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        is_ours = said.pop("schema") == SCHEMA
        look = Look(**said)
        are_maps = [isinstance(one, dict) for one in (look.last_verdicts, look.last)]
        is_ours = is_ours and all(are_maps)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(path, str(error)) from error
    if not is_ours or not (folder / WAREHOUSE).is_file():
        raise _damaged(path, f"another schema, or no {WAREHOUSE} beside it")
    return Night(look, folder)


def _damaged(path: Path, why: str) -> IntegrityError:
    return IntegrityError(
        f"this is no pinned night: {why}.",
        where=str(path),
        done="Nothing was made of it.",
        todo="Remove the folder of that night; its report, if one was made, stays.",
    )


def _check_readable(pinned: Path, warehouse: Path) -> None:
    """A night that is pinned stays, so what nothing can be made of is refused before.

    The second name is opened, not the first: that may be another file by now.
    """
    try:
        open_warehouse(pinned).close()
    except ListenbackError as error:
        error.where, error.done = str(warehouse), "No night was pinned."
        raise


def _second_name(source: Path, target: Path) -> None:
    """A hard link, or a copy where the disk is another one."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in {errno.EXDEV, errno.EPERM, errno.EMLINK}:
            raise
        shutil.copyfile(source, target)
