"""Frames of message fields to the bytes of JSON objects, a column at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Collection


def encoded(fields: pl.DataFrame, sometimes: Collection[str]) -> pl.Series:
    """Each row as a JSON object; what is null is left out.

    sometimes: the columns that may hold nulls; there must be others. These are encoded together,
    and each value of the former is a piece of text of its own, put in where there is one: three
    times as fast as removing nulls from the text. Which columns they are is said, not looked up, so
    that the same row gives the same bytes in any frame.
    """
    always = [name for name in fields.columns if name not in sometimes]
    assert always, "a message without any field that is always there"
    value = pl.struct(always).struct.json_encode()
    pieces = [_piece(name) for name in fields.columns if name in sometimes]
    if pieces:
        value = pl.concat_str(value.str.head(-1), *pieces, pl.lit("}"), ignore_nulls=True)
    return fields.select(value.cast(pl.Binary).alias("value"))["value"]


def _piece(name: str) -> pl.Expr:
    """`,"name":value`, null where the value is."""
    alone = pl.struct(name).struct.json_encode()
    inside = alone.str.slice(1).str.head(-1)
    return pl.when(pl.col(name).is_not_null()).then(pl.concat_str(pl.lit(","), inside))
