"""Which texts hold exactly the fields that were found in them, told from lengths alone.

Compact JSON (no blanks) of fields of which none is null or unknown is as long as its tokens, its
keys and its punctuation together. Where the lengths agree, nothing else is in the text: each
thing that parsing hides (a blank, an escape that was written out, another field, a second key, an
explicit null, a trailing comma) makes the text longer than what was found, and nothing makes it
shorter, but for numbers in exponent form, which have a longer plain form; those are left out here.

This is a short cut: a text of which it says no is merely looked at more closely.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import polars as pl

from streams.events.fields import Kind

if TYPE_CHECKING:
    from streams.events.columns import Column


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
    told = found.select(
        total=pl.sum_horizontal(_length(column.wire) for column in sent) + 1,
        is_plain=pl.all_horizontal(
            pl.lit(value=True), *(_is_plain(c.wire) for c in sent if c.kind is Kind.REAL)
        ),
    )
    return (told["total"] == texts.str.len_bytes()) & told["is_plain"]


@cache
def _length(name: str) -> pl.Expr:
    """Of `"key":token` and a comma; the last field has none, but there are two brackets."""
    return (pl.col(name).str.len_bytes() + len(name.encode()) + 4).fill_null(0)


@cache
def _is_plain(name: str) -> pl.Expr:
    """No shorter way to write this number exists.

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
