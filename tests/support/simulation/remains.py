"""What a kill leaves: files as they were at one instant, and nothing of what came after."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from pathlib import Path


@dataclass(slots=True)
class Remains:
    """Of the kills of a world.

    published: the folder that all write to. hidden: where it is kept from what comes after a kill.
    torn_n: logs that end in the middle of a commit.
    """

    published: Path
    hidden: Path
    torn_n: int = 0
    _names: dict[str, int] = field(default_factory=dict)
    _log_bytes: tuple[int, int] = (0, 0)

    def save(self, file: Path, saved: Path) -> None:
        """A worker's file and its log as they are now."""
        saved.mkdir(exist_ok=True)
        for path in file.parent.glob(f"{file.name}*"):
            if path.is_file():
                shutil.copyfile(path, saved / path.name)

    def measure(self, file: Path) -> None:
        """Size of the log before a line, to know what the next line adds."""
        wal = log_of(file)
        self._log_bytes = (self._log_bytes[1], wal.stat().st_size if wal.exists() else 0)

    def tear(self, saved_file: Path, rng: random.Random) -> None:
        """Killed within a commit, the log ends anywhere in what the commit wrote."""
        wal, before = log_of(saved_file), self._log_bytes[1]
        if wal.exists() and before < wal.stat().st_size:
            os.truncate(wal, rng.randrange(before, wal.stat().st_size))
            self.torn_n += 1

    def hide(self) -> None:
        """Second names for what is published at this instant: what comes after did not happen."""
        shutil.rmtree(self.hidden, ignore_errors=True)
        shutil.copytree(self.published, self.hidden, copy_function=os.link)
        self._names = sizes(self.hidden)

    def bring_back(self) -> None:
        """What was hidden."""
        shutil.rmtree(self.published)
        self.hidden.rename(self.published)

    def check(self) -> None:
        """What writes to a file that was hidden writes after its death."""
        assert sizes(self.published) == self._names, "written after the crash"


def log_of(file: Path) -> Path:
    """DuckDB's log beside a file."""
    return file.with_name(f"{file.name}.wal")


def sizes(folder: Path) -> dict[str, int]:
    """The files of a folder and of those below it."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.stat().st_size for path in files}
