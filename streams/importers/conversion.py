"""Values of a table to values of a message, a column at a time. Unreadable becomes null."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from streams.events.fields import Kind
from streams.events.instants import INSTANT_MAX_US, INSTANT_MIN_US
from streams.importers.mapping_block import EPOCHS

if TYPE_CHECKING:
    from collections.abc import Callable

BLANKS = ("", "NaN", "nan")
"""The first stands for nothing anywhere, the others among numbers."""
YES = ("true", "t", "yes", "y", "1")
NO = ("false", "f", "no", "n", "0")
WIRE_TIME = "%Y-%m-%dT%H:%M:%S%.6fZ"


def without_blanks(values: pl.Series, kind: Kind) -> pl.Series:
    """Absent is null: so are empty texts and NaN, which stand for it in many tables."""
    if values.dtype == pl.String:
        blanks = BLANKS if kind in {Kind.WHOLE, Kind.REAL} else BLANKS[:1]
        return values.set(values.is_in(blanks).fill_null(value=False), None)
    return values.fill_nan(None) if values.dtype.is_float() else values


def converted(values: pl.Series, kind: Kind, form: str | None) -> pl.Series:
    """The values as a message holds them; null where a value cannot be read as this kind.

    form: how times are read, as a mapping's `times` says; None: they are RFC 3339 texts already.
    """
    if values.dtype == pl.Null:
        return values
    if kind is Kind.INSTANT:
        return _times(values, form)
    readers: dict[Kind, Callable[[pl.Series], pl.Series]] = {
        Kind.TEXT: _texts,
        Kind.ENUM: _texts,
        Kind.WHOLE: _wholes,
        Kind.REAL: _reals,
        Kind.FLAG: _flags,
        Kind.TEXTS: _lists,
        Kind.LABELS: _labels,
    }
    return readers[kind](values)


def _none(values: pl.Series, dtype: pl.DataType) -> pl.Series:
    return pl.Series(values.name, [None], dtype=dtype).new_from_index(0, len(values))


def _texts(values: pl.Series) -> pl.Series:
    if values.dtype.is_nested() or values.dtype == pl.Binary:
        return _none(values, pl.String())
    return values.cast(pl.String)


def _reals(values: pl.Series) -> pl.Series:
    if not (values.dtype.is_numeric() or values.dtype == pl.String):
        return _none(values, pl.Float64())
    numbers = values.cast(pl.Float64, strict=False)
    return numbers.set(~numbers.is_finite().fill_null(value=True), None)


def _wholes(values: pl.Series) -> pl.Series:
    if values.dtype.is_integer():
        return values.cast(pl.Int64, strict=False)
    exact = values.cast(pl.Int64, strict=False) if values.dtype == pl.String else None
    numbers = _reals(values)
    whole = numbers.set((numbers != numbers.round(0)).fill_null(value=False), None)
    rounded = whole.cast(pl.Int64, strict=False)
    return rounded if exact is None else exact.zip_with(exact.is_not_null(), rounded)


def _flags(values: pl.Series) -> pl.Series:
    if values.dtype == pl.Boolean:
        return values
    words = _texts(values).str.to_lowercase()
    known = {**dict.fromkeys(YES, True), **dict.fromkeys(NO, False)}
    return words.replace_strict(known, default=None, return_dtype=pl.Boolean)


def _lists(values: pl.Series) -> pl.Series:
    if values.dtype == pl.List:
        return values.cast(pl.List(pl.String), strict=False)
    texts = _texts(values).to_frame("text")
    one = pl.when(pl.col("text").is_not_null()).then(pl.concat_list("text"))
    return texts.select(one.alias(values.name)).to_series()


def _labels(values: pl.Series) -> pl.Series:
    return values if values.dtype == pl.Struct else _none(values, pl.String())


def _times(values: pl.Series, form: str | None) -> pl.Series:
    """RFC 3339 texts. A pattern without an offset is UTC, as are tables' own timestamps."""
    if form in EPOCHS:
        return _since_epoch(values, EPOCHS[form])
    if values.dtype == pl.String:
        if form is None:
            return values
        moments = values.str.to_datetime(form, time_unit="us", strict=False)
    elif isinstance(values.dtype, (pl.Date, pl.Datetime)):
        moments = values.cast(pl.Datetime("us", getattr(values.dtype, "time_zone", None)))
    else:
        return _none(values, pl.String())
    if getattr(moments.dtype, "time_zone", None) is not None:
        moments = moments.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return _written(moments.cast(pl.Int64))


def _since_epoch(values: pl.Series, unit_us: int) -> pl.Series:
    """Numbers of units since 1970; integers stay exact."""
    micros = (_reals(values) * unit_us).round(0)
    inside = micros.is_between(INSTANT_MIN_US, INSTANT_MAX_US, closed="left").fill_null(value=False)
    if values.dtype.is_integer():
        return _written(values.cast(pl.Int64, strict=False).set(~inside, None) * unit_us)
    return _written(micros.set(~inside, None).cast(pl.Int64))


def _written(time_us: pl.Series) -> pl.Series:
    """Microseconds as text; null outside the years that events may have."""
    outside = ((time_us < INSTANT_MIN_US) | (time_us >= INSTANT_MAX_US)).fill_null(value=False)
    return time_us.set(outside, None).cast(pl.Datetime("us")).dt.strftime(WIRE_TIME)
