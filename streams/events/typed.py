"""From tokens to typed columns: what is not exactly of the field's type becomes null."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

import polars as pl

from streams.events.fields import OTHER, Kind
from streams.events.instant_columns import instants_us

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.events.columns import Column

_EMPTY_ARRAY: Final = "[]"
_EMPTY_OBJECT: Final = "{}"
_STRING: Final = r'"(?:[^"\\,][^"\\]*|,[^"\\]+)?"'
_PLAIN_TEXTS: Final = rf"^\[(?:{_STRING}(?:,{_STRING})*)?\]$"
_PLAIN_LABELS: Final = rf"^\{{(?:{_STRING}:{_STRING}(?:,{_STRING}:{_STRING})*)?\}}$"
"""Strings that may be split at `","`: without escapes, and none that is a comma and no more. Rows
with others are read one by one."""


def typed(found: pl.DataFrame, columns: tuple[Column, ...], *, has_escapes: bool) -> pl.DataFrame:
    """The fields by the names and types of their columns; an enum's raw value beside it.

    Args:
        found: what `tokens.tokens` gives.
        columns: of the contract.
        has_escapes: whether any text holds a backslash; without, none is looked for.

    Returns:
        Values that are of their type, not yet held against their limits.
    """
    sent = [column for column in columns if found[column.wire].null_count() < found.height]
    enums = {column.wire: ~_is_known(column) for column in sent if column.kind is Kind.ENUM}
    unknown = _that_occur(found, enums)
    escaped = _that_occur(found, {c.wire: _is_escaped(c.wire) for c in sent if has_escapes})
    shown = {column: _absent(column) for column in columns}
    for column in sent:
        if column.kind is Kind.INSTANT:
            shown[column] = (pl.lit(instants_us(found[column.wire])).alias(column.name),)
        elif column.kind is Kind.LABELS:
            shown[column] = (pl.lit(sorted_labels(found[column.wire])).alias(column.name),)
        else:
            shown[column] = _shown(column, column.wire in escaped, column.wire in unknown)
    frame = found.with_columns(one for expressions in shown.values() for one in expressions)
    return frame.select(name for column in columns for name in column.frame_columns())


def _that_occur(found: pl.DataFrame, conditions: Mapping[str, pl.Expr]) -> frozenset[str]:
    """The names whose condition is true of some row."""
    if not conditions:
        return frozenset()
    told = found.select(holds.any().alias(name) for name, holds in conditions.items())
    return frozenset(name for name in told.columns if told[name].item())


@cache
def _absent(column: Column) -> tuple[pl.Expr, ...]:
    """The columns of a field that nobody sent."""
    return tuple(pl.lit(None, dtype).alias(name) for name, dtype in column.frame_columns().items())


@cache
def _is_known(column: Column) -> pl.Expr:
    """Whether an enum's token is one of its values; null where there is none."""
    return pl.col(column.wire).is_in([f'"{value}"' for value in column.values])


@cache
def _is_escaped(name: str) -> pl.Expr:
    """Whether a token holds a string with escapes."""
    token = pl.col(name)
    return token.str.starts_with('"') & token.str.contains("\\", literal=True)


@cache
def _shown(column: Column, is_escaped: bool, is_unknown: bool) -> tuple[pl.Expr, ...]:  # noqa: FBT001 - cached by value
    """The expressions of one field's columns, made once; what does not occur costs nothing."""
    value = _value(column, is_escaped=is_escaped)
    if column.kind is not Kind.ENUM:
        return (value.alias(column.name),)
    if not is_unknown:
        return value.alias(column.name), pl.lit(None, pl.String).alias(column.raw_name)
    known = value.is_in(column.values)
    named = pl.when(value.is_null() | known).then(value).otherwise(pl.lit(OTHER))
    return named.alias(column.name), pl.when(~known).then(value).alias(column.raw_name)


def _value(column: Column, *, is_escaped: bool) -> pl.Expr:
    token = pl.col(column.wire)
    match column.kind:
        case Kind.WHOLE:
            return token.cast(pl.Int64, strict=False)
        case Kind.REAL:
            number = token.cast(pl.Float64, strict=False)
            return pl.when(number.is_finite()).then(number)
        case Kind.FLAG:
            return token.replace_strict({"true": True, "false": False}, default=None)
        case Kind.TEXTS:
            return _texts(token)
        case _:
            return _text(column.wire, is_escaped=is_escaped)


def _text(name: str, *, is_escaped: bool) -> pl.Expr:
    """The strings of a column of tokens."""
    token = pl.col(name)
    text = pl.when(token.str.starts_with('"')).then(token.str.strip_chars('"'))
    if not is_escaped:
        return text
    unescaped = pl.when(_is_escaped(name)).then(token).str.json_decode(pl.String)
    return pl.when(_is_escaped(name)).then(unescaped).otherwise(text)


def _texts(token: pl.Expr) -> pl.Expr:
    """The strings of an array token."""
    inner = token.str.strip_prefix('["').str.strip_suffix('"]').str.split('","')
    empty = pl.lit([], pl.List(pl.String))
    items = pl.when(token == _EMPTY_ARRAY).then(empty).otherwise(inner)
    return pl.when(token.str.contains(_PLAIN_TEXTS)).then(items)


def sorted_labels(tokens: pl.Series) -> pl.Series:
    """Object tokens of strings with their keys sorted; null where a key is there twice.

    Each distinct token is looked at once.
    """
    token, pair = pl.col("token"), pl.col("pair")
    plain = tokens.unique().to_frame("token").filter(token.str.contains(_PLAIN_LABELS))
    inner = token.str.strip_prefix('{"').str.strip_suffix('"}').str.split('","')
    labels = (
        plain.with_columns(pair=inner)
        .explode("pair")
        .with_columns(key=pair.str.splitn('":"', 2).struct[0])
        .sort("token", "key")
        .group_by("token")
        .agg(labels=pair.str.join('","'), is_once=pl.col("key").n_unique() == pl.len())
        .filter("is_once")
    )
    whole = pl.concat_str(pl.lit('{"'), pl.col("labels"), pl.lit('"}'))
    canonical = labels.select(
        "token", labels=pl.when(token == _EMPTY_OBJECT).then(token).otherwise(whole)
    )
    found = tokens.to_frame("token").join(canonical, on="token", how="left", maintain_order="left")
    return found["labels"].rename(tokens.name)
