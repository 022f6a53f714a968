"""Files that are there whole or as they were: written beside under another name, then renamed."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from streams.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


def coming_name(path: Path) -> Path:
    """Where a file is written until it may take its name: beside it, hidden."""
    return path.with_name(f".{path.name}.coming")


def write_whole(contents: Mapping[Path, bytes]) -> None:
    """Write these files; none takes its name before all are on the disk. Makes their folders.

    Raises: OSError; then no half of a file is left, because it would hold the space that lacks.
    """
    try:
        for path, content in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with coming_name(path).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        for path in contents:
            coming_name(path).replace(path)
    except OSError:
        for path in contents:
            with contextlib.suppress(OSError):
                coming_name(path).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def or_config_error(what: str, *, where: Path, done: str = "", todo: str) -> Iterator[None]:
    """Turn the file system's refusals within into what a person can act on.

    Raises: ConfigError, whose text is `what`, then why.
    """
    try:
        yield
    except OSError as error:
        is_in_the_way = isinstance(error, FileExistsError)
        why = "a file has the folder's name" if is_in_the_way else error.strerror or error
        raise ConfigError(f"{what}: {why}.", where=str(where), done=done, todo=todo) from error
