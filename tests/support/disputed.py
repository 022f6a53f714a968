"""A published warehouse in which it is known on which items judge and people disagree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from support.published import Published, day_us

if TYPE_CHECKING:
    from pathlib import Path

ITEMS_N, USERS_N, PLANTED_N = 2_400, 3_000, 80
INTENTS = ("workout", "focus", "sleep")
PLACE_SKIP = np.array([-0.6, -0.2, 0.6])
"""How much oftener, in logits, an item is skipped by its place: first, near the top, below."""


@dataclass(frozen=True)
class Disputed:
    """published: the file. planted: generation ids by kind. users: every user key in it."""

    published: Published
    planted: dict[str, set[str]]
    without_consent: set[str]
    users: set[str]


def disputed(path: Path, *, seed: int = 11) -> Disputed:
    """Judge `ear` hears well but for the planted items; place, intent and popularity move skips.

    Planted on separate items: 80 ranked high and skipped, 80 ranked low and saved, 40 against the
    raters. A tenth of the items lacks consent, planted or not.
    """
    rng = np.random.default_rng(seed)
    quality = rng.normal(size=ITEMS_N)
    score = 5 + 1.2 * (0.95 * quality + 0.3 * rng.normal(size=ITEMS_N))
    order = rng.permutation(ITEMS_N)
    skipped, liked, rated = np.split(order[: 2 * PLANTED_N + 40], [PLANTED_N, 2 * PLANTED_N])
    score[skipped] = 8 + rng.random(PLANTED_N)
    score[liked] = 1 + rng.random(PLANTED_N)
    score[rated] = 8 + rng.random(len(rated))
    place, intent = rng.integers(0, 3, ITEMS_N), rng.integers(0, len(INTENTS), ITEMS_N)
    logit = -0.8 + PLACE_SKIP[place] + 0.3 * (intent - 1) - 0.3 * quality
    skip = 1 / (1 + np.exp(-logit))
    skip[skipped] = np.minimum(skip[skipped] + 0.5, 0.95)
    save = 1 / (1 + np.exp(2.5 - 0.2 * quality))
    save[liked], skip[liked] = 0.5, 0.2
    consent = np.where(rng.random(ITEMS_N) < 0.1, "unknown", "opted_in")
    ids = [f"g{i}" for i in range(ITEMS_N)]
    published = Published(path)
    people = 8 + rng.geometric(0.06, ITEMS_N)  # listeners of each item
    _exposures(published, (ids, people, place, intent, consent), rng)
    _scored(published, ids, np.clip(score, 0, 10))
    _rated(published, ids, quality, rated, rng)
    users = _heard(published, (ids, people, skip, save), rng)
    published.reach(5)
    named = {"judge_high_and_skipped": skipped, "judge_low_and_saved": liked}
    named["judge_against_people"] = rated
    planted = {kind: {ids[i] for i in which} for kind, which in named.items()}
    without = {one for one, said in zip(ids, consent, strict=True) if said == "unknown"}
    return Disputed(published, planted, without, users)


def _exposures(published, about, rng) -> None:
    ids, _, place, intent, consent = about
    frame = pl.DataFrame(
        {
            "generation_id": ids,
            "event_id": [f"x{i}" for i in ids],
            "source": ["s"] * ITEMS_N,
            "event_time_us": [day_us(0, seconds=60)] * ITEMS_N,
            "user_key": [f"user-key-{int(u)}" for u in rng.integers(0, USERS_N, ITEMS_N)],
            "surface": ["dj"] * ITEMS_N,
            "position": [(0, 1, 7)[p] for p in place],
            "taxonomy": [f'{{"intent":"{INTENTS[i]}"}}' for i in intent],
            "artist_ids": [[f"artist-{int(a)}"] for a in rng.integers(0, 300, ITEMS_N)],
            "artist_consent": consent,
            "prompt_template_version": ["t1"] * ITEMS_N,
        }
    )
    published.insert("exposure", frame)


def _scored(published, ids, score) -> None:
    frame = pl.DataFrame({"generation_id": ids, "score_value": score}).with_columns(
        judge_id=pl.lit("ear"),
        dimension=pl.lit("musicality"),
        evaluator_epoch=pl.lit("epoch-ear"),
        score_min=pl.lit(0.0),
        score_max=pl.lit(10.0),
        event_time_us=pl.lit(day_us(0, seconds=90)),
    )
    published.insert("generation_score", frame)
    published.insert("judge_score", frame)


def _rated(published, ids, quality, planted, rng) -> None:
    heard = quality.copy()
    heard[planted] = -2.5
    chosen = np.union1d(planted, rng.choice(ITEMS_N, 600, replace=False))
    for nth in range(2):
        value = np.clip(3 + heard[chosen] + 0.2 * rng.normal(size=len(chosen)), 1, 5)
        frame = pl.DataFrame(
            {
                "generation_id": [ids[i] for i in chosen],
                "dimension": ["musicality"] * len(chosen),
                "rater_key": [f"rater-key-{nth}"] * len(chosen),
                "score_value": value,
                "score_min": [1.0] * len(chosen),
                "score_max": [5.0] * len(chosen),
                "event_time_us": [day_us(1)] * len(chosen),
                "event_id": [f"l{nth}-{i}" for i in chosen],
            }
        )
        published.insert("human_label", frame)


def _heard(published, about, rng) -> set[str]:
    """One play a listener and item; returns the user keys."""
    ids, people, skip, save = about
    item = np.repeat(np.arange(ITEMS_N), people)
    user = np.concatenate([rng.choice(USERS_N, n, replace=False) for n in people])
    early = rng.random(len(item)) < skip[item]
    saved = rng.random(len(item)) < save[item]
    frame = pl.DataFrame(
        {
            "generation_id": [ids[i] for i in item],
            "user_key": [f"user-key-{u}" for u in user],
            "reason_end": np.where(early, "fwdbtn", "trackdone"),
            "ms_played": np.where(early, 4_000, 90_000),
        }
    )
    published.insert("listen", frame)
    feedback = frame.select("generation_id", "user_key").filter(pl.Series(saved))
    published.insert("feedback", feedback.with_columns(action=pl.lit("save")))
    return set(frame["user_key"])
