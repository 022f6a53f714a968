"""`listenback query`: SQL on the published warehouse, while the worker writes."""

from __future__ import annotations

import csv
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import duckdb
import typer
from rich.table import Table

from listenback.console import err, out, print_columns, print_json
from listenback.days import day
from listenback.options import setting
from streams.errors import ConfigError, did_you_mean
from streams.schemas.tables import READERS
from streams.settings import load_settings
from streams.warehouse import nights
from streams.warehouse.reading import open_for_questions
from streams.warehouse.trouble import damage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from duckdb import DuckDBPyConnection

    from streams.settings import Settings

ROWS_MAX = 1_000
TABLES = """
WITH named AS (
    SELECT table_name AS name, comment FROM duckdb_tables() WHERE NOT internal
    UNION ALL SELECT view_name, comment FROM duckdb_views() WHERE NOT internal
), placed AS (SELECT *, list_position($readers, name) AS place FROM named)
SELECT name AS "table",
    CASE WHEN place IS NULL AND (SELECT count(place) > 0 FROM placed) THEN 'inner' ELSE 'readers'
    END AS "for",
    coalesce(comment, '') AS comment
FROM placed ORDER BY "for" DESC, place, name
"""
SCHEMA = """
SELECT column_name AS "column", data_type AS type, coalesce(comment, '') AS comment
FROM duckdb_columns() WHERE table_name = $table AND NOT internal ORDER BY column_index
"""

Sql = Annotated[str | None, typer.Argument(help="What to ask, in DuckDB's SQL.")]
Tables = Annotated[bool, typer.Option("--tables", help="List the tables: those for readers first.")]
Schema = Annotated[
    str | None, typer.Option("--schema", metavar="TABLE", help="List a table's columns.")
]
WarehouseFile = Annotated[
    Path | None, typer.Option("--warehouse", help="A published file (default: the data dir's).")
]
AsOf = Annotated[
    str | None,
    typer.Option("--as-of", metavar="DATE", help="The warehouse as `listenback nightly` kept it."),
]
AsJson = Annotated[bool, typer.Option("--json", help="A JSON array of objects.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="CSV with a header line.")]
Limit = Annotated[
    int, typer.Option("--limit", "-n", min=0, help="Rows to print; 0 prints them all.")
]


def query(
    sql: Sql = None,
    *,
    tables: Tables = False,
    schema: Schema = None,
    warehouse: WarehouseFile = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    limit: Limit = ROWS_MAX,
    data_dir: Annotated[Path | None, setting("data_dir")] = None,
) -> None:
    """Ask the published warehouse; reading never stops the worker.

    The file is opened read-only. A terminal gets a table, a pipe one line a
    row; what is left out by --limit is said on stderr. --tables lists what is
    meant for readers first, then `inner` tables, in which the writer keeps it.

    Examples:
      listenback query "FROM pipeline_health"
      listenback query "FROM window_aggregate" --as-of 2026-11-21
      listenback query --tables
      listenback query --schema unit_day
      listenback query "SELECT * FROM generation" --csv --limit 0 > all.csv
    """
    asked = _what(sql, schema, tables=tables)
    if as_json and as_csv:
        raise ConfigError("--json and --csv exclude each other.", where="listenback query")
    file = warehouse or _file(load_settings(data_dir=data_dir), as_of)
    con, to_know = open_for_questions(file)
    if to_know:
        err.print(to_know, markup=False)
    try:
        names, rows = _ask(con, asked, _params(schema, tables=tables), limit)
        if schema and not rows:
            raise _no_table(con, schema)
    finally:
        con.close()
    is_cut = bool(limit) and len(rows) > limit
    _print(names, rows[:limit] if is_cut else rows, as_json=as_json, as_csv=as_csv)
    if is_cut:
        err.print(f"the first {limit:,} rows; --limit 0 prints them all", markup=False)


def _file(settings: Settings, as_of: str | None) -> Path:
    """Today's warehouse, or that of a pinned night."""
    if as_of is None:
        return settings.warehouse_file
    return nights.find(settings.nights_dir, day(as_of, "--as-of")).warehouse


def _what(sql: str | None, schema: str | None, *, tables: bool) -> str:
    """The one thing that is asked."""
    asked = [text for text in (sql, SCHEMA if schema else None, TABLES if tables else None) if text]
    if len(asked) != 1:
        raise ConfigError(
            "give one of: SQL, --tables, --schema TABLE.",
            where="listenback query",
            todo='Try: listenback query "FROM pipeline_health"',
        )
    return asked[0]


def _params(schema: str | None, *, tables: bool) -> dict[str, Any]:
    if tables:
        return {"readers": list(READERS)}
    return {"table": schema} if schema else {}


def _ask(
    con: DuckDBPyConnection, sql: str, params: dict[str, Any], limit: int
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Column names and rows, one more than will be shown where there are more."""
    try:
        con.execute(sql, params)
        names = [column[0] for column in con.description or ()]
        return names, con.fetchmany(limit + 1) if limit else con.fetchall()
    except duckdb.Error as error:
        if (damaged := damage(error)) is not None:
            raise damaged from error
        raise ConfigError(
            " ".join(str(error).split()),
            where="SQL",
            todo="`listenback query --tables` lists what there is.",
        ) from error


def _no_table(con: DuckDBPyConnection, name: str) -> ConfigError:
    known = [row[0] for row in con.execute(TABLES, _params(None, tables=True)).fetchall()]
    return ConfigError(
        f"there is no table '{name}'.", where="--schema", todo=did_you_mean(name, known)
    )


def _print(
    names: Sequence[str], rows: Sequence[Sequence[Any]], *, as_json: bool, as_csv: bool
) -> None:
    if as_json:
        objects = [dict(zip(names, map(_json_value, row), strict=True)) for row in rows]
        print_json(objects)
    elif as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([[_text(value, null="") for value in row] for row in rows])
    elif not names:
        err.print("done; there is nothing to show", markup=False)
    elif sys.stdout.isatty():
        table = Table(*names, box=None, pad_edge=False, header_style="bold")
        for row in rows:
            table.add_row(*(_text(value, null="[dim]null[/]") for value in row))
        out.print(table)
    else:
        print_columns([names, *([_text(value, null="null") for value in row] for row in rows)])


def _json_value(value: object) -> object:
    """What JSON has no word for becomes null (NaN) or text (bytes, dates)."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value.hex() if isinstance(value, bytes) else value


def _text(value: object, *, null: str) -> str:
    """One cell in one line."""
    if value is None:
        return null
    text = value.hex() if isinstance(value, bytes) else str(value)
    return text.replace("\n", "\\n")
