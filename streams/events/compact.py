"""Which texts hold exactly the fields that were found in them, told from lengths alone.

Compact JSON (no blanks) of fields of which none is null or unknown is as long as its tokens, its
keys and its punctuation together. Where the lengths agree, nothing else is in the text: each
thing that parsing hides (a blank, an escape that was written out, another field, a second key, an
explicit null, a trailing comma) makes the text longer than what was found, and nothing makes it
shorter, but for numbers in exponent form, which have a longer plain form: where a number could have
been written so, it must stand in the text as it was found.

This is a short cut: a text of which it says no is merely looked at more closely.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import polars as pl

from streams.events.fields import Kind

if TYPE_CHECKING:
    from streams.events.columns import Column

_TOTAL = " total"
"""No field has a name with a blank."""


def is_compact(texts: pl.Series, found: pl.DataFrame, columns: tuple[Column, ...]) -> pl.Series:
    """True where a text holds the found tokens and nothing else.

    Args:
        texts: String.
        found: their tokens, as `tokens.tokens` gives them, row by row.
        columns: of the contract.
    """
    sent = [column for column in columns if found[column.wire].null_count() < found.height]
    if not sent:
        return pl.Series([False]).new_from_index(0, found.height)
    numbers = [column.wire for column in sent if column.kind is Kind.REAL]
    told = found.select(
        pl.sum_horizontal(_length(column.wire) for column in sent).alias(_TOTAL) + 1,
        *(_is_plain(name) for name in numbers),
    )
    is_whole = told[_TOTAL] == texts.str.len_bytes()
    for name in numbers:
        if not told[name].all():
            is_whole &= told[name] | _stands_so(name, found, texts)
    return is_whole


def _stands_so(name: str, found: pl.DataFrame, texts: pl.Series) -> pl.Series:
    """Whether `"key":token` is in the text; no string can hold it, its quotes would be escaped."""
    field = pl.lit(f'"{name}":') + pl.col(name)
    return found.select(
        pl.lit(texts).str.contains(field, literal=True).fill_null(value=True)
    ).to_series()


@cache
def _length(name: str) -> pl.Expr:
    """Of `"key":token` and a comma; the last field has none, but there are two brackets."""
    return (pl.col(name).str.len_bytes() + len(name.encode()) + 4).fill_null(0)


@cache
def _is_plain(name: str) -> pl.Expr:
    """True where no shorter way to write this number exists, or there is none.

    With an exponent, 100.0 is 1e2 and 0.001 is 1e-3; every other number is as short as it can be.
    """
    token = pl.col(name)
    has_short_form = (
        token.str.contains("e", literal=True)
        | (token.str.ends_with("0.0") & (token.str.len_bytes() > 3))
        | token.str.starts_with("0.00")
        | token.str.starts_with("-0.00")
    )
    return (~has_short_form).fill_null(value=True)
