"""Where made or imported events go: Kafka, or a directory of JSONL files that can be read again."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Final, Protocol, Self

import polars as pl

from streams.errors import ConfigError
from streams.events.topics import Topic

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

RECORD: Final = pl.Schema(
    {"key": pl.Binary(), "value": pl.Binary(), "timestamp_ms": pl.Int64(), "is_json": pl.Boolean()}
)
"""Columns of records to write. timestamp_ms is the record's own time (Kafka CreateTime).

is_json: the value is a JSON object; what is not (poison) stands as base64 in a JSONL file.
"""


class EventWriter(Protocol):
    """Takes RECORD frames of a topic, in order. Leaving the context makes them durable."""

    def write(self, topic: Topic, records: pl.DataFrame) -> None:
        """Take records; blocks while the destination is busy."""

    def __enter__(self) -> Self:
        """Open the destination."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait until everything is written."""


class JsonlWriter:
    """One file a topic, `<topic>.jsonl`, one record a line.

    A line is `{"timestamp_ms": ..., "key": ..., "value": {...}}`; a value that is no JSON object
    is `"value_b64": "..."` (null: the record has no value).
    """

    def __init__(self, directory: Path) -> None:
        """Write into a directory, which is made and must hold no such files yet."""
        self._directory = directory
        self._files: dict[Topic, IO[bytes]] = {}

    def __enter__(self) -> Self:
        """Make the directory; refuse one that holds records."""
        taken = [path for topic in Topic if (path := self.path(topic)).exists()]
        if taken:
            raise ConfigError(
                f"'{taken[0].name}' is there already and would be mixed with new records.",
                where=str(self._directory),
                todo="Remove it or choose another directory.",
            )
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"cannot make this directory ({error.strerror}).",
                where=str(self._directory),
                todo="Choose another one.",
            ) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()

    def path(self, topic: Topic) -> Path:
        """The file of a topic."""
        return self._directory / f"{topic}.jsonl"

    def write(self, topic: Topic, records: pl.DataFrame) -> None:
        """Append records to their topic's file."""
        if topic not in self._files:
            self._files[topic] = self.path(topic).open("wb")
        self._files[topic].write(_lines(records))


def _lines(records: pl.DataFrame) -> bytes | memoryview:
    """The records as lines."""
    value = pl.col("value")
    base64 = pl.concat_str(pl.lit('"'), value.bin.encode("base64"), pl.lit('"')).cast(pl.Binary)
    # Bytes become text last: polars refuses to read a column with one value that is no UTF-8.
    shown = pl.when("is_json").then(value).otherwise(base64).cast(pl.String)
    key = pl.struct(pl.col("key").cast(pl.String).alias("k")).struct.json_encode()
    line = pl.concat_str(
        pl.lit('{"timestamp_ms":'),
        pl.col("timestamp_ms"),
        pl.lit(',"key":'),
        key.str.slice(5).str.head(-1),
        pl.when("is_json").then(pl.lit(',"value":')).otherwise(pl.lit(',"value_b64":')),
        shown.fill_null("null"),
        pl.lit("}\n"),
    )
    lines = records.select(line.alias("line"))["line"].rechunk()
    # The characters of an arrow string column lie one row after the other: they are the file.
    characters = lines.to_arrow(compat_level=pl.CompatLevel.oldest()).buffers()[2]
    return b"" if characters is None else memoryview(characters)
