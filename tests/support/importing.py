"""Runs imports in memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import polars as pl

from streams.events.limits import Limits
from streams.importers.importing import Importer, Tally, Terms
from streams.importers.mapping import read_mapping

if TYPE_CHECKING:
    from streams.events.topics import Topic

ROOT = Path(__file__).parents[2]
MAPPINGS = ROOT / "config" / "mappings"
SECRET = b"a secret for tests only"


class Kept:
    """An EventWriter that keeps what it gets."""

    def __init__(self) -> None:
        self.frames: list[tuple[Topic, pl.DataFrame]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def write(self, topic: Topic, records: pl.DataFrame) -> None:
        self.frames.append((topic, records))

    def records(self, topic: Topic) -> pl.DataFrame:
        return pl.concat([records for one, records in self.frames if one == topic])

    def values(self, topic: Topic) -> list[dict[str, Any]]:
        return [json.loads(value) for value in self.records(topic)["value"]]


def importer(record_time_ms: int | None = None) -> tuple[Importer, Kept]:
    kept = Kept()
    return Importer(Terms(Limits(), SECRET, record_time_ms), kept, Tally()), kept


def imported(table: Path, mapping: Path, **options: Any) -> tuple[Kept, Tally]:
    """What an import writes, and its tally. options: topic, record_time_ms."""
    read = read_mapping(mapping, options.pop("topic", None))
    one, kept = importer(**options)
    assert sum(one.table(table, read)) == one.tally.rows_n
    return kept, one.tally
