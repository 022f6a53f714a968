"""What the decoder is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

DAY_US: Final = 86_400_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds that no field shows.

    future_max_us: how far an event may lie after its record's own time.
    horizon_us: how far before; older events are dead letters.
    message_bytes_max: larger messages are refused unread.
    nesting_max: how deep brackets may nest, in fields that we ignore too.
    """

    future_max_us: int = 3_600_000_000
    horizon_us: int = 30 * DAY_US
    message_bytes_max: int = 1_000_000
    nesting_max: int = 32
