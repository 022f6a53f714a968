"""What a redriven message says of itself: three record headers beside its own.

They come from the log, so anyone may have written them: what does not read as ours counts as not
there.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.events.record_headers import Header

OF: Final = "listenback_redrive_of"
COUNT: Final = "listenback_redrive_count"
FIRST_FAILED: Final = "listenback_first_failed_us"
NAMES: Final = frozenset({OF, COUNT, FIRST_FAILED})
_UUID: Final = re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DIGITS_MAX: Final = {COUNT: 6, FIRST_FAILED: 16}


class Redriven(NamedTuple):
    """Which dead letter this message was, how often it was sent again, when it first failed."""

    redrive_of: str | None = None
    redrive_count: int = 0
    first_failed_at_us: int | None = None


def redriven(headers: Sequence[Header]) -> Redriven:
    """What the headers say; of a message that was never sent again, nothing."""
    said = {name: value for name, value in headers if name in NAMES and value is not None}
    letter = said.get(OF, b"")
    if not _UUID.fullmatch(letter):
        return Redriven()
    return Redriven(letter.decode(), _number(said, COUNT) or 1, _number(said, FIRST_FAILED))


def redrive_headers(headers: Sequence[Header], of: Redriven) -> list[Header]:
    """The message's own headers, unchanged and in order, then ours.

    of: the letter that is sent again, and its redrive_count after this time.
    """
    assert of.redrive_of is not None
    own = [(name, value) for name, value in headers if name not in NAMES]
    ours: list[Header] = [(OF, of.redrive_of.encode()), (COUNT, b"%d" % of.redrive_count)]
    if of.first_failed_at_us is not None:
        ours.append((FIRST_FAILED, b"%d" % of.first_failed_at_us))
    return own + ours


def _number(said: dict[str, bytes], name: str) -> int | None:
    digits = said.get(name, b"")
    is_ours = digits.isdigit() and len(digits) <= _DIGITS_MAX[name]
    return int(digits) if is_ours else None
