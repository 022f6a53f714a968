"""Sums per unit and day: what the statistics stand on."""

from __future__ import annotations

import polars as pl

from streams.engine.columns import NO_EXPERIMENT, UNIT_DAY, UNIT_DAY_KEY
from streams.engine.join import EXPOSED
from streams.events.measures import ACTIVITY_NAMES, EXPOSURE_NAMES, MEASURE_NAMES

DAY_US = 86_400_000_000


def unit_day_change(
    before: tuple[pl.DataFrame, pl.DataFrame],
    after: tuple[pl.DataFrame, pl.DataFrame],
    new_activity: pl.DataFrame,
) -> pl.DataFrame:
    """Differences of `unit_day` by experiment, and the users' whole activity.

    Args:
        before: (EXPOSURE rows, JOINED rows), as for windows.window_change.
        after: the same as they will be.
        new_activity: the ACTIVITY rows that this flush adds.

    Returns: UNIT_DAY rows whose sums are differences. Private listening is nobody's day.
    """
    negative = [pl.col(name).neg() for name in MEASURE_NAMES]
    rows = pl.concat(
        [
            _in_experiments(*after),
            _in_experiments(*before).with_columns(negative),
            _of_users(new_activity),
        ]
    )
    return (
        rows.group_by(UNIT_DAY_KEY)
        .agg(pl.col(MEASURE_NAMES).sum())
        .filter(pl.any_horizontal(pl.col(MEASURE_NAMES) != 0))
        .select(UNIT_DAY.names())
    )


def _in_experiments(exposures: pl.DataFrame, joined: pl.DataFrame) -> pl.DataFrame:
    in_one = pl.col("experiment_id") != NO_EXPERIMENT
    met = exposures.filter(in_one)
    known = joined.filter(in_one & (pl.col("attribution") == EXPOSED) & ~pl.col("incognito"))
    return pl.concat([_rows(met, EXPOSURE_NAMES), _rows(known, ACTIVITY_NAMES)])


def _of_users(activity: pl.DataFrame) -> pl.DataFrame:
    own = activity.filter(~pl.col("incognito")).with_columns(
        pl.lit(NO_EXPERIMENT).alias("experiment_id"),
        pl.lit(NO_EXPERIMENT).alias("variant_id"),
        pl.lit("user").alias("unit_type"),
        pl.col("user_key").alias("unit_id"),
    )
    return _rows(own, ACTIVITY_NAMES)


def _rows(part: pl.DataFrame, present: tuple[str, ...]) -> pl.DataFrame:
    absent = [pl.lit(0, pl.Int64).alias(name) for name in MEASURE_NAMES if name not in present]
    day = (pl.col("event_time_us") // DAY_US).cast(pl.Int32).cast(pl.Date)
    return part.with_columns(day.alias("day"), *absent).select(UNIT_DAY.names())
