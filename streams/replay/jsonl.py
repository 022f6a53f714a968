"""A log in files: `<topic>.jsonl` as `listenback simulate --out` and the importers write them.

Offsets are counted: the n-th record of a topic whose key goes to a partition has offset n there. So
files and the topics they were sent to have equal offsets, when nothing else was sent.
"""

from __future__ import annotations

import json
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from streams.errors import ConfigError, IntegrityError
from streams.events.batch import Batch
from streams.events.topics import JOINED_TOPICS, Topic
from streams.partitioner import partitions_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from streams.sink import TopicShard

LINES_MAX = 20_000
"""Lines read at once."""
LINE = (
    r'^\{"timestamp_ms":(?<time>-?\d+),"key":(?<key>null|"(?:[^"\\]|\\.)*"),'
    r'"value(?<b64>_b64)?":(?<value>.*)\}$'
)


class JsonlSource:
    """Satisfies streams.replay.source.Source."""

    def __init__(self, folder: Path, *, partitions_n: int) -> None:
        """Read the files of a folder as topics of so many partitions.

        Raises:
            ConfigError: there is none of the files.
        """
        self._files = {topic: folder / f"{topic}.jsonl" for topic in JOINED_TOPICS}
        self._partitions_n = partitions_n
        if not any(path.is_file() for path in self._files.values()):
            names = ", ".join(path.name for path in self._files.values())
            raise ConfigError(
                f"none of {names} is here.",
                where=str(folder),
                todo="Name a folder that `listenback simulate --out` has written.",
            )

    @property
    def shards(self) -> frozenset[int]:
        """All partitions: a file does not say which are empty."""
        return frozenset(range(self._partitions_n))

    def batches(
        self, start: Mapping[TopicShard, int], end: Mapping[TopicShard, int] | None
    ) -> Iterator[Batch]:
        """See Source. Topics take turns, so that exposures meet their listens early."""
        done: Counter[TopicShard] = Counter()
        reading = [self._of(topic, done) for topic in JOINED_TOPICS]
        while reading:
            for batches in list(reading):
                found = next(batches, None)
                if found is None:
                    reading.remove(batches)
                    continue
                for batch in found:
                    wanted = batch.starting_at(start.get((batch.topic, batch.shard), 0))
                    if end is not None:
                        wanted = wanted.before(end.get((batch.topic, batch.shard), 0))
                    if len(wanted):
                        yield wanted
        self._check_end(done, end)

    def _of(self, topic: Topic, done: Counter[TopicShard]) -> Iterator[list[Batch]]:
        """The file's chunks, each as one batch a shard; counts what it gave into `done`."""
        path = self._files[topic]
        if not path.is_file():
            return
        first_line = 1
        with path.open("rb") as file:
            while lines := list(islice(file, LINES_MAX)):
                records = _records(lines, path, first_line)
                first_line += len(lines)
                yield list(self._split(topic, records, done))

    def _split(
        self, topic: Topic, records: pl.DataFrame, done: Counter[TopicShard]
    ) -> Iterator[Batch]:
        homes = partitions_of(records["key"].to_list(), self._partitions_n)
        for shard in np.unique(homes).tolist():
            own = records.filter(pl.Series(homes == shard))
            first = done[topic.value, shard]
            done[topic.value, shard] += own.height
            yield Batch(
                topic.value,
                shard,
                range(first, first + own.height),
                own["timestamp_ms"].to_list(),
                own["key"].to_list(),
                own["value"].to_list(),
            )

    def _check_end(
        self, done: Mapping[TopicShard, int], end: Mapping[TopicShard, int] | None
    ) -> None:
        for (topic, shard), offset in (end or {}).items():
            if done.get((topic, shard), 0) < offset:
                raise IntegrityError(
                    f"it ends at offset {done.get((topic, shard), 0)} of shard {shard}, the live "
                    f"warehouse has read to {offset}: these files are not its log.",
                    where=str(self._files[Topic(topic)]),
                    done="Nothing was compared or swapped.",
                    todo="Name the files that were sent, and their partitions "
                    "(partitions_n), or read to the end of the files: --until end",
                )


def _records(lines: list[bytes], path: Path, first_line: int) -> pl.DataFrame:
    """key, value (raw bytes) and timestamp_ms of lines."""
    text = (
        pl.Series("line", lines, dtype=pl.Binary)
        .cast(pl.String, strict=False)
        .str.strip_chars("\n")
    )
    found = text.str.extract_groups(LINE).struct.unnest()
    bad = found["time"].is_null()
    if bad.any():
        raise ConfigError(
            "this line is no record of ours: "
            '{"timestamp_ms":...,"key":...,"value":{...}} without spaces is expected.',
            where=f"{path}:{first_line + (bad.arg_max() or 0)}",
            todo="Replay files that listenback wrote.",
        )
    value = pl.col("value")
    raw = value.str.strip_chars('"').str.decode("base64")
    return found.select(
        timestamp_ms=pl.col("time").cast(pl.Int64),
        key=pl.Series([_key(one) for one in found["key"].to_list()], dtype=pl.Binary),
        value=pl.when(pl.col("b64").is_null())
        .then(value.cast(pl.Binary))
        .otherwise(pl.when(value != "null").then(raw)),
    )


def _key(text: str) -> bytes | None:
    """The key of a line; most are plain."""
    if "\\" not in text:
        return None if text == "null" else text[1:-1].encode()
    key: str = json.loads(text)
    return key.encode()
