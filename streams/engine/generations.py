"""One row a generation: attributes of its first exposure, sums of all that ever happened to it."""

from __future__ import annotations

import polars as pl

from streams.engine.columns import GENERATION, GENERATION_COUNTED, GENERATION_FIRST
from streams.events.measures import ACTIVITY_NAMES, EXPOSURE_NAMES

KEY = ("shard", "generation_id")
FIRST_ORDER = ("first_exposure_us", "first_exposure_source", "first_exposure_id")


def merged(before: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    """GENERATION rows, one a KEY, of stored rows and new contributions in any order."""
    rows = pl.concat([before, new])
    sums = rows.group_by(KEY).agg(
        pl.col("first_activity_us").min(),
        pl.col("last_activity_us").max(),
        pl.col(GENERATION_COUNTED).sum(),
    )
    first = (
        rows.filter(pl.col("first_exposure_us").is_not_null())
        .sort(FIRST_ORDER)
        .unique(KEY, keep="first")
        .select(*KEY, *GENERATION_FIRST)
    )
    return sums.join(first, on=list(KEY), how="left").select(GENERATION.names())


def contributions(
    *,
    exposures: pl.DataFrame,
    exposure_rows: pl.DataFrame,
    activity: pl.DataFrame,
    scores: pl.DataFrame,
    labels: pl.DataFrame,
) -> pl.DataFrame:
    """GENERATION rows that new events add, one per event kind and generation.

    Args:
        exposures: accepted exposure events, for the attributes.
        exposure_rows: the same as EXPOSURE rows, for the sums.
        activity: new ACTIVITY rows.
        scores: new SCORE rows.
        labels: accepted human_label events (generation_id is enough).
    """
    parts = [
        _of_exposures(exposures, exposure_rows),
        _of_activity(activity),
        _counted(
            scores.group_by(KEY).agg(
                pl.col("scores_n").sum(), score_errors_n=pl.col("errors_n").sum()
            )
        ),
        _counted(labels.group_by(KEY).agg(labels_n=pl.len().cast(pl.Int64))),
    ]
    return pl.concat(parts)


def _counted(sums: pl.DataFrame) -> pl.DataFrame:
    """Sums as GENERATION rows: what is not there is 0 where it counts and null where it tells."""
    absent = [
        pl.lit(0 if name in GENERATION_COUNTED else None, dtype).alias(name)
        for name, dtype in GENERATION.items()
        if name not in sums.columns
    ]
    return sums.with_columns(absent).select(GENERATION.names())


def _of_exposures(exposures: pl.DataFrame, exposure_rows: pl.DataFrame) -> pl.DataFrame:
    sums = exposure_rows.group_by(KEY).agg(pl.col(EXPOSURE_NAMES).sum())
    first = (
        exposures.rename(
            {
                "event_time_us": "first_exposure_us",
                "source": "first_exposure_source",
                "event_id": "first_exposure_id",
            }
        )
        .sort(FIRST_ORDER)
        .unique(KEY, keep="first")
        .select(*KEY, *GENERATION_FIRST)
    )
    return _counted(sums.join(first, on=list(KEY), how="inner"))


def _of_activity(activity: pl.DataFrame) -> pl.DataFrame:
    named = activity.filter(pl.col("generation_id").is_not_null())
    return _counted(
        named.group_by(KEY).agg(
            pl.col(ACTIVITY_NAMES).sum(),
            first_activity_us=pl.col("event_time_us").min(),
            last_activity_us=pl.col("event_time_us").max(),
        )
    )
