"""SHA-256 of whole columns: DuckDB hashes millions of values a second, polars has no such hash."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import duckdb
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterable

    from duckdb import DuckDBPyConnection


@cache
def _engine() -> DuckDBPyConnection:
    """An empty database in memory; opening one takes longer than hashing ten thousand values."""
    return duckdb.connect()


def sha256(texts: pl.Series) -> pl.Series:
    """64 hexadecimal digits of each text; null stays null."""
    frame = texts.alias("texts").to_frame()
    with _engine().cursor() as con:
        con.register("frame", frame)
        hashed: pl.DataFrame = con.sql("SELECT sha256(texts) AS digest FROM frame").pl()
    return hashed["digest"]


def joined(parts: Iterable[pl.Expr]) -> pl.Expr:
    """Texts after each other, each after its length in bytes, so that no two lists run together.

    The form of `events.identity`; a part that is null reads `-`.
    """
    texts = (part.cast(pl.String) for part in parts)
    framed = (
        pl.concat_str(text.str.len_bytes(), pl.lit(":"), text).fill_null("-") for text in texts
    )
    return pl.concat_str(list(framed))
