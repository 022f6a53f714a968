"""Which exposure a listen or a piece of feedback belongs to.

Activity meets exposures on (generation_id, user_key), so that a generation shared by many listeners
credits each with his own. Within one experiment the first exposure of the pair counts; a pair in
several experiments counts once in each.
"""

from __future__ import annotations

import polars as pl

from streams.engine.columns import NO_EXPERIMENT
from streams.events.measures import ACTIVITY_NAMES

PAIR = ("shard", "generation_id", "user_key")
"""Of one shard: a key that a producer put into the wrong partition must not make shards depend on
each other."""
EXPOSED, ORPHAN, ORGANIC, ALL = "exposed", "orphan", "organic", "all"
"""Attributions: met its exposure, waits for one, never had a generation; and every event once."""
IDS = ("shard", "experiment_id", "variant_id", "unit_type", "unit_id", "surface", "attribution")
JOINED = (*IDS, "exposed_at_us", "event_time_us", "record_time_us", "incognito", *ACTIVITY_NAMES)
"""A row of joined activity; exposed_at_us is null where no exposure has come."""


def attributing(exposures: pl.DataFrame) -> pl.DataFrame:
    """The first EXPOSURE row per pair and experiment, by event time, then source and id."""
    order = ["event_time_us", "source", "event_id"]
    return exposures.sort(order).unique([*PAIR, "experiment_id"], keep="first")


def joined(exposures: pl.DataFrame, activity: pl.DataFrame) -> pl.DataFrame:
    """Activity beside the exposure it belongs to: JOINED rows, one per event and experiment.

    Args:
        exposures: all EXPOSURE rows of the generations in `activity`.
        activity: ACTIVITY rows.
    """
    first = attributing(exposures).select(
        *PAIR,
        "experiment_id",
        "variant_id",
        "unit_type",
        "unit_id",
        "surface",
        pl.col("event_time_us").alias("exposed_at_us"),
        pl.lit(EXPOSED).alias("attribution"),
    )
    rows = activity.join(first, on=list(PAIR), how="left")
    waiting = pl.when(pl.col("generation_id").is_null()).then(pl.lit(ORGANIC))
    return rows.with_columns(
        pl.col("experiment_id", "variant_id", "unit_type", "unit_id", "surface").fill_null(
            NO_EXPERIMENT
        ),
        attribution=pl.coalesce("attribution", waiting.otherwise(pl.lit(ORPHAN))),
    ).select(JOINED)
