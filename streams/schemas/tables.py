"""The tables that people query, as a warehouse file itself describes them."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from streams.warehouse.migrate import migrate

READERS = (
    *("generation", "generation_score", "exposure", "listen", "feedback", "judge_score"),
    *("human_label", "window_aggregate", "window_judge_score", "unit_day", "dead_letter"),
    "dead_letter_count",
    *("pipeline_health", "watermark", "schema_history"),
)
"""What people query; the other tables are how the writer keeps it."""


@dataclass(frozen=True, slots=True)
class ColumnWords:
    """A column: its name, DuckDB's type, what it means."""

    name: str
    kind: str
    meaning: str


@dataclass(frozen=True, slots=True)
class TableWords:
    """A table or view: what a row is, and its columns in order."""

    name: str
    comment: str
    columns: tuple[ColumnWords, ...]


def described() -> dict[str, TableWords]:
    """Every table and view of a new warehouse file, by name."""
    with duckdb.connect(":memory:") as con:
        migrate(con, "memory")
        comments = con.execute(
            "SELECT table_name, comment FROM duckdb_tables() UNION ALL "
            "SELECT view_name, comment FROM duckdb_views() WHERE NOT internal"
        ).fetchall()
        rows = con.execute(
            "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() "
            "WHERE NOT internal ORDER BY table_name, column_index"
        ).fetchall()
    columns: dict[str, list[ColumnWords]] = {}
    for table, name, kind, meaning in rows:
        columns.setdefault(table, []).append(ColumnWords(name, kind, meaning or ""))
    return {
        name: TableWords(name, comment or "", tuple(columns.get(name, ())))
        for name, comment in sorted(comments)
    }
