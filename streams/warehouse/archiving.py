"""Moving old facts out of a worker's file into Parquet parts: what is counted stays as it is.

A step moves the rows of one table, shard and UTC day. The part is written under another name, read
back, made durable and renamed to the hash of its bytes; then one transaction deletes the rows and
notes the part. A crash between the two leaves a file that nothing names.

What is due is a function of the shard: its watermark and its rows. When it is done changes nothing.
A call moves as many steps as cost about what copying the file does, so that a backfill of many days
drains, and a publication takes about twice its time; the first step is taken however large.
"""

from __future__ import annotations

import hashlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from streams.errors import IntegrityError, ListenbackError
from streams.warehouse import archive
from streams.warehouse.connect import first_row, literal, transaction
from streams.warehouse.content import rows_numbers
from streams.warehouse.layout import FACT_TABLES, TABLES

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

    import polars as pl
    from duckdb import DuckDBPyConnection

log = logging.getLogger(__name__)

DAY_US = 86_400_000_000
NAME_DIGITS = 32
OWN_PATH = "SELECT path FROM duckdb_databases() WHERE database_name = current_database()"
DAY = "make_timestamp(t.event_time_us)::DATE"
OLD = f"""
SELECT '{{view}}' AS view, t.shard, {DAY} AS day, count(*) AS rows_n FROM {{table}} t
JOIN (
    SELECT shard, (event_time_us_max - out_of_orderness_us - {{after_us}}) // {DAY_US} * {DAY_US}
        AS until_us
    FROM shard_watermark, rules
) w ON w.shard = t.shard AND t.event_time_us < w.until_us
WHERE t.event_time_us < {{newest_us}}
GROUP BY ALL HAVING count(*) >= {{rows_min}}
"""
MOVED_ROWS_MIN = 50_000
"""Rows that may move at once however small the file is: half a second, measured at 9 us a row. A
tenth of the time is for publishing, so readers wait 5 s for the next snapshot."""
MOVED_SHARE = 100
"""And of the rows of the file one in so many: to write, read back and delete a row takes about as
long as to copy a hundred to a disk (85 bytes each)."""
PIECE_COST_ROWS = 10_000
"""What a step costs beside its rows, in rows: files and folders made durable, a transaction;
measured at 85 ms."""
PIECES_MAX = 1_000
"""Steps that are planned at once."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What a step moves: rows of a view, a shard and a UTC day."""

    view: str
    shard: int
    day: dt.date


Pieces = tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class _Part:
    """A written part: its name below the archive, and what stands in `archive_part` of it."""

    file: str
    first_us: int
    last_us: int
    rows_n: int
    bytes_n: int
    number: int


