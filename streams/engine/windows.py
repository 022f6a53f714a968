"""Tumbling windows `[start, end)` in integer microseconds UTC, moved by differences.

Two bases: *exposure* (everything that ever happened to what was exposed in the window: the fair one
for comparing variants) and *activity* (what happened in the window: the one for watching).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import polars as pl

from streams.engine.columns import NO_EXPERIMENT, WINDOW, WINDOW_COUNTED, WINDOW_KEY
from streams.engine.join import ALL, EXPOSED
from streams.events.measures import ACTIVITY_NAMES, EXPOSURE_NAMES, MEASURE_NAMES

if TYPE_CHECKING:
    from streams.engine.rules import Rules

SECOND_US = 1_000_000
GROUP = ("shard", "basis", "experiment_id", "variant_id", "surface", "attribution")
REVISION = "revision_{size_s}"


def start_us(time_us: pl.Expr, size_us: int) -> pl.Expr:
    """Start of the window of a time; floor division, so times before 1970 fall right too."""
    return time_us // size_us * size_us


def window_change(
    before: tuple[pl.DataFrame, pl.DataFrame],
    after: tuple[pl.DataFrame, pl.DataFrame],
    *,
    rules: Rules,
) -> pl.DataFrame:
    """aggregate(after) - aggregate(before): a late row moves exactly the windows it belongs to.

    Args:
        before: (EXPOSURE rows, JOINED rows) of the touched generations as stored.
        after: the same as they will be; rows equal in both cancel, and may be left out of both.
        rules: window sizes, and from when on a row counts as a revision of its window.

    Returns: WINDOW rows whose sums are differences; what did not change is not there.
    """
    negative = [pl.col(name).neg() for name in WINDOW_COUNTED if name != "revision"]
    rows = pl.concat(
        [
            _based(*after).with_columns(pl.lit(1, pl.Int64).alias("weight")),
            _based(*before).with_columns(*negative, pl.lit(-1, pl.Int64).alias("weight")),
        ]
    )
    return _sums(rows, rules=rules)


def _based(exposures: pl.DataFrame, joined: pl.DataFrame) -> pl.DataFrame:
    """One row per event and window row it feeds: GROUP, at_us, record_time_us, MEASURE_NAMES."""
    met = exposures.with_columns(pl.lit(EXPOSED).alias("attribution"))
    known = joined.filter(pl.col("exposed_at_us").is_not_null())
    return pl.concat(
        [
            _rows(met, basis="exposure", at="event_time_us"),
            _rows(known, basis="exposure", at="exposed_at_us"),
            _rows(met, basis="activity", at="event_time_us"),
            _rows(joined, basis="activity", at="event_time_us"),
        ]
    )


def everything(exposures: pl.DataFrame, activity: pl.DataFrame) -> pl.DataFrame:
    """Rows of `attribution = all`: every event once, whatever it belongs to.

    Events never leave their activity window, so only new EXPOSURE and ACTIVITY rows are needed.
    """
    key = [pl.lit(NO_EXPERIMENT).alias(name) for name in ("experiment_id", "variant_id", "surface")]
    parts = [
        _rows(
            part.with_columns(*key, pl.lit(ALL).alias("attribution")),
            basis="activity",
            at="event_time_us",
        )
        for part in (exposures, activity)
    ]
    return pl.concat(parts).with_columns(pl.lit(1, pl.Int64).alias("weight"))


def everything_change(
    exposures: pl.DataFrame,
    activity: pl.DataFrame,
    *,
    rules: Rules,
) -> pl.DataFrame:
    """WINDOW differences of `attribution = all` by new EXPOSURE and ACTIVITY rows."""
    rows = everything(exposures, activity)
    return _sums(rows, rules=rules)


def _rows(part: pl.DataFrame, *, basis: str, at: str) -> pl.DataFrame:
    present = EXPOSURE_NAMES if EXPOSURE_NAMES[0] in part.columns else ACTIVITY_NAMES
    absent = [pl.lit(0, pl.Int64).alias(name) for name in MEASURE_NAMES if name not in present]
    return part.with_columns(
        pl.lit(basis).alias("basis"), pl.col(at).alias("at_us"), *absent
    ).select(*GROUP, "at_us", "record_time_us", *MEASURE_NAMES)


def _sums(rows: pl.DataFrame, *, rules: Rules) -> pl.DataFrame:
    """Sums per window of every size: rows to windows of the common divisor, then those up."""
    base_us = math.gcd(*rules.window_sizes_s) * SECOND_US
    revisions = {
        REVISION.format(size_s=size_s): pl.col("weight")
        * (
            pl.col("record_time_us")
            >= start_us(pl.col("at_us"), size_s * SECOND_US)
            + size_s * SECOND_US
            + rules.out_of_orderness_us
        ).cast(pl.Int64)
        for size_s in rules.window_sizes_s
    }
    counted = [*MEASURE_NAMES, *revisions]
    base = (
        rows.with_columns(start_us(pl.col("at_us"), base_us).alias("base_us"), **revisions)
        .group_by(*GROUP, "base_us")
        .agg(pl.col(counted).sum())
    )
    return pl.concat([_rolled_up(base, size_s) for size_s in rules.window_sizes_s])


def _rolled_up(base: pl.DataFrame, size_s: int) -> pl.DataFrame:
    return (
        base.with_columns(
            pl.lit(size_s, pl.Int64).alias("size_s"),
            start_us(pl.col("base_us"), size_s * SECOND_US).alias("window_start_us"),
            pl.col(REVISION.format(size_s=size_s)).alias("revision"),
        )
        .group_by(WINDOW_KEY)
        .agg(pl.col(WINDOW_COUNTED).sum())
        .filter(pl.any_horizontal(pl.col(WINDOW_COUNTED) != 0))
        .select(WINDOW.names())
    )
