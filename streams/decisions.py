"""What people decided about dead letters: an append-only file beside the published warehouse.

No part of a shard: a shard is a function of the log, and these are a person's acts. So restoring,
merging and replaying neither need nor touch them (docs/decisions/0007). A line holds one act on
some letters; the last act on a letter counts. A lost file costs nothing but the memory: what is
then sent again is dropped as a duplicate.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final, Literal

import polars as pl

from streams.by_rename import or_config_error

if TYPE_CHECKING:
    from pathlib import Path

    from streams.settings import Settings

log = logging.getLogger(__name__)

FILE: Final = "dead-letter-decisions.jsonl"
DECIDED: Final = pl.Schema(
    {
        "dlq_id": pl.String,
        "decision": pl.String,
        "decided_at_us": pl.Int64,
        "decided_by": pl.String,
        "why": pl.String,
    }
)
"""One row per letter on which something was decided: the last of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One act on some letters; decided_at_us: wall clock, microseconds UTC."""

    decision: Literal["redriven", "discarded"]
    decided_at_us: int
    decided_by: str
    why: str | None
    dlq_ids: tuple[str, ...]


def path_of(settings: Settings) -> Path:
    """The file: where all workers and readers look anyway."""
    return settings.published_dir / FILE


def decide(path: Path, decision: Decision) -> None:
    """Append and make durable; several processes may.

    Raises:
        ConfigError: the file cannot be written.
    """
    line = json.dumps(asdict(decision)).encode() + b"\n"
    with or_config_error(
        "the decision cannot be kept",
        where=path,
        done="What was sent is on its way; sent again, it is dropped as a duplicate.",
        todo="Make the folder writable for whoever decides, then run the command again.",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # released with the file
            end = file.seek(0, os.SEEK_END)
            if end and os.pread(file.fileno(), 1, end - 1) != b"\n":
                line = b"\n" + line  # a dead process left half a line
            file.write(line)
            file.flush()
            os.fsync(file.fileno())


def decided(path: Path) -> pl.DataFrame:
    """DECIDED rows; half a line that a dead process left is passed over with a warning."""
    last: dict[str, tuple[str, int, str, str | None]] = {}
    lines = path.read_bytes().splitlines() if path.is_file() else []
    for number, line in enumerate(lines, start=1):
        try:
            one = json.loads(line)
            act = (one["decision"], one["decided_at_us"], one["decided_by"], one["why"])
            ids = list(one["dlq_ids"])
        except (ValueError, KeyError, TypeError):
            log.warning("%s:%d: is no decision and was passed over", path, number)
            continue
        last.update(dict.fromkeys(ids, act))
    rows = [(dlq_id, *act) for dlq_id, act in last.items()]
    return pl.DataFrame(rows, schema=DECIDED, orient="row")
