"""The latest judge score per generation, dimension and evaluator epoch, and its windows.

Scores of different epochs stay apart everywhere: a changed rubric, prompt or model is another
instrument.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from streams.engine.columns import (
    SCORE,
    SCORE_KEY,
    WINDOW_SCORE,
    WINDOW_SCORE_COUNTED,
    WINDOW_SCORE_KEY,
)
from streams.engine.join import attributing
from streams.engine.windows import SECOND_US, start_us

if TYPE_CHECKING:
    from streams.engine.rules import Rules

MICRO = 1_000_000
LATEST = ("event_time_us", "repeat_idx", "source", "event_id")
"""The latest score has the largest of these, in this order."""
TAKEN = ("judge_id", "score_value", "score_min", "score_max", "sampling_prob", *LATEST)
"""What a SCORE row takes from its latest valid score."""


def of_events(scores: pl.DataFrame) -> pl.DataFrame:
    """SCORE rows of accepted judge_score events that carry a value or an error.

    An error is a missing score, never 0. A score that is only a label is kept as a fact.
    """
    valid = pl.col("score_value").is_not_null() & pl.col("error_type").is_null()
    told = scores.filter(valid | pl.col("error_type").is_not_null())
    return told.with_columns(
        pl.col("repeat_idx").fill_null(0),
        pl.col("sampling_prob").fill_null(1.0),
        scores_n=valid.cast(pl.Int64),
        errors_n=pl.col("error_type").is_not_null().cast(pl.Int64),
        score_value=pl.when(valid).then("score_value"),
    ).select(SCORE.names())


def merged(before: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    """SCORE rows with one row a SCORE_KEY: the latest valid score, and sums of the counts.

    Where no score is valid the latest error names the judge and the value stays null.
    """
    rows = pl.concat([before, new.select(SCORE.names())])
    newest = (
        rows.with_columns(has_value=pl.col("score_value").is_not_null())
        .sort("has_value", *LATEST, descending=True, nulls_last=True)
        .unique(SCORE_KEY, keep="first")
        .select(*SCORE_KEY, *TAKEN)
    )
    counts = rows.group_by(SCORE_KEY).agg(pl.col("scores_n", "errors_n").sum())
    return newest.join(counts, on=list(SCORE_KEY), how="inner").select(SCORE.names())


def window_score_change(
    before: tuple[pl.DataFrame, pl.DataFrame],
    after: tuple[pl.DataFrame, pl.DataFrame],
    *,
    rules: Rules,
) -> pl.DataFrame:
    """Differences of the judge windows.

    Args:
        before: (EXPOSURE rows, SCORE rows) of the generations with a new exposure or score.
        after: the same as they will be.
        rules: the window sizes.
    """
    negative = [pl.col(name).neg() for name in WINDOW_SCORE_COUNTED]
    rows = pl.concat([_scored(*after), _scored(*before).with_columns(negative)])
    return pl.concat([_window_sums(rows, size_s) for size_s in rules.window_sizes_s])


def _scored(exposures: pl.DataFrame, scores: pl.DataFrame) -> pl.DataFrame:
    first = attributing(exposures).select(
        "shard",
        "generation_id",
        "experiment_id",
        "variant_id",
        "surface",
        pl.col("event_time_us").alias("exposed_at_us"),
    )
    value = pl.col("score_value").fill_null(0.0)
    valid = pl.col("score_value").is_not_null()
    weight = pl.when(valid).then(1 / pl.col("sampling_prob")).otherwise(0.0)
    return scores.join(first, on=["shard", "generation_id"], how="inner").with_columns(
        scored_n=valid.cast(pl.Int64),
        errored_n=(~valid).cast(pl.Int64),
        score_micro=(value * MICRO).round(0).cast(pl.Int64),
        weight_micro=(weight * MICRO).round(0).cast(pl.Int64),
        weighted_score_micro=(value * weight * MICRO).round(0).cast(pl.Int64),
    )


def _window_sums(rows: pl.DataFrame, size_s: int) -> pl.DataFrame:
    return (
        rows.with_columns(
            pl.lit(size_s, pl.Int64).alias("size_s"),
            start_us(pl.col("exposed_at_us"), size_s * SECOND_US).alias("window_start_us"),
        )
        .group_by(WINDOW_SCORE_KEY)
        .agg(pl.col(WINDOW_SCORE_COUNTED).sum())
        .filter(pl.any_horizontal(pl.col(WINDOW_SCORE_COUNTED) != 0))
        .select(WINDOW_SCORE.names())
    )
