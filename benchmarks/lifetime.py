"""What a file costs as it grows: to publish it, and to start a worker on it again."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from benchmarks.joining import joined, start_from
from benchmarks.logs import SHARDS_N, live_batches
from benchmarks.traffic import Traffic
from streams.pipeline import Pipeline
from streams.settings import Settings


def publish_time(base: str, folder: str, traffic: dict[str, Any]) -> dict[str, Any]:
    """Checkpoint, copy, fsync, rename, after a flush of live traffic."""
    settings = Settings(data_dir=Path(folder))
    start_from(base, settings)
    found, _ = live_batches(Traffic(**traffic))
    pipeline = Pipeline(settings)
    pipeline.assign(frozenset(range(SHARDS_N)))
    joined(pipeline, found, settings.flush_rows_max)
    started_s = time.perf_counter()
    pipeline.publish()
    took_s = time.perf_counter() - started_s
    file_mib = settings.warehouse_file.stat().st_size / (1 << 20)
    pipeline.close()
    return {"took_s": took_s, "file_mib": file_mib}
