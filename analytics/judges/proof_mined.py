"""Planted disagreements among many items: how many are mined, how many of the mined are planted.

2,400 items; place, intent and quality move skips and saves of everything. On 80 items that the
judge ranks high listeners skip half a share more than they would; 80 that it ranks low are saved by
half of their listeners; 40 are rated far below their score. Listeners are few and uneven: 9 or more
in one row, 20 or more in the other, on average 25 and 36.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from analytics.judges.identity import Instrument
from analytics.judges.mining import (
    AGAINST_PEOPLE,
    HIGH_SKIPPED,
    KINDS,
    LOW_LIKED,
    Said,
    Terms,
    disagreements,
    with_usual,
)
from analytics.judges.proof_rows import Row, streams

if TYPE_CHECKING:
    from analytics.stats.checks import FloatArray, IntArray

ITEMS_N, PLANTED_N, RATED_N = 2_400, 80, 600
FEWEST = (9, 20)
PLACES = ("first", "near the top", "below")
PLACE_SKIP = np.array([-0.6, -0.2, 0.6])
INTENTS_N = 3
Planted = dict[str, set[str]]


def mining(runs: int) -> list[Row]:
    """Recall and precision by kind, over all worlds, by the fewest listeners of an item."""
    rows = []
    for fewest in FEWEST:
        hits, told, planted = (dict.fromkeys(KINDS, 0) for _ in range(3))
        for rng in streams(f"mine {fewest}", runs):
            items, said, wanted = disputed(fewest, rng)
            found = disagreements(items, said, Terms())
            for kind in KINDS:
                names = set(found.filter(kind=kind)["generation_id"])
                hits[kind] += len(names & wanted[kind])
                told[kind] += len(names)
                planted[kind] += len(wanted[kind])
        for kind in KINDS:
            words = f"mined, {fewest} listeners or more: {kind.replace('_', ' ')}"
            rows.append(Row(f"{words}, recall", ">= 90 %", hits[kind], planted[kind]))
            rows.append(Row(f"{words}, precision", ">= 80 %", hits[kind], told[kind]))
    return rows


def disputed(fewest: int, rng: np.random.Generator) -> tuple[pl.DataFrame, Said, Planted]:
    """Items with what is usual for them, what judge and raters say, and what was planted."""
    quality = rng.normal(size=ITEMS_N)
    score = 5 + 1.2 * (0.95 * quality + 0.3 * rng.normal(size=ITEMS_N))
    parts = np.split(rng.permutation(ITEMS_N), [PLANTED_N, 2 * PLANTED_N, 2 * PLANTED_N + 40])
    skipped, liked, rated = parts[:3]
    score[skipped] = 8 + rng.random(PLANTED_N)
    score[liked] = 1 + rng.random(PLANTED_N)
    score[rated] = 8 + rng.random(len(rated))
    place, intent = rng.integers(0, 3, ITEMS_N), rng.integers(0, INTENTS_N, ITEMS_N)
    skip = _share(-0.8 + PLACE_SKIP[place] + 0.3 * (intent - 1) - 0.3 * quality)
    skip[skipped] = np.minimum(skip[skipped] + 0.5, 0.95)
    like = _share(-2.5 + 0.2 * quality)
    like[liked], skip[liked] = 0.5, 0.2
    listeners = fewest - 1 + rng.geometric(0.06, ITEMS_N)
    ids = [f"g{i}" for i in range(ITEMS_N)]
    items = pl.DataFrame(
        {
            "generation_id": ids,
            "surface": ["dj"] * ITEMS_N,
            "place": [PLACES[one] for one in place],
            "intent": [str(one) for one in intent],
            "popularity": (4 * listeners.argsort().argsort() // ITEMS_N).astype(str),
            "listeners": listeners,
            "skipped": rng.binomial(listeners, skip),
            "liked": rng.binomial(listeners, like),
        }
    )
    scores = pl.DataFrame({"generation_id": ids, "score": np.clip(score, 0, 10)}).with_columns(
        low=pl.lit(0.0), high=pl.lit(10.0), weight=pl.lit(1.0)
    )
    said = Said(
        Instrument("ear", "musicality", "e1"),
        scores,
        _ratings(ids, quality, rated, rng),
        higher_is_better=True,
    )
    named = {HIGH_SKIPPED: skipped, LOW_LIKED: liked, AGAINST_PEOPLE: rated}
    return with_usual(items), said, {k: {ids[i] for i in which} for k, which in named.items()}


def _share(logit: FloatArray) -> FloatArray:
    return 1 / (1 + np.exp(-logit))


def _ratings(
    ids: list[str], quality: FloatArray, planted: IntArray, rng: np.random.Generator
) -> pl.DataFrame:
    """Two raters of the planted and of a sample; they hear the planted as poor."""
    heard = quality.copy()
    heard[planted] = -2.5
    chosen = np.union1d(planted, rng.choice(ITEMS_N, RATED_N, replace=False))
    noise = 0.2 * rng.normal(size=(2, len(chosen)))
    return pl.DataFrame(
        {
            "generation_id": [ids[i] for i in chosen] * 2,
            "rater": np.repeat(["r0", "r1"], len(chosen)),
            "value": np.clip(3 + heard[chosen] + noise, 1, 5).ravel(),
        }
    )
