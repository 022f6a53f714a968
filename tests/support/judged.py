"""A small published warehouse with judges of known character, made by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from support.published import Published, day_us

if TYPE_CHECKING:
    from pathlib import Path

USERS_N, EACH_N = 400, 8
ITEMS_N = USERS_N * EACH_N
DAYS_N = 8
SCALE = (0.0, 10.0)


def judged(path: Path, *, seed: int = 3) -> Published:
    """`voice` on dj: b is heard 0.5 better than control.

    Judges: `ear` hears well; `coin` hears nothing; `flatterer` hears well and gives b 3 points
    less; `late` has scored anchors alone. Two raters an item for a third of the items.
    """
    rng = np.random.default_rng(seed)
    user = np.repeat(np.arange(USERS_N), EACH_N)
    arm = user % 2
    quality = rng.normal(size=ITEMS_N) + 0.5 * arm
    published = Published(path)
    met = _met(rng, user, arm)
    published.insert("exposure", met)
    _plays(published, rng, met, quality)
    hears = {
        "ear": 5 + 1.2 * (0.9 * quality + np.sqrt(1 - 0.81) * rng.normal(size=ITEMS_N)),
        "coin": 5 + 1.2 * rng.normal(size=ITEMS_N),
        "flatterer": 5 + 1.2 * (0.8 * quality + 0.6 * rng.normal(size=ITEMS_N)) - 3 * arm,
    }
    for judge, score in hears.items():
        _scores(published, met, judge, np.clip(score, *SCALE), rng)
    _labels(published, rng, met, quality)
    _anchors(published, rng)
    published.reach(DAYS_N + 2)
    return published


def _met(rng: np.random.Generator, user: np.ndarray, arm: np.ndarray) -> pl.DataFrame:
    day = rng.integers(0, DAYS_N, ITEMS_N)
    return pl.DataFrame(
        {
            "generation_id": [f"g{i}" for i in range(ITEMS_N)],
            "event_id": [f"x{i}" for i in range(ITEMS_N)],
            "source": ["s"] * ITEMS_N,
            "event_time_us": [day_us(int(d), seconds=60) for d in day],
            "user_key": [f"u{u}" for u in user],
            "unit_type": ["user"] * ITEMS_N,
            "unit_id": [f"u{u}" for u in user],
            "experiment_id": ["voice"] * ITEMS_N,
            "variant_id": [("control", "b")[a] for a in arm],
            "surface": ["dj"] * ITEMS_N,
            "position": rng.integers(0, 4, ITEMS_N),
        }
    )


def _plays(published: Published, rng, met: pl.DataFrame, quality: np.ndarray) -> None:
    early = rng.random(ITEMS_N) < 1 / (1 + np.exp(0.5 + 0.8 * quality))
    saved = rng.random(ITEMS_N) < 1 / (1 + np.exp(2 - quality))
    ids = met.select("generation_id", "user_key")
    listens = ids.with_columns(
        reason_end=pl.Series(np.where(early, "fwdbtn", "trackdone")),
        ms_played=pl.Series(np.where(early, 4_000, 90_000)),
    )
    published.insert("listen", listens)
    published.insert("feedback", ids.filter(pl.Series(saved)).with_columns(action=pl.lit("save")))
    published.unit_days(
        met.select("unit_id", "variant_id", "experiment_id")
        .with_columns(starts_n=pl.lit(1), early_skips_n=pl.Series(early.astype(np.int64)))
        .group_by("unit_id", "variant_id", "experiment_id")
        .agg(pl.col("starts_n", "early_skips_n").sum())
        .with_columns(exposures_n=pl.col("starts_n"))
    )


def _scores(published: Published, met: pl.DataFrame, judge: str, score, rng) -> None:
    failed = rng.random(ITEMS_N) < 0.02
    frame = met.select("generation_id").with_columns(
        judge_id=pl.lit(judge),
        dimension=pl.lit("musicality"),
        evaluator_epoch=pl.lit(f"epoch-{judge}"),
        score_value=pl.Series(np.where(failed, np.nan, score).round(2)).fill_nan(None),
        score_min=pl.lit(SCALE[0]),
        score_max=pl.lit(SCALE[1]),
        sampling_prob=pl.lit(1.0),
        event_time_us=met["event_time_us"] + 1_000_000,
    )
    published.insert("generation_score", frame.with_columns(errors_n=pl.Series(failed.astype(int))))
    error = pl.when(pl.col("score_value").is_null()).then(pl.lit("timeout"))
    published.insert("judge_score", frame.with_columns(error_type=error))


def _labels(published: Published, rng, met: pl.DataFrame, quality: np.ndarray) -> None:
    chosen = np.flatnonzero(rng.random(ITEMS_N) < 1 / 3)
    for nth in range(2):
        heard = 0.85 * quality[chosen] + 0.5 * rng.normal(size=len(chosen))
        frame = pl.DataFrame(
            {
                "generation_id": met["generation_id"].gather(chosen),
                "dimension": ["musicality"] * len(chosen),
                "rater_key": [f"r{2 * int(r) + nth}" for r in rng.integers(0, 4, len(chosen))],
                "score_value": np.clip(np.round(3 + 0.9 * heard), 1, 5),
                "score_min": [1.0] * len(chosen),
                "score_max": [5.0] * len(chosen),
                "event_time_us": [day_us(DAYS_N)] * len(chosen),
                "event_id": [f"l{nth}-{i}" for i in chosen],
            }
        )
        published.insert("human_label", frame)


def _anchors(published: Published, rng) -> None:
    first = 5 + rng.normal(size=40)
    for judge in ("ear", "flatterer"):
        for nth in range(3):
            frame = pl.DataFrame(
                {
                    "generation_id": [f"anchor{i}" for i in range(40)],
                    "judge_id": [judge] * 40,
                    "dimension": ["musicality"] * 40,
                    "evaluator_epoch": [f"epoch-{judge}"] * 40,
                    "score_value": first + 0.2 * rng.normal(size=40),
                    "event_time_us": [day_us(nth)] * 40,
                    "is_anchor": [True] * 40,
                }
            )
            published.insert("judge_score", frame)
