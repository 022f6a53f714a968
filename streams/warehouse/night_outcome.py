"""How the last try at the newest night's report went: one small file beside the pinned nights.

A pinned night says what was looked at, not that a report came of it. Metrics and `doctor` ask here.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from streams.by_rename import or_config_error, write_whole

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = "listenback.night_outcome/1"
NAME = "last.json"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The newest try at the newest night that was tried.

    date: the night, ISO 8601. tried_at_us: the wall clock, UTC microseconds. made_at_us: when a
    report was last made, by this try or an earlier one; None: never.
    """

    date: str
    is_made: bool
    tried_at_us: int
    made_at_us: int | None


def note(nights_dir: Path, date: str, *, is_made: bool, at_us: int) -> None:
    """Keep how a try went; what an earlier one made is remembered. By rename.

    Of a night gone by nothing is kept: that its report was made anew, or could not be, says nothing
    of tonight's.

    Raises:
        ConfigError: the folder cannot be written.
    """
    before = last(nights_dir)
    if _is_past(before, date, at_us):
        return
    made_at_us = at_us if is_made else before.made_at_us if before else None
    said = {"schema": SCHEMA} | asdict(Outcome(date, is_made, at_us, made_at_us))
    path = nights_dir / NAME
    with or_config_error(
        "how the night went cannot be kept",
        where=path,
        done="Metrics and `listenback doctor` go on telling of the night before.",
        todo="Make the folder writable, then give the same command again.",
    ):
        write_whole({path: (json.dumps(said, indent=2) + "\n").encode()})


def is_past(nights_dir: Path, date: str, *, at_us: int) -> bool:
    """Whether a later night than this one has been tried."""
    return _is_past(last(nights_dir), date, at_us)


def _is_past(before: Outcome | None, date: str, at_us: int) -> bool:
    """A try that is still to come was noted while the clock was wrong, and holds up nothing."""
    return before is not None and date < before.date and before.tried_at_us <= at_us


def last(nights_dir: Path) -> Outcome | None:
    """That try; None where there was none, or where what is kept of it cannot be read."""
    try:
        said = json.loads((nights_dir / NAME).read_text(encoding="utf-8"))
        if said.pop("schema") != SCHEMA:
            return None
        found = Outcome(**said)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    times = (found.tried_at_us, 0 if found.made_at_us is None else found.made_at_us)
    are_ours = [isinstance(found.date, str), *(isinstance(time_us, int) for time_us in times)]
    return found if all(are_ours) else None
