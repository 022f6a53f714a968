"""The limits of single fields, held against a whole batch at a time.

What they refuse is only suspected: pydantic looks at those rows and says what is wrong, or that
nothing is. So a check may be stricter than the contract where that makes it fast, never laxer.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import polars as pl

from streams.events.fields import ID_CHARS_MAX, Kind
from streams.events.instants import INSTANT_MAX_US, INSTANT_MIN_US

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from streams.events.columns import Column


def mistyped(frame: pl.DataFrame, found: pl.DataFrame, columns: Iterable[Column]) -> pl.Series:
    """Which rows have a token that gave no value: a Boolean.

    Args:
        frame: the typed columns, before they are completed.
        found: the tokens they were read from, row by row.
        columns: of the contract.
    """
    lost = pl.Series([False]).new_from_index(0, frame.height)
    for column in columns:
        value, token = frame[column.name], found[column.wire]
        if value.null_count() > token.null_count():
            lost |= value.is_null() & token.is_not_null()
    return lost


def beyond_limits(frame: pl.DataFrame, columns: Iterable[Column]) -> pl.Series:
    """Which rows lack a required field or have a value beyond its limits: a Boolean.

    frame: the typed columns, completed.
    """
    checks = [
        bad
        for column in columns
        if column.required or frame[column.name].null_count() < frame.height
        for bad in _breaks(column)
    ]
    return frame.select(bad=pl.any_horizontal(pl.lit(value=False), *checks))["bad"]


@cache
def _breaks(column: Column) -> tuple[pl.Expr, ...]:
    """What breaks a column's limits; made once."""
    return tuple(bad.fill_null(value=column.required) for bad in _conditions(column))


def _conditions(column: Column) -> Iterator[pl.Expr]:
    """Null where the value is null."""
    value = pl.col(column.name)
    if column.required:
        yield value.is_null()
    if column.kind is Kind.INSTANT:
        yield (value < INSTANT_MIN_US) | (value >= INSTANT_MAX_US)
    elif column.kind is Kind.TEXTS:
        sizes = value.list.eval(pl.element().str.len_bytes())
        yield (sizes.list.max() > ID_CHARS_MAX) | (sizes.list.min() < 1)
        yield value.list.len() > (column.chars_max or 0)
    else:
        yield from _breaks_scalar(column, value)


def _breaks_scalar(column: Column, value: pl.Expr) -> Iterator[pl.Expr]:
    if column.low is not None:
        yield value <= column.low if column.low_open else value < column.low
    if column.high is not None:
        yield value > column.high
    if column.chars_min:
        yield value.str.len_bytes() < column.chars_min
    if column.chars_max is not None:  # no more bytes than that are no more characters
        yield value.str.len_bytes() > column.chars_max
    if column.pattern is not None:
        yield ~value.str.contains(column.pattern)
