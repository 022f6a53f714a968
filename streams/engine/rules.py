"""The settings that shape rows: what a replay must repeat to give equal rows."""

from __future__ import annotations

from dataclasses import dataclass

from streams.engine.flood import USUAL, Bounds


@dataclass(frozen=True, slots=True)
class Rules:
    """Window sizes in seconds; how long after a window's end a row counts as its revision.

    dead_letters: how much is kept of refused messages.
    """

    window_sizes_s: tuple[int, ...]
    out_of_orderness_us: int
    dead_letters: Bounds = USUAL
