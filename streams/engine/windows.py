"""Tumbling windows `[start, end)` in integer microseconds UTC, moved by differences.

Two bases: *exposure* (everything that ever happened to what was exposed in the window: the fair one
for comparing variants) and *activity* (what happened in the window: the one for watching).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import polars as pl

from streams.engine.codes import ALL_PLACE
from streams.engine.columns import WINDOW, WINDOW_COUNTED
from streams.events.measures import EXPOSURE_NAMES, MEASURE_NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.engine.codes import Codes
    from streams.engine.moves import Moves
    from streams.engine.rules import Rules

SECOND_US = 1_000_000
REVISION = "revision_{size_s}"
CODED = ("shard", "basis", "place")


def start_us(time_us: pl.Expr, size_us: int) -> pl.Expr:
    """Start of the window of a time; floor division, so times before 1970 fall right too."""
    return time_us // size_us * size_us


def base_us(rules: Rules) -> int:
    """The largest size that divides all window sizes: rows are summed by it first, then up."""
    return math.gcd(*rules.window_sizes_s) * SECOND_US


def window_change(
    exposures: pl.DataFrame, moves: Sequence[Moves], codes: Codes, *, rules: Rules
) -> pl.LazyFrame:
    """WINDOW rows whose sums are differences: a late row moves exactly the windows it belongs to.

    Args:
        exposures: new coded EXPOSURE rows.
        moves: joined activity that comes or goes.
        codes: of their places.
        rules: window sizes, and from when on a row counts as a revision of its window.
    """
    parts = _of_exposures(exposures.lazy(), rules)
    for one in moves:
        parts += _of_activity(one, rules)
    base = pl.concat(parts, how="diagonal").group_by(*CODED, "base_us").agg(pl.all().sum())
    sums = pl.concat([_rolled_up(base, size_s) for size_s in rules.window_sizes_s])
    is_some = pl.any_horizontal(pl.col(WINDOW_COUNTED) != 0)
    return sums.filter(is_some).join(codes.places.lazy(), on="place").select(WINDOW.names())


def _of_exposures(exposures: pl.LazyFrame, rules: Rules) -> list[pl.LazyFrame]:
    own = _sums(exposures, "event_time_us", EXPOSURE_NAMES, rules)
    every = own.with_columns(place=pl.lit(ALL_PLACE, pl.Int32))
    return [_based(own, "exposure"), _based(own, "activity"), _based(every, "activity")]


def _of_activity(moves: Moves, rules: Rules) -> list[pl.LazyFrame]:
    """Both bases; and every event once, whatever it belongs to, when it is new."""
    rows = moves.rows.lazy()
    known = rows.filter(pl.col("exposed_at_us").is_not_null())
    parts = [
        _based(_sums(known, "exposed_at_us", moves.names, rules), "exposure"),
        _based(_sums(rows, "event_time_us", moves.names, rules), "activity"),
    ]
    if moves.sign < 0:
        parts = [part.with_columns(-pl.exclude(*CODED, "base_us")) for part in parts]
    if moves.events is not None:
        every = moves.events.lazy().with_columns(place=pl.lit(ALL_PLACE, pl.Int32))
        parts.append(_based(_sums(every, "event_time_us", moves.names, rules), "activity"))
    return parts


def _based(sums: pl.LazyFrame, basis: str) -> pl.LazyFrame:
    return sums.with_columns(basis=pl.lit(basis))


def _sums(rows: pl.LazyFrame, at: str, names: Sequence[str], rules: Rules) -> pl.LazyFrame:
    """Sums per place and window of the common divisor, and the revisions of each size."""
    revisions = {
        REVISION.format(size_s=size_s): (
            pl.col("record_time_us")
            >= start_us(pl.col(at), size_s * SECOND_US)
            + (size_s * SECOND_US + rules.out_of_orderness_us)
        )
        .sum()
        .cast(pl.Int64)
        for size_s in rules.window_sizes_s
    }
    base = start_us(pl.col(at), base_us(rules)).alias("base_us")
    return rows.group_by("shard", "place", base).agg(pl.col(names).sum(), **revisions)


def _rolled_up(base: pl.LazyFrame, size_s: int) -> pl.LazyFrame:
    window = start_us(pl.col("base_us"), size_s * SECOND_US).alias("window_start_us")
    return (
        base.group_by(*CODED, window)
        .agg(
            pl.col(MEASURE_NAMES).sum(),
            revision=pl.col(REVISION.format(size_s=size_s)).sum(),
        )
        .with_columns(size_s=pl.lit(size_s, pl.Int64))
    )
