"""The wall clock, for the edges only: the core gets it as a value."""

from __future__ import annotations

import time


def now_us() -> int:
    """Microseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1_000


def monotonic_ms() -> float:
    """Milliseconds that never go back; for ages and timeouts."""
    return time.monotonic_ns() / 1e6
