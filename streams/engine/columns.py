"""The frames of the core: which columns they have and what a row is."""

from __future__ import annotations

import polars as pl

from streams.events.measures import ACTIVITY_NAMES, EXPOSURE_NAMES, MEASURE_NAMES

NO_EXPERIMENT = ""
"""Stands in key columns for "in no experiment", because null never equals null."""

EXPOSURE: pl.Schema = pl.Schema(
    {
        "shard": pl.Int32,
        "generation_id": pl.String,
        "user_key": pl.String,
        "experiment_id": pl.String,
        "variant_id": pl.String,
        "unit_type": pl.String,
        "unit_id": pl.String,
        "surface": pl.String,
        "event_time_us": pl.Int64,
        "record_time_us": pl.Int64,
        "source": pl.String,
        "event_id": pl.String,
        **dict.fromkeys(EXPOSURE_NAMES, pl.Int64),
    }
)
"""One row an exposure event."""

FIRST: pl.Schema = pl.Schema(
    {
        "shard": pl.Int32,
        "generation_id": pl.String,
        "user_key": pl.String,
        "experiment_id": pl.String,
        "variant_id": pl.String,
        "unit_type": pl.String,
        "unit_id": pl.String,
        "surface": pl.String,
        "event_time_us": pl.Int64,
        "source": pl.String,
        "event_id": pl.String,
    }
)
"""The first exposure of a pair (generation, listener) in an experiment: the one that counts."""

SHOWN: pl.Schema = pl.Schema(
    {
        "shard": pl.Int32,
        "generation_id": pl.String,
        "experiment_id": pl.String,
        "variant_id": pl.String,
        "surface": pl.String,
        "base_us": pl.Int64,
        "pairs_n": pl.Int64,
    }
)
"""How many pairs of a generation an experiment showed first within a smallest window."""

ACTIVITY: pl.Schema = pl.Schema(
    {
        "shard": pl.Int32,
        "generation_id": pl.String,
        "user_key": pl.String,
        "event_time_us": pl.Int64,
        "record_time_us": pl.Int64,
        "incognito": pl.Boolean,
        **dict.fromkeys(ACTIVITY_NAMES, pl.Int64),
    }
)
"""One row a listen or feedback event; generation_id is null for organic listens."""
NO_ACTIVITY = pl.DataFrame(schema=ACTIVITY)

SCORE: pl.Schema = pl.Schema(
    {
        "shard": pl.Int32,
        "generation_id": pl.String,
        "dimension": pl.String,
        "evaluator_epoch": pl.String,
        "judge_id": pl.String,
        "score_value": pl.Float64,
        "score_min": pl.Float64,
        "score_max": pl.Float64,
        "sampling_prob": pl.Float64,
        "event_time_us": pl.Int64,
        "repeat_idx": pl.Int64,
        "source": pl.String,
        "event_id": pl.String,
        "scores_n": pl.Int64,
        "errors_n": pl.Int64,
    }
)
"""One row per generation, dimension and evaluator epoch: its latest valid score and the counts."""

SCORE_KEY = ("shard", "generation_id", "dimension", "evaluator_epoch")

WINDOW_KEY = (
    "shard",
    "basis",
    "size_s",
    "window_start_us",
    "experiment_id",
    "variant_id",
    "surface",
    "attribution",
)
WINDOW_COUNTED = (*MEASURE_NAMES, "revision")
WINDOW: pl.Schema = pl.Schema(
    {
        "shard": pl.Int32,
        "basis": pl.String,
        "size_s": pl.Int64,
        "window_start_us": pl.Int64,
        "experiment_id": pl.String,
        "variant_id": pl.String,
        "surface": pl.String,
        "attribution": pl.String,
        **dict.fromkeys(WINDOW_COUNTED, pl.Int64),
    }
)
"""Sums per tumbling window and basis."""

WINDOW_SCORE_KEY = (
    "shard",
    "size_s",
    "window_start_us",
    "experiment_id",
    "variant_id",
    "surface",
    "dimension",
    "evaluator_epoch",
)
WINDOW_SCORE_COUNTED = (
    "scored_n",
    "errored_n",
    "score_micro",
    "weight_micro",
    "weighted_score_micro",
)
WINDOW_SCORE: pl.Schema = pl.Schema(
    {
        "shard": pl.Int32,
        "size_s": pl.Int64,
        "window_start_us": pl.Int64,
        "experiment_id": pl.String,
        "variant_id": pl.String,
        "surface": pl.String,
        "dimension": pl.String,
        "evaluator_epoch": pl.String,
        **dict.fromkeys(WINDOW_SCORE_COUNTED, pl.Int64),
    }
)
"""Judge scores per exposure window: latest score of each exposed generation, once an exposure."""

UNIT_DAY_KEY = ("shard", "experiment_id", "variant_id", "unit_type", "unit_id", "day")
UNIT_DAY: pl.Schema = pl.Schema(
    {
        "shard": pl.Int32,
        "experiment_id": pl.String,
        "variant_id": pl.String,
        "unit_type": pl.String,
        "unit_id": pl.String,
        "day": pl.Date,
        **dict.fromkeys(MEASURE_NAMES, pl.Int64),
    }
)
"""Sums per unit and UTC day; experiment_id '' holds a user's whole activity."""
