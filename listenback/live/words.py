"""How the live page says times and states."""

from __future__ import annotations

import datetime as dt

from analytics.report.write import MARKS

STALE_S = 300.0
"""A warehouse older than this gets a warning; workers publish every few seconds."""

SIZES = {60: "minute", 3_600: "hour", 86_400: "day"}


def size_of(seconds: int) -> str:
    """The length of a window: `minute`, `hour`, `day`, else `90 s`."""
    return SIZES.get(seconds, f"{seconds} s")


def time_of(us: int | None) -> str:
    """Microseconds UTC as `2026-11-21 23:44:42 UTC`; a dash for none."""
    if us is None:
        return "\N{EN DASH}"
    moment = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=us)
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def age_s(us: int | None, now_us: int) -> float | None:
    """Seconds since a moment, not below 0."""
    return None if us is None else max(0.0, (now_us - us) / 1e6)


def mark(state: str) -> str:
    """The sign of a verdict."""
    return MARKS.get(state, "?")
