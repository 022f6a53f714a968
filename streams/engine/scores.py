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
    SHOWN,
    WINDOW_SCORE,
    WINDOW_SCORE_COUNTED,
    WINDOW_SCORE_KEY,
)
from streams.engine.windows import SECOND_US, base_us, start_us

if TYPE_CHECKING:
    from streams.engine.join import Meetings
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


def changed(before: pl.DataFrame, new: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Of the keys that `new` names, the SCORE rows as stored and as they will be."""
    stored = before.join(new, on=list(SCORE_KEY), how="semi")
    return stored, merged(stored, new)


def window_score_change(
    shown: pl.DataFrame,
    meetings: Meetings,
    scores: tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame],
    *,
    rules: Rules,
) -> pl.LazyFrame:
    """Differences of the judge windows.

    scored(E1, S1) - scored(E0, S0) = scored(E0, S1 - S0) + scored(E1 - E0, S1): what a generation
    showed before meets its changed scores, and who met it now meets all of them.

    Args:
        shown: SHOWN rows of the newly scored generations, as stored.
        meetings: of the new exposures.
        scores: the changed SCORE rows as stored; as they will be; and all SCORE rows, as they will
            be, of the newly exposed generations.
        rules: the window sizes.
    """
    old, new, known = scores
    rows = pl.concat(
        [
            _scored(shown, new),
            _scored(shown.with_columns(-pl.col("pairs_n")), old),
            _scored(_as_shown(meetings.added, rules), known),
            _scored(_as_shown(meetings.removed, rules).with_columns(-pl.col("pairs_n")), known),
        ]
    )
    return pl.concat([_window_sums(rows.lazy(), size_s) for size_s in rules.window_sizes_s])


def _as_shown(firsts: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    return firsts.with_columns(
        base_us=start_us(pl.col("event_time_us"), base_us(rules)), pairs_n=pl.lit(1, pl.Int64)
    ).select(SHOWN.names())


def _scored(shown: pl.DataFrame, scores: pl.DataFrame) -> pl.DataFrame:
    value = pl.col("score_value").fill_null(0.0)
    valid = pl.col("score_value").is_not_null()
    weight = pl.when(valid).then(1 / pl.col("sampling_prob")).otherwise(0.0)
    times = pl.col("pairs_n")
    return shown.join(scores, on=["shard", "generation_id"], how="inner").select(
        *WINDOW_SCORE_KEY[:1],
        *("experiment_id", "variant_id", "surface", "dimension", "evaluator_epoch", "base_us"),
        scored_n=valid.cast(pl.Int64) * times,
        errored_n=(~valid).cast(pl.Int64) * times,
        score_micro=(value * MICRO).round(0).cast(pl.Int64) * times,
        weight_micro=(weight * MICRO).round(0).cast(pl.Int64) * times,
        weighted_score_micro=(value * weight * MICRO).round(0).cast(pl.Int64) * times,
    )


def _window_sums(rows: pl.LazyFrame, size_s: int) -> pl.LazyFrame:
    return (
        rows.with_columns(
            pl.lit(size_s, pl.Int64).alias("size_s"),
            start_us(pl.col("base_us"), size_s * SECOND_US).alias("window_start_us"),
        )
        .group_by(WINDOW_SCORE_KEY)
        .agg(pl.col(WINDOW_SCORE_COUNTED).sum())
        .filter(pl.any_horizontal(pl.col(WINDOW_SCORE_COUNTED) != 0))
        .select(WINDOW_SCORE.names())
    )
