"""One small night for tests of the report: a better arm, judges, labels, refused messages."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from support.published import (
    Published,
    config_of,
    day_us,
    mean_body,
    metric_yaml,
    ratio_body,
)

from analytics.catalog import load_catalog
from analytics.changes import Before, kept_of, with_changes
from analytics.disagreement import ItemCard
from analytics.forgotten import Forgotten
from analytics.nightly import Request
from analytics.report.write import to_json
from listenback.commands.report import analysed

if TYPE_CHECKING:
    from pathlib import Path

    from analytics.results import Report

METRICS = (
    metric_yaml(
        "skip-rate",
        ratio_body("early_skips", "starts"),
        window="type: closed, aggregation_window: 7d",
        direction="decrease",
        more="x-words: {count: early skips, per: 100, of: starts}",
    ),
    metric_yaml(
        "returned",
        mean_body("starts", "aggregation_threshold: {direction: gte, value: 1}"),
        window="type: closed, exposure_offset: 1d, aggregation_window: 7d",
        table="all",
        more="x-role: guardrail\n        x-ni-margin: 0.1",
    ),
    metric_yaml("minutes", mean_body("minutes")),
    metric_yaml("saves", ratio_body("net_saves", "plays")),
)
PLAN = """
id: voice
title: A <b>warmer</b> voice
owner: dj-team
hypothesis: Room before the first bar & more patience.
control: control
variants: {control: 0.5, warm: 0.5}
planned: {days: 28}
metrics: {primary: metrics/skip-rate, guardrail: [metrics/returned]}
segments: [surface, past_listening]
"""
UNITS_N = 1_600
ITEM = ItemCard(
    kind="judge_high_and_skipped",
    generation_id="g-disputed",
    judge="keen",
    dimension="warmth",
    epoch="e1",
    surface="dj",
    intent="focus",
    model="voice 7",
    listeners=41,
    judge_rank=0.93,
    skipped_share=0.6829,
    usual_skipped=0.2113,
    liked_share=0.0244,
    usual_liked=0.1807,
    reason="the judge ranks it above 93% of its like; 28 of 41 listeners skipped it within 30 s",
)


def fill(published: Published) -> None:
    """Two variants of one experiment; warm skips less; the judge `keen` prefers control."""
    rng = np.random.default_rng(5)
    arm = np.arange(UNITS_N) % 2
    ids = [f"u{index}" for index in range(UNITS_N)]
    variant = [("control", "warm")[one] for one in arm]
    starts = rng.poisson(12, UNITS_N) + 1
    skips = rng.binomial(starts, np.where(arm, 0.20, 0.30))
    first = rng.integers(0, 12, UNITS_N)
    own = pl.DataFrame({"unit_id": ids, "variant_id": variant, "experiment_id": "voice"})
    sums = {
        "exposures_n": 3,
        "starts_n": starts,
        "early_skips_n": skips,
        "ms_played": starts * 9_000,
    }
    published.unit_days(
        own.with_columns(
            day=pl.Series(first),
            **{k: pl.lit(v) if isinstance(v, int) else pl.Series(v) for k, v in sums.items()},
        )
    )
    published.unit_days(
        [
            {"unit_id": "both", "variant_id": v, "experiment_id": "voice", "exposures_n": 1}
            for v in ("control", "warm")
        ]
    )
    for days_later, share in ((-3, 0.7), (2, 0.8)):
        chosen = rng.random(UNITS_N) < share
        rows = own.filter(pl.Series(chosen)).with_columns(
            experiment_id=pl.lit(""),
            variant_id=pl.lit(""),
            day=pl.Series(first[chosen] + days_later),
            starts_n=pl.Series(rng.poisson(4, int(chosen.sum())) + 1),
        )
        published.unit_days(rows)
    _judged(published, rng, ids, variant, arm)
    published.reach(20)


def _judged(published: Published, rng, ids, variant, arm) -> None:
    generation = [f"g{index}" for index in range(UNITS_N)]
    _exposed(published, rng, (generation, ids, variant), arm)
    _streamed(published, generation, ids)
    for judge, epoch, shift in (("keen", "e1", -0.5), ("keen", "e2", 0.5)):
        failed = rng.random(UNITS_N) < 0.1
        score = np.where(failed, np.nan, 5 + shift * arm + rng.standard_normal(UNITS_N))
        frame = pl.DataFrame(
            {
                "generation_id": generation,
                "judge_id": judge,
                "dimension": "warmth",
                "evaluator_epoch": epoch,
                "score_value": pl.Series(score).fill_nan(None),
                "sampling_prob": rng.choice([0.25, 0.5, 1.0], UNITS_N),
                "errors_n": failed.astype(int),
                "event_time_us": day_us(2),
            }
        )
        published.insert("generation_score", frame)
        events = frame.drop("errors_n").with_columns(judge_model_resolved=pl.lit(f"m-{epoch}"))
        published.insert("judge_score", events)
    pairs = {"generation_id": generation[:40], "other_generation_id": generation[40:80]}
    labels = pl.DataFrame(pairs).with_columns(
        preference=pl.Series(["A", "B"] * 20), dimension=pl.lit("warmth")
    )
    published.insert("human_label", labels)
    letter = {"topic": "listens", "error_class": "decode", "dlq_id": "1", "offset": 1}
    published.insert("dead_letter", [letter])


def _exposed(published: Published, rng, names, arm) -> None:
    generation, ids, variant = names
    exposure = {
        "generation_id": generation,
        "experiment_id": ["voice"] * UNITS_N,
        "variant_id": variant,
        "unit_type": ["user"] * UNITS_N,
        "unit_id": ids,
        "surface": ["dj"] * UNITS_N,
        "event_time_us": [day_us(1)] * UNITS_N,
        "user_key": ids,
        "artist_ids": [[f"artist-{one}"] for one in _artists(rng, arm)],
        "artist_consent": ["opted_in"] * UNITS_N,
    }
    published.insert("exposure", pl.DataFrame(exposure))


def _artists(rng, arm):
    """Whose each generation is: of twelve artists, `artist-0` often, and less so in warm."""
    other = rng.integers(1, 12, UNITS_N)
    return np.where(rng.random(UNITS_N) < np.where(arm, 0.1, 0.3), 0, other)


def _streamed(published: Published, generation, ids) -> None:
    plays = {
        "generation_id": generation,
        "user_key": ids,
        "ms_played": [40_000] * UNITS_N,
        "reason_end": ["trackdone"] * UNITS_N,
        "event_time_us": [day_us(1, seconds=60)] * UNITS_N,
        "source": ["test"] * UNITS_N,
        "event_id": [f"play-{one}" for one in ids],
    }
    published.insert("listen", pl.DataFrame(plays))


def night(folder: Path) -> Report:
    """The report of that night."""
    published = Published(folder / "warehouse.duckdb")
    fill(published)
    con = published.open()
    try:
        catalog = load_catalog(config_of(folder / "config", METRICS, PLAN))
        return analysed(con, catalog, Request("warehouse.duckdb", now_us=day_us(21)))
    finally:
        con.close()


def full_night(folder: Path) -> Report:
    """The same after another night that said otherwise, with an item that listeners disputed."""
    first = night(folder / "first")
    kept = kept_of(json.loads(to_json(first)))
    kept |= {"date": "2026-10-20", "late": kept["late"] - 7}
    for _, _, _, _, _, raw in kept["estimates"]:
        raw["estimate"] += 0.3 * raw["se"]
    kept["judges"] = [row for row in kept["judges"] if row[2] != "e2"]
    report = with_changes(first, Before(kept), first.experiments)
    assert report.disagreement is not None
    cards = dataclasses.replace(report.disagreement, items=(ITEM,), found=1, why_no_item="")
    gone = Forgotten(3, 2, 1, 64, "2026-10-19T08:00:00Z")
    return dataclasses.replace(report, disagreement=cards, forgotten=gone)
