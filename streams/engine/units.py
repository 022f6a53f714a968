"""Sums per unit and day: what the statistics stand on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from streams.engine.columns import NO_EXPERIMENT, UNIT_DAY
from streams.events.measures import EXPOSURE_NAMES, MEASURE_NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.engine.codes import Codes
    from streams.engine.moves import Moves

DAY_US = 86_400_000_000
DAY = (pl.col("event_time_us") // DAY_US).cast(pl.Int32).cast(pl.Date).alias("day")


def unit_day_change(exposures: pl.DataFrame, moves: Sequence[Moves], codes: Codes) -> pl.LazyFrame:
    """UNIT_DAY rows whose sums are differences, by experiment, and the users' whole activity.

    Private listening is nobody's day.

    Args:
        exposures: new coded EXPOSURE rows.
        moves: joined activity that comes or goes.
        codes: of their units.
    """
    sums = pl.concat([_in_experiments(exposures, moves, codes), _of_users(moves)], how="diagonal")
    is_some = pl.any_horizontal(pl.col(MEASURE_NAMES) != 0)
    return sums.filter(is_some).select(UNIT_DAY.names())


def _in_experiments(exposures: pl.DataFrame, moves: Sequence[Moves], codes: Codes) -> pl.LazyFrame:
    parts = [_in_one(exposures).select("shard", "unit", DAY, *EXPOSURE_NAMES)]
    for one in moves:
        known = _in_one(one.rows).filter(~pl.col("incognito"))
        parts.append(known.select("shard", "unit", DAY, pl.col(one.names) * one.sign))
    return _sums(parts, "unit").join(codes.units.lazy(), on="unit")


def _in_one(rows: pl.DataFrame) -> pl.LazyFrame:
    return rows.lazy().filter(pl.col("unit").is_not_null())


def _of_users(moves: Sequence[Moves]) -> pl.LazyFrame:
    parts = [
        one.events.lazy().filter(~pl.col("incognito")).select("shard", "user_key", DAY, *one.names)
        for one in moves
        if one.events is not None
    ]
    nowhere = pl.lit(NO_EXPERIMENT)
    return _sums(parts, "user_key").with_columns(
        experiment_id=nowhere,
        variant_id=nowhere,
        unit_type=pl.lit("user"),
        unit_id="user_key",
        **dict.fromkeys(EXPOSURE_NAMES, pl.lit(0, pl.Int64)),
    )


def _sums(parts: Sequence[pl.LazyFrame], who: str) -> pl.LazyFrame:
    """One grouping for all kinds of events; what one of them does not count adds 0.

    Grouping each kind first would not pay: most rows of a flush are the only ones of their day.
    """
    rows = pl.concat(parts, how="diagonal")
    return rows.group_by("shard", who, "day").agg(pl.all().sum())
