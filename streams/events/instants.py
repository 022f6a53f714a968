"""Wire timestamps: RFC 3339 strings, in frames Int64 microseconds since 1970-01-01 UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)

INSTANT_MIN_US: Final = 946_684_800_000_000
"""2000-01-01: older is a device clock that was never set, not something that happened."""
INSTANT_MAX_US: Final = 4_102_444_800_000_000
"""2100-01-01, exclusive: later is a unit error (milliseconds taken for seconds)."""

INSTANT_PATTERN: Final = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(?:\.[0-9]{1,9})?(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])$"
)
"""RFC 3339 section 5.6 with at most nanoseconds; a leap second (`:60`) names no microsecond."""
INSTANT_REASON: Final = (
    "must be an RFC 3339 timestamp with offset from 2000 to 2099, like 2026-11-02T10:15:30.123Z"
)

_SHAPE = re.compile(INSTANT_PATTERN.removesuffix("$") + r"\Z")
_FRACTION = re.compile(r"\.([0-9]+)")


def instant_us(text: str) -> int | None:
    """Microseconds UTC of an RFC 3339 timestamp, or None where it is none or out of range.

    Digits beyond the microsecond are cut off, so the result never lies after what was written.
    """
    if _SHAPE.match(text) is None:
        return None
    plain = text.upper().replace(" ", "T").replace("Z", "+00:00")
    fraction = _FRACTION.search(plain)
    micros = int(fraction[1][:6].ljust(6, "0")) if fraction else 0
    try:
        whole = datetime.fromisoformat(_FRACTION.sub("", plain))
    except ValueError:  # the 31st of February
        return None
    # Arithmetic on integers: datetime's own UTC conversion overflows beside the years 1 and 9999.
    offset = whole.utcoffset()
    assert offset is not None, "the pattern demands an offset"
    since_epoch = whole.replace(tzinfo=UTC) - EPOCH - offset
    us = since_epoch // MICROSECOND + micros
    return us if INSTANT_MIN_US <= us < INSTANT_MAX_US else None


def instant_text(us: int) -> str:
    """The RFC 3339 form of microseconds UTC, with milliseconds, or microseconds where needed."""
    when = EPOCH + us * MICROSECOND
    spec = "microseconds" if us % 1_000 else "milliseconds"
    return when.isoformat(timespec=spec).replace("+00:00", "Z")
