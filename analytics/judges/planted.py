"""Worlds with planted judges, by seed: what is true is known, so that claims can be counted.

Listeners have tastes (their items are alike), items a quality; people and judges hear it with
noise of their own; what was skipped is judged more often than what was kept, with the probability
logged. Nothing here is read from anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from analytics.judges.daysums import LEVELS_N, USER_GROUPS_N
from analytics.stats.checks import floats

if TYPE_CHECKING:
    from analytics.stats.checks import FloatArray, IntArray

SCALE = (0.0, 10.0)
PEOPLE = (1.0, 5.0)
SCORE_SD = 1.2
RATER = 0.8
RATING_SD = 0.9
TASTE = 0.5
"""Standard deviation of what listeners add to the chance of keeping; also of their items' quality
beside 1 for the items' own: items of one listener are alike."""
SAMPLING = (0.35, 0.9)
"""Probability of being judged, of what was kept and of what was skipped."""


@dataclass(frozen=True, slots=True)
class Planted:
    """hears: correlation with quality within a variant. favours: points it adds to variant b.

    effect: by how much b is really better, standard deviations of quality.
    """

    hears: float = 0.75
    favours: float = 0.0
    effect: float = 0.0


@dataclass(frozen=True, slots=True)
class Size:
    """users: of each variant. each: items a user. labelled: share with two ratings."""

    users: int = 300
    each: int = 5
    labelled: float = 0.4


@dataclass(frozen=True, eq=False)
class World:
    """One element an item. score is NaN where not judged; first, second: NaN where not rated.

    clean: what the first rater would have said without rounding.
    """

    user: IntArray
    arm: IntArray
    place: IntArray
    kept: FloatArray
    score: FloatArray
    probability: FloatArray
    first: FloatArray
    second: FloatArray
    clean: FloatArray


def world(
    planted: Planted,
    size: Size,
    rng: np.random.Generator,
    *,
    sampling: tuple[float, float] = SAMPLING,
) -> World:
    """Draw one. Equal generators give equal worlds. sampling: as SAMPLING."""
    users_n = 2 * size.users
    user = np.repeat(np.arange(users_n), size.each)
    n, arm = len(user), user % 2
    taste = rng.normal(size=users_n)[user]
    own = rng.normal(size=n)
    quality = (TASTE * taste + own) / np.sqrt(1 + TASTE**2) + planted.effect * arm
    place = rng.integers(0, 3, n)
    logit = 0.5 + 0.8 * quality + TASTE * taste - 0.3 * place
    kept = floats(rng.random(n) < 1 / (1 + np.exp(-logit)))
    noise = np.sqrt(1 - planted.hears**2) * rng.normal(size=n)
    score = 5 + SCORE_SD * (planted.hears * quality + noise) + planted.favours * arm
    probability = np.where(kept > 0, *sampling)
    seen = rng.random(n) < probability
    rated = rng.random(n) < size.labelled
    heard = [3 + RATING_SD * _hears(RATER, quality, rng) for _ in range(2)]
    first, second = (np.where(rated, np.clip(np.round(one), *PEOPLE), np.nan) for one in heard)
    return World(
        user,
        arm,
        place,
        kept,
        np.where(seen, np.clip(score.round(2), *SCALE), np.nan),
        probability,
        first,
        second,
        np.where(rated, heard[0], np.nan),
    )


def _hears(correlation: float, quality: FloatArray, rng: np.random.Generator) -> FloatArray:
    own = np.sqrt(1 - correlation**2) * rng.normal(size=len(quality))
    return floats(correlation * quality + own)


def items(of: World) -> pl.DataFrame:
    """As rated.items_of gives them."""
    seen = ~np.isnan(of.score)
    frame = pl.DataFrame(
        {
            "generation_id": [f"g{i}" for i in range(len(of.user))],
            "unit": of.user,
            "experiment_id": ["planted"] * len(of.user),
            "variant_id": np.where(of.arm > 0, "b", "control"),
            "score": of.score,
            "weight": np.where(seen, 1 / of.probability, np.nan),
            "first": of.first,
            "second": of.second,
            "rating": (of.first + of.second) / 2,
        }
    )
    numbers = ("score", "weight", "first", "second", "rating")
    kept = frame.with_columns(pl.col(numbers).fill_nan(None))
    return kept.filter(pl.col("score").is_not_null() | pl.col("rating").is_not_null())


def ratings(of: World) -> pl.DataFrame:
    """As rated.Rated has them: two raters an item, 24 in all."""
    at = np.flatnonzero(~np.isnan(of.first))
    parts = [
        pl.DataFrame(
            {
                "generation_id": [f"g{i}" for i in at],
                "rater": [f"r{nth}-{i % 12}" for i in at],
                "value": values[at],
                "low": PEOPLE[0],
                "high": PEOPLE[1],
            }
        )
        for nth, values in enumerate((of.first, of.second))
    ]
    return pl.concat(parts)


def cells(of: World) -> pl.DataFrame:
    """As daysums has them: one day, one play an item."""
    seen = ~np.isnan(of.score)
    step = (SCALE[1] - SCALE[0]) / LEVELS_N
    weight = 1 / of.probability[seen]
    return pl.DataFrame(
        {
            "surface": ["dj"] * int(seen.sum()),
            "experiment_id": ["planted"] * int(seen.sum()),
            "variant_id": np.where(of.arm[seen] > 0, "b", "control"),
            "place": of.place[seen].astype(str),
            "user_group": of.user[seen] % USER_GROUPS_N,
            "level": np.round(of.score[seen] / step) * step,
            "kept_w": weight * of.kept[seen],
            "skipped_w": weight * (1 - of.kept[seen]),
            "saved_w": 0.0 * weight,
            "unsaved_w": weight,
            "plays_n": 1,
            "pairs_n": 1,
        }
    )
