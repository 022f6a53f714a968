"""`listenback hash`: one number for what a warehouse says, to compare files with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from listenback.console import out, print_columns, print_json
from listenback.options import setting
from streams.errors import IntegrityError
from streams.settings import load_settings
from streams.warehouse.content import Content, content_of
from streams.warehouse.reading import open_warehouse

if TYPE_CHECKING:
    from collections.abc import Sequence

File = Annotated[Path | None, typer.Argument(help="A published file (default: the data dir's).")]
Against = Annotated[
    Path | None, typer.Option("--against", help="Another file; differing content ends with 5.")
]
Shards = Annotated[bool, typer.Option("--shards", help="One line a table and shard.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object, a part a table and shard.")]


def content_hash(
    file: File = None,
    *,
    against: Against = None,
    shards: Shards = False,
    as_json: AsJson = False,
    data_dir: Annotated[Path | None, setting("data_dir")] = None,
) -> None:
    """Print the content hash of a warehouse: equal rows, equal hash.

    The order of rows, the number of workers, restarts, merges and how the
    file keeps its sums do not change it; any value that differs does. With
    --against it names the tables and shards that differ. The last line is
    the hash of all of it.

    Examples:
      listenback hash
      listenback hash published/warehouse.duckdb.1 --shards
      listenback hash one.duckdb --against other.duckdb
    """
    path = file or load_settings(data_dir=data_dir).warehouse_file
    content = _content(path)
    differing = () if against is None else content.differences(_content(against))
    if as_json:
        print_json(_told(content, differing))
    else:
        _print(content, shows_shards=shards)
    if differing:
        tables = ", ".join(sorted({table for table, _ in differing}))
        found = ", ".join(str(shard) for shard in sorted({shard for _, shard in differing} - {-1}))
        raise IntegrityError(
            f"not the same content as {path}: {tables}"
            + (f" of shards {found}." if found else "."),
            where=str(against),
            todo="Compare `listenback hash --shards` of both. Where topic_shard differs, one file "
            "has read further than the other.",
        )


def _content(path: Path) -> Content:
    con = open_warehouse(path)
    try:
        return content_of(con)
    finally:
        con.close()


def _told(content: Content, differing: Sequence[tuple[str, int]]) -> dict[str, Any]:
    parts = [
        {"table": part.table, "shard": part.shard, "rows": part.rows_n, "hash": part.hash}
        for part in content.parts
    ]
    apart = [{"table": table, "shard": shard} for table, shard in differing]
    return {"hash": content.hash, "rules": content.rules, "parts": parts, "differing": apart}


def _print(content: Content, *, shows_shards: bool) -> None:
    parts = content.parts if shows_shards else content.tables()
    head = ("table", "shard", "rows", "hash")
    rows = [(part.table, str(part.shard), f"{part.rows_n:,}", part.hash) for part in parts]
    lines = [head, *rows] if shows_shards else [(t, n, h) for t, _, n, h in [head, *rows]]
    print_columns(lines)
    out.print(content.hash, markup=False)
