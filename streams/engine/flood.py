"""The bound on what is kept of dead letters: beyond it they are counted, and nothing more.

Counted per block of offsets of a topic and shard, in the order of the log, so that what is kept
depends on neither batch boundaries nor the interleaving of topics nor the clock. A producer can
choose the time of its records, but not their offsets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

BLOCK_OFFSETS: Final = 1_000_000
"""Offsets of a topic and shard that share one allowance."""
BLOCK: Final = ("topic", "shard", "block_offset")
KEY: Final = (*BLOCK, "error_class", "error_type")
COUNTS: Final = pl.Schema(
    {
        "topic": pl.String,
        "shard": pl.Int32,
        "block_offset": pl.Int64,
        "error_class": pl.String,
        "error_type": pl.String,
        "refused_n": pl.Int64,
        "rows_n": pl.Int64,
        "whole_n": pl.Int64,
        "raw_bytes_n": pl.Int64,
        "first_offset": pl.Int64,
        "last_offset": pl.Int64,
        "record_time_us_max": pl.Int64,
    }
)
"""One row per block and kind of error. refused_n: all; rows_n: those that have a row of their own;
whole_n: those whose bytes stand in it; raw_bytes_n: bytes of the rows, whether kept or not."""
SUMMED: Final = ("refused_n", "rows_n", "whole_n", "raw_bytes_n")


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is kept of a block of offsets.

    rows_max: dead letters of one error type that have a row each.
    bytes_max: raw bytes (key, value, headers) of all its rows together; a row beyond it keeps the
        reason and the place, and the bytes are in the topic alone.
    """

    rows_max: int = 10_000
    bytes_max: int = 32 << 20


USUAL: Final = Bounds()


def block_offset() -> pl.Expr:
    """The first offset of a message's block."""
    return pl.col("offset") // BLOCK_OFFSETS * BLOCK_OFFSETS


def bounded(
    letters: pl.DataFrame, before: pl.DataFrame, bounds: Bounds
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The letters that get a row, and the counts of all.

    Args:
        letters: topic, shard, offset, record_time_us, error_class, error_type, raw_bytes_n; other
            columns are handed on.
        before: COUNTS rows of the blocks touched, as stored.
        bounds: see there.

    Returns: the letters within rows_max with `is_whole` (whether their bytes may be kept), and the
        COUNTS rows of the kinds touched, as they are to be stored.
    """
    known = before.select(*KEY, earlier_n="refused_n")
    spent = before.group_by(BLOCK).agg(spent_bytes_n=pl.col("raw_bytes_n").sum())
    rows = (
        letters.with_columns(block_offset=block_offset())
        .sort("topic", "shard", "offset")
        .join(known, on=list(KEY), how="left", maintain_order="left")
        .join(spent, on=list(BLOCK), how="left", maintain_order="left")
    )
    ordinal = pl.col("earlier_n").fill_null(0) + pl.int_range(1, pl.len() + 1).over(KEY)
    rows = rows.with_columns(is_row=ordinal <= bounds.rows_max)
    rows = rows.with_columns(row_bytes_n=pl.when("is_row").then("raw_bytes_n").otherwise(0))
    used = pl.col("spent_bytes_n").fill_null(0) + pl.col("row_bytes_n").cum_sum().over(BLOCK)
    rows = rows.with_columns(is_whole=pl.col("is_row") & (used <= bounds.bytes_max))
    new = rows.group_by(KEY).agg(
        refused_n=pl.len().cast(pl.Int64),
        rows_n=pl.col("is_row").sum().cast(pl.Int64),
        whole_n=pl.col("is_whole").sum().cast(pl.Int64),
        raw_bytes_n=pl.col("row_bytes_n").sum(),
        first_offset=pl.col("offset").min(),
        last_offset=pl.col("offset").max(),
        record_time_us_max=pl.col("record_time_us").max(),
    )
    return rows.filter("is_row").select(*letters.columns, "is_whole"), _merged(before, new)


def _merged(before: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    """The stored counts with the new ones, for the kinds that are among the new."""
    touched = before.join(new, on=list(KEY), how="semi")
    both = pl.concat([touched, new.select(COUNTS.names()).cast(COUNTS)])
    return (
        both.group_by(KEY)
        .agg(
            pl.col(SUMMED).sum(),
            pl.col("first_offset").min(),
            pl.col("last_offset", "record_time_us_max").max(),
        )
        .select(COUNTS.names())
    )
