"""`listenback publish`: one warehouse of what all workers published."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import duckdb
import typer

from listenback.console import counted, err, out, print_json
from streams.clock import monotonic_ms
from streams.errors import ConfigError, TransientError
from streams.settings import Settings, load_settings
from streams.warehouse import publish as publishing
from streams.warehouse.trouble import damage, disk_trouble


def publish(
    *,
    data_dir: Annotated[
        Path | None,
        typer.Option("--data-dir", help="Where the workers keep their files."),
    ] = None,
    every_s: Annotated[
        float | None,
        typer.Option("--every", min=0.1, help="Merge again and again, seconds apart."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a merge.")] = False,
) -> None:
    """Merge what all workers published into one warehouse.duckdb.

    Each shard is taken from the copy that has read furthest. A sole worker publishes the
    warehouse itself; then this is not needed.

    Examples:
      listenback publish
      listenback publish --data-dir /data --every 10
    """
    settings = load_settings(data_dir=data_dir)
    while True:
        _merge_once(settings, as_json=as_json, is_repeated=every_s is not None)
        if every_s is None:
            return
        time.sleep(every_s)


def _merge_once(settings: Settings, *, as_json: bool, is_repeated: bool) -> None:
    """One merge; a repeated one waits for the first worker instead of failing."""
    sources = sorted(settings.published_dir.glob(publishing.WORKER_GLOB))
    if not sources:
        if not is_repeated:
            raise ConfigError(
                "no worker has published here yet.",
                where=str(settings.published_dir),
                todo="Run `listenback worker` with the same --data-dir.",
            )
        err.print(f"{settings.published_dir}: no worker has published yet; waiting", markup=False)
        return
    started_ms = monotonic_ms()
    taken = _merged(settings, sources)
    took_s = (monotonic_ms() - started_ms) / 1_000
    if as_json:
        shards = {str(shard): path.name for shard, path in sorted(taken.items())}
        print_json({"warehouse": str(settings.warehouse_file), "shards": shards, "took_s": took_s})
        return
    files_n = len(set(taken.values()))
    out.print(
        f"{settings.warehouse_file}: {counted(len(taken), 'shard')} of "
        f"{counted(files_n, 'worker')}, {took_s:.1f} s",
        markup=False,
    )


def _merged(settings: Settings, sources: list[Path]) -> dict[int, Path]:
    """The file each shard was taken from.

    Raises: TransientError where the folder takes nothing; readers keep the last warehouse.
    """
    target = settings.warehouse_file
    try:
        return publishing.merge(
            sources, target, memory=settings.duckdb_memory, keep_n=settings.publish_keep_n
        )
    except (OSError, duckdb.Error) as error:
        if damaged := damage(error):
            raise damaged from error
        if isinstance(error, duckdb.Error) and disk_trouble(error, target) is None:
            raise
        why = error.strerror if isinstance(error, OSError) else str(error).splitlines()[0]
        raise TransientError(
            f"the warehouse was not renewed: {why}.",
            where=str(target.parent),
            done="Readers keep the last one, and what workers published is as it was.",
            todo="Make room or make the folder writable, then start it again.",
        ) from error
