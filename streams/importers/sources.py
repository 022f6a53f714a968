"""Where a field's value comes from: a column, a constant or a SQL expression over one row."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import polars as pl
from polars.exceptions import PolarsError

ROW: Final = "_row"
"""A column every table has besides its own: the number of the row in the file, from 1."""
_LITERALS = re.compile(r"'(?:[^']|'')*'")
_MANY_ROWS = re.compile(
    r"\bSELECT\b|\b(?:OVER|SUM|COUNT|AVG|MIN|MAX|FIRST|LAST|MEDIAN|STDDEV\w*|VAR\w*|QUANTILE\w*|CORR|COVAR\w*"
    r"|ROW_NUMBER|RANK|DENSE_RANK|LAG|LEAD|FIRST_VALUE|LAST_VALUE|ARRAY_AGG|STRING_AGG|UNNEST)\s*\(",
    re.IGNORECASE,
)


class ExpressionError(ValueError):
    """A text that is no expression over one row; says why."""


@dataclass(frozen=True, slots=True)
class Source:
    """An expression over a table's columns. place: `file:line` of the mapping; text: as written."""

    expr: pl.Expr
    columns: frozenset[str]
    text: str
    place: str


def column(name: str, place: str) -> Source:
    """The value of a column."""
    return Source(pl.col(name), frozenset({name}), name, place)


def constant(value: Any, place: str) -> Source:  # noqa: ANN401 - whatever YAML holds
    """The same value in every row; an object becomes labels."""
    if isinstance(value, dict):
        expr = pl.struct([pl.lit(str(one)).alias(name) for name, one in value.items()])
    elif isinstance(value, list):
        expr = pl.lit([str(one) for one in value], dtype=pl.List(pl.String))
    else:
        expr = pl.lit(value)
    return Source(expr, frozenset(), repr(value), place)


def expression(text: str, place: str) -> Source:
    """A polars SQL expression. It sees one row: what looks at others would change with the batch.

    Raises:
        ExpressionError: no SQL expression, or one over many rows.
    """
    if found := _MANY_ROWS.search(_LITERALS.sub("''", text)):
        raise ExpressionError(
            f"'{found[0].rstrip('( ').upper()}' looks at more than one row; an expression may not"
        )
    try:
        expr = pl.sql_expr(text)
        columns = frozenset(expr.meta.root_names())
    except PolarsError as error:
        raise ExpressionError(f"'{text}' is no SQL expression: {_first_line(error)}") from error
    return Source(expr, columns, text, place)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
