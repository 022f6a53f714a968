"""Small integers for the text keys of one flush: grouping by them costs a fraction.

A *place* is an (experiment, variant, surface), or one of three places outside experiments; a *unit*
is a unit of randomisation within an experiment and variant. The numbers mean nothing beyond the
flush that gave them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from streams.engine.columns import NO_EXPERIMENT

if TYPE_CHECKING:
    from collections.abc import Sequence

EXPOSED, ORPHAN, ORGANIC, ALL = "exposed", "orphan", "organic", "all"
"""Attributions: met its exposure, waits for one, never had a generation; and every event once."""
ORPHAN_PLACE, ORGANIC_PLACE, ALL_PLACE = -1, -2, -3
PLACE = ("experiment_id", "variant_id", "surface")
UNIT = ("experiment_id", "variant_id", "unit_type", "unit_id")


@dataclass(frozen=True, slots=True)
class Codes:
    """places: `place`, PLACE and attribution. units: `unit` and UNIT, of experiments alone."""

    places: pl.DataFrame
    units: pl.DataFrame

    def coded(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows with `place` and `unit`; the latter is null outside experiments."""
        return rows.join(self.places.drop("attribution"), on=list(PLACE), how="left").join(
            self.units, on=list(UNIT), how="left", nulls_equal=True
        )


def codes_of(frames: Sequence[pl.DataFrame]) -> Codes:
    """Numbers for all that stands in frames with the columns of PLACE and UNIT."""
    rows = pl.concat([frame.select(*PLACE, "unit_type", "unit_id") for frame in frames])
    number = pl.int_range(pl.len(), dtype=pl.Int32)
    met = rows.select(PLACE).unique().with_columns(attribution=pl.lit(EXPOSED), place=number)
    outside = pl.DataFrame(
        {
            **{name: [NO_EXPERIMENT] * 3 for name in PLACE},
            "attribution": [ORPHAN, ORGANIC, ALL],
            "place": pl.Series([ORPHAN_PLACE, ORGANIC_PLACE, ALL_PLACE], dtype=pl.Int32),
        }
    )
    in_one = rows.filter(pl.col("experiment_id") != NO_EXPERIMENT)
    units = in_one.select(UNIT).unique().with_columns(unit=number)
    return Codes(pl.concat([met, outside]), units)
