"""From a source into a file of its own beside the live ones, and what came of it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streams.pipeline import Pipeline
from streams.warehouse.connect import first_row, open_readable
from streams.warehouse.content import Content, content_of
from streams.warehouse.migrate import check_current

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from streams.replay.source import Source
    from streams.settings import Settings
    from streams.sink import TopicShard

SHADOW = "replay"
"""The folder in data_dir that a rebuilt warehouse lies in until it is swapped in."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A rebuilt warehouse: its published file, its content, and how many records made it."""

    warehouse: Path
    content: Content
    read_n: int


class Live:
    """The published warehouse as it is now; later snapshots do not change what this one says."""

    def __init__(self, path: Path) -> None:
        """Open it. Raises ConfigError, IntegrityError."""
        self._con: DuckDBPyConnection = open_readable(path)
        try:
            check_current(self._con, str(path))
        except BaseException:
            self._con.close()
            raise
        self.path = path

    def offsets(self) -> Mapping[TopicShard, int]:
        """The next offset of every topic and shard that was ever read."""
        rows = self._con.execute("SELECT topic, shard, next_offset FROM topic_shard").fetchall()
        return {(topic, shard): offset for topic, shard, offset in rows}

    def content(self) -> Content:
        """Its content hash."""
        return content_of(self._con)

    def rows_n(self) -> int:
        """Messages it has read."""
        row = first_row(self._con, "SELECT coalesce(sum(read_n), 0)::BIGINT FROM topic_shard")
        assert row is not None
        return int(row[0])

    def close(self) -> None:
        """Let go of the file."""
        self._con.close()


def shadow_settings(settings: Settings) -> Settings:
    """The same settings in the folder of the rebuilt warehouse."""
    return settings.model_copy(update={"data_dir": settings.data_dir / SHADOW})


def clear(settings: Settings) -> None:
    """Remove what an earlier replay left in its folder."""
    shutil.rmtree(shadow_settings(settings).data_dir, ignore_errors=True)


def rebuild(
    settings: Settings,
    source: Source,
    end: Mapping[TopicShard, int] | None,
    advance: Callable[[int], None],
    *,
    live: Path | None = None,
) -> Rebuilt:
    """Read the source into the shadow folder, from where that stands, and publish it there.

    Args:
        settings: the live ones; their rules are repeated.
        source: the log.
        end: where to stop, exclusive; None: at its end.
        advance: told of every so many records read.
        live: a published file; whom it has forgotten is not brought back by an old log.

    Raises:
        TransientError: another replay is under way here, or the log cannot be read.
        IntegrityError, ConfigError: the log does not hold what is wanted.
    """
    shadow = shadow_settings(settings)
    pipeline = Pipeline(shadow)
    read_n = 0
    try:
        if live is not None:
            pipeline.forget_as(live)
        start = pipeline.assign(source.shards)
        for batch in source.batches(start, end):
            pipeline.add(batch)
            read_n += len(batch)
            advance(len(batch))
            if pipeline.rows_buffered() >= settings.flush_rows_max:
                pipeline.flush()
        pipeline.flush()
        pipeline.publish()
    finally:
        pipeline.close()
    return Rebuilt(shadow.warehouse_file, content_at(shadow.warehouse_file), read_n)


def publish_again(shadow: Settings) -> None:
    """Publish what the shadow folder's worker file holds."""
    pipeline = Pipeline(shadow)
    try:
        pipeline.publish()
    finally:
        pipeline.close()


def content_at(path: Path) -> Content:
    """The content of a published file."""
    con = open_readable(path)
    try:
        return content_of(con)
    finally:
        con.close()
