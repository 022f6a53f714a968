"""A judge that collapses at night 14: how soon it is caught, and how often a steady one is accused.

60 reference items graded every night for 28 nights by a judge that hears .75; from night 14 on it
hears nothing. 20 items, and a judge that loses about half of its hearing, are told as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analytics.judges.planted import SCALE, SCORE_SD
from analytics.judges.proof_rows import ALPHA, Row, streams
from analytics.judges.watch import watch
from analytics.stats.checks import floats

if TYPE_CHECKING:
    from analytics.stats.checks import FloatArray

NIGHTS, COLLAPSE = 28, 14
HEARS, HALF = 0.75, 0.4
ITEMS_N = 60
WITHIN = (1, 3)


def collapse(runs: int) -> list[Row]:
    """Caught within so many nights; accused though steady."""
    rows = []
    for items_n in (ITEMS_N, 20):
        found = [_caught(items_n, 0.0, rng) for rng in streams(f"lost {items_n}", runs)]
        for nights in WITHIN:
            words = f"collapses at night k, {items_n} anchors: caught within {nights} nights"
            asked = ">= 95 %" if (items_n, nights) == (ITEMS_N, WITHIN[-1]) else ""
            late = COLLAPSE + nights
            hits = sum(one is not None and COLLAPSE <= one < late for one in found)
            rows.append(Row(words.replace(" 1 nights", " 1 night"), asked, hits, runs))
    half = [_caught(ITEMS_N, HALF, rng) for rng in streams("half", runs)]
    hits = sum(one is not None and one >= COLLAPSE for one in half)
    rows.append(Row("hears .4 instead of .75 from night k on: caught in 14 nights", "", hits, runs))
    steady = [_caught(ITEMS_N, HEARS, rng) for rng in streams("steady", 5 * runs)]
    accused = sum(one is not None for one in steady)
    rows.append(Row("a steady judge: false alarm in 28 nights", "<= 5 %", accused, 5 * runs))
    return rows


def _caught(items_n: int, later: float, rng: np.random.Generator) -> int | None:
    return watch(grades(items_n, later, rng), alpha=ALPHA).alarm


def grades(items_n: int, later: float, rng: np.random.Generator) -> FloatArray:
    """(nights, items): hears HEARS before COLLAPSE, `later` from then on."""
    quality = rng.normal(size=items_n)
    hears = np.where(np.arange(NIGHTS) < COLLAPSE, HEARS, later)[:, None]
    noise = np.sqrt(1 - hears**2) * rng.normal(size=(NIGHTS, items_n))
    return floats(np.clip(5 + SCORE_SD * (hears * quality + noise), *SCALE).round(2))
