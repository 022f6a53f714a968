"""Published files: a checkpointed copy, renamed into place, that readers open at any time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from typing import TYPE_CHECKING

from streams.errors import TransientError
from streams.warehouse import restore
from streams.warehouse.connect import first_row, open_readable, open_writable
from streams.warehouse.migrate import migrate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from duckdb import DuckDBPyConnection

WORKER_GLOB = "worker-*.duckdb"


def snapshot(con: DuckDBPyConnection, source: Path, target: Path, *, keep_n: int) -> None:
    """Checkpoint the open file, copy it, rename the copy to `target`.

    Earlier snapshots stay as `<target>.1` (newest) to `<target>.<keep_n - 1>`, so that a reader who
    is told a name can come back to it. Only the thread that writes `con` may call this.
    """
    con.execute("CHECKPOINT")
    target.parent.mkdir(parents=True, exist_ok=True)
    coming = coming_beside(target)
    try:
        shutil.copyfile(source, coming)
        place(coming, target, keep_n=keep_n)
    except OSError:
        coming.unlink(missing_ok=True)  # half a copy would hold the space that lacks
        raise


def place(coming: Path, target: Path, *, keep_n: int) -> None:
    """Make a finished file durable and rename it to `target`; the name never vanishes."""
    with coming.open("rb+") as file:
        os.fsync(file.fileno())
    _keep(target, keep_n)
    coming.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _keep(target: Path, keep_n: int) -> None:
    """Shift the earlier snapshots by one; the current one gets a second name, it does not move."""
    for age in range(keep_n - 1, 1, -1):
        younger = target.with_name(f"{target.name}.{age - 1}")
        if younger.exists():
            younger.replace(target.with_name(f"{target.name}.{age}"))
    if keep_n > 1 and target.exists():
        first = target.with_name(f"{target.name}.1")
        first.unlink(missing_ok=True)
        os.link(target, first)


def forget_predecessors(target: Path) -> None:
    """Remove earlier snapshots that may hold bytes of somebody whom the current one has forgotten.

    They are those that did not know of a request, or had not been written anew since.
    """
    gone = scrubbed_in(target)
    for path in sorted(target.parent.glob(f"{target.name}.*")) if gone else []:
        if path.suffix[1:].isdigit() and not gone <= scrubbed_in(path):
            path.unlink(missing_ok=True)


def scrubbed(con: DuckDBPyConnection) -> frozenset[str]:
    """Requests to forget somebody of which nothing is left in an open file."""
    rows = con.execute("SELECT request_id FROM erasure WHERE is_scrubbed").fetchall()
    return frozenset(row[0] for row in rows)


def scrubbed_in(path: Path) -> frozenset[str]:
    """The same of a published file."""
    con = open_readable(path)
    try:
        return scrubbed(con)
    finally:
        con.close()


def _note_scrubbed(con: DuckDBPyConnection, sources: Iterable[Path]) -> None:
    """Nothing is left in a merged file of what is left in none of its sources."""
    clean = [scrubbed_in(path) for path in sources]
    if clean:
        con.execute(
            "UPDATE erasure SET is_scrubbed = true WHERE request_id IN (SELECT unnest(?))",
            [sorted(frozenset.intersection(*clean))],
        )


def link(source: Path, target: Path, *, keep_n: int) -> None:
    """Let `target` be the file `source`, atomically: a sole worker's file is the whole."""
    with _alone(target) as is_alone:
        if not is_alone:  # a merge is under way, which looks at this file again before it ends
            return
        coming = coming_beside(target)
        os.link(source, coming)
        place(coming, target, keep_n=keep_n)


def merge(sources: Iterable[Path], target: Path, *, memory: str, keep_n: int) -> dict[int, Path]:
    """One warehouse of what all workers published: each shard from its most advanced copy.

    Returns: the file each shard was taken from.

    Raises:
        TransientError: another process is publishing the same file.
        IntegrityError, ConfigError: a source is of another schema or rules, or unreadable.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    files = sorted(sources)
    before = {path: _stamp(path) for path in files}
    with _alone(target) as is_alone:
        if not is_alone:
            raise TransientError(
                "another process is publishing here.",
                where=str(target),
                todo="Let one `listenback publish` run.",
            )
        taken = _merged(files, target, memory=memory, keep_n=keep_n)
    for path in files if set(target.parent.glob(WORKER_GLOB)) == set(files[:1]) else ():
        seen = before[path]
        while (now := _stamp(path)) not in {seen, None}:  # its worker found us alone here
            seen = now
            link(path, target, keep_n=keep_n)
            forget_predecessors(target)
    return taken


def _stamp(path: Path) -> tuple[int, int] | None:
    """What tells a snapshot from the next one under its name; None: it has gone."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns


def _merged(sources: Iterable[Path], target: Path, *, memory: str, keep_n: int) -> dict[int, Path]:
    best = restore.most_advanced(sources)
    coming = coming_beside(target)
    try:
        _build(coming, best, memory=memory)
        place(coming, target, keep_n=keep_n)
    except BaseException:
        with contextlib.suppress(OSError):  # half a file would hold the space that lacks;
            coming_beside(target)  # what cannot be removed now is removed by the next merge
        raise
    forget_predecessors(target)
    return {shard: copy.path for shard, copy in best.items()}


def _build(coming: Path, best: Mapping[int, restore.Copy], *, memory: str) -> None:
    con = open_writable(coming, memory=memory, threads_n=2)
    try:
        migrate(con, str(coming))
        for path in sorted({copy.path for copy in best.values()}):
            shards = [shard for shard, copy in best.items() if copy.path == path]
            _adopt_rules(con, path)
            restore.take_shards(con, path, shards)
        _note_scrubbed(con, {copy.path for copy in best.values()})
        con.execute("CHECKPOINT")
    finally:
        con.close()


def coming_beside(target: Path) -> Path:
    """A hidden name beside the target; what a process that died left of such files goes.

    Whoever calls this is alone with the target: by the lock of the worker's file, or by `_alone`.
    """
    for left in target.parent.glob(f".{target.name}.*.coming*"):
        left.unlink(missing_ok=True)
    return target.with_name(f".{target.name}.{os.getpid()}.coming")


@contextlib.contextmanager
def _alone(target: Path) -> Iterator[bool]:
    """Whether this process may replace the target; the lock goes with the process."""
    with target.with_name(f".{target.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _adopt_rules(con: DuckDBPyConnection, path: Path) -> None:
    """The first file's rules are the merged file's; take_shards refuses files with others."""
    empty = first_row(con, "SELECT count(*) = 0 FROM rules")
    if empty is not None and empty[0]:
        literal = str(path).replace("'", "''")
        con.execute(f"ATTACH '{literal}' AS first_file (READ_ONLY)")
        con.execute("INSERT INTO rules FROM first_file.rules")
        con.execute("DETACH first_file")
