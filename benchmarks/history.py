"""Worker files that already hold open generations: made once by the pipeline itself, and kept.

The history goes through the same `Pipeline` as everything else, so its rows are what a worker would
have written. Only the offsets of record are forgotten afterwards: the next log begins at 0.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from benchmarks.logs import SHARDS_N
from benchmarks.traffic import Live, Traffic
from streams.events.batch import Batch
from streams.events.topics import Topic
from streams.partitioner import partitions_of
from streams.pipeline import Pipeline
from streams.settings import Settings
from streams.warehouse import compact
from streams.warehouse.connect import open_writable

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
ROWS_MAX = 200_000
MADE_FROM = ("streams", "benchmarks/traffic.py", "benchmarks/history.py")


def cache_dir() -> Path:
    """Where files and environments that are worth keeping lie, outside the repository."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "listenback-bench"


def base_file(open_n: int, listeners_n: int) -> Path:
    """Where the file of so many open generations stands, if it was made by this very code."""
    digest = hashlib.sha256()
    for part in MADE_FROM:
        path = ROOT / part
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.suffix in {".py", ".sql"}:
                digest.update(file.read_bytes())
    name = f"open-{open_n}-{listeners_n}-{digest.hexdigest()[:16]}.duckdb"
    return cache_dir() / "history" / name


def make_base(open_n: int, listeners_n: int) -> dict[str, Any]:
    """Make the file unless it is there; how long it took and how large it is."""
    target = base_file(open_n, listeners_n)
    started_s = time.perf_counter()
    if not target.is_file():
        _forget_others(target, open_n, listeners_n)
        folder = target.with_suffix(f".{os.getpid()}")
        settings = Settings(data_dir=folder)
        try:
            _fill(settings, Live(Traffic(events_n=1_000, open_n=open_n, listeners_n=listeners_n)))
            settings.worker_file.replace(target)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return {
        "path": str(target),
        "took_s": time.perf_counter() - started_s,
        "file_mib": target.stat().st_size / (1 << 20),
    }


def _fill(settings: Settings, live: Live) -> None:
    pipeline = Pipeline(settings)
    pipeline.assign(frozenset(range(SHARDS_N)))
    offsets: Counter[int] = Counter()
    for records in live.history(ROWS_MAX):
        for batch in _batches(records, offsets):
            pipeline.add(batch)
        pipeline.flush()
    pipeline.close()
    con = open_writable(settings.worker_file, memory="1GB", threads_n=2)
    while compact.fold_if_due(con):  # as it would have been after many a publication
        pass
    con.execute("DELETE FROM topic_shard")
    con.execute("CHECKPOINT")
    con.close()


def _batches(records: pl.DataFrame, offsets: Counter[int]) -> Iterator[Batch]:
    homes = pl.Series("shard", partitions_of(records["key"].to_list(), SHARDS_N))
    for (shard,), part in records.with_columns(homes).group_by("shard"):
        first = offsets[int(shard)]
        offsets[int(shard)] += part.height
        yield Batch(
            Topic.EXPOSURES.value,
            int(shard),
            range(first, first + part.height),
            part["timestamp_ms"].to_list(),
            part["key"].to_list(),
            part["value"].to_list(),
        )


def _forget_others(target: Path, open_n: int, listeners_n: int) -> None:
    """Files of the same size that other code made are of no use any more."""
    target.parent.mkdir(parents=True, exist_ok=True)
    for old in target.parent.glob(f"open-{open_n}-{listeners_n}-*"):
        shutil.rmtree(old) if old.is_dir() else old.unlink()
