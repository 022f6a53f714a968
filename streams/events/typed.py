"""From tokens to typed columns: what is not exactly of the field's type becomes null."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from streams.events.fields import OTHER, Kind
from streams.events.instant_columns import instants_us

_EMPTY_ARRAY: Final = "[]"
_EMPTY_OBJECT: Final = "{}"

if TYPE_CHECKING:
    from streams.events.columns import Column

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
    absent = {name for name, nulls_n in _null_counts(found).items() if nulls_n == found.height}
    escaped = frozenset(
        name
        for name in set(found.columns) - absent
        if has_escapes and found[name].str.contains("\\", literal=True).any()
    )
    shown = [_shown(column, found[column.wire], absent, escaped) for column in columns]
    frame = found.with_columns(expression for expressions in shown for expression in expressions)
    return frame.select(name for column in columns for name in column.frame_columns())


def _null_counts(frame: pl.DataFrame) -> dict[str, int]:
    return {column.name: column.null_count() for column in frame.get_columns()}


def _shown(
    column: Column, found: pl.Series, absent: set[str], escaped: frozenset[str]
) -> list[pl.Expr]:
    """The expressions of one field's columns; a field that nobody sent costs nothing."""
    if column.wire in absent:
        return [pl.lit(None, dtype).alias(name) for name, dtype in column.frame_columns().items()]
    value = _value(column, found, escaped).alias(column.name)
    return [value] if column.kind is not Kind.ENUM else _enum(column, found, value)


def _enum(column: Column, found: pl.Series, text: pl.Expr) -> list[pl.Expr]:
    """An enum and its raw value, which nearly always is null."""
    quoted = [f'"{value}"' for value in column.values]
    if found.is_in([*quoted, None], nulls_equal=True).all():
        return [text, pl.lit(None, pl.String).alias(column.raw_name)]
    known = text.is_in(column.values)
    value = pl.when(text.is_null() | known).then(text).otherwise(pl.lit(OTHER))
    return [value.alias(column.name), pl.when(~known).then(text).alias(column.raw_name)]


def _value(column: Column, found: pl.Series, escaped: frozenset[str]) -> pl.Expr:
    token = pl.col(column.wire)
    match column.kind:
        case Kind.WHOLE:
            value = token.cast(pl.Int64, strict=False)
        case Kind.REAL:
            number = token.cast(pl.Float64, strict=False)
            value = pl.when(number.is_finite()).then(number)
        case Kind.FLAG:
            value = token.replace_strict({"true": True, "false": False}, default=None)
        case Kind.TEXTS:
            value = _texts(token)
        case Kind.INSTANT:
            value = pl.lit(instants_us(found))
        case Kind.LABELS:
            value = pl.lit(sorted_labels(found))
        case _:
            value = _text(column.wire, escaped)
    return value


def _text(name: str, escaped: frozenset[str]) -> pl.Expr:
    """The strings of a column of tokens. Escapes cost only columns that have some."""
    token = pl.col(name)
    text = pl.when(token.str.starts_with('"')).then(token.str.strip_chars('"'))
    if name not in escaped:
        return text
    is_escaped = token.str.starts_with('"') & token.str.contains("\\", literal=True)
    unescaped = pl.when(is_escaped).then(token).str.json_decode(pl.String)
    return pl.when(is_escaped).then(unescaped).otherwise(text)


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
