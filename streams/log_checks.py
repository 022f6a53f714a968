"""What must hold of the log that a worker is given, and what is said where it does not."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING

from streams.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from faust.types import TP

log = logging.getLogger(__name__)


def check_log(tp: TP, wanted: int, begin: int, end: int, *, accept_loss: bool) -> None:
    """Hold the offset that is to be read next against the offsets that the log has.

    Raises:
        IntegrityError: the log is another one, or records were deleted before they were read.
    """
    where = f"{tp.topic}[{tp.partition}]"
    if wanted > end:
        raise IntegrityError(
            f"the log ends at offset {end}, but {wanted} is to be read next: the topic was "
            "recreated, or this is another cluster.",
            where=where,
            done="Nothing was read.",
            todo="Name the right broker, or keep the old data and begin anew: "
            "--data-dir with an empty directory.",
        )
    if 0 < wanted < begin:
        what = f"offsets {wanted} to {begin - 1} were deleted before they were read."
        if not accept_loss:
            raise IntegrityError(
                what,
                where=where,
                done="Nothing was read.",
                todo="Raise retention.ms of the topic for the next time; to go on without "
                "them: listenback worker --accept-loss",
            )
        log.error("%s: %s Going on without them, as asked.", where, what)


def out_of_step(tp: TP, found: int, expected: int) -> IntegrityError:
    """A fetch that does not begin where the last one ended."""
    return IntegrityError(
        f"a fetch begins at {found}, {expected} was expected: Kafka "
        "deleted what was not yet read, or a batch was lost on the way.",
        where=f"{tp.topic}[{tp.partition}]",
        done="Nothing of it was taken.",
        todo="Start the worker again: it reads on at the last committed offset.",
    )


def uneven(tps: Iterable[TP]) -> str:
    """Topics by how many partitions of each were given, in words."""
    counts = Counter(tp.topic for tp in tps)
    return ", ".join(f"{n} of {topic}" for topic, n in sorted(counts.items())) or "none"