def due(con: DuckDBPyConnection, *, after_us: int, rows_min: int) -> Pieces | None:
    """The oldest pieces whose day lies so far behind the shard's watermark; None: there is none.

    At least one, and as many as one call of `move` may take by the rows of the file: a function of
    the file, so that a replay of the same calls moves the same.

    rows_min: fewer rows stay where they are, so that late events make no part each.
    """
    newest = first_row(con, "SELECT max(event_time_us_max) FROM shard_watermark")
    if newest is None or newest[0] is None:
        return None
    bounds = {"after_us": after_us, "rows_min": rows_min, "newest_us": newest[0] - after_us}
    found = " UNION ALL ".join(
        OLD.format(view=view, table=TABLES[view].name, **bounds) for view in FACT_TABLES.values()
    )
    rows = con.execute(f"{found} ORDER BY day, view, shard LIMIT {PIECES_MAX}").fetchall()
    left_n = max(MOVED_ROWS_MIN, _recent_n(con) // MOVED_SHARE) if rows else 0
    pieces: list[Piece] = []
    for view, shard, day, rows_n in rows:
        left_n -= rows_n + PIECE_COST_ROWS
        if pieces and left_n < 0:
            break
        pieces.append(Piece(view, shard, day))
    return tuple(pieces) or None


def _recent_n(con: DuckDBPyConnection) -> int:
    """Facts that are in the file."""
    counts = [f"(SELECT count(*) FROM {TABLES[view].name})" for view in FACT_TABLES.values()]
    row = first_row(con, f"SELECT {' + '.join(counts)}")
    assert row is not None
    return int(row[0])


def move(con: DuckDBPyConnection, pieces: Pieces) -> None:
    """Move pieces, each for itself, the oldest first.

    Raises:
        OSError: the folder takes no more; the rows of that piece and of those behind it stay.
    """
    for piece in pieces:
        _move(con, piece)


def _move(con: DuckDBPyConnection, piece: Piece) -> None:
    table = TABLES[piece.view]
    old = f"shard = {piece.shard:d} AND event_time_us >= epoch_us(DATE '{piece.day}') AND "
    old += f"event_time_us < epoch_us(DATE '{piece.day}') + {DAY_US}"
    part = _written(con, piece, f"SELECT * FROM {table.name} WHERE {old}")
    with transaction(con):
        con.execute(f"DELETE FROM {table.name} WHERE {old}")
        _note(con, piece, part)
        archive.show(con, [piece.view])


def forget(con: DuckDBPyConnection, view: str, gone: pl.DataFrame) -> int:
    """Write the parts anew that hold these facts, without them; how many. In a transaction.

    The old parts stay until nothing names them: `sweep`.

    Args:
        con: the file.
        view: whose facts.
        gone: shard, offset and event_time_us of the facts.
    """
    con.register("gone_fact", gone.select("shard", "offset", "event_time_us"))
    touched = con.execute(
        "SELECT DISTINCT p.shard, p.day, p.file, p.part_rows_n FROM archive_part p "
        "JOIN gone_fact g ON g.shard = p.shard AND p.table_name = ? "
        "AND g.event_time_us BETWEEN p.first_us AND p.last_us ORDER BY ALL",
        [view],
    ).fetchall()
    written_n = 0
    for shard, day, file, rows_n in touched:
        rest = f"SELECT t.* FROM {archive.read(con, [file])} t ANTI JOIN gone_fact g ON "
        rest += f't."offset" = g."offset" AND g.shard = {shard:d}'
        left = first_row(con, f"SELECT count(*) FROM ({rest})")
        assert left is not None
        if left[0] == rows_n:
            continue
        piece = Piece(view, shard, day)
        con.execute("DELETE FROM archive_part WHERE file = ?", [file])
        con.execute("INSERT INTO archive_gone VALUES (?)", [file])
        if left[0]:
            _note(con, piece, _written(con, piece, rest))
        written_n += 1
    con.unregister("gone_fact")
    if written_n:
        archive.show(con, [view])
    return written_n


def sweep(con: DuckDBPyConnection, others: Iterable[Path], shards: Iterable[int]) -> int:
    """Remove parts that this file does not name any more, nor any other; how many.

    Args:
        con: the file of the one worker that owns these shards now. Of another's shard it may be
            behind, and the owner may name a part in a file that it has not published yet.
        others: all files that may name one beside this one; where one cannot be read, all stay.
        shards: parts of others stay.
    """
    own = tuple(f"{archive.shard_folder(shard)}/" for shard in shards)
    rows = con.execute("SELECT file FROM archive_gone").fetchall()
    gone = {file for (file,) in rows if file.startswith(own)}
    if not gone:
        return 0
    try:
        named = set(archive.files(con)).union(*(archive.files_of(path) for path in others))
    except (ListenbackError, duckdb.Error) as error:
        log.warning("archived parts that nothing needs stay: %s", error)
        return 0
    for file in gone - named:
        (archive.folder_of(con) / file).unlink(missing_ok=True)
        con.execute("DELETE FROM archive_gone WHERE file = ?", [file])
    return len(gone - named)


def _note(con: DuckDBPyConnection, piece: Piece, part: _Part) -> None:
    con.execute(
        "INSERT INTO archive_part BY NAME SELECT ? AS shard, ? AS table_name, ?::DATE AS day, "
        "? AS first_us, ? AS last_us, ? AS part_rows_n, ? AS bytes_n, ? AS file, ? AS rows_number",
        [
            *(piece.shard, piece.view, piece.day),
            *(part.first_us, part.last_us, part.rows_n, part.bytes_n),
            *(part.file, f"{part.number:032x}"),
        ],
    )


def _written(con: DuckDBPyConnection, piece: Piece, rows: str) -> _Part:
    """Write rows into a part, read it back, and give it its name."""
    root = archive.folder_of(con)
    own = first_row(con, OWN_PATH)
    assert own is not None
    coming = root / f".{Path(own[0] or 'memory').name}.coming"
    root.mkdir(parents=True, exist_ok=True)
    try:
        _write(con, rows, coming)
        part = _checked(con, piece, rows, coming)
        _place(coming, root, part.file)
    finally:
        coming.unlink(missing_ok=True)
    return part


def _write(con: DuckDBPyConnection, rows: str, coming: Path) -> None:
    """In the order of the log. Raises OSError: the folder takes no more, as with a snapshot."""
    try:
        con.execute(
            f"""COPY ({rows} ORDER BY "offset") TO '{literal(coming)}' """
            "(FORMAT parquet, COMPRESSION zstd)"
        )
    except duckdb.IOException as error:
        raise OSError(str(error).splitlines()[0]) from error


def _checked(con: DuckDBPyConnection, piece: Piece, rows: str, coming: Path) -> _Part:
    """What stands in a written file, which must be what was to be written."""
    table, written = TABLES[piece.view], f"read_parquet('{literal(coming)}')"
    told, found = rows_numbers(con, table, f"({rows})", written)
    if found != told:
        raise IntegrityError(
            "a part does not hold what was written to it.",
            where=str(coming),
            done="Nothing was moved; the rows are in the worker's file as before.",
            todo="Check the disk and its file system.",
        )
    times = first_row(con, f"SELECT min(event_time_us), max(event_time_us) FROM {written}")
    assert times is not None
    with coming.open("rb") as file:
        digits = hashlib.file_digest(file, "sha256").hexdigest()[:NAME_DIGITS]
    folder = f"{archive.shard_folder(piece.shard)}/{piece.view}/day={piece.day}"
    first_us, last_us = times
    place = f"{folder}/part-{digits}.parquet"
    return _Part(place, first_us, last_us, told[0], coming.stat().st_size, told[1])


def _place(coming: Path, root: Path, file: str) -> None:
    """Make a part durable under its name, and the folders that lead to it."""
    target = root / file
    target.parent.mkdir(parents=True, exist_ok=True)
    with coming.open("rb+") as written:
        os.fsync(written.fileno())
    coming.replace(target)
    for folder in (target.parent, *target.parent.parents):
        _make_durable(folder)
        if folder == root.parent:
            return


def _make_durable(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
