"""Shards in files: how far a file has come with a shard, and taking a shard over from a file."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streams.errors import IntegrityError, ListenbackError
from streams.warehouse import archive
from streams.warehouse.connect import archive_of, first_row, open_readable, transaction
from streams.warehouse.layout import FACT_TABLES, TABLES
from streams.warehouse.migrate import check_version, migrations, version_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from duckdb import DuckDBPyConnection


log = logging.getLogger(__name__)

NEW_ERASURES = (
    "INSERT INTO erasure SELECT * REPLACE (false AS is_scrubbed) FROM other.erasure "
    "WHERE request_id NOT IN (SELECT request_id FROM erasure)"
)


@dataclass(frozen=True, slots=True)
class Copy:
    """A published file's copy of a shard, and how many messages it was made from.

    erasures_n: requests to forget somebody that its file knows of. Of two copies made from as many
    messages the one that knows of more is the newer: the other may be a dead worker's.
    """

    path: Path
    progress: int
    erasures_n: int = 0


def progress(con: DuckDBPyConnection) -> dict[int, int]:
    """Messages read per shard. A shard is a function of them, so the larger is the newer.

    Messages, not offsets: a copy that began late, where Kafka had deleted the start of the log or
    the loss was accepted, has high offsets and few messages.
    """
    rows = con.execute("SELECT shard, sum(read_n)::BIGINT FROM topic_shard GROUP BY shard")
    return dict(rows.fetchall())


def most_advanced(paths: Iterable[Path], *, skips_unusable: bool = False) -> dict[int, Copy]:
    """The copy of each shard that is furthest ahead; a file that vanished meanwhile is no copy.

    Args:
        paths: published files.
        skips_unusable: pass over files that cannot be read or have another schema, with a warning:
            for a worker they only save a replay. Otherwise they are errors. A copy of a shard whose
            archived parts are not there is no copy; a shard without any other one is an error, too.

    Raises:
        ListenbackError: a file is unusable, unless skips_unusable.
    """
    best: dict[int, Copy] = {}
    broken: dict[int, str] = {}
    for path in sorted(paths):
        try:
            found, erasures_n, missing = _progress_of(path)
        except ListenbackError as error:
            if not skips_unusable:
                raise
            log.warning("passing over a published file: %s", error)
            continue
        broken |= {one.shard: one.file for one in missing}
        lacking = {one.shard for one in missing}
        for shard, done in found.items():
            if shard in lacking:
                log.warning("%s: archived parts of shard %d are not there", path, shard)
            elif shard not in best or (done, erasures_n) > (
                best[shard].progress,
                best[shard].erasures_n,
            ):
                best[shard] = Copy(path, done, erasures_n)
    if not skips_unusable and broken.keys() - best.keys():
        raise archive.lost(archive_of(path), [*broken.values()])
    return best


def _progress_of(path: Path) -> tuple[Mapping[int, int], int, Sequence[archive.Missing]]:
    """Progress by shard, requests to forget somebody, and what lacks to some of the shards."""
    if not path.is_file():
        return {}, 0, ()
    con = open_readable(path)
    try:
        found, newest = version_of(con), migrations()[-1].version
        check_version(found, str(path))
        if found < newest:
            raise IntegrityError(
                f"schema version {found} is older than this listenback writes ({newest}).",
                where=str(path),
                done="Nothing was merged.",
                todo="Start that worker with this listenback, or remove the file of a worker that "
                "is gone.",
            )
        known = first_row(con, "SELECT count(*) FROM erasure")
        assert known is not None
        return progress(con), int(known[0]), archive.missing(con)
    finally:
        con.close()


def drop_shards(con: DuckDBPyConnection, shards: Iterable[int]) -> None:
    """Forget shards; inside the caller's transaction."""
    wanted = _in(shards)
    con.execute(f"INSERT INTO archive_gone SELECT file FROM archive_part WHERE {wanted}")
    for table in TABLES.values():
        con.execute(f"DELETE FROM {table.name} WHERE {wanted}")


def _in(shards: Iterable[int]) -> str:
    """SQL: rows of these shards; written out, for a subquery takes half as long again to plan."""
    return f"shard IN ({', '.join(str(int(shard)) for shard in shards) or 'NULL'})"


def drop_broken(con: DuckDBPyConnection, *, needed: frozenset[int]) -> None:
    """Forget shards whose archived parts are not there: another file holds them, or nobody asks.

    Raises:
        IntegrityError: one of them is needed, for nobody else holds it.
    """
    gone = archive.missing(con)
    if not gone:
        return
    files = [one.file for one in gone if one.shard in needed]
    if files:
        raise archive.lost(archive.folder_of(con), files)
    shards = sorted({one.shard for one in gone})
    log.warning("archived parts of the shards %s are not there: they are taken anew", shards)
    with transaction(con):
        drop_shards(con, shards)
        archive.show(con)


def take_shards(con: DuckDBPyConnection, path: Path, shards: Iterable[int]) -> None:
    """Copy all rows of shards from a published file, in the place of what is there.

    Raises:
        IntegrityError: the file was made under other rules (window sizes, horizon), or archived
            parts of it are not there.
    """
    wanted = sorted(shards)
    con.execute(f"ATTACH '{str(path).replace(chr(39), chr(39) * 2)}' AS other (READ_ONLY)")
    try:
        _check_rules(con, path)
        with transaction(con):
            before = archive.files_by_view(con)
            drop_shards(con, wanted)
            for table in TABLES.values():
                con.execute(
                    f"INSERT INTO {table.name} BY NAME SELECT * FROM other.{table.name} "
                    f"WHERE {_in(wanted)}"
                )
            con.execute(NEW_ERASURES)
            now = archive.files_by_view(con)
            changed = [view for view in FACT_TABLES.values() if now.get(view) != before.get(view)]
            if before or now:
                archive.show(con, changed)
    finally:
        con.execute("DETACH other")


def take_erasures(con: DuckDBPyConnection, path: Path) -> None:
    """Know whom a published file is to forget."""
    con.execute(f"ATTACH '{str(path).replace(chr(39), chr(39) * 2)}' AS other (READ_ONLY)")
    try:
        con.execute(NEW_ERASURES)
    finally:
        con.execute("DETACH other")


def _check_rules(con: DuckDBPyConnection, path: Path) -> None:
    shapes = "log_shape AS ours, other.log_shape AS theirs"
    if first_row(con, f"FROM {shapes} WHERE ours.partitions_n <> theirs.partitions_n"):
        raise IntegrityError(
            "its rows were made from a log with another number of partitions.",
            where=str(path),
            done="Nothing was copied.",
            todo="Move away the files of the old log, or give the new one another --data-dir.",
        )
    differ = first_row(con, "SELECT count(*) FROM (FROM rules EXCEPT FROM other.rules)")
    if differ is None or differ[0]:
        raise IntegrityError(
            "its rows were made under other window sizes, horizon or out-of-orderness.",
            where=str(path),
            done="Nothing was copied.",
            todo="Give all workers the same settings, or another --data-dir.",
        )
