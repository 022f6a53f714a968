"""Asking DuckDB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from duckdb import DuckDBPyConnection


def one_row(
    con: DuckDBPyConnection, sql: str, params: Mapping[str, Any] | None = None
) -> tuple[Any, ...]:
    """The only row of an answer; fetched to its end, or the connection stays busy (DuckDB 2.0)."""
    (row,) = con.execute(sql, dict(params or {})).fetchall()
    return tuple(row)
